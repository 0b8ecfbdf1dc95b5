//! Ports whose registers could not be read, as recordings of older versions of the probe have them.
use crd::{
    Fact, Unknown,
    id::PciAddress,
    plan::ReportReason,
    snapshot::{HardwareSnapshot, PortKind},
    step::Action,
};
use reconcile::{NodeInput, check};

use super::{count, port_of};
use crate::{
    declare::quickstart,
    simulate::{apply, plan_of},
    world::two_ultras,
};

/// A port that says nothing; what it is, the probe told in this way.
fn silence(snapshot: &mut HardwareSnapshot, port: PciAddress, told: Option<PortKind>) {
    let mut functions = snapshot.functions.iter_mut();
    let function = functions.find(|f| f.address == port).expect("a port");
    function.port = told;
    function.acs = Fact::unknown(Unknown::ShortRead, "test");
}

/// Every port of the machine, silent as older probes told of it, means what it means to a probe that knows its place:
/// the plan is the same, and the second reader agrees.
#[test]
fn a_silent_port_is_what_its_place_says_whoever_recorded_it() {
    let fresh = two_ultras("lab");
    let mut applied = vec![two_ultras("lab")];
    let plan = plan_of(&quickstart(), &applied);
    assert_eq!(apply(&plan, &mut applied, true), Vec::<String>::new());
    for before in [&fresh, &applied[0]] {
        let ports = before.functions.iter().filter(|f| f.parent.is_some());
        for port in ports.filter(|f| f.port.is_some()) {
            let mut placed = before.clone();
            silence(&mut placed, port.address, port.port);
            let planned = plan_of(&quickstart(), std::slice::from_ref(&placed));
            for told in [Some(PortKind::Bridge), None] {
                let mut recorded = before.clone();
                silence(&mut recorded, port.address, told);
                let plan = plan_of(&quickstart(), std::slice::from_ref(&recorded));
                assert_eq!(plan, planned, "{} as {told:?}", port.address);
                let found = check(&plan, &quickstart(), &[NodeInput::Read(recorded)]);
                assert_eq!(found, [], "{} as {told:?}", port.address);
            }
        }
    }
}

#[test]
fn a_silent_port_of_a_working_group_is_no_reason_to_give_the_others_back() {
    let mut nodes = vec![two_ultras("lab")];
    let plan = plan_of(&quickstart(), &nodes);
    assert_eq!(apply(&plan, &mut nodes, true), Vec::<String>::new());
    let port = port_of(&nodes[0], 1);
    silence(&mut nodes[0], port, Some(PortKind::Bridge));
    let plan = plan_of(&quickstart(), &nodes);
    assert_eq!(
        count(&plan, |action| matches!(action, Action::RestoreAcs { .. })),
        0
    );
    let mut unknown = plan
        .report
        .iter()
        .filter(|line| line.reason == ReportReason::AcsUnknown);
    assert!(
        unknown.any(|line| line.functions.contains(&port)),
        "{:#?}",
        plan.report
    );
}
