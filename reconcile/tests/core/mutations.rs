//! For each rule of the checker a plan that breaks it: one of ours, changed in one place.
use crd::{
    Fact,
    id::{StepId, Word},
    kind::{Enforcement, ResetScope, Rollout},
    snapshot::{FileImage, HolderKind, LedgerTarget, Lockdown, SocStatus, WorkerState},
    step::{Action, Inverse, MdpSetting},
};
use reconcile::check::RULES;

use crate::{
    cases::{
        Case, beside_a_stranger, keeping, keeping_no_more, numbers, replacing, resetting, unproven,
    },
    declare::quickstart,
    lost::lost,
    second_owner::vendor_agent,
    world::tenant,
};

/// Changes what the first settings file is to hold.
fn write_file(case: &mut Case, text: &str) {
    if let Action::WriteFile { after, .. } = &mut case.step("file.write").action {
        *after = FileImage::Text(text.into());
    }
}

/// Moves the first step with this verb to the front.
fn first(case: &mut Case, verb: &str) {
    let step = case.step(verb).clone();
    case.remove(verb);
    case.steps().insert(0, step);
}

fn hold(case: &mut Case, soc: usize) {
    let soc = case.snapshot.socs[soc].address;
    case.snapshot.holders.push(tenant(soc));
}

fn retarget_clear(case: &mut Case) {
    // The root port is on no way from one member to another.
    let root = case.snapshot.functions[0].clone();
    if let Action::ClearAcs { port, .. } = &mut case.step("acs.clear").action {
        port.address = root.address;
        port.path = root.path;
    }
}

fn widen_clear(case: &mut Case) {
    if let Action::ClearAcs { mask, .. } = &mut case.step("acs.clear").action {
        *mask = Word(mask.0 | 0x01);
    }
}

fn change_pre_image(case: &mut Case) {
    if let Action::RestoreAcs { pre_image, .. } = &mut case.step("acs.restore").action {
        *pre_image = Word(0x003f);
    }
}

fn shrink_budget(case: &mut Case) {
    case.declaration.policies[0].spec.rollout = Some(Rollout {
        max_unavailable_socs: Some(3),
        ..Rollout::default()
    });
}

fn swap_resets(case: &mut Case) {
    let steps = case.steps();
    let request = steps
        .iter()
        .position(|s| s.id.0.contains("/mdp.request/"))
        .expect("a request");
    let clear = steps
        .iter()
        .position(|s| s.id.0.contains("/acs.clear/"))
        .expect("a clear");
    steps.swap(request, clear);
}

/// The first step with this verb does not wait for any with that one.
fn unwait(case: &mut Case, verb: &str, other: &str) {
    let other = format!("/{other}/");
    let edges = &mut case.step(verb).depends_on;
    let waited = edges.len();
    edges.retain(|id| !id.0.contains(&other));
    assert!(edges.len() < waited, "{verb} waits for {other}");
}

fn ask_off(case: &mut Case) {
    if let Action::RequestMdp { enable, .. } = &mut case.step("mdp.request").action {
        *enable = MdpSetting::Off;
    }
}

fn set_other(case: &mut Case) {
    if let Action::SetSysctl { after, .. } = &mut case.step("sysctl.set").action {
        *after += 1;
    }
}

fn rename_soc(case: &mut Case) {
    if let Action::Reset { socs, .. } = &mut case.step("soc.reset").action {
        socs[0].serial = None;
    }
}

fn reset_everything(case: &mut Case) {
    if let Action::Reset { scope, .. } = &mut case.step("soc.reset").action {
        *scope = ResetScope::Host;
    }
    case.snapshot.socs[0].status = Fact::known(SocStatus::Initializing, "test");
}

/// The first replica is as declared and not ready, and the second is replaced all the same.
fn fail_the_first(case: &mut Case) {
    case.snapshot.workers[0].state = WorkerState::Failed;
    case.plan.nodes[0].work.retain(|step| step.batch > 0);
}

