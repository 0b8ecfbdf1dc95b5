//! A machine that does exactly what steps say, as a pure function: no rack, no time.
use std::collections::BTreeMap;

use crd::{
    Fact,
    declaration::Declaration,
    id::{Digest, ObjectRef, PciAddress, ProgramKey, Word},
    judgement::Judgement,
    kind::rack::VendorTool,
    plan::Plan,
    snapshot::{Acs, HardwareSnapshot, PresentProgram, PresentWorker, WorkerState, told_by_place},
    step::{Action, MdpSetting, Step, WorkerRequest},
};
use reconcile::{FailedSteps, Inputs, NodeInput, judge, ledger, plan};

/// A model's digest as a build computes it.
pub fn model_digest(object: &ObjectRef) -> Digest {
    Digest(format!("b3:{:0>64}", object.name.len()))
}

/// Plans nodes as they are.
pub fn plan_of(declaration: &Declaration, nodes: &[HardwareSnapshot]) -> Plan {
    plan_without(declaration, nodes, &FailedSteps::new())
}

/// Plans nodes as they are, without what steps failed on.
pub fn plan_without(
    declaration: &Declaration,
    nodes: &[HardwareSnapshot],
    failed: &FailedSteps,
) -> Plan {
    let nodes: Vec<NodeInput> = nodes.iter().cloned().map(NodeInput::Read).collect();
    let objects = declaration.models.iter().map(|m| &m.object);
    let models: BTreeMap<ObjectRef, Digest> = objects
        .chain(declaration.builds.iter().map(|b| &b.object))
        .map(|object| (object.clone(), model_digest(object)))
        .collect();
    plan(&Inputs {
        declaration,
        nodes: &nodes,
        models: &models,
        scope: reconcile::Scope::Everything,
        unbuilt: &BTreeMap::new(),
        sources: reconcile::Sources::Any,
        failed,
    })
}

/// Carries out a whole plan: builds, steps, then workers where `workers` says so. Every step judges itself first.
///
/// Gives what went wrong: a step that was void.
pub fn apply(plan: &Plan, nodes: &mut [HardwareSnapshot], workers: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for node in &plan.nodes {
        let Some(snapshot) = nodes.iter_mut().find(|s| s.metadata.name == node.node) else {
            continue;
        };
        // Whoever carries out looks with the probe of today.
        told_by_place(&mut snapshot.functions);
        let is_build = |step: &&Step| matches!(step.action, Action::Build { .. });
        let mut asked = BTreeMap::new();
        let late = node.work.iter().filter(|step| workers && !is_build(step));
        for step in node
            .work
            .iter()
            .filter(is_build)
            .chain(&node.steps)
            .chain(late)
        {
            // As on a machine, where nobody listens a request fails.
            let heard = snapshot.tools.qmonitor_running.get() == Some(&true);
            if matches!(step.action, Action::RequestMdp { .. }) && !heard {
                wrong.push(format!("{}: qmonitor does not run", step.id));
                break;
            }
            let lacking = calls(&step.action)
                .iter()
                .find(|tool| snapshot.tools.missing.contains_key(tool));
            let masked = matches!(step.action, Action::StartQmonitor {})
                && snapshot.tools.qmonitor_masked.is_some();
            if masked && judge(step, snapshot) == Judgement::Ready {
                wrong.push(format!("{}: its unit is masked", step.id));
                break;
            }
            if let Some(tool) = lacking.filter(|_| judge(step, snapshot) == Judgement::Ready) {
                wrong.push(format!("{}: there is no {}", step.id, tool.name()));
                break;
            }
            match judge(step, snapshot) {
                Judgement::Done => {
                    snapshot.ledger = ledger::found(&snapshot.ledger, step, snapshot);
                    continue;
                }
                Judgement::Ready => carry_out(step, snapshot, &mut asked),
                Judgement::Void { expected, found } => {
                    wrong.push(format!("{}: expected {expected}, found {found}", step.id));
                    break;
                }
            }
            // What a step leaves in the ledger is there once it is verified; all else is there before.
            let in_ledger = matches!(
                step.action,
                Action::VerifyP2P { .. } | Action::AssignEntry { .. }
            );
            if !step.leaves.is_empty() && !in_ledger && judge(step, snapshot) != Judgement::Done {
                wrong.push(format!("{}: it left something else behind", step.id));
                break;
            }
            snapshot.ledger = ledger::after(&snapshot.ledger, step, snapshot);
        }
    }
    wrong
}

/// What a step calls, of what a machine may be known to lack.
fn calls(action: &Action) -> &'static [VendorTool] {
    match action {
        Action::StartQmonitor {} => &[
            VendorTool::QaicMonitorGrpcServer,
            VendorTool::QmonitorFirmware,
            VendorTool::SystemdRun,
        ],
        Action::RequestMdp { .. } => &[VendorTool::QaicMonitorJson],
        Action::VerifyP2P { .. } => &[VendorTool::QaicRunner, VendorTool::P2PTest],
        _ => &[],
    }
}

