//! What a report says is true of the node it is about, and names the cause that a person can remove.
use crd::{
    Fact, Unknown,
    declaration::Declaration,
    plan::{Plan, ReportReason},
    snapshot::{HardwareSnapshot, PortKind, SocStatus},
};

use crate::{
    declare::quickstart,
    simulate::{apply, plan_of},
    world::{LINUX_ACS, acs, set_acs, two_ultras},
};

fn said(plan: &Plan, reason: ReportReason) -> Vec<String> {
    let lines = plan.report.iter().filter(|line| line.reason == reason);
    lines.map(|line| line.message.clone()).collect()
}

fn applied(declaration: &Declaration) -> Vec<HardwareSnapshot> {
    let mut nodes = vec![two_ultras("lab")];
    let plan = plan_of(declaration, &nodes);
    assert_eq!(apply(&plan, &mut nodes, true), Vec::<String>::new());
    nodes
}

#[test]
fn isolation_is_reduced_only_while_ports_are_relaxed() {
    let declaration = quickstart();
    let mut nodes = applied(&declaration);
    let relaxed = said(
        &plan_of(&declaration, &nodes),
        ReportReason::IsolationReduced,
    );
    assert!(relaxed[0].contains("at 8 ports"), "{relaxed:?}");

    let removal = plan_of(&Declaration::default(), &nodes);
    assert_eq!(
        said(&removal, ReportReason::IsolationReduced),
        Vec::<String>::new()
    );

    // A boot set every port again, and nobody is asked to relax them anew.
    let ports: Vec<_> = nodes[0].functions.iter().map(|f| f.address).collect();
    for port in ports {
        if crate::world::word(&nodes[0], port).is_some() {
            set_acs(&mut nodes[0], port, acs(LINUX_ACS));
        }
    }
    let undeclared = Declaration {
        groups: Vec::new(),
        ..declaration
    };
    let later = plan_of(&undeclared, &nodes);
    assert_eq!(
        said(&later, ReportReason::IsolationReduced),
        Vec::<String>::new()
    );
}

#[test]
fn a_bridge_that_could_not_be_read_is_no_lack_of_socs() {
    let mut node = two_ultras("lab");
    for function in &mut node.functions {
        if function.port.is_some() {
            function.port = Some(PortKind::Bridge);
            function.acs = Fact::unknown(Unknown::ShortRead, "test");
        }
    }
    let first = node.functions[0].address.to_string();
    let plan = plan_of(&quickstart(), &[node]);
    assert_eq!(
        said(&plan, ReportReason::NotEnoughSoCs),
        Vec::<String>::new()
    );
    let unknown = said(&plan, ReportReason::AcsUnknown);
    assert!(unknown[0].contains(&first), "{unknown:?}");
}

#[test]
fn a_soc_of_a_virtual_machine_is_said_to_be_one() {
    let mut node = two_ultras("lab");
    let soc = node.socs[0].address;
    node.socs[0].status = Fact::known(SocStatus::Error, "test");
    for function in node.functions.iter_mut().filter(|f| f.address == soc) {
        function.driver = Fact::known("vfio-pci".into(), "test");
    }
    let plan = plan_of(&quickstart(), &[node]);
    let why = said(&plan, ReportReason::NotReady);
    assert!(why[0].contains("bound to vfio-pci"), "{why:?}");
}

#[test]
fn a_node_without_a_policy_is_not_said_to_get_no_steps_while_it_is_put_back() {
    let declaration = quickstart();
    let nodes = applied(&declaration);
    let without = Declaration {
        policies: Vec::new(),
        ..declaration
    };
    let plan = plan_of(&without, &nodes);
    assert!(plan.applyable);
    let lines = said(&plan, ReportReason::NotGoverned);
    assert!(
        lines.iter().any(|line| line.contains("is undone")),
        "{lines:?}"
    );
    assert!(
        !lines.iter().any(|line| line.contains("gets no steps")),
        "{lines:?}"
    );
}
