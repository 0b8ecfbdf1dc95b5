//! What stands against changing one SoC.
use crd::{
    Unknown,
    id::{ObjectRef, PciAddress},
    kind::ResetScope,
    plan::ReportReason,
    snapshot::{SocStatus, hands_on},
};

use super::{governance, missing};
use crate::{
    Concern,
    judge::{foreign_holders, resets_too},
    lost,
    placement::{GIVE_ROOM, LOOK_AGAIN, Obstacle},
    selection::version,
    view::{Spared, View},
};

/// The first Platform SDK with multi-device partitioning (vendor's documentation).
const MDP_SDK: &str = "1.17";

/// Its state: only a Ready SoC can be worked with, and one that is Initializing is never reset.
pub(super) fn state_obstacles(
    view: &View<'_>,
    soc: PciAddress,
    object: &ObjectRef,
) -> Vec<Obstacle> {
    let Some(found) = view.soc(soc) else {
        return vec![of(
            object,
            ReportReason::MemberMissing,
            soc,
            format!("SoC {soc} is not there"),
            "plug it back",
        )];
    };
    let driver = (view.topology.function(soc)).and_then(|function| function.driver.get());
    if let Some(driver) = driver.filter(|driver| hands_on(driver)) {
        return vec![of(
            object,
            ReportReason::NotReady,
            soc,
            format!(
                "SoC {soc} is bound to {driver}: it is given to somebody else, a virtual machine say"
            ),
            "bind it to the qaic driver, or leave it out",
        )];
    }
    if let Some(obstacle) = undriven_obstacle(view, soc, object) {
        return vec![obstacle];
    }
    match found.status.get() {
        Some(SocStatus::Ready) => Vec::new(),
        Some(SocStatus::Initializing) => vec![of(
            object,
            ReportReason::Initializing,
            soc,
            format!("SoC {soc} is Initializing, and it is never reset in that state"),
            "wait until it is Ready (a boot takes up to 15 minutes) and plan again",
        )],
        Some(SocStatus::Error) => vec![not_ready(object, soc, "in state Error", SICK)],
        Some(SocStatus::Other(word)) => {
            vec![not_ready(object, soc, &format!("in state {word}"), SICK)]
        }
        None => {
            let unknown = found.status.unknown;
            let hint = match unknown {
                Some(Unknown::ToolMissing) => {
                    "install the Platform SDK: its `qaic-util` says in which state a SoC is"
                }
                Some(_) | None => SICK,
            };
            let state = format!("in an unknown state ({})", why(unknown));
            vec![not_ready(object, soc, &state, hint)]
        }
    }
}

/// No driver serves it: the vendor's tool can neither ask nor reset it.
fn undriven_obstacle(view: &View<'_>, soc: PciAddress, object: &ObjectRef) -> Option<Obstacle> {
    let function = view.topology.function(soc)?;
    (function.driver.unknown == Some(Unknown::Absent)).then(|| {
        of(
            object,
            ReportReason::NotReady,
            soc,
            format!("SoC {soc} is bound to no driver, so that nothing can reset it"),
            "bind it to the qaic driver; where the module is missing, load it",
        )
    })
}

/// What to do about a SoC that is in no state to be used.
const SICK: &str =
    "look at the vendor's tool and the kernel log: permission, firmware, or a broken card";

fn not_ready(object: &ObjectRef, soc: PciAddress, state: &str, hint: &str) -> Obstacle {
    of(
        object,
        ReportReason::NotReady,
        soc,
        format!("SoC {soc} is {state}"),
        hint,
    )
}