/// Carries out one step whatever it judges.
pub fn carry_out_one(step: &Step, snapshot: &mut HardwareSnapshot) {
    carry_out(step, snapshot, &mut BTreeMap::new());
}

fn carry_out(
    step: &Step,
    snapshot: &mut HardwareSnapshot,
    asked: &mut BTreeMap<PciAddress, MdpSetting>,
) {
    match &step.action {
        Action::ClearAcs {
            port,
            before: _,
            mask,
        } => {
            write(snapshot, port.address, |word| word & !mask.0);
        }
        Action::RestoreAcs {
            port,
            before: _,
            pre_image,
            mask,
        } => {
            write(snapshot, port.address, |word| {
                (word & !mask.0) | (pre_image.0 & mask.0)
            });
        }
        Action::StartQmonitor {} => {
            snapshot.tools.qmonitor_running = Fact::known(true, "simulated")
        }
        Action::RequestMdp { soc, enable } => {
            // Nobody listens where qmonitor does not run; the request proves nothing either way.
            if snapshot.tools.qmonitor_running.get() == Some(&true) {
                asked.insert(soc.address, *enable);
            }
        }
        Action::Reset { scope: _, socs } => {
            for reset in socs {
                let held = snapshot
                    .holders
                    .iter()
                    .any(|holder| holder.soc == reset.address);
                assert!(!held, "a held SoC was reset");
                let asked = asked.remove(&reset.address);
                let found = snapshot
                    .socs
                    .iter_mut()
                    .find(|s| s.address == reset.address);
                if let Some((soc, setting)) = found.zip(asked) {
                    soc.mdp = Fact::known(setting == MdpSetting::On, "simulated");
                }
            }
        }
        Action::Drain {
            socs: _,
            workers,
            timeout_seconds: _,
        } => {
            for worker in workers {
                stop(snapshot, worker);
            }
        }
        Action::SetDriver {
            name,
            before: _,
            after,
        } => {
            snapshot
                .settings
                .driver
                .insert(name.clone(), Fact::known(*after, "simulated"));
        }
        Action::SetSysctl {
            name,
            before: _,
            after,
        } => {
            snapshot
                .settings
                .sysctl
                .insert(name.clone(), Fact::known(*after, "simulated"));
        }
        Action::WriteFile {
            file,
            before: _,
            after,
        } => {
            let kept = snapshot.settings.kept.get_mut(file);
            if let Some(kept) = kept.and_then(|fact| fact.value.as_mut()) {
                kept.image = after.clone();
            }
        }
        Action::Build { program } => {
            let key = program
                .key
                .clone()
                .unwrap_or_else(|| ProgramKey("b3:unknown".into()));
            snapshot.programs.push(PresentProgram {
                key,
                target: program.target,
                model: model_digest(&program.object),
            });
        }
        Action::StartWorker { worker } | Action::ReplaceWorker { worker } => {
            start(snapshot, worker)
        }
        Action::StopWorker { worker } => stop(snapshot, worker),
        Action::Taint { .. }
        | Action::WaitReady { .. }
        | Action::VerifyMdp { .. }
        | Action::VerifyP2P { .. }
        | Action::Untaint { .. }
        | Action::AssignEntry { .. }
        | Action::AssignGroup { .. } => {}
    }
}

fn stop(snapshot: &mut HardwareSnapshot, id: &crd::id::WorkerId) {
    snapshot.workers.retain(|worker| worker.id != *id);
    let its = |holder: &crd::snapshot::Holder| matches!(&holder.kind, crd::snapshot::HolderKind::Worker { id: held } if held == id);
    let held: Vec<PciAddress> = snapshot
        .holders
        .iter()
        .filter(|holder| its(holder))
        .map(|holder| holder.soc)
        .collect();
    snapshot.holders.retain(|holder| !its(holder));
    for soc in snapshot
        .socs
        .iter_mut()
        .filter(|soc| held.contains(&soc.address))
    {
        soc.cores_free = soc.cores.clone();
    }
}

fn start(snapshot: &mut HardwareSnapshot, worker: &WorkerRequest) {
    stop(snapshot, &worker.id);
    snapshot.workers.push(PresentWorker {
        id: worker.id.clone(),
        program: worker.program.key.clone(),
        group: worker.group.clone(),
        socs: worker.socs.clone(),
        port: worker.port,
        options: worker.options.clone(),
        state: WorkerState::Ready,
    });
    for soc in &worker.socs {
        snapshot.holders.push(crd::snapshot::Holder {
            soc: *soc,
            kind: crd::snapshot::HolderKind::Worker {
                id: worker.id.clone(),
            },
            pid: Some(4242),
            name: "shardplane-worker".into(),
            unit: None,
            container: None,
            pod: None,
        });
    }
}

fn write(snapshot: &mut HardwareSnapshot, port: PciAddress, change: impl FnOnce(u16) -> u16) {
    let function = snapshot.functions.iter_mut().find(|f| f.address == port);
    if let Some(Acs::Present { control, .. }) = function.and_then(|f| f.acs.value.as_mut()) {
        *control = Word(change(control.0));
    }
}
