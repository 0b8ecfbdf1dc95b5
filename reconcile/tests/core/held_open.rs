//! A set that was relaxed stays relaxed while its members, or the tools that tell of them, are in no state to be changed: its
//! registers need none of them.
use crd::{
    Fact, Unknown,
    declaration::Declaration,
    id::{BootId, PciAddress},
    kind::{Enforcement, GroupVerification, VerificationMode},
    snapshot::{HardwareSnapshot, SocStatus},
    step::Action,
};
use reconcile::{NodeInput, check};

use crate::{
    declare::{object, policy, quickstart},
    proofs::proven,
    simulate::plan_of,
    world::{acs, set_acs, tenant, word},
};

/// The card ports of the first set, of which the first redirects again.
fn redirecting() -> (HardwareSnapshot, PciAddress) {
    let mut node = proven();
    let relaxed = |node: &HardwareSnapshot, port| word(node, port) == Some(0x0011);
    let ports = node.functions.iter().map(|function| function.address);
    let port = ports.clone().find(|port| relaxed(&node, *port));
    let port = port.expect("the quickstart relaxes ports");
    set_acs(&mut node, port, acs(0x001d));
    (node, port)
}

/// Ports that a plan relaxes, and whether it does anything else to a card. Its check agrees.
fn relaxes(declared: &Declaration, node: &HardwareSnapshot) -> (Vec<PciAddress>, bool) {
    let plan = plan_of(declared, std::slice::from_ref(node));
    let nodes = [NodeInput::Read(node.clone())];
    assert_eq!(check(&plan, declared, &nodes), []);
    let steps = plan.nodes.iter().flat_map(|node| &node.steps);
    let (mut ports, mut others) = (Vec::new(), false);
    for step in steps {
        match &step.action {
            Action::ClearAcs { port, .. } => ports.push(port.address),
            Action::Drain { .. }
            | Action::RequestMdp { .. }
            | Action::Reset { .. }
            | Action::VerifyP2P { .. }
            | Action::AssignGroup { .. }
            | Action::RestoreAcs { .. } => others = true,
            _ => {}
        }
    }
    (ports, others)
}

/// What befalls the machine at the same time.
type Row = (&'static str, fn(&mut HardwareSnapshot));

#[test]
fn a_port_is_relaxed_again_whatever_state_the_members_are_in() {
    let rows: &[Row] = &[
        ("one is in state Error", |node| {
            node.socs[0].status = Fact::known(SocStatus::Error, "test");
        }),
        ("one is Initializing", |node| {
            node.socs[0].status = Fact::known(SocStatus::Initializing, "test");
        }),
        ("of one nothing is said", |node| {
            node.socs[0].mdp = Fact::unknown(Unknown::Malformed, "test");
        }),
        ("the vendor's tool says nothing at all", |node| {
            for soc in &mut node.socs {
                soc.status = Fact::unknown(Unknown::ToolFailed, "test");
                soc.mdp = Fact::unknown(Unknown::ToolFailed, "test");
            }
        }),
        ("one lost its partitioning and is held", |node| {
            node.socs[0].mdp = Fact::known(false, "test");
            let at = node.socs[0].address;
            node.holders.push(tenant(at));
        }),
    ];
    for (what, befall) in rows {
        let (mut node, port) = redirecting();
        befall(&mut node);
        assert_eq!(relaxes(&quickstart(), &node), (vec![port], false), "{what}");
    }
}

#[test]
fn no_port_is_relaxed_for_a_set_that_cannot_be_used_for_another_reason() {
    let sick = |mut node: HardwareSnapshot| {
        node.socs[0].status = Fact::known(SocStatus::Error, "test");
        node
    };
    let (node, port) = redirecting();
    // After a boot nothing runs there yet: the set is made usable as a whole.
    let mut booted = sick(node.clone());
    booted.boot_id = Fact::known(BootId("after".into()), "test");
    assert_eq!(relaxes(&quickstart(), &booted).0, []);
    // It was formed, and never seen to work.
    let mut unproven = sick(node.clone());
    for record in &mut unproven.ledger.groups {
        record.verification = None;
    }
    assert_eq!(relaxes(&quickstart(), &unproven).0, []);
    // It is not to be proven, and shows that it cannot work.
    let mut declared = quickstart();
    for group in &mut declared.groups {
        let mode = VerificationMode::None;
        group.spec.verification = Some(GroupVerification { mode });
    }
    assert_eq!(relaxes(&declared, &unproven).0, [port]);
    unproven.socs[1].mdp = Fact::known(false, "test");
    assert_eq!(relaxes(&declared, &unproven).0, []);
    // It was left at another word than this one would become.
    let mut other = sick(node.clone());
    set_acs(&mut other, port, acs(0x005d));
    assert_eq!(relaxes(&quickstart(), &other).0, []);
    let mut observed = quickstart();
    let mut spec = policy();
    spec.enforcement = Enforcement::Observe;
    observed.policies = vec![object("CardPolicy", "cards", spec)];
    let plan = plan_of(&observed, &[sick(node.clone())]);
    assert!(plan.nodes.iter().all(|node| node.steps.is_empty()));
    // Whoever has a member for a virtual machine has the port redirect for its isolation; the check would say so too.
    let relaxed = plan_of(&quickstart(), &[sick(node.clone())]);
    for driver in ["vfio-pci", "pci-stub", "uio_pci_generic"] {
        let mut given = node.clone();
        let member = given.socs[0].address;
        for function in &mut given.functions {
            if function.address == member {
                function.driver = Fact::known(driver.into(), "test");
            }
        }
        assert_eq!(relaxes(&quickstart(), &given).0, [], "{driver}");
        let found = check(&relaxed, &quickstart(), &[NodeInput::Read(given)]);
        assert!(
            found.iter().any(|found| found.rule == "SP-C21"),
            "{found:#?}"
        );
    }
    // Nor where nobody has it: whoever takes it next may be one of those.
    let mut free = node;
    let member = free.socs[0].address;
    for function in &mut free.functions {
        if function.address == member {
            function.driver = Fact::unknown(Unknown::Absent, "test");
        }
    }
    assert_eq!(relaxes(&quickstart(), &free).0, []);
}