#[test]
fn every_rule_has_a_plan_that_breaks_it() {
    type Mutation = (&'static str, fn() -> Case, fn(&mut Case));
    let mutations: Vec<Mutation> = vec![
        ("SP-C01", Case::fresh, |case| hold(case, 0)),
        ("SP-C01", Case::fresh, |case| {
            hold(case, 1);
            case.snapshot.holders[0].kind = HolderKind::Worker {
                id: "default/tiny-0".into(),
            };
            case.remove("socs.drain");
        }),
        ("SP-C02", Case::fresh, retarget_clear),
        ("SP-C02", Case::fresh, |case| {
            case.declaration.groups.clear()
        }),
        ("SP-C03", Case::fresh, widen_clear),
        ("SP-C03", Case::fresh, |case| {
            let port = case.snapshot.functions.iter().map(|f| f.address);
            for port in port.collect::<Vec<_>>() {
                if crate::world::word(&case.snapshot, port).is_some() {
                    crate::world::set_acs(&mut case.snapshot, port, crate::world::acs(0x005d));
                }
            }
        }),
        ("SP-C04", Case::removal, change_pre_image),
        ("SP-C04", Case::removal, |case| {
            case.declaration = quickstart();
            case.steps()
                .retain(|step| !step.id.0.contains("/group.assign/"));
        }),
        ("SP-C05", Case::fresh, shrink_budget),
        ("SP-C06", Case::fresh, |case| {
            case.step("acs.clear").inverse = Inverse::NothingChanged
        }),
        ("SP-C06", Case::fresh, |case| {
            case.step("soc.reset").inverse = Inverse::Impossible { why: String::new() };
        }),
        ("SP-C07", Case::fresh, |case| {
            case.step("soc.reset").disruption.socs.clear()
        }),
        ("SP-C07", Case::fresh, |case| {
            case.step("acs.clear").disruption.isolation = None
        }),
        ("SP-C08", Case::fresh, |case| case.remove("socs.drain")),
        ("SP-C08", Case::fresh, |case| case.remove("node.taint")),
        ("SP-C09", Case::fresh, |case| case.remove("soc.wait")),
        ("SP-C09", Case::fresh, |case| case.remove("mdp.verify")),
        ("SP-C09", Case::fresh, |case| case.remove("soc.reset")),
        ("SP-C09", Case::fresh, |case| case.remove("mdp.request")),
        ("SP-C10", Case::fresh, swap_resets),
        ("SP-C11", Case::fresh, |case| {
            case.snapshot.socs[2].status = Fact::known(SocStatus::Initializing, "test");
        }),
        ("SP-C11", Case::fresh, reset_everything),
        ("SP-C12", Case::fresh, |case| case.remove("node.untaint")),
        ("SP-C12", Case::fresh, |case| case.remove("node.taint")),
        ("SP-C13", Case::fresh, |case| {
            case.snapshot.host.lockdown = Fact::known(Lockdown::Integrity, "test");
        }),
        ("SP-C13", Case::fresh, |case| {
            case.snapshot.socs[0].mdp = Fact::unknown(crd::Unknown::ToolFailed, "test");
        }),
        ("SP-C14", Case::fresh, |case| {
            case.declaration.policies[0].spec.enforcement = Enforcement::Observe;
        }),
        ("SP-C14", Case::fresh, |case| {
            case.declaration.policies.clear()
        }),
        ("SP-C14", Case::removal, |case| {
            case.snapshot.ledger.identities[0].path = "0000:00:07.0/00.0".into();
        }),
        ("SP-C14", Case::removal, |case| {
            for entry in &mut case.snapshot.ledger.entries {
                if let LedgerTarget::Acs { path, .. } = &mut entry.target {
                    *path = "0000:00:07.0/00.0".into();
                }
            }
        }),
        ("SP-C15", Case::fresh, |case| {
            case.steps()[0].depends_on = vec![StepId("lab/node.untaint/none".into())];
        }),
        ("SP-C15", Case::fresh, |case| {
            let id = case.steps()[0].id.clone();
            case.steps()[3].id = id;
        }),
        ("SP-C15", Case::fresh, |case| {
            unwait(case, "node.untaint", "p2p.verify");
        }),
        ("SP-C15", Case::fresh, |case| {
            unwait(case, "p2p.verify", "acs.clear");
        }),
        ("SP-C15", Case::fresh, |case| {
            unwait(case, "soc.wait", "soc.reset");
        }),
        ("SP-C15", Case::fresh, |case| {
            unwait(case, "mdp.request", "qmonitor.start");
        }),
        ("SP-C15", unproven, |case| {
            unwait(case, "node.untaint", "acs.clear");
        }),
        ("SP-C16", Case::fresh, |case| {
            case.step("soc.reset").causes.clear()
        }),
        ("SP-C17", Case::fresh, |case| case.remove("p2p.verify")),
        ("SP-C18", Case::fresh, rename_soc),
        ("SP-C19", Case::fresh, |case| {
            case.plan.nodes[0].digest.0.push('0')
        }),
        ("SP-C19", Case::fresh, |case| case.plan.digest.0.push('0')),
        ("SP-C20", Case::fresh, |case| case.plan.summary.resets += 1),
        ("SP-C20", Case::fresh, |case| case.plan.applyable = false),
        ("SP-C21", beside_a_stranger, |_| {}),
        ("SP-C22", Case::fresh, ask_off),
        ("SP-C22", Case::fresh, set_other),
        ("SP-C23", Case::fresh, |case| {
            case.step("acs.clear").preconditions.clear()
        }),
        ("SP-C23", Case::fresh, |case| {
            case.step("sysctl.set").leaves.clear()
        }),
        ("SP-C06", keeping, |case| {
            case.step("file.write").inverse = Inverse::NothingChanged;
        }),
        ("SP-C10", keeping, |case| first(case, "file.write")),
        ("SP-C10", keeping, |case| case.remove("driver.set")),
        ("SP-C10", keeping_no_more, |case| first(case, "driver.set")),
        ("SP-C13", keeping, |case| {
            case.snapshot.settings.kept.clear()
        }),
        ("SP-C14", keeping, |case| {
            case.steps()
                .retain(|step| matches!(step.action, Action::WriteFile { .. }));
            case.declaration.policies.clear();
        }),
        ("SP-C22", keeping, |case| {
            write_file(case, "options qaic control_resp_timeout_s=2601\n");
        }),
        ("SP-C22", keeping, |case| {
            write_file(case, "install qaic /bin/true\n");
        }),
        ("SP-C22", keeping, |case| {
            if let Action::WriteFile { after, .. } = &mut case.step("file.write").action {
                *after = FileImage::Absent;
            }
        }),
        ("SP-C22", keeping, |case| {
            case.declaration.policies[0].spec = quickstart().policies[0].spec.clone();
        }),
        ("SP-C22", keeping_no_more, |case| write_file(case, "")),
        ("SP-C23", keeping, |case| {
            case.step("file.write").preconditions.clear()
        }),
        ("SP-C23", keeping, |case| {
            for fact in case.snapshot.settings.kept.values_mut() {
                let kept = fact.value.as_mut().expect("known");
                kept.image = FileImage::Text("theirs".into());
            }
        }),
        ("SP-C24", keeping, |case| {
            case.step("file.write").record = None
        }),
        ("SP-C24", Case::fresh, |case| {
            case.step("acs.clear").record = None
        }),
        ("SP-C25", Case::fresh, |case| case.plan.order.clear()),
        ("SP-C26", replacing, |case| {
            for step in &mut case.plan.nodes[0].work {
                step.batch = 0;
            }
        }),
        ("SP-C26", replacing, |case| {
            case.declaration.models[0].spec.rollout = Some(numbers(Some(2), None, None));
        }),
        ("SP-C26", replacing, fail_the_first),
        // Downtime is no leave to go on past a replica that is not ready.
        ("SP-C26", replacing, |case| {
            fail_the_first(case);
            case.declaration.models[0].spec.rollout = Some(numbers(Some(2), None, Some(true)));
        }),
        ("SP-C26", resetting, |case| {
            case.declaration.models[0].spec.rollout = None;
        }),
        ("SP-C27", Case::fresh, |case| {
            case.snapshot.tools.qmonitor_owner = Some(Fact::known(vendor_agent(), "test"));
        }),
        ("SP-C27", Case::fresh, |case| {
            case.snapshot.tools.qmonitor_owner =
                Some(Fact::unknown(crd::Unknown::NoPermission, "test"));
        }),
        ("SP-C28", Case::fresh, |case| {
            let lost = lost(&case.snapshot, 9);
            case.snapshot.ledger.lost.push(lost);
        }),
    ];
    for make in [
        Case::fresh,
        Case::removal,
        keeping,
        keeping_no_more,
        replacing,
        resetting,
        unproven,
    ] {
        assert_eq!(
            make().rules(),
            Vec::<&str>::new(),
            "unchanged plans break nothing"
        );
    }
    for (at, (rule, make, mutate)) in mutations.iter().enumerate() {
        let mut case = make();
        mutate(&mut case);
        assert!(
            case.rules().contains(rule),
            "mutation {at} of {rule} is not noticed: {:?}",
            case.rules()
        );
    }
    for (rule, says) in RULES {
        assert!(
            mutations.iter().any(|(mutated, ..)| *mutated == rule),
            "{rule} ({says}) has no mutation"
        );
    }
}