/// What its policy requires before anything is done to it.
pub(super) fn requirement_obstacles(
    view: &View<'_>,
    soc: PciAddress,
    object: &ObjectRef,
) -> Vec<Obstacle> {
    let Some(require) = view
        .policy(soc)
        .and_then(|policy| policy.spec.require.as_ref())
    else {
        return Vec::new();
    };
    let mut obstacles = Vec::new();
    if let Some(gib) = require.bar4_gib {
        let needed = u64::from(gib) * 1024 * 1024;
        let short = match view.bar4_kib(soc) {
            Ok(_) if view.has_no_place(soc) => Some((
                ReportReason::BarTooSmall,
                format!("no addresses were given to that of {soc}"),
                GIVE_ROOM,
            )),
            Ok(kib) if kib >= needed => None,
            Ok(kib) => Some((
                ReportReason::BarTooSmall,
                format!("{soc} has {kib} KiB"),
                "ask the system integrator for firmware with a larger BAR 4",
            )),
            Err(why) => Some((
                ReportReason::Unread,
                format!("how large it is could not be read of {soc} ({why})"),
                LOOK_AGAIN,
            )),
        };
        obstacles.extend(short.map(|(reason, found, hint)| {
            let message = format!("the policy requires BAR 4 of {gib} GiB and {found}");
            of(object, reason, soc, message, hint)
        }));
    }
    if let Some(least) = &require.min_sdk {
        obstacles.extend(sdk_obstacle(view, soc, object, least));
    }
    obstacles
}

/// What stands against switching its partitioning, which takes a request and a reset.
pub(super) fn change_obstacles(
    view: &View<'_>,
    soc: PciAddress,
    object: &ObjectRef,
) -> Vec<Obstacle> {
    let mut obstacles = request_obstacles(view, soc, object);
    obstacles.extend(lost_obstacle(view, object));
    match governance::reset_scope(view) {
        ResetScope::SoC => {}
        ResetScope::Host => obstacles.extend(whole_reset_obstacles(view, object)),
    }
    obstacles
}

/// What stands against a request alone.
pub(crate) fn request_obstacles(
    view: &View<'_>,
    soc: PciAddress,
    object: &ObjectRef,
) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    obstacles.extend(vendor_obstacle(view, soc, object));
    if view.snapshot.tools.platform_sdk.get().is_some() {
        obstacles.extend(sdk_obstacle(view, soc, object, MDP_SDK));
    }
    let qmonitor = &view.snapshot.tools.qmonitor_running;
    if qmonitor.get().is_none() {
        obstacles.push(of(
            object,
            ReportReason::ToolMissing,
            soc,
            format!(
                "partitioning of {soc} is switched through qmonitor, which could not be asked ({})",
                why(qmonitor.unknown)
            ),
            "install the Platform SDK",
        ));
    }
    obstacles.extend(missing::for_request(view, soc, object));
    if qmonitor.get() == Some(&false) {
        let failed = view.failed.get(&Concern::Qmonitor);
        obstacles.extend(failed.map(|step| step.obstacle(object, "/spec", vec![soc])));
    }
    obstacles
}

/// While a SoC is away that one of our resets may have taken off the bus, no other is reset.
pub(super) fn lost_obstacle(view: &View<'_>, object: &ObjectRef) -> Option<Obstacle> {
    Some(Obstacle {
        reason: ReportReason::StepFailed,
        object: object.clone(),
        pointer: "/spec".into(),
        functions: lost::away(view.snapshot),
        message: lost::holds_resets(view.snapshot)?,
        hint: lost::SEE_SLOT.into(),
    })
}

/// The vendor's operator's agent resets SoCs of its node by itself: where it is, or may be, we do not.
fn vendor_obstacle(view: &View<'_>, soc: PciAddress, object: &ObjectRef) -> Option<Obstacle> {
    let other = resets_too(view.snapshot)?;
    Some(of(
        object,
        ReportReason::VendorAgent,
        soc,
        format!("switching partitioning of {soc} resets it, and {other}"),
        "take the vendor's agent off this node (the node selector of its operator), or leave partitioning to it: `mdp` absent from the policy, or `enforcement: Observe`",
    ))
}

/// What stands against resetting every SoC of the machine together.
fn whole_reset_obstacles(view: &View<'_>, object: &ObjectRef) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    for soc in view.addresses() {
        obstacles.extend(held_obstacle(view, soc, object));
        let status = view.soc(soc).and_then(|soc| soc.status.get());
        if status.is_none_or(|status| *status == SocStatus::Initializing) {
            obstacles.extend(state_obstacles(view, soc, object));
        } else {
            obstacles.extend(undriven_obstacle(view, soc, object));
        }
    }
    let all = view.addresses().count();
    if let Some(budget) = governance::budget(view).filter(|budget| all > *budget as usize) {
        obstacles.push(Obstacle {
            reason: ReportReason::BudgetTooSmall,
            object: object.clone(),
            pointer: "/spec".into(),
            functions: view.addresses().collect(),
            message: format!(
                "the reset reaches all {all} SoCs of the machine and the rollout allows {budget}"
            ),
            hint: "raise `rollout.maxUnavailableSocs`, or declare `resetScope: SoC`".into(),
        });
    }
    obstacles
}

