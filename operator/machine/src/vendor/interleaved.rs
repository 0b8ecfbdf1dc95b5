//! Texts that somebody else wrote into: whatever is read of them is what stood there, or nothing.
use proptest::prelude::*;

use super::*;

/// Two SoCs that have no value in common, and a third that is not ready.
const TEXT: &str = "\
Number of devices queried: 3
QID 0
\tStatus:Ready
\tMHI ID:13
\tPCI Address:0000:15:00.0
\tHW Serial:0x5a6b7c81
\tFW Version:1.21.4.0
\tDram Total:32692 MB
\tNsp Total:16
\tNsp Free:14
\tDevice Capabilities: HybridBoot+ MDP+
\tSku Type:PCIe Ultra
\tBoard serial:C000
QID 1
\tStatus:Ready
\tMHI ID:24
\tPCI Address:0000:26:00.0
\tHW Serial:0x5a6b7c92
\tFW Version:1.20.9.7
\tDram Total:8388608 KB
\tNsp Total:8
\tNsp Free:7
\tDevice Capabilities: HybridBoot+ MDP-
\tSku Type:PCIe Lite
\tBoard serial:D111
QID 2
\tStatus:Initializing
\tMHI ID:35
\tPCI Address:0000:37:00.0
\tBoard serial:E222
";

/// What a runtime, a kernel and a person's shell may write between, in brackets and without.
const LINES: [&str; 9] = [
    "[15:58:55.536][error][LogCommon][openDevice:#68] Failed to open device /dev/qaic_aic100_0\n",
    "[15:58:55.536][info][X] QID 3\n",
    "[15:58:55][warn] Status:Ready\n",
    "[2026-11-28 15:58:55.536][error][Log] Nsp Total:99\n",
    "[ 1234.567] qaic: Status:Error\n",
    "15:58:55.536 [error] MHI ID:77\n",
    "15:58:55 [info] MDP+\n",
    "2026-11-28 15:58:55,536 [warn] Board serial:F333\n",
    "2026-11-28T15:58:55.536 [warn] PCI Address:0000:99:00.0\n",
];

