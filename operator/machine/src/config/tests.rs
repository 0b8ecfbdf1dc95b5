//! Configuration spaces, good, short and malicious, and what is read from each.
use proptest::prelude::*;

use super::*;

/// A bridge of this port type with these extended capabilities: offset, id, next.
fn port(kind: u16, list: &[(usize, u16, usize)]) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[0..2].copy_from_slice(&0x11f8_u16.to_le_bytes());
    bytes[6] = 0x10;
    bytes[0x0e] = 0x81;
    bytes[0x34] = 0x40;
    bytes[0x40] = 0x10;
    bytes[0x42..0x44].copy_from_slice(&(kind << 4 | 2).to_le_bytes());
    for &(at, id, next) in list {
        let header = u32::from(id) | 1 << 16 | (next as u32) << 20;
        bytes[at..at + 4].copy_from_slice(&header.to_le_bytes());
        if id == 0x000d {
            bytes[at + 4..at + 8].copy_from_slice(&[0x5f, 0x00, 0x1d, 0x00]);
        }
    }
    bytes
}

fn present(offset: u16) -> Acs {
    Acs::Present {
        offset,
        capability: Word(0x005f),
        control: Word(0x001d),
    }
}

#[test]
fn acs_is_found_wherever_the_list_leads() {
    let cut = |mut bytes: Vec<u8>, length: usize| {
        bytes.truncate(length);
        bytes
    };
    let set = |mut bytes: Vec<u8>, at: usize, value: u8| {
        bytes[at] = value;
        bytes
    };
    let plain = || port(6, &[(0x100, 0x0001, 0x148), (0x148, 0x000d, 0)]);
    let cases: Vec<(&str, Vec<u8>, Result<Acs, Unknown>)> = vec![
        ("in order", plain(), Ok(present(0x148))),
        (
            "against the order",
            port(
                6,
                &[(0x100, 1, 0xf24), (0xf24, 0x000d, 0x138), (0x138, 2, 0)],
            ),
            Ok(present(0xf24)),
        ),
        (
            "gone after the capability's header was read",
            (0x104..0x108).fold(port(4, &[(0x100, 0x000d, 0)]), |bytes, at| {
                set(bytes, at, 0xff)
            }),
            Err(Unknown::NotReady),
        ),
        (
            "first of all",
            port(4, &[(0x100, 0x000d, 0)]),
            Ok(present(0x100)),
        ),
        (
            "not in the list",
            port(6, &[(0x100, 1, 0x200), (0x200, 3, 0), (0x148, 0x000d, 0)]),
            Ok(Acs::None),
        ),
        ("no list", port(6, &[]), Ok(Acs::None)),
        (
            "a loop",
            port(6, &[(0x100, 1, 0x200), (0x200, 3, 0x100)]),
            Err(Unknown::Malformed),
        ),
        (
            "to itself",
            port(6, &[(0x100, 1, 0x100)]),
            Err(Unknown::Malformed),
        ),
        (
            "back into the header",
            port(6, &[(0x100, 1, 0x40)]),
            Err(Unknown::Malformed),
        ),
        (
            "at the very end",
            port(6, &[(0x100, 1, 0xffc), (0xffc, 3, 0)]),
            Ok(Acs::None),
        ),
        ("header alone", cut(plain(), 64), Err(Unknown::NoPermission)),
        ("half a header", cut(plain(), 32), Err(Unknown::ShortRead)),
        (
            "conventional part",
            cut(plain(), 256),
            Err(Unknown::ShortRead),
        ),
        ("list cut off", cut(plain(), 0x148), Err(Unknown::ShortRead)),
        ("word cut off", cut(plain(), 0x14e), Err(Unknown::ShortRead)),
        ("nothing", Vec::new(), Err(Unknown::ShortRead)),
        ("fell off the bus", vec![0xff; 4096], Err(Unknown::NotReady)),
        (
            "extended part gone",
            {
                let mut b = plain();
                b[256..].fill(0xff);
                b
            },
            Err(Unknown::NotReady),
        ),
        ("all zero", vec![0; 4096], Err(Unknown::Malformed)),
        ("zero, and short", vec![0; 64], Err(Unknown::Malformed)),
        ("ones, and short", vec![0xff; 64], Err(Unknown::NotReady)),
        ("one byte", vec![0x17], Err(Unknown::ShortRead)),
        (
            "still coming up",
            set(set(plain(), 0, 1), 1, 0),
            Err(Unknown::NotReady),
        ),
        (
            "a bridge to another bus, without rights",
            cut(plain(), 128),
            Err(Unknown::ShortRead),
        ),
        (
            "a conventional list that turns to ones",
            set(set(set(plain(), 0x34, 0xc8), 0xc8, 0xff), 0xc9, 0xff),
            Err(Unknown::NotReady),
        ),
        (
            "conventional PCI, and no more",
            cut(set(plain(), 6, 0), 256),
            Ok(Acs::None),
        ),
        (
            "a list that turns to ones",
            {
                let mut b = port(6, &[(0x100, 1, 0x200)]);
                b[0x200..0x204].fill(0xff);
                b
            },
            Err(Unknown::NotReady),
        ),
        (
            "an empty place at the head of a list",
            port(6, &[(0x100, 0, 0x148), (0x148, 0x000d, 0)]),
            Ok(present(0x148)),
        ),
        (
            "on to where nothing is",
            port(6, &[(0x100, 1, 0x200)]),
            Ok(Acs::None),
        ),
        (
            "a last one that was hidden",
            port(6, &[(0x100, 1, 0x148), (0x148, 3, 0x200), (0x200, 0, 0)])
                .into_iter()
                .enumerate()
                .map(|(at, byte)| {
                    if (0x200..0x204).contains(&at) {
                        0
                    } else {
                        byte
                    }
                })
                .collect(),
            Ok(Acs::None),
        ),
        (
            "one with an id and nothing else is none of Linux's ends",
            port(
                6,
                &[(0x100, 1, 0x148), (0x148, 0, 0x200), (0x200, 0x000d, 0)],
            ),
            Ok(present(0x200)),
        ),
        (
            "further than Linux looks",
            {
                let mut list = vec![(0x100, 1, 0x108)];
                list.extend((1..480).map(|at| (0x100 + at * 8, 3, 0x108 + at * 8)));
                let mut bytes = port(6, &list);
                // The last place leads to one between two others, which is the 481st.
                bytes[0xff8..0xffc].copy_from_slice(&(0x104_u32 << 20 | 3).to_le_bytes());
                bytes[0x104..0x108].copy_from_slice(&0x0001_000d_u32.to_le_bytes());
                bytes
            },
            Err(Unknown::Malformed),
        ),
        (
            "two of them",
            port(6, &[(0x100, 0x000d, 0x148), (0x148, 0x000d, 0)]),
            Ok(present(0x100)),
        ),
        (
            "a long way round",
            {
                let mut list = vec![(0x100, 1, 0xff0)];
                list.extend((1..200).map(|at| (0xff0 - at * 8 + 8, 3, 0xff0 - at * 8)));
                list.push((0xff0 - 199 * 8, 0x000d, 0));
                port(6, &list)
            },
            Ok(present(0xff0 - 199 * 8)),
        ),
        (
            "a larger loop",
            port(
                6,
                &[(0x100, 1, 0x200), (0x200, 3, 0x300), (0x300, 4, 0x200)],
            ),
            Err(Unknown::Malformed),
        ),
        (
            "a list that ends between two dwords",
            cut(plain(), 0x102),
            Err(Unknown::ShortRead),
        ),
        ("conventional PCI", set(plain(), 6, 0), Ok(Acs::None)),
        (
            "list into the header",
            set(plain(), 0x34, 0x10),
            Err(Unknown::Malformed),
        ),
        (
            "list loops",
            set(set(plain(), 0x40, 0x05), 0x41, 0x40),
            Err(Unknown::Malformed),
        ),
    ];
    for (name, bytes, want) in cases {
        assert_eq!(ConfigSpace(&bytes).acs(), want, "{name}");
    }
}

