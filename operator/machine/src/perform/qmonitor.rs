//! qmonitor: started as the vendor's guide does, as a transient unit, unless its unit is there already in one state or another.
//!
//! Format: documented (the unit's name, its command and its port; systemctl(1), systemd-run(1)). That it needs some seconds
//! before it answers is observed in the vendor's own scripts, which wait ten.
use std::time::Duration;

use super::{
    Performed, StepError,
    failed::failed,
    soc::{TOOL_DEADLINE, wait_for},
};
use crate::{
    access::{Invocation, ToolOutput},
    machine::Machine,
    probe::{host::qmonitor, missing::QMONITOR_UNIT as UNIT},
    vendor::{QmonitorUnit, UNIT_PROPERTIES},
};

const SERVER: &str = "/opt/qti-aic/tools/qaic-monitor-grpc-server";
/// qmonitor may update firmware before it answers; about ten seconds are usual.
pub(super) const QMONITOR_DEADLINE: Duration = Duration::from_mins(5);
/// Calls of the service manager: what the unit is, forgetting it, starting it.
pub(super) const CALLS: u32 = 3;

pub(super) fn start(machine: &Machine) -> Result<Performed, StepError> {
    let listens = || qmonitor(machine).value == Some(true);
    if listens() {
        return Ok(Performed::AlreadyDone);
    }
    let started = match unit(machine) {
        QmonitorUnit::Active | QmonitorUnit::Starting => None,
        QmonitorUnit::DeadTransient => {
            // A failed transient unit stays loaded until it is forgotten, and fails a second start by that.
            let forget = ["reset-failed", UNIT];
            machine.run(&Invocation::new("systemctl", &forget, TOOL_DEADLINE))?;
            Some(transient(machine)?)
        }
        QmonitorUnit::Installed => {
            let call = Invocation::new("systemctl", &["start", "--no-block", UNIT], TOOL_DEADLINE);
            Some(machine.run(&call)?)
        }
        QmonitorUnit::Masked => {
            return Err(StepError::ToolFailed {
                tool: "systemctl".to_owned(),
                what: format!("shows {UNIT} masked; `systemctl unmask {UNIT}` lets it start"),
            });
        }
        QmonitorUnit::Absent | QmonitorUnit::Unknown => Some(transient(machine)?),
    };
    // Who was not permitted to start it waits for nobody.
    if let Some(output) = started.as_ref().filter(|output| output.status != Some(0))
        && let refused @ StepError::ToolRefused { .. } = failed("systemd-run", output)
        && !listens()
    {
        return Err(refused);
    }
    // A start may fail because somebody else was faster, and one that succeeds may die: only the listener tells.
    if wait_for(machine, QMONITOR_DEADLINE, || Ok(listens()))? {
        return Ok(Performed::Changed {
            before: "stopped".to_owned(),
            after: "running".to_owned(),
        });
    }
    match started {
        Some(output) if output.status != Some(0) => Err(failed("systemd-run", &output)),
        Some(_) | None => Err(StepError::Deadline {
            waited: QMONITOR_DEADLINE,
            wanted: "qmonitor to listen".to_owned(),
            found: match unit(machine) {
                QmonitorUnit::Starting => format!(
                    "{UNIT} still being started, perhaps over and over; `journalctl -u {UNIT}` says why"
                ),
                QmonitorUnit::DeadTransient | QmonitorUnit::Installed => {
                    format!("{UNIT} dead; `journalctl -u {UNIT}` says why")
                }
                QmonitorUnit::Active => format!("{UNIT} active and nobody listening"),
                QmonitorUnit::Absent | QmonitorUnit::Masked | QmonitorUnit::Unknown => {
                    "nobody listening".to_owned()
                }
            },
        }),
    }
}

fn unit(machine: &Machine) -> QmonitorUnit {
    let call = Invocation::new("systemctl", &["show", UNIT_PROPERTIES, UNIT], TOOL_DEADLINE);
    match machine.run(&call) {
        Ok(output) if !output.timed_out => {
            let Ok(unit) = output.stdout.parse();
            unit
        }
        Ok(_) | Err(_) => QmonitorUnit::Unknown,
    }
}

fn transient(machine: &Machine) -> Result<ToolOutput, StepError> {
    let unit = format!("--unit={}", UNIT.trim_end_matches(".service"));
    let call = Invocation::new("systemd-run", &[&unit, SERVER], TOOL_DEADLINE);
    Ok(machine.run(&call)?)
}
