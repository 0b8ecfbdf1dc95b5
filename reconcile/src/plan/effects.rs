//! How each effect and gate is written down: what it expects, leaves behind, disturbs, and how it is undone.
use crd::{
    id::{PciAddress, Word},
    kind::ResetScope,
    snapshot::{SocIdentity, SocStatus},
    step::{
        ACS_REDIRECT_MASK, Action, Cause, Disruption, DisruptionClass, MdpSetting, PortRef,
        Precondition, StepReason, Subject,
    },
};

use super::{
    draft::{Draft, fact, idles, is_same, quiet, seen, set_name},
    unit::{Assign, Clear, Request, Restore, Verify},
    work,
};
use crate::view::View;

/// The vendor's installer waits this long for Ready.
const READY_SECONDS: u32 = 900;

pub(super) fn taint(socs: &[PciAddress], reason: StepReason, causes: &[Cause]) -> Draft {
    let action = Action::Taint {
        socs: socs.to_vec(),
    };
    let back = Action::Untaint {
        socs: socs.to_vec(),
    };
    Draft::new(set_name(socs.iter()), action, reason, distinct(causes)).undone_by(back)
}

pub(super) fn drain(
    view: &View<'_>,
    socs: &[PciAddress],
    seconds: u32,
    reason: StepReason,
    causes: &[Cause],
) -> Draft {
    let action = Action::Drain {
        socs: socs.to_vec(),
        workers: work::holding(view, socs),
        timeout_seconds: seconds,
    };
    Draft::new(set_name(socs.iter()), action, reason, distinct(causes))
        .leaves(socs.iter().map(|soc| held_free(*soc)))
        .never_undone("workers that were stopped are started again by whoever supervises them")
        .disturbs(idles(view, socs.to_vec()))
        .takes_at_most(seconds)
}

pub(super) fn untaint(socs: &[PciAddress], causes: &[Cause]) -> Draft {
    let action = Action::Untaint {
        socs: socs.to_vec(),
    };
    let back = Action::Taint {
        socs: socs.to_vec(),
    };
    Draft::new(
        set_name(socs.iter()),
        action,
        StepReason::WorkDone,
        distinct(causes),
    )
    .undone_by(back)
}

pub(super) fn clear(clear: Clear) -> Draft {
    let Clear {
        port,
        before,
        mask,
        first,
        isolation,
        record,
        causes,
    } = clear;
    let after = Word(before.0 & !mask.0);
    let action = Action::ClearAcs {
        port: port.clone(),
        before,
        mask,
    };
    let back = Action::RestoreAcs {
        port: port.clone(),
        before: after,
        pre_image: before,
        mask,
    };
    Draft::new(
        port.address.to_string(),
        action,
        StepReason::PathRedirectsP2P,
        causes,
    )
    .expects([at_path(&port), reads(&port, before)])
    .leaves([reads(&port, after)])
    .undone_by(back)
    .records(record)
    .disturbs(Disruption {
        class: DisruptionClass::Isolation,
        disruptive: first,
        isolation: Some(isolation),
        ..quiet()
    })
}

pub(super) fn restore(restore: Restore) -> Draft {
    let Restore {
        port,
        before,
        pre_image,
        mask,
        record,
        causes,
    } = restore;
    let after = Word((before.0 & !mask.0) | (pre_image.0 & mask.0));
    let action = Action::RestoreAcs {
        port: port.clone(),
        before,
        pre_image,
        mask,
    };
    let again = Word(after.0 & !before.0 & ACS_REDIRECT_MASK);
    let draft = Draft::new(
        port.address.to_string(),
        action,
        StepReason::GroupGone,
        causes,
    )
    .expects([at_path(&port), reads(&port, before)])
    .leaves([reads(&port, after)])
    .records(record);
    if again == mask {
        draft.undone_by(Action::ClearAcs {
            port,
            before: after,
            mask: again,
        })
    } else {
        draft.never_undone("somebody else's bits are replaced by the ones from before our change")
    }
}

pub(super) fn qmonitor(view: &View<'_>, requests: &[Request]) -> Draft {
    let mut causes: Vec<Cause> = requests.iter().flat_map(|r| r.causes.clone()).collect();
    causes.push(seen(view, "/tools/qmonitorRunning", "false"));
    Draft::new(
        "qmonitor".into(),
        Action::StartQmonitor {},
        StepReason::QmonitorNeeded,
        distinct(&causes),
    )
    .expects([fact(Subject::Qmonitor, "stopped")])
    .leaves([fact(Subject::Qmonitor, "running")])
    .never_undone("its start may have updated firmware; it is left running")
}

pub(super) fn request(request: &Request) -> Draft {
    let was = opposite(request.enable);
    let back = Action::RequestMdp {
        soc: request.soc.clone(),
        enable: was,
    };
    asked(request, was).undone_by(back)
}

/// A request for what the SoC has already, in place of one that waits for a reset.
pub(super) fn withdraw(request: &Request) -> Draft {
    asked(request, request.enable)
        .never_undone("what waited for the SoC's next reset is not asked for again")
}

/// A request to a SoC that reads so.
fn asked(request: &Request, reads: MdpSetting) -> Draft {
    let Request {
        soc,
        enable,
        record,
        causes,
    } = request;
    let action = Action::RequestMdp {
        soc: soc.clone(),
        enable: *enable,
    };
    Draft::new(
        soc.address.to_string(),
        action,
        StepReason::PartitioningDiffers,
        causes.clone(),
    )
    .expects([is_same(soc), reads_mdp(soc, reads)])
    .records(record.clone())
}

