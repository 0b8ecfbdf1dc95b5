//! What a plan would say is blocked is not promised to be mended by it.
use crd::{
    diagnosis::Mender,
    kind::{MdpMode, SpreadOver, rack::VendorTool},
    snapshot::{Holder, HolderKind, Lockdown, PortOwner},
    step::Action,
};

use super::*;

/// As many sets of a size as there are, partitioned where they need it.
fn sets(size: u32, per: SpreadOver) -> Declaration {
    let mut declared = Declaration {
        policies: vec![object("CardPolicy", "cards", policy())],
        groups: vec![object("P2PGroup", "sets", automatic(size, per, None))],
        ..Declaration::default()
    };
    declared.policies[0].spec.mdp = Some(MdpMode::Groups);
    declared
}

#[test]
fn apply_is_no_mender_where_somebody_has_to_do_something_first() {
    use Verdict::{Fail, Pass, Warn};
    let off = |s: &mut HardwareSnapshot| s.socs[0].mdp = known(false);
    let found = check(off, "mdp", Fail, "off", 1);
    assert_eq!(found.mender, Some(Mender::Apply));
    let held = |s: &mut HardwareSnapshot| {
        off(s);
        s.holders.push(Holder {
            soc: s.socs[0].address,
            kind: HolderKind::Foreign,
            pid: Some(4711),
            name: "python3".into(),
            unit: None,
            container: None,
            pod: None,
        });
    };
    let agent = |s: &mut HardwareSnapshot| {
        off(s);
        s.tools.qmonitor_owner = Some(known(PortOwner::Pod {
            pid: 7,
            name: "agent".into(),
            uid: "uid".into(),
        }));
    };
    let monitor = |s: &mut HardwareSnapshot| {
        off(s);
        s.tools.qmonitor_running = Fact::unknown(crd::Unknown::ToolMissing, "qaic-monitor-json");
    };
    let tool = |s: &mut HardwareSnapshot| {
        off(s);
        let looked = "/opt/qti-aic/tools".to_owned();
        (s.tools.missing).insert(VendorTool::QaicMonitorJson, looked);
    };
    let starter = |s: &mut HardwareSnapshot| {
        off(s);
        s.tools.qmonitor_running = known(false);
        let looked = "/run/systemd/system".to_owned();
        s.tools.missing.insert(VendorTool::SystemdRun, looked);
    };
    let masked = |s: &mut HardwareSnapshot| {
        off(s);
        s.tools.qmonitor_running = known(false);
        s.tools.qmonitor_masked = Some("/etc/systemd/system/qmonitor-proxy.service".to_owned());
    };
    for (change, words) in [
        (
            &tool as &dyn Fn(&mut HardwareSnapshot),
            "`qaic-monitor-json`",
        ),
        (&starter, "systemd does not run this machine"),
        (&masked, "systemctl unmask"),
        (&held, "pid 4711"),
        (&agent, "the vendor's operator's agent"),
        (&monitor, "install the Platform SDK"),
    ] {
        let found = check(change, "mdp", Fail, "off", 1);
        assert_eq!(found.mender, Some(Mender::Person), "{found:?}");
        assert!(found.fix.starts_with("first: "), "{found:?}");
        assert!(found.fix.contains(words), "{found:?}");
    }
    let stopped = check(starter, "qmonitor", Warn, "stopped", 0);
    assert_eq!(stopped.mender, Some(Mender::Person));
    let stopped = check(masked, "qmonitor", Warn, "stopped", 0);
    assert_eq!(stopped.mender, Some(Mender::Person));
    assert!(stopped.fix.contains("its unit is masked"), "{stopped:?}");
    check(
        starter,
        "vendor-tools",
        Fail,
        "`systemd-run` starts qmonitor",
        0,
    );
    let running = |s: &mut HardwareSnapshot| {
        starter(s);
        s.tools.qmonitor_running = known(true);
    };
    check(running, "vendor-tools", Pass, "all there", 0);
    for (tool, mender) in [
        (VendorTool::Switchtec, Mender::Apply),
        (VendorTool::QaicRunner, Mender::Person),
        (VendorTool::P2PTest, Mender::Person),
        (VendorTool::QaicMonitorJson, Mender::Person),
    ] {
        let mut snapshot = two_ultras("aic-07");
        snapshot.tools.missing.insert(tool, "elsewhere".to_owned());
        let findings = doctor(&snapshot, None);
        let redirects = of(&findings, "acs-redirect");
        let found: Vec<_> = redirects.iter().filter(|f| f.verdict == Fail).collect();
        assert!(!found.is_empty(), "{findings:#?}");
        assert!(found.iter().all(|f| f.mender == Some(mender)), "{found:?}");
    }
    for (lockdown, mender) in [
        (Lockdown::None, Mender::Apply),
        (Lockdown::Integrity, Mender::Person),
        (Lockdown::Confidentiality, Mender::Person),
    ] {
        let mut snapshot = two_ultras("aic-07");
        snapshot.host.lockdown = known(lockdown);
        let findings = doctor(&snapshot, None);
        let redirects = of(&findings, "acs-redirect");
        let found: Vec<_> = redirects.iter().filter(|f| f.verdict == Fail).collect();
        assert!(!found.is_empty(), "{findings:#?}");
        assert!(found.iter().all(|f| f.mender == Some(mender)), "{found:?}");
    }
}