#[test]
fn acs_at_the_last_possible_place_is_cut_short() {
    let mut bytes = port(6, &[(0x100, 1, 0xffc)]);
    bytes[0xffc..].copy_from_slice(&0x0001_000d_u32.to_le_bytes());
    assert_eq!(ConfigSpace(&bytes).acs(), Err(Unknown::ShortRead));
    // What stands behind the space is none of it.
    bytes.extend([0x5f, 0, 0x1d, 0]);
    assert_eq!(ConfigSpace(&bytes).acs(), Err(Unknown::ShortRead));
}

#[test]
fn ports_are_told_by_their_type() {
    for (kind, want) in [
        (4, PortKind::Root),
        (5, PortKind::SwitchUpstream),
        (6, PortKind::SwitchDownstream),
        (7, PortKind::Bridge),
        (0, PortKind::Bridge),
    ] {
        assert_eq!(ConfigSpace(&port(kind, &[])).port_kind(), Some(want));
    }
    let mut endpoint = port(0, &[]);
    endpoint[0x0e] = 0;
    assert_eq!(ConfigSpace(&endpoint).port_kind(), None);
    assert_eq!(
        ConfigSpace(&port(6, &[])[..64]).port_kind(),
        Some(PortKind::Bridge),
        "a header without the rest"
    );
    assert_eq!(ConfigSpace(&[]).port_kind(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..4100)) {
        let space = ConfigSpace(&bytes);
        let _ = (space.acs(), space.port_kind(), space.is_bridge());
    }

    /// What is left unread decides nothing, wherever the list leads and wherever the bytes end.
    #[test]
    fn what_is_needed_says_as_much_as_all_of_it(
        headers in proptest::collection::vec((64_usize..1023, any::<u16>(), 0_usize..1024), 0..12),
        spoilt in proptest::option::of((0_usize..4096, any::<u8>())),
        kind in 0_u16..16,
        length in prop_oneof![Just(4096_usize), Just(256), Just(64), 0_usize..4097],
    ) {
        let mut bytes = port(kind, &[]);
        let mut at = 0x100;
        for (next, id, other) in headers {
            // Mostly a chain; now and then it leads elsewhere.
            let leads = if id % 11 == 0 { other * 4 } else { next * 4 };
            let header = u32::from(id % 16) | (leads as u32) << 20;
            bytes[at..at + 4].copy_from_slice(&header.to_le_bytes());
            at = next * 4;
        }
        if let Some((at, byte)) = spoilt {
            bytes[at] = byte;
        }
        bytes.truncate(length);
        let mut read = 0;
        let part = needed(|offset, length| {
            let rest = bytes.get(offset..).unwrap_or_default();
            read += length.min(rest.len());
            Ok::<_, Unknown>(rest[..length.min(rest.len())].to_vec())
        })
        .unwrap();
        let (all, part) = (ConfigSpace(&bytes), ConfigSpace(&part));
        prop_assert_eq!(part.acs(), all.acs());
        prop_assert_eq!(part.port_kind(), all.port_kind());
        prop_assert!(read <= 256 + 4 * (MOST_STEPS + 1));
    }

    #[test]
    fn any_list_has_an_answer(headers in proptest::collection::vec((64_usize..1023, any::<u16>(), 0_usize..1024), 0..40), length in 0_usize..4097) {
        let list: Vec<_> = headers.into_iter().map(|(at, id, next)| (at * 4, id % 16, next * 4)).collect();
        let mut bytes = port(6, &[(0x100, 1, 0x200)]);
        for (at, id, next) in list {
            let header = u32::from(id) | (next as u32) << 20;
            bytes[at..at + 4].copy_from_slice(&header.to_le_bytes());
        }
        bytes.truncate(length);
        if let Ok(Acs::Present { offset, .. }) = ConfigSpace(&bytes).acs() {
            prop_assert!((0x100..=0xff8).contains(&offset));
            prop_assert_eq!(u16::from_le_bytes([bytes[usize::from(offset)], bytes[usize::from(offset) + 1]]), 0x000d);
        }
    }
}

/// A port's list of six is ten words more, not a thousand.
#[test]
fn few_words_are_read_of_a_usual_space() {
    let list = [
        (0x100, 0x0001, 0x148),
        (0x148, 0x0003, 0x158),
        (0x158, 0x0019, 0x188),
        (0x188, 0x000d, 0x200),
        (0x200, 0x001e, 0),
    ];
    let bytes = port(6, &list);
    let mut words = 0;
    let part = needed(|offset, length| {
        words += length / 4;
        Ok::<_, Unknown>(bytes[offset..offset + length].to_vec())
    })
    .unwrap();
    assert_eq!(words, 64 + 4 + 1);
    assert_eq!(ConfigSpace(&part).acs(), Ok(present(0x188)));
}
