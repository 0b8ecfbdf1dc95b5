//! Kernel command lines for declared groups: exactly their ports, in the kernel's own syntax, and nothing for the others.
use crd::{
    Fact,
    declaration::Declaration,
    id::PciAddress,
    kind::{AcsMode, SpreadOver, UntrustedNeighbours, rack::VendorTool},
    snapshot::{Acs, HardwareSnapshot, Holder, HolderKind, Lockdown, PortOwner},
    step::Action,
};
use reconcile::boot_parameters;

use crate::{
    declare::{automatic, object, policy, quickstart},
    simulate::{apply, plan_of},
    world::{Builder, acs, set_acs, two_ultras},
};

/// The paths that both parameters name; they must name the same.
fn paths(declaration: &Declaration, snapshot: &HardwareSnapshot) -> Vec<String> {
    let said = boot_parameters(declaration, snapshot);
    let entries = |text: &Option<String>, prefix: &str| -> Vec<String> {
        let text = text.clone().unwrap_or_else(|| prefix.to_owned());
        let list = text.strip_prefix(prefix).expect("the parameter's name");
        let entries = list.split(';').filter(|entry| !entry.is_empty());
        entries.map(str::to_owned).collect()
    };
    let by_path = entries(&said.disable_acs_redir, "pci=disable_acs_redir=");
    let with_flags: Vec<String> = entries(&said.config_acs, "pci=config_acs=")
        .into_iter()
        .zip(&said.ports)
        .map(|(entry, port)| {
            let (flags, path) = entry.split_once('@').expect("flags and a path");
            assert_eq!(flags.len(), 7, "{flags}");
            // What the kernel makes of them where firmware left nothing, and where it left everything.
            let from = |firmware: u16| {
                flags.chars().fold(0, |word, flag| match flag {
                    '0' => word << 1,
                    '1' => (word << 1) | 1,
                    'x' => (word << 1) | firmware,
                    other => panic!("{other} is no flag"),
                })
            };
            assert_eq!(from(0), port.word.0, "{flags}");
            assert_eq!(from(1) & 0x2c, 0, "{flags}");
            path.to_owned()
        })
        .collect();
    assert_eq!(by_path, with_flags);
    by_path
}

fn ports_of(snapshot: &HardwareSnapshot, members: &[PciAddress]) -> Vec<String> {
    let topology = reconcile::topology::Topology::of(snapshot);
    let ports = topology.divergence(members).expect("a common switch");
    let mut paths: Vec<String> = ports
        .into_iter()
        .map(|port| topology.function(port).expect("a port").path.to_string())
        .collect();
    paths.sort();
    paths
}

#[test]
fn the_lines_are_the_kernels_syntax() {
    let mut builder = Builder::new("lab");
    let root = builder.root();
    let slots = builder.switch(root, 1, 0x10b5);
    let socs = builder.ultra(slots[0]);
    let snapshot = builder.build();
    let said = boot_parameters(&quickstart(), &snapshot);
    let paths: Vec<String> = ports_of(&snapshot, &socs);
    assert_eq!(paths[0], "0000:00:01.0/00.0/00.0/00.0/00.0");
    assert_eq!(
        said.disable_acs_redir,
        Some(format!("pci=disable_acs_redir={}", paths.join(";")))
    );
    let flagged: Vec<String> = paths.iter().map(|path| format!("x0100x1@{path}")).collect();
    assert_eq!(
        said.config_acs,
        Some(format!("pci=config_acs={}", flagged.join(";")))
    );
    assert!(said.ports.iter().all(|port| port.word.0 == 0x0011));
    for (release, known) in [
        ("4.19.0-27-amd64", &[][..]),
        ("4.20.0", &["disable_acs_redir"]),
        ("6.8.0-45-generic", &["disable_acs_redir"]),
        ("6.11.0-rc1", &["disable_acs_redir", "config_acs"]),
        (
            "7.3.4+deb13-cloud-amd64",
            &["disable_acs_redir", "config_acs"],
        ),
        ("nonsense", &[]),
    ] {
        let mut other = snapshot.clone();
        other.host.kernel = Fact::known(release.into(), "test");
        let said = boot_parameters(&quickstart(), &other);
        assert_eq!(said.known, known, "{release}");
    }
}