/// Somebody else who holds it, by pid, or what of ours leaves it alone.
pub(crate) fn held_obstacle(
    view: &View<'_>,
    soc: PciAddress,
    object: &ObjectRef,
) -> Option<Obstacle> {
    let holders = foreign_holders(soc, view.snapshot);
    if !holders.is_empty() {
        return Some(of(
            object,
            ReportReason::HeldByForeign,
            soc,
            format!("SoC {soc} is held by {}", holders.join(", ")),
            "stop it and plan again; only our own workers are drained",
        ));
    }
    left_alone(view, soc, object)
}

/// What of ours keeps a SoC as it is: a step that failed on it, or a replica that has to go on serving.
pub(super) fn left_alone(view: &View<'_>, soc: PciAddress, object: &ObjectRef) -> Option<Obstacle> {
    let failed = view.failed.get(&Concern::Soc(soc));
    let failed = failed.map(|step| step.obstacle(object, "/spec", vec![soc]));
    failed.or_else(|| Some(kept_serving(object, view.spared.get(&soc)?)))
}

/// A replica has to go on serving on these SoCs.
fn kept_serving(object: &ObjectRef, spared: &Spared) -> Obstacle {
    Obstacle {
        reason: ReportReason::TooFewServing,
        object: object.clone(),
        pointer: "/spec".into(),
        functions: spared.functions.clone(),
        message: spared.message.clone(),
        hint: spared.hint.clone(),
    }
}

fn sdk_obstacle(
    view: &View<'_>,
    soc: PciAddress,
    object: &ObjectRef,
    least: &str,
) -> Option<Obstacle> {
    let sdk = &view.snapshot.tools.platform_sdk;
    match sdk.get() {
        Some(now) if version(now) >= version(least) => None,
        Some(now) => Some(of(
            object,
            ReportReason::SdkTooOld,
            soc,
            format!("Platform SDK {now} is installed and {least} is needed"),
            "install a newer Platform SDK",
        )),
        None => Some(of(
            object,
            ReportReason::ToolMissing,
            soc,
            format!(
                "Platform SDK {least} is needed and its version is unknown ({})",
                why(sdk.unknown)
            ),
            "install the Platform SDK",
        )),
    }
}

pub(super) fn of(
    object: &ObjectRef,
    reason: ReportReason,
    soc: PciAddress,
    message: String,
    hint: &str,
) -> Obstacle {
    Obstacle {
        reason,
        object: object.clone(),
        pointer: "/spec".into(),
        functions: vec![soc],
        message,
        hint: hint.into(),
    }
}

/// That nobody knows whether a SoC is partitioned, and what would tell.
pub(super) fn partitioning_unknown(view: &View<'_>, soc: PciAddress) -> (String, &'static str) {
    let fact = view.soc(soc).map(|found| &found.mdp);
    let ready = view.soc(soc).and_then(|found| found.status.get()) == Some(&SocStatus::Ready);
    let untold = fact.and_then(|fact| fact.unknown) == Some(Unknown::Absent);
    if ready && untold {
        return (
            format!(
                "qaic-util prints no `Device Capabilities` of {soc}, so that nobody knows whether partitioning is on"
            ),
            "install the vendor's own build of qaic-util, of a newer Platform SDK: the open one and older ones print no such line",
        );
    }
    (
        format!("whether partitioning is on could not be read on {soc}"),
        "look at `shardplane probe`: the vendor's tool must answer for this SoC",
    )
}

pub(super) fn why(unknown: Option<Unknown>) -> String {
    unknown.map_or_else(|| "no reason given".into(), |reason| format!("{reason:?}"))
}