/// Of a set that no plan forms, a port or a partition is not promised; of the other cards they are.
#[test]
fn what_stands_against_a_set_stands_against_all_of_it() {
    use Verdict::Fail;
    let mut snapshot = two_ultras("aic-07");
    for soc in &mut snapshot.socs {
        soc.mdp = known(false);
    }
    snapshot.socs[0].status = known(SocStatus::Error);
    let ill = snapshot.socs[0].address;
    let card: Vec<PciAddress> = (snapshot.socs.iter().map(|soc| soc.address)).collect();
    let (its, other) = card.split_at(4);
    let declared = sets(4, SpreadOver::Card);
    let findings = doctor(&snapshot, Some(&declared));
    let plan = plan_of(&declared, std::slice::from_ref(&snapshot));
    let touched: Vec<PciAddress> = (plan.nodes.iter().flat_map(|node| &node.steps))
        .filter_map(|step| match &step.action {
            Action::ClearAcs { port, .. } => Some(port.address),
            Action::RequestMdp { soc, .. } => Some(soc.address),
            _ => None,
        })
        .collect();
    assert!(!touched.is_empty());
    for row in ["acs-redirect", "mdp"] {
        for found in of(&findings, row)
            .iter()
            .filter(|found| found.verdict == Fail)
        {
            for function in &found.functions {
                let mended = touched.contains(function);
                let mender = if mended {
                    Mender::Apply
                } else {
                    Mender::Person
                };
                assert_eq!(found.mender, Some(mender), "{function}: {found:?}");
                let why = found.fix.starts_with("first: ") && found.fix.contains(&ill.to_string());
                assert_eq!(mended, !why, "{found:?}");
            }
        }
    }
    let over = |mender| {
        let rows = of(&findings, "mdp").into_iter();
        let rows = rows.filter(move |found| found.mender == Some(mender));
        rows.flat_map(|found| found.functions.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(over(Mender::Apply), other);
    assert_eq!(over(Mender::Person), its);
    // Where nothing is declared, the others of the card can be had without it.
    let findings = doctor(&snapshot, None);
    let found = of(&findings, "mdp");
    assert!(
        found
            .iter()
            .any(|found| found.mender == Some(Mender::Apply))
    );
}

/// Two cards, each with a fault of its own: each is told of its own.
#[test]
fn each_set_is_told_of_what_stands_against_it() {
    let mut snapshot = two_ultras("aic-07");
    for soc in &mut snapshot.socs {
        soc.mdp = known(false);
    }
    let ill = [snapshot.socs[0].address, snapshot.socs[4].address];
    for soc in [0, 4] {
        snapshot.socs[soc].status = known(SocStatus::Error);
    }
    let declared = sets(4, SpreadOver::Card);
    let findings = doctor(&snapshot, Some(&declared));
    for (card, ill) in snapshot.socs.chunks(4).zip(ill) {
        for soc in card {
            let found = of(&findings, "mdp").into_iter();
            let mut found = found.filter(|found| found.functions.contains(&soc.address));
            let found = found.next().expect("it is off");
            assert!(found.fix.contains(&ill.to_string()), "{found:?}");
        }
    }
}

/// A neighbour is of no set: it stands against those whose ports it is beside, and no boot is to open them either.
#[test]
fn a_neighbour_stands_against_the_ports_that_it_is_beside() {
    let mut builder = Builder::new("aic-07");
    let root = builder.root();
    let slots = builder.switch(root, 3, 0x10b5);
    builder.ultra(slots[0]);
    builder.ultra(slots[1]);
    let disk = builder.device(slots[2], 0x144d, "nvme");
    let snapshot = healthy(builder.build());
    let mut redirecting = snapshot.clone();
    let down = snapshot.functions.iter();
    for port in down.filter(|f| f.port == Some(PortKind::SwitchDownstream)) {
        set_acs(&mut redirecting, port.address, acs(0x001d));
    }
    for (size, mender) in [(4, Mender::Apply), (8, Mender::Person)] {
        let findings = doctor(&redirecting, Some(&sets(size, SpreadOver::Switch)));
        let found = of(&findings, "acs-redirect");
        let fails: Vec<_> = (found.iter())
            .filter(|found| found.verdict == Verdict::Fail)
            .collect();
        assert!(!fails.is_empty(), "{size}");
        for found in fails {
            assert_eq!(found.mender, Some(mender), "{found:?}");
            let refused = mender == Mender::Person;
            assert_eq!(found.fix.contains(&disk.to_string()), refused, "{found:?}");
            assert_eq!(found.fix.contains("pci="), !refused, "{found:?}");
        }
    }
}
