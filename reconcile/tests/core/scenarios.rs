//! What the planner says to one thing out of the ordinary at a time.
mod declared;
mod machine;
mod silent;
mod wiring;

use crd::{
    declaration::Declaration,
    id::PciAddress,
    plan::{Plan, ReportKind, ReportReason},
    snapshot::HardwareSnapshot,
    step::Action,
};

use crate::{declare::quickstart, simulate::plan_of, world::two_ultras};

/// What is expected of a plan.
#[derive(Default)]
struct Expected {
    blocked: Vec<ReportReason>,
    /// Words that some line must hold.
    says: Vec<&'static str>,
    /// SoCs that are reset, by index.
    resets: Option<usize>,
    clears: Option<usize>,
}

fn check(name: &str, declaration: &Declaration, snapshot: &HardwareSnapshot, expected: &Expected) {
    let plan = plan_of(declaration, std::slice::from_ref(snapshot));
    let blocked = |reason: ReportReason| {
        plan.report
            .iter()
            .any(|line| line.kind == ReportKind::Blocked && line.reason == reason)
    };
    for reason in &expected.blocked {
        assert!(
            blocked(*reason),
            "{name}: not blocked by {reason:?}: {:#?}",
            plan.report
        );
    }
    assert_eq!(
        plan.summary.blocked == 0,
        expected.blocked.is_empty(),
        "{name}: {:#?}",
        plan.report
    );
    for words in &expected.says {
        assert!(
            plan.report.iter().any(|line| line.message.contains(words)),
            "{name}: nobody says {words}: {:#?}",
            plan.report
        );
    }
    if let Some(resets) = expected.resets {
        assert_eq!(plan.summary.resets as usize, resets, "{name}");
    }
    if let Some(clears) = expected.clears {
        assert_eq!(
            count(&plan, |action| matches!(action, Action::ClearAcs { .. })),
            clears,
            "{name}"
        );
    }
}

pub fn count(plan: &Plan, is: impl Fn(&Action) -> bool) -> usize {
    plan.nodes
        .iter()
        .flat_map(|node| &node.steps)
        .filter(|step| is(&step.action))
        .count()
}

/// The downstream port above a SoC.
pub fn port_of(snapshot: &HardwareSnapshot, soc: usize) -> PciAddress {
    let soc = snapshot.socs[soc].address;
    let function = snapshot.functions.iter().find(|f| f.address == soc);
    function.and_then(|f| f.parent).expect("a SoC below a port")
}

/// One change to the quickstart on two Ultra cards, and what is expected then.
type Row = (
    &'static str,
    fn(&mut Declaration, &mut HardwareSnapshot),
    Expected,
);

fn check_rows(rows: Vec<Row>) {
    for (name, change, expected) in rows {
        let (mut declaration, mut snapshot) = (quickstart(), two_ultras("lab"));
        change(&mut declaration, &mut snapshot);
        check(name, &declaration, &snapshot, &expected);
    }
}
