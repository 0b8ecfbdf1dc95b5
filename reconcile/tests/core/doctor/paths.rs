//! What reaches what, as the doctor judges it.
use super::*;

#[test]
fn acs_three_ways_at_the_ports_that_matter() {
    use Verdict::{Fail, Pass, Unknown as Untold, Warn};
    let ports = |s: &HardwareSnapshot| -> Vec<PciAddress> {
        let down = s.functions.iter();
        down.filter(|f| f.port == Some(PortKind::SwitchDownstream))
            .map(|f| f.address)
            .collect()
    };
    check(|_| {}, "acs-redirect", Pass, "clear at", 10);
    let set = check(
        |s| {
            for port in ports(s) {
                set_acs(s, port, acs(0x001d));
            }
        },
        "acs-redirect",
        Fail,
        "set: 0x001d (RR CR)",
        10,
    );
    assert!(set.fact.contains("4 ports of card switch") && set.fact.contains("2 ports of switch"));
    assert!(
        set.fix
            .contains("pci=disable_acs_redir=0000:00:01.0/00.0/00.0;"),
        "{}",
        set.fix
    );
    assert_eq!(set.mender, Some(Mender::Apply));
    for (kernel, said) in [
        ("4.19.0", "no parameter"),
        ("5.15.0", "from kernel 4.20 on"),
        ("6.11.0", "config_acs="),
    ] {
        let seen = check(
            |s| {
                s.host.kernel = known(kernel.into());
                let port = ports(s)[0];
                set_acs(s, port, acs(0x0020));
            },
            "acs-redirect",
            Fail,
            "0x0020 (EC)",
            1,
        );
        assert!(seen.fix.contains(said), "{}", seen.fix);
    }
    let short = |s: &mut HardwareSnapshot| {
        let port = ports(s)[3];
        set_acs(s, port, Fact::unknown(Unknown::NoPermission, "config"));
    };
    check(short, "acs-redirect", Untold, "may not read it", 1);
    check(short, "acs-redirect", Pass, "clear at", 9);
    let off = |s: &mut HardwareSnapshot| {
        let port = ports(s)[3];
        set_acs(s, port, Fact::unknown(Unknown::NotReady, "config"));
    };
    let seen = check(off, "acs-redirect", Untold, "the port does not answer", 1);
    assert!(
        !seen.fact.contains("SoC") && !seen.fix.contains("Ready"),
        "{seen:?}"
    );
    check(
        |s| {
            let port = ports(s)[0];
            set_acs(s, port, Fact::known(Acs::None, "config"));
        },
        "acs-redirect",
        Pass,
        "no ACS",
        1,
    );
    let root: PciAddress = "0000:00:01.0".parse().unwrap();
    check(
        |s| set_acs(s, root, acs(0)),
        "acs-elsewhere",
        Warn,
        "off at 1 port",
        1,
    );
    check(|_| {}, "acs-elsewhere", Pass, "as the kernel set it", 1);
    for (line, verdict, fact) in [
        ("quiet pcie_acs_override=downstream", Warn, "clears nothing"),
        (
            "pci=disable_acs_redir=0000:00:01.0",
            Warn,
            "at boot by itself",
        ),
        ("quiet", Pass, "nothing about it"),
    ] {
        check(
            |s| s.host.command_line = known(line.into()),
            "acs-command-line",
            verdict,
            fact,
            0,
        );
    }
}

#[test]
fn socs_that_can_never_reach_each_other_are_named_with_the_reason() {
    let mut builder = Builder::new("aic-07");
    let first = builder.root();
    let slots = builder.switch(first, 2, 0x10b5);
    builder.ultra(slots[0]);
    builder.device(slots[1], 0x15b3, "vfio-pci");
    for _ in 0..2 {
        let root = builder.root();
        builder.soc(root, "PCIe Pro");
    }
    let mut snapshot = healthy(builder.build());
    for slot in slots {
        set_acs(&mut snapshot, slot, acs(0x001d));
    }
    let findings = doctor(&snapshot, None);
    let switch = of(&findings, "common-switch");
    assert_eq!(switch.len(), 2, "{switch:?}");
    assert_eq!(
        (switch[0].verdict, switch[0].functions.len()),
        (Verdict::Pass, 4)
    );
    assert_eq!(
        (switch[1].verdict, switch[1].functions.len()),
        (Verdict::Fail, 2)
    );
    assert!(switch[1].fact.contains("through the CPU"), "{switch:?}");
    let beside = of(&findings, "neighbours");
    assert_eq!(
        beside.len(),
        1,
        "the card's own switch keeps it out: {beside:?}"
    );
    assert_eq!(beside[0].verdict, Verdict::Pass);
    // Whoever declares a group that they are not in does not mind.
    let declared = Declaration {
        policies: vec![object("CardPolicy", "all", policy())],
        groups: vec![object(
            "P2PGroup",
            "quad",
            automatic(4, crd::kind::SpreadOver::Card, Some(1)),
        )],
        ..Declaration::default()
    };
    let findings = doctor(&snapshot, Some(&declared));
    assert_eq!(of(&findings, "common-switch")[1].verdict, Verdict::Warn);
    assert_eq!(of(&findings, "mdp")[0].functions.len(), 4);
}

#[test]
fn a_neighbour_that_would_lose_isolation_is_named() {
    let mut builder = Builder::new("aic-07");
    let root = builder.root();
    let slots = builder.switch(root, 3, 0x10b5);
    builder.ultra(slots[0]);
    builder.soc(slots[1], "PCIe Ultra");
    let stranger = builder.device(slots[2], 0x10de, "vfio-pci");
    let snapshot = healthy(builder.build());
    let findings = doctor(&snapshot, None);
    let beside = of(&findings, "neighbours");
    assert_eq!(beside.len(), 1, "{beside:?}");
    assert_eq!(beside[0].verdict, Verdict::Warn);
    assert_eq!(beside[0].functions, [stranger]);
}

#[test]
fn the_ledgers_groups_are_what_is_meant_where_nothing_is_declared() {
    let mut snapshot = healthy(two_ultras("aic-07"));
    let members: Vec<SocIdentity> = snapshot.socs[..2]
        .iter()
        .map(|soc| SocIdentity {
            address: soc.address,
            path: soc.path.clone(),
            serial: soc.serial.get().cloned(),
        })
        .collect();
    snapshot.ledger.groups.push(GroupRecord {
        group: GroupId {
            name: "pair".into(),
            index: 0,
            node: "aic-07".into(),
        },
        members,
        verification: None,
    });
    for soc in &mut snapshot.socs[2..] {
        soc.mdp = known(false);
    }
    let findings = doctor(&snapshot, None);
    assert_eq!(of(&findings, "mdp").len(), 1);
    assert_eq!(of(&findings, "mdp")[0].verdict, Verdict::Pass);
    assert_eq!(of(&findings, "acs-redirect")[0].functions.len(), 2);
}
