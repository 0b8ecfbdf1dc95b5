//! P2P verification: the vendor's two-device test with its output checked, between every pair, in both directions.
//!
//! Bandwidth proves nothing: peers behind a redirecting switch have been seen to deliver wrong data fast. So a run counts as
//! proof where the runner says that it compared the output, and ran as often as it was told. One that says nothing of the
//! data proves that links carried it, and that is what the step then says: it asks for data, and has not seen it compared.
//!
//! Format: documented are the program, the test's folder, `-t`, `-n`, `-a`, `-l` and `-D` (the guide's smoke test), the line of
//! statistics and the sentence about a peer that cannot be reached. Inferred are `-o FILE` (the open runner's; that the vendor's
//! has it is not known), that the test brings the output to expect as `output.bin`, and the words for what came of comparing.
//! Observed is nothing of it. The runner's documented `--write-output-…` would leave the output here to be compared, but what it
//! names its files is published nowhere, so they are not asked for.
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
    vendor::{Device, Proven, RunnerReport, refusal},
};

const RUNNER: &str = "/opt/qti-aic/exec/qaic-runner";
/// The vendor's factory test of P2P between two devices.
const NETWORK: &str =
    "/opt/qti-aic/test-data/aic100/v2/qaic-compute-networks/factory-workload-bin/2c-p2p-bw";
/// The output to expect, where the test brings one.
const EXPECTED: &str = "output.bin";
/// How often each pair runs in each direction, as the guide has it.
const ITERATIONS: u64 = 10;
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
    let roll = Roll::call(machine, &addresses);
    let qids = addresses
        .iter()
        .map(|&soc| roll.ready_qid(soc))
        .collect::<Result<Vec<Qid>, _>>()?;
    let (mut runs, mut unsaid) = (0_u32, 0_u32);
    for (from, &first) in qids.iter().enumerate() {
        for (to, &second) in qids.iter().enumerate() {
            if from != to {
                let output = run(machine, first, second)?;
                runs += 1;
                match judge(&output, addresses[from], addresses[to])? {
                    Proven::Data => {}
                    Proven::Links => unsaid += 1,
                }
            }
        }
    }
    if unsaid > 0 {
        return Err(StepError::NotCompared { runs, unsaid });
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
    let roll = Roll::call(machine, members);
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
    let (map, count) = (format!("{from}:{to}"), ITERATIONS.to_string());
    let expected = format!("{NETWORK}/{EXPECTED}");
    let mut arguments = vec!["-t", NETWORK, "-n", &count, "-a", "1", "-l", "-D", &map];
    // There may be nothing to compare with; a runner that is told to all the same would only fail by that.
    let files = machine.list(NETWORK).unwrap_or_default();
    if files.iter().any(|file| file == EXPECTED) {
        arguments.extend(["-o", &expected]);
    }
    Ok(machine.run(&Invocation::new(RUNNER, &arguments, RUN_DEADLINE))?)
}

/// A run counts when it ended by itself with 0, did all that it was told, and nothing that it printed speaks of a failure.
fn judge(output: &ToolOutput, from: PciAddress, to: PciAddress) -> Result<Proven, StepError> {
    let said = format!("{}\n{}", output.stdout, output.stderr);
    let Ok(report) = said.parse::<RunnerReport>();
    let judged = report.judge(ITERATIONS, output.status, output.timed_out);
    judged.map_err(|why| match refusal(&said) {
        Some(said) if !output.timed_out && output.status.is_some() => StepError::ToolRefused {
            tool: RUNNER.to_owned(),
            said,
        },
        Some(_) | None => StepError::NoP2P { from, to, why },
    })
}
