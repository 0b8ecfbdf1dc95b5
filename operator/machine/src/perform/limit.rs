//! How long an action may take at most, by the deadlines of its own parts: whoever waits longer waits for nothing.
use std::time::Duration;

use crd::step::Action;

use super::{
    begun,
    p2p::RUN_DEADLINE,
    qmonitor::{self, QMONITOR_DEADLINE},
    request::WARM_UP,
    soc::{CAPABLE, RESET_DEADLINE, TOOL_DEADLINE},
    switchtec,
};
use crate::probe::soc::QUERY_DEADLINE;

/// Looks of an action at its SoCs through the vendor's tool, before it acts and after.
const LOOKS: u32 = 4;
/// Calls of the Switchtec tool for one port: the list, every page, the way to the register, the register, the write.
const SWITCHTEC_CALLS: u32 = 1 + switchtec::MOST_PAGES + switchtec::MOST_STEPS + 2;

/// The longest that [`super::perform`] takes for an action before it gives up.
pub fn limit(action: &Action) -> Duration {
    let looks = QUERY_DEADLINE * LOOKS;
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    let acts = match action {
        Action::ClearAcs { .. } | Action::RestoreAcs { .. } => {
            switchtec::DEADLINE * SWITCHTEC_CALLS
        }
        Action::StartQmonitor {} => TOOL_DEADLINE * qmonitor::CALLS + QMONITOR_DEADLINE,
        Action::RequestMdp { .. } => WARM_UP + TOOL_DEADLINE,
        Action::Reset { socs, .. } => {
            RESET_DEADLINE * count(socs.len()) + begun::LIMIT + QUERY_DEADLINE
        }
        Action::Drain {
            timeout_seconds, ..
        }
        | Action::WaitReady {
            timeout_seconds, ..
        } => seconds(*timeout_seconds),
        Action::VerifyMdp { .. } => CAPABLE,
        Action::VerifyP2P { members, .. } => {
            let pairs = members.len() * members.len().saturating_sub(1);
            (RUN_DEADLINE + QUERY_DEADLINE) * count(pairs)
        }
        Action::Taint { .. }
        | Action::Untaint { .. }
        | Action::SetDriver { .. }
        | Action::SetSysctl { .. }
        | Action::WriteFile { .. }
        | Action::AssignEntry { .. }
        | Action::AssignGroup { .. }
        | Action::Build { .. }
        | Action::StartWorker { .. }
        | Action::StopWorker { .. }
        | Action::ReplaceWorker { .. } => Duration::ZERO,
    };
    acts + looks
}
