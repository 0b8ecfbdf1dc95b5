//! Partitioning requests: one SoC is meant, and named by its QID, which may be another one's by the time that it is heard.
//!
//! Format: the call is documented (`qaic-monitor-json -i FILE`), and the request's keys are the vendor's example's. What a
//! request is answered is published nowhere: no answer is proof, and state is asked for again.
use std::{collections::BTreeMap, time::Duration};

use crd::{
    id::{PciAddress, Qid},
    snapshot::SocIdentity,
    step::MdpSetting,
};

use super::{
    Performed, StepError,
    failed::{ended, failed},
    identity::{Roll, confirm},
    soc::TOOL_DEADLINE,
};
use crate::{
    access::{Invocation, ToolOutput},
    machine::Machine,
    probe::host::qmonitor,
    vendor::{
        Device, MonitorAnswer, is_not_up, is_unconnected, is_unprivileged, partitioning_request,
    },
};

/// How long the monitor's server may listen before it answers: the vendor's own scripts wait ten seconds.
pub(super) const WARM_UP: Duration = Duration::from_secs(30);
const WARM_UP_LOOK: Duration = Duration::from_secs(1);
const MONITOR_JSON: &str = "/opt/qti-aic/tools/qaic-monitor-json";

pub(super) fn request_mdp(
    machine: &Machine,
    soc: &SocIdentity,
    enable: MdpSetting,
) -> Result<Performed, StepError> {
    confirm(machine, soc)?;
    if qmonitor(machine).value != Some(true) {
        return Err(StepError::Expectation {
            expected: "qmonitor running".to_owned(),
            found: "stopped".to_owned(),
        });
    }
    let before = Roll::call(machine, &[soc.address]);
    let qid = before.ready_qid(soc.address)?;
    let answer = match ask(machine, qid, enable) {
        Asked::Unheard(error) => return Err(error),
        Asked::Heard(answer) => answer,
    };
    // QIDs are ranks: where a SoC left or joined meanwhile, the request may have reached another one. However it was answered, it
    // may have been handed on: firmware that nobody can ask takes it up at a reset.
    let after = Roll::call(machine, &[soc.address]);
    let others = takers(&before, &after, (soc.address, qid), enable);
    let moved = |what: String| StepError::ToolFailed {
        tool: MONITOR_JSON.to_owned(),
        what: format!("was asked for QID {qid}, and {what}"),
    };
    let kept = answer.and_then(|()| match after.ready_qid(soc.address)? {
        now if now != qid => Err(moved(format!("{} is QID {now} now", soc.address))),
        _ if !others.is_empty() => Err(moved("QIDs moved meanwhile".to_owned())),
        _ => Ok(Performed::Seen),
    });
    kept.map_err(|error| {
        if others.is_empty() {
            return error.unseen(format!("partitioning was requested of {}", soc.address));
        }
        StepError::Strayed {
            soc: soc.address,
            qid,
            others,
            source: Box::new(error),
        }
    })
}

/// What came of asking.
enum Asked {
    /// Nobody can have heard the request.
    Unheard(StepError),
    /// Somebody may have, whatever was answered.
    Heard(Result<(), StepError>),
}

fn ask(machine: &Machine, qid: Qid, enable: MdpSetting) -> Asked {
    let request = partitioning_request(qid, enable == MdpSetting::On);
    let mut call = Invocation::new(MONITOR_JSON, &["-i", "{dir}/request.json"], TOOL_DEADLINE);
    call.files = vec![("request.json".to_owned(), request)];
    let up_by = machine.now().plus(WARM_UP);
    let mut heard = false;
    loop {
        let output = match machine.run(&call) {
            Ok(output) => output,
            Err(error) if heard => return Asked::Heard(Err(error.into())),
            Err(error) => return Asked::Unheard(error.into()),
        };
        let unheard = says(&output, is_unconnected) || is_refused(&output);
        heard |= !unheard;
        // It listens some seconds before it answers, and whoever starts it waits for the listener.
        let not_up = [&output.stdout, &output.stderr].map(|text| is_not_up(text));
        if not_up != [false, false] && machine.now() < up_by {
            machine.pause(WARM_UP_LOOK);
            continue;
        }
        return match (complained(&output), heard) {
            (Some(_), false) => Asked::Unheard(failed(MONITOR_JSON, &output)),
            (Some(error), true) => Asked::Heard(Err(error)),
            (None, _) => Asked::Heard(Ok(())),
        };
    }
}

/// What the tool complains of, whatever its exit code. That the request was taken is proven neither by that nor by none of it.
fn complained(output: &ToolOutput) -> Option<StepError> {
    let answers = [&output.stdout, &output.stderr].map(|text| text.parse::<MonitorAnswer>());
    let fine = (answers.iter()).all(|answer| *answer == Ok(MonitorAnswer::Unheard));
    (output.status != Some(0) || !fine).then(|| ended(MONITOR_JSON, output))
}

/// Whether the tool ended by itself and said no more than that whoever calls it has no rights: it asked that first.
fn is_refused(output: &ToolOutput) -> bool {
    !output.timed_out
        && output.status.is_some_and(|status| status != 0)
        && says(output, is_unprivileged)
}

/// Whether this is so of all that the tool said, and it said something.
fn says(output: &ToolOutput, what: impl Fn(&str) -> bool) -> bool {
    what(&format!("{}\n{}", output.stdout, output.stderr))
}

/// SoCs beside the one that was meant that may have had its QID when the request was heard, and that it would change: who has it
/// now, and whoever it passed by.
fn takers(
    before: &Roll,
    after: &Roll,
    (meant, qid): (PciAddress, Qid),
    enable: MdpSetting,
) -> Vec<PciAddress> {
    let then: BTreeMap<PciAddress, Qid> = before.qids().collect();
    let passed = |&(soc, now): &(PciAddress, Qid)| {
        let then = then.get(&soc).copied().unwrap_or(now);
        let mdp = after.device(soc).ok().flatten().and_then(Device::mdp);
        let changes = mdp.is_none_or(|mdp| !enable.is(mdp));
        soc != meant && (then.min(now)..=then.max(now)).contains(&qid) && changes
    };
    after.qids().filter(passed).map(|(soc, _)| soc).collect()
}