/// Facts of one SoC, each by its name; what is not known is left out.
fn facts(device: &Device) -> Vec<(&'static str, String)> {
    let all = [
        ("qid", Some(device.qid.to_string())),
        ("status", device.status().map(|s| format!("{s:?}"))),
        ("mhi", device.mhi().map(|m| m.0.to_string())),
        ("cores", device.cores().map(|n| n.to_string())),
        ("free", device.cores_free().map(|n| n.to_string())),
        ("memory", device.dram_mib().map(|n| n.to_string())),
        ("mdp", device.mdp().map(|on| on.to_string())),
        ("sku", device.sku().map(str::to_owned)),
        ("board", device.board_serial().map(str::to_owned)),
        ("firmware", device.firmware().map(str::to_owned)),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// How many facts of a text are known; none may be other than those of `truth`, at the same address.
fn known(text: &str, truth: &Joined) -> usize {
    let seen = join(Some(0), text, None);
    let mut known = 0;
    for (at, device) in &seen.devices {
        let there = truth.devices.get(at).map(facts);
        let there = there.unwrap_or_else(|| panic!("nobody is at {at}: {text}"));
        for fact in facts(device) {
            assert!(there.contains(&fact), "{at} {fact:?}:\n{text}");
            known += 1;
        }
    }
    known
}

#[test]
fn units_and_blocks_are_each_their_own() {
    let truth = join(Some(0), TEXT, None);
    let shown: Vec<String> = truth
        .devices
        .iter()
        .map(|(at, device)| {
            format!(
                "{at} {}",
                facts(device)
                    .into_iter()
                    .map(|(_, v)| v)
                    .collect::<Vec<_>>()
                    .join(" ")
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "0000:15:00.0 0 Ready 13 16 14 32692 true PCIe Ultra C000 1.21.4.0",
            "0000:26:00.0 1 Ready 24 8 7 8192 false PCIe Lite D111 1.20.9.7",
            "0000:37:00.0 2 Initializing 35 E222",
        ]
    );
}

/// At every place of the text, and however it is written, one line of somebody else's makes no fact another one.
#[test]
fn one_line_anywhere_makes_no_fact_another() {
    let truth = join(Some(0), TEXT, None);
    let all = known(TEXT, &truth);
    let (mut least, mut sum, mut count) = (all, 0, 0);
    for line in LINES {
        for at in 0..=TEXT.len() {
            let text = format!("{}{line}{}", &TEXT[..at], &TEXT[at..]);
            let kept = known(&text, &truth);
            let between = at == 0 || TEXT[..at].ends_with('\n');
            assert!(!between || kept == all, "{kept} of {all}:\n{text}");
            least = least.min(kept);
            sum += kept;
            count += 1;
        }
    }
    // It costs at most the blocks on both sides of a lost border, and hardly ever those.
    assert!(
        least >= 4 && sum * 10 >= all * count * 9,
        "{least} {sum} {count}"
    );
}

/// Wherever they stand, numbers of other SoCs within a block, and sections of theirs, make no fact another one; nor does it matter
/// how deep blocks begin.
#[test]
fn a_number_within_a_block_makes_no_fact_another() {
    let truth = join(Some(0), TEXT, None);
    let all = known(TEXT, &truth);
    let lines: Vec<&str> = TEXT.split_inclusive('\n').collect();
    for (section, of) in [
        ("\tQID 1\n", 1),
        ("\tQID:0\n", 0),
        (" QID: 77\n", 77),
        ("\tLink Partner:\n\t\tNsp Free:3\n\t\tQID:1\n", 1),
        (
            "\tPartitions\n\t\tNsp Total:4\n\t\tNsp Free:4\n\t\tQID 100\n",
            100,
        ),
        (
            "\tPeer\n\t\tPCI Address:0000:26:00.0\n\t\tQID:1\n\t\tStatus:Ready\n",
            1,
        ),
    ] {
        for at in 0..=lines.len() {
            let text = [&lines[..at].concat(), section, &lines[at..].concat()].concat();
            for depth in ["", "  ", "\t"] {
                let deeper: Vec<String> = text
                    .split_inclusive('\n')
                    .map(|line| format!("{depth}{line}"))
                    .collect();
                let kept = known(&deeper.concat(), &truth);
                // Its own number is one of its fields; before all blocks it is nobody's. Another's costs that block alone.
                let block = lines[..at]
                    .iter()
                    .filter(|line| line.starts_with("QID"))
                    .count();
                let costs = block > 0 && block != of + 1;
                assert!(
                    kept == all || costs || section.lines().count() > 1,
                    "{text}"
                );
                assert!(kept + 11 >= all, "{kept} of {all}:\n{text}");
            }
        }
    }
}

/// Of a block with another's number in it nothing is known but that, and neither file nor text say otherwise.
#[test]
fn a_block_with_two_numbers_is_doubtful() {
    let text = TEXT.replace("\tSku Type:PCIe Lite", "\tQID 2\n\tSku Type:PCIe Lite");
    let json =
        r#"{"device_info":[{"qid":0},{"qid":1,"dev_status":"Ready","nsp_free":7},{"qid":2}]}"#;
    for file in [None, Some(json)] {
        let seen = join(Some(0), &text, file);
        assert!(seen.contradicted.is_empty(), "{:?}", seen.contradicted);
        for (address, doubtful) in [
            ("0000:15:00.0", false),
            ("0000:26:00.0", true),
            ("0000:37:00.0", false),
        ] {
            let device = &seen.devices[&address.parse().unwrap()];
            let told = (
                device.doubtful,
                device.status().is_none(),
                device.cores_free().is_none(),
            );
            let initializing = address.contains("37");
            assert_eq!(
                told,
                (doubtful, doubtful, doubtful || initializing),
                "{address}"
            );
            for key in ["QID", "Status", "Nsp Total", "Device Capabilities"] {
                assert_eq!(device.is_ambiguous(key), doubtful, "{address} {key}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn lines_between_cost_nothing_in_either_form(places in proptest::collection::vec((any::<prop::sample::Index>(), 0..LINES.len()), 0..40)) {
        let mut lines: Vec<&str> = TEXT.split_inclusive('\n').collect();
        for (place, line) in places {
            lines.insert(place.index(lines.len() + 1), LINES[line]);
        }
        let seen = join(Some(0), &lines.concat(), None);
        let truth = join(Some(0), TEXT, None);
        prop_assert_eq!(&seen.devices, &truth.devices);
        // The same facts in a file of their own say the same.
        let listed: Vec<serde_json::Value> = truth.devices.values().map(|device| {
            let mut object: serde_json::Map<String, serde_json::Value> = device
                .fields
                .iter()
                .map(|(key, value)| (key.clone(), value.clone().into()))
                .collect();
            object.insert("qid".to_owned(), device.qid.0.into());
            object.into()
        }).collect();
        let json = serde_json::json!({ "device_info": listed }).to_string();
        let both = join(Some(0), &lines.concat(), Some(&json));
        prop_assert_eq!((both.json, both.contradicted.len()), (JsonUse::Used, 0));
        let alone = join(Some(0), "", Some(&json));
        for joined in [both, alone] {
            for (at, device) in &truth.devices {
                prop_assert_eq!(facts(&joined.devices[at]), facts(device));
            }
        }
    }
}
