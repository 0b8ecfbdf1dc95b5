//! P2P verification: the vendor's two-device test with its output checked, between every pair, in both directions.
//!
//! Bandwidth proves nothing: peers behind a redirecting switch have been seen to deliver wrong data fast.
//!
//! Format: the call is documented (the guide's smoke test: program, flags, a pair of SoCs); so are its line of
//! statistics and the sentence about a peer that cannot be reached. What else it prints is inferred (see `vendor`).
use std::time::Duration;

use crd::{
    id::{BootId, PciAddress, Qid},
    snapshot::{SocIdentity, Verification},
    step::PortRef,
};

use super::{
    Performed, StepError,
    acs::present,
    identity::{Roll, confirm},
    soc::free,
};
use crate::{
    access::{Invocation, ToolOutput},
    machine::Machine,
    vendor::{Device, RunnerReport},
};

const RUNNER: &str = "/opt/qti-aic/exec/qaic-runner";
/// The vendor's factory test of P2P between two devices.
const NETWORK: &str =
    "/opt/qti-aic/test-data/aic100/v2/qaic-compute-networks/factory-workload-bin/2c-p2p-bw";
/// Ten iterations take seconds; the driver's own timeout for a control response is a minute by default.
pub(super) const RUN_DEADLINE: Duration = Duration::from_mins(3);

pub(super) fn verify(
    machine: &Machine,
    members: &[SocIdentity],
    ports: &[PortRef],
) -> Result<Performed, StepError> {
    for soc in members {
        confirm(machine, soc)?;
    }
    let addresses: Vec<PciAddress> = members.iter().map(|soc| soc.address).collect();
    free(machine, &addresses)?;
    let before = state(machine, &addresses, ports)?;
    let roll = Roll::call(machine);
    let qids = addresses
        .iter()
        .map(|&soc| roll.ready_qid(soc))
        .collect::<Result<Vec<Qid>, _>>()?;
    for (from, &first) in qids.iter().enumerate() {
        for (to, &second) in qids.iter().enumerate() {
            if from != to {
                let output = run(machine, first, second)?;
                judge(&output).map_err(|why| StepError::NoP2P {
                    from: addresses[from],
                    to: addresses[to],
                    why,
                })?;
            }
        }
    }
    // What was proven holds for the state in which it was proven, and for no other.
    let after = state(machine, &addresses, ports)?;
    if before != after {
        return Err(StepError::Expectation {
            expected: "registers that stay as they are during the test".to_owned(),
            found: "other ACS words, partitioning or boot".to_owned(),
        });
    }
    Ok(Performed::Proven(after))
}

/// The state that a proof belongs to.
fn state(
    machine: &Machine,
    members: &[PciAddress],
    ports: &[PortRef],
) -> Result<Verification, StepError> {
    let roll = Roll::call(machine);
    let mut mdp = true;
    for &soc in members {
        mdp &= roll.device(soc)?.and_then(Device::mdp) == Some(true);
    }
    let mut acs = Vec::new();
    for port in ports {
        // A port without the capability redirects nothing, and has no word to record.
        if let Some((_, word)) = present(machine, port)? {
            acs.push((port.address, word));
        }
    }
    acs.sort_unstable();
    Ok(Verification {
        boot_id: BootId(machine.read_text("/proc/sys/kernel/random/boot_id")?),
        members: members.to_vec(),
        acs,
        mdp,
    })
}

fn run(machine: &Machine, from: Qid, to: Qid) -> Result<ToolOutput, StepError> {
    let map = format!("{from}:{to}");
    let expected = format!("{NETWORK}/output.bin");
    let arguments = [
        "-t", NETWORK, "-n", "10", "-a", "1", "-l", "-D", &map, "-o", &expected,
    ];
    Ok(machine.run(&Invocation::new(RUNNER, &arguments, RUN_DEADLINE))?)
}

/// A run counts when it ended by itself with 0, worked, and nothing that it printed speaks of a failure.
fn judge(output: &ToolOutput) -> Result<(), String> {
    let Ok(report) = format!("{}\n{}", output.stdout, output.stderr).parse::<RunnerReport>();
    report.judge(output.status, output.timed_out)
}
