//! What each bit of an ACS control word means for peers, as the PCI Express specification has it: what is cleared, and
//! who loses isolation by it. Planner and checker are held against this table, not against each other.
use crd::{id::PciAddress, kind::UntrustedNeighbours, plan::ReportReason, step::Action};

use crate::{
    cases::Case,
    declare::{automatic, quickstart},
    world::{Builder, acs, set_acs, word},
};

/// A control word, the bits of it that must go for P2P, and whether it kept a peer's requests from crossing the switch.
struct Row {
    control: u16,
    cleared: u16,
    kept_apart: bool,
}

const fn row(control: u16, cleared: u16, kept_apart: bool) -> Row {
    Row {
        control,
        cleared,
        kept_apart,
    }
}

/// One bit at a time, then words that are met.
const TABLE: [Row; 14] = [
    row(0x0000, 0x0000, false),
    // Source validation and translation blocking look at who asks and how, not at where it goes.
    row(0x0001, 0x0000, false),
    row(0x0002, 0x0000, false),
    // Request redirect: requests go up.
    row(0x0004, 0x0004, true),
    // Completion redirect: answers go up, requests cross all the same.
    row(0x0008, 0x0008, false),
    // Upstream forwarding acts on what turns around at the port.
    row(0x0010, 0x0000, false),
    // Egress control: a vector says which peers are blocked.
    row(0x0020, 0x0020, true),
    // Direct translated: lets translated requests through.
    row(0x0040, 0x0000, false),
    // What Linux sets, with an IOMMU, then for a port that it does not trust.
    row(0x001d, 0x000c, true),
    row(0x001f, 0x000c, true),
    // What is left of it once relaxed.
    row(0x0011, 0x0000, false),
    row(0x0031, 0x0020, true),
    row(0x0019, 0x0008, false),
    row(0x007f, 0x002c, true),
];

/// Two cards and a stranger below one switch, every port of it with this word, and one set over both cards.
fn case(control: u16, rule: Option<UntrustedNeighbours>) -> (Case, PciAddress) {
    let mut builder = Builder::new("lab");
    let root = builder.root();
    let slots = builder.switch(root, 3, 0x10b5);
    builder.ultra(slots[0]);
    builder.ultra(slots[1]);
    let stranger = builder.device(slots[2], 0x10de, "nvidia");
    let mut snapshot = builder.build();
    let ports: Vec<PciAddress> = snapshot.functions.iter().map(|f| f.address).collect();
    for port in ports {
        if word(&snapshot, port).is_some() {
            set_acs(&mut snapshot, port, acs(control));
        }
    }
    let mut declaration = quickstart();
    declaration.groups[0].spec = automatic(8, crd::kind::SpreadOver::Switch, None);
    if let Some(acs) = &mut declaration.policies[0].spec.acs {
        acs.untrusted_neighbours = rule;
    }
    (Case::of(declaration, snapshot), stranger)
}

#[test]
fn every_bit_is_cleared_and_told_as_the_specification_has_it() {
    for Row {
        control,
        cleared,
        kept_apart,
    } in TABLE
    {
        let (mut case, stranger) = case(control, Some(UntrustedNeighbours::Allow));
        let steps = &case.plan.nodes[0].steps;
        let masks: Vec<u16> = steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::ClearAcs { mask, .. } => Some(mask.0),
                _ => None,
            })
            .collect();
        // Four ports inside each card, and the two of the host switch that lead to them.
        let ports = if cleared == 0 { 0 } else { 10 };
        assert_eq!(masks, vec![cleared; ports], "{control:#06x}");
        let names_it = steps
            .iter()
            .filter_map(|step| step.disruption.isolation.as_ref())
            .any(|change| change.neighbours.contains(&stranger));
        assert_eq!(names_it, kept_apart, "{control:#06x}: {stranger} is named");
        // One port that lets requests across is enough: the stranger is in one set with every SoC from then on.
        let mut joined: Vec<PciAddress> = case.snapshot.socs.iter().map(|s| s.address).collect();
        joined.push(stranger);
        joined.sort_unstable();
        for change in (steps.iter())
            .filter_map(|step| step.disruption.isolation.as_ref())
            .filter(|change| change.neighbours.contains(&stranger))
        {
            assert_eq!(change.after, [joined.clone()], "{control:#06x}");
        }
        assert_eq!(case.rules(), Vec::<&str>::new(), "{control:#06x}");
        // The checker's own eyes: the same plan, and nobody allows it.
        if let Some(acs) = &mut case.declaration.policies[0].spec.acs {
            acs.untrusted_neighbours = None;
        }
        let refused = case.rules().contains(&"SP-C21");
        assert_eq!(refused, kept_apart, "{control:#06x}: {:?}", case.rules());
    }
}

#[test]
fn a_strangers_isolation_is_taken_by_nobodys_leave() {
    for Row {
        control,
        kept_apart,
        ..
    } in TABLE
    {
        let (case, _) = case(control, None);
        let blocked =
            (case.plan.report.iter()).any(|line| line.reason == ReportReason::UntrustedNeighbour);
        assert_eq!(
            blocked, kept_apart,
            "{control:#06x}: {:#?}",
            case.plan.report
        );
        assert_eq!(case.rules(), Vec::<&str>::new(), "{control:#06x}");
    }
}