#[test]
fn exactly_the_divergence_ports_of_groups_that_could_work() {
    let mut builder = Builder::new("lab");
    let root = builder.root();
    let slots = builder.switch(root, 3, 0x10b5);
    let (one, two) = (builder.ultra(slots[0]), builder.ultra(slots[1]));
    builder.device(slots[2], 0x10de, "vfio-pci");
    let fresh = builder.build();
    let cards: Vec<String> = [ports_of(&fresh, &one), ports_of(&fresh, &two)].concat();
    let wide = |allow: bool| {
        let mut declaration = quickstart();
        declaration.groups = vec![object(
            "P2PGroup",
            "oct",
            automatic(8, SpreadOver::Switch, None),
        )];
        let acs = declaration.policies[0].spec.acs.as_mut().expect("declared");
        acs.untrusted_neighbours = allow.then_some(UntrustedNeighbours::Allow);
        declaration
    };
    let mut unmanaged = quickstart();
    unmanaged.policies[0]
        .spec
        .acs
        .as_mut()
        .expect("declared")
        .mode = AcsMode::Unmanaged;
    let mut alone = quickstart();
    alone.policies.clear();
    let all: Vec<PciAddress> = [one.clone(), two].concat();
    let mut locked = fresh.clone();
    locked.host.lockdown = Fact::known(Lockdown::Integrity, "test");
    let mut without = fresh.clone();
    let bare = reconcile::topology::Topology::of(&fresh)
        .divergence(&one)
        .expect("a switch");
    let bare = *bare.first().expect("a port");
    set_acs(&mut without, bare, Fact::known(Acs::None, "test"));
    let mut unread = fresh.clone();
    set_acs(
        &mut unread,
        bare,
        Fact::unknown(crd::Unknown::ShortRead, "test"),
    );
    let mut settled = vec![fresh.clone()];
    assert!(apply(&plan_of(&quickstart(), &settled), &mut settled, false).is_empty());
    for (name, declaration, snapshot, expected) in [
        ("two cards", quickstart(), &fresh, cards.clone()),
        (
            "who writes does not matter",
            unmanaged,
            &fresh,
            cards.clone(),
        ),
        (
            "what lockdown forbids, a boot may do",
            quickstart(),
            &locked,
            cards.clone(),
        ),
        (
            "relaxed by us already",
            quickstart(),
            &settled[0],
            cards.clone(),
        ),
        (
            "a port without ACS",
            quickstart(),
            &without,
            cards[1..].to_vec(),
        ),
        (
            "an unknown word",
            quickstart(),
            &unread,
            cards[4..].to_vec(),
        ),
        ("a stranger beside it", wide(false), &fresh, Vec::new()),
        (
            "a stranger that is allowed",
            wide(true),
            &fresh,
            ports_of(&fresh, &all),
        ),
        ("no policy", alone, &fresh, Vec::new()),
        (
            "nothing declared",
            Declaration::default(),
            &fresh,
            Vec::new(),
        ),
    ] {
        assert_eq!(paths(&declaration, snapshot), expected, "{name}");
    }
    for (declaration, words) in [
        (Declaration::default(), "no P2PGroup is declared"),
        (
            {
                let mut alone = quickstart();
                alone.policies.clear();
                alone
            },
            "no CardPolicy selects lab",
        ),
    ] {
        let said = boot_parameters(&declaration, &fresh);
        assert!(said.none_because.expect("a reason").contains(words));
    }
    let said = boot_parameters(&wide(false), &fresh);
    assert!(
        said.left_out[0].contains("would take isolation from"),
        "{said:#?}"
    );
    assert!(said.caveats.is_empty());
}

#[test]
fn bits_that_stand_are_kept_and_the_length_is_counted() {
    let mut node = two_ultras("lab");
    let ports: Vec<PciAddress> = node.functions.iter().map(|f| f.address).collect();
    for (port, word) in ports
        .into_iter()
        .zip([0x5f_u16, 0x1d, 0x00, 0x3f].into_iter().cycle())
    {
        if crate::world::word(&node, port).is_some() {
            set_acs(&mut node, port, acs(word));
        }
    }
    let said = boot_parameters(&quickstart(), &node);
    for port in &said.ports {
        let now = crate::world::word(&node, port.address).expect("a word");
        assert_eq!(port.word.0, now & !0x2c, "{}", port.address);
    }
    assert_eq!(paths(&quickstart(), &node).len(), said.ports.len());
    node.host.command_line = Fact::known("x".repeat(1900), "test");
    let long = boot_parameters(&quickstart(), &node);
    assert!(
        long.caveats
            .iter()
            .any(|line| line.contains("an x86 kernel keeps 2048")),
        "{long:#?}"
    );
    let mut roots = Builder::new("lab");
    for _ in 0..2 {
        let root = roots.root();
        roots.ultra(root);
    }
    let mut spanning = quickstart();
    spanning.policies[0].spec = policy();
    spanning.groups = vec![object(
        "P2PGroup",
        "oct",
        automatic(8, SpreadOver::Switch, None),
    )];
    let said = boot_parameters(&spanning, &roots.build());
    assert_eq!(said.disable_acs_redir, None);
    assert_eq!(said.left_out.len(), 1, "{said:#?}");
}

