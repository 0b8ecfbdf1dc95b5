//! Tools of the vendor, and what else works on the node.
use crd::{kind::rack::VendorTool, snapshot::Soc};

use super::{first, patient::Patient, sdk::is_missing, seen::Seen};
use crate::{judge::resets_too, plan::missing};

/// Files of the SDK that steps need, and for what.
const TOOLS: [(&str, &str); 6] = [
    ("tools/qaic-util", "queries and resets"),
    ("tools/qaic-monitor-json", "requests for MDP"),
    ("tools/qaic-monitor-grpc-server", "qmonitor"),
    ("firmware/fw2_swe.json", "qmonitor"),
    ("exec/qaic-runner", "the proof of P2P"),
    (
        "test-data/aic100/v2/qaic-compute-networks/factory-workload-bin/2c-p2p-bw",
        "the proof of P2P",
    ),
];

pub(super) fn tools(patient: &Patient<'_>) -> Vec<Seen> {
    if is_missing(patient) {
        return Vec::new();
    }
    let tools = &patient.snapshot.tools;
    let starter = tools.missing.get(&VendorTool::SystemdRun);
    // Nobody has to start what runs.
    let starter = starter.filter(|_| tools.qmonitor_running.get() != Some(&true));
    let mut seen = patient.asked(|asked| {
        vec![Seen::told(&asked.installed, |found| {
            let lacking: Vec<String> = TOOLS
                .iter()
                .filter(|(file, _)| !found.iter().any(|there| there == file))
                .map(|(file, what)| format!("{file} ({what})"))
                .collect();
            if lacking.is_empty() {
                Seen::pass(match starter {
                    Some(_) => "those of the SDK are all there",
                    None => "all there",
                })
            } else {
                Seen::fail(
                    format!("not there: {}", lacking.join(", ")),
                    "install the vendor's Platform SDK, and its Apps SDK for what lies in exec/ and test-data/",
                )
            }
        })]
    });
    seen.extend(starter.map(|looked| {
        let fact = "systemd, whose `systemd-run` starts qmonitor, is not there";
        Seen::fail(fact, missing::START_QMONITOR).from(looked)
    }));
    seen
}

pub(super) fn compiler(patient: &Patient<'_>) -> Vec<Seen> {
    let fact = &patient.snapshot.tools.compiler;
    let seen = match fact.get() {
        Some(found) => Seen::pass(format!("{} {}", found.program, found.version)),
        None => Seen::warn(
            "none: programs for target AI100 cannot be built here",
            "install the Apps SDK, or build on another machine; target CPU does not need it",
        ),
    };
    vec![seen.from(&fact.source)]
}

pub(super) fn qmonitor(patient: &Patient<'_>) -> Vec<Seen> {
    // Where all are partitioned nothing is asked of it, and what stands against other things does not stand against it.
    let asked = |soc: &Soc| soc.mdp.get() != Some(&true);
    let is_asked = patient.snapshot.socs.iter().any(asked);
    vec![Seen::told(
        &patient.snapshot.tools.qmonitor_running,
        |running| {
            if *running {
                Seen::pass("answers")
            } else {
                let stopped = Seen::warn("stopped: MDP cannot be requested", "");
                match first::for_qmonitor(&patient.snapshot.tools)
                    .or_else(|| patient.would.first_for_qmonitor().filter(|_| is_asked))
                {
                    Some(first) => stopped.mended_by_somebody(first),
                    None => stopped.mended_by_apply(
                        "nothing by hand: `shardplane apply` starts it where a request is to be made; starting it may update firmware",
                    ),
                }
            }
        },
    )]
}

pub(super) fn worker(patient: &Patient<'_>) -> Vec<Seen> {
    let fact = &patient.snapshot.tools.worker;
    let seen = match fact.get() {
        Some(found) => Seen::pass(format!("{} ({})", found.version, found.instruction_set)),
        None => Seen::warn(
            "none that answers: nothing can be built or served for target CPU",
            "put shardplane-worker beside shardplane, or on PATH",
        ),
    };
    vec![seen.from(&fact.source)]
}

pub(super) fn vendor_operator(patient: &Patient<'_>) -> Vec<Seen> {
    let mut seen = patient.asked(|asked| {
        vec![Seen::told(&asked.vendor_operator, |marks| {
            if marks.is_empty() {
                Seen::pass("no trace of it")
            } else {
                Seen::warn(
                    format!("it works here: {}", marks.join(", ")),
                    "it resets every SoC of the node when its pod starts, and runs qmonitor too: let one of the two reset, and see that pods of both never hold the same SoC",
                )
            }
        })]
    });
    if let Some(other) = resets_too(patient.snapshot) {
        let owner = patient.snapshot.tools.qmonitor_owner.as_ref();
        let source = owner.map_or("", |fact| fact.source.as_str());
        let hint = "as long as that is so we reset none: take the vendor's agent off this node, or leave partitioning to it";
        seen.push(Seen::warn(other, hint).from(source));
    }
    seen
}