pub(super) fn reset(
    view: &View<'_>,
    scope: ResetScope,
    socs: &[SocIdentity],
    requests: &[Request],
) -> Draft {
    let addresses: Vec<PciAddress> = socs.iter().map(|soc| soc.address).collect();
    let causes: Vec<Cause> = requests.iter().flat_map(|r| r.causes.clone()).collect();
    let target = match scope {
        ResetScope::SoC => set_name(addresses.iter()),
        ResetScope::Host => "all".into(),
    };
    // That the SoC still reads as before the request is what keeps a reset from happening twice.
    let pending = requests
        .iter()
        .map(|r| reads_mdp(&r.soc, opposite(r.enable)));
    let ready = socs
        .iter()
        .filter(|soc| was_ready(view, soc))
        .map(|soc| fact(Subject::Status { soc: soc.address }, "Ready"));
    let expects: Vec<Precondition> = socs
        .iter()
        .map(is_same)
        .chain(ready)
        .chain(addresses.iter().map(|soc| held_free(*soc)))
        .chain(pending)
        .collect();
    let workers = work::holding(view, &addresses);
    Draft::new(
        target,
        Action::Reset {
            scope,
            socs: socs.to_vec(),
        },
        StepReason::ResetNeeded,
        distinct(&causes),
    )
    .expects(expects)
    .never_undone("a reset cannot be taken back; the SoC comes up by itself")
    .disturbs(Disruption {
        class: match scope {
            ResetScope::SoC => DisruptionClass::Device,
            ResetScope::Host => DisruptionClass::Node,
        },
        disruptive: true,
        socs: addresses,
        workers,
        isolation: None,
    })
}

pub(super) fn wait(socs: &[SocIdentity], requests: &[Request]) -> Draft {
    let causes: Vec<Cause> = requests.iter().flat_map(|r| r.causes.clone()).collect();
    let target = set_name(socs.iter().map(|soc| &soc.address));
    let action = Action::WaitReady {
        socs: socs.to_vec(),
        timeout_seconds: READY_SECONDS,
    };
    Draft::new(target, action, StepReason::AfterReset, distinct(&causes))
        .leaves(
            socs.iter()
                .map(|soc| fact(Subject::Status { soc: soc.address }, "Ready")),
        )
        .takes_at_most(READY_SECONDS)
}

pub(super) fn verify_mdp(requests: &[Request], enable: MdpSetting) -> Draft {
    let socs: Vec<SocIdentity> = requests.iter().map(|request| request.soc.clone()).collect();
    let causes: Vec<Cause> = requests.iter().flat_map(|r| r.causes.clone()).collect();
    let target = set_name(socs.iter().map(|soc| &soc.address));
    let leaves: Vec<Precondition> = socs.iter().map(|soc| reads_mdp(soc, enable)).collect();
    Draft::new(
        target,
        Action::VerifyMdp { socs, enable },
        StepReason::AfterReset,
        distinct(&causes),
    )
    .leaves(leaves)
}

pub(super) fn verify(view: &View<'_>, verify: Verify) -> Draft {
    let Verify {
        group,
        members,
        ports,
        causes,
    } = verify;
    let addresses: Vec<PciAddress> = members.iter().map(|soc| soc.address).collect();
    let expects: Vec<Precondition> = members
        .iter()
        .map(is_same)
        .chain(addresses.iter().map(|soc| held_free(*soc)))
        .collect();
    let leaves = [fact(
        Subject::Verification {
            group: group.clone(),
        },
        "verified",
    )];
    Draft::new(
        format!("{}/{}", group.name, group.index),
        Action::VerifyP2P {
            group,
            members,
            ports,
        },
        StepReason::NotVerified,
        causes,
    )
    .expects(expects)
    .leaves(leaves)
    .disturbs(idles(view, addresses))
}

pub(super) fn assign(assign: Assign) -> Draft {
    let Assign {
        group,
        members,
        before,
        causes,
    } = assign;
    let target = format!("{}/{}", group.name, group.index);
    let back = Action::AssignGroup {
        group: group.clone(),
        members: before,
    };
    let reason = if members.is_empty() {
        StepReason::GroupGone
    } else {
        StepReason::MembersDiffer
    };
    Draft::new(
        target,
        Action::AssignGroup { group, members },
        reason,
        causes,
    )
    .undone_by(back)
}

/// Whether a SoC was Ready when the plan was made; others are not waited for.
pub(super) fn was_ready(view: &View<'_>, soc: &SocIdentity) -> bool {
    let found = view.soc(soc.address);
    found.is_some_and(|soc| soc.status.get() == Some(&SocStatus::Ready))
}

/// Each cause once, in the order of first mention.
pub(super) fn distinct(causes: &[Cause]) -> Vec<Cause> {
    let mut once: Vec<Cause> = Vec::new();
    for cause in causes {
        if !once.contains(cause) {
            once.push(cause.clone());
        }
    }
    once
}

fn opposite(setting: MdpSetting) -> MdpSetting {
    match setting {
        MdpSetting::On => MdpSetting::Off,
        MdpSetting::Off => MdpSetting::On,
    }
}

fn reads_mdp(soc: &SocIdentity, setting: MdpSetting) -> Precondition {
    let text = match setting {
        MdpSetting::On => "on",
        MdpSetting::Off => "off",
    };
    fact(Subject::Mdp { soc: soc.address }, text)
}

fn held_free(soc: PciAddress) -> Precondition {
    fact(Subject::Held { soc }, "free")
}

fn at_path(port: &PortRef) -> Precondition {
    fact(Subject::Path { port: port.address }, port.path.0.clone())
}

fn reads(port: &PortRef, word: Word) -> Precondition {
    fact(Subject::AcsControl { port: port.address }, word.to_string())
}