#[test]
fn a_list_that_the_command_line_has_already_is_told() {
    let declaration = quickstart();
    let mut snapshot = two_ultras("n1");
    let ours = boot_parameters(&declaration, &snapshot).disable_acs_redir;
    let ours = ours.expect("ports");
    let cases: [(&str, &str); 7] = [
        ("quiet pci=noaer", ""),
        (
            "quiet pci=noaer,disable_acs_redir=20:02.0/00.0;pci:10b5:c010 ro",
            "disable_acs_redir=20:02.0/00.0;pci:10b5:c010",
        ),
        (
            "pci=\"disable_acs_redir=20:02.0;20:03.0\"",
            "disable_acs_redir=20:02.0;20:03.0",
        ),
        (
            "\"pci=config_acs=101@20:02.0\" other=config_acs=1@x",
            "config_acs=101@20:02.0",
        ),
        // The last one is what the kernel keeps.
        (
            "pci=disable_acs_redir=a pci=noaer pci=disable_acs_redir=b",
            "disable_acs_redir=b",
        ),
        ("xpci=disable_acs_redir=a pci=xdisable_acs_redir=a", ""),
        (&ours, ""),
    ];
    for (line, told) in cases {
        snapshot.host.command_line = Fact::known(line.to_owned(), "/proc/cmdline");
        let caveats = boot_parameters(&declaration, &snapshot).caveats;
        let said: Vec<&String> = (caveats.iter().filter(|said| said.contains("already"))).collect();
        assert_eq!(said.len(), usize::from(!told.is_empty()), "{line}");
        let begins = format!("the command line has {told} already");
        assert!(
            said.iter().all(|said| said.starts_with(&begins)),
            "{said:?}"
        );
    }
}

/// What is changed, and by which name it is told.
type Change<'a> = (&'a str, &'a dyn Fn(&mut HardwareSnapshot));

/// What a plan does not begin is not to be opened by a boot either, and what it opened stays open.
#[test]
fn a_blocked_group_has_its_ports_only_where_they_are_relaxed() {
    let declaration = quickstart();
    let fresh = two_ultras("lab");
    let mut settled = vec![fresh.clone()];
    assert!(apply(&plan_of(&declaration, &settled), &mut settled, false).is_empty());
    let all = paths(&declaration, &fresh);
    let held = |node: &mut HardwareSnapshot| {
        for soc in &node.socs {
            node.holders.push(Holder {
                soc: soc.address,
                kind: HolderKind::Foreign,
                pid: Some(4711),
                name: "python3".into(),
                unit: None,
                container: None,
                pod: None,
            });
        }
    };
    let agent = |node: &mut HardwareSnapshot| {
        node.tools.qmonitor_owner = Some(Fact::known(
            PortOwner::Pod {
                pid: 7,
                name: "agent".into(),
                uid: "uid".into(),
            },
            "test",
        ));
    };
    let tool = |node: &mut HardwareSnapshot| {
        let looked = "/opt/qti-aic/tools".to_owned();
        (node.tools.missing).insert(VendorTool::QaicMonitorJson, looked);
    };
    let booted = |node: &mut HardwareSnapshot| {
        for path in &all {
            let mut functions = node.functions.iter();
            let port = functions.find(|f| f.path.to_string() == *path).unwrap();
            let port = port.address;
            set_acs(node, port, acs(0x001d));
        }
    };
    let changes: [Change<'_>; 3] = [("held", &held), ("agent", &agent), ("tool", &tool)];
    for (name, change) in changes {
        let mut node = fresh.clone();
        change(&mut node);
        let plan = plan_of(&declaration, std::slice::from_ref(&node));
        let relaxes = plan.nodes.iter().flat_map(|node| &node.steps);
        let relaxes = relaxes.filter(|step| matches!(step.action, Action::ClearAcs { .. }));
        assert_eq!(relaxes.count(), 0, "{name}: {:#?}", plan.report);
        let said = boot_parameters(&declaration, &node);
        assert_eq!(said.disable_acs_redir, None, "{name}");
        assert!(!said.left_out.is_empty(), "{name}");
        for boots in 0..2 {
            let mut node = settled[0].clone();
            for soc in &mut node.socs {
                soc.mdp = Fact::known(false, "test");
            }
            change(&mut node);
            if boots == 1 {
                booted(&mut node);
            }
            assert_eq!(paths(&declaration, &node), all, "{name}");
        }
    }
}
