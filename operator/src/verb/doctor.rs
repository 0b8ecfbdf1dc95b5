//! `doctor`: whether machines are ready to shard models on cards, and what to do where they are not.
use crd::{
    diagnosis::{
        DIAGNOSIS_FORMAT, Diagnosis, Finding, Need, NodeDiagnosis, Verdict, VerdictCounts,
    },
    snapshot::HardwareSnapshot,
};
use serde_json::json;

use super::probe;
use crate::{
    cli::{DoctorArgs, Environment, Format},
    console::Console,
    declared, document,
    exit::Exit,
    failure::Failure,
    recorded::{self, Expired},
    render::{self, plan::Detail},
};

/// `doctor`
pub fn run(
    args: &DoctorArgs,
    environment: &Environment,
    console: &Console,
) -> Result<Exit, Failure> {
    let declared = if args.files.file.is_empty() {
        None
    } else {
        Some(declared::declared(&args.files.file, console)?.declaration)
    };
    let snapshots = look(args, environment, console)?;
    let nodes: Vec<NodeDiagnosis> = snapshots
        .iter()
        .map(|snapshot| NodeDiagnosis {
            node: snapshot.metadata.name.clone(),
            findings: reconcile::doctor(snapshot, declared.as_ref()),
        })
        .collect();
    let summary = VerdictCounts::of(nodes.iter().flat_map(|node| &node.findings));
    let exit = outcome(&nodes);
    let diagnosis = Diagnosis {
        format_version: DIAGNOSIS_FORMAT.to_owned(),
        kind: "Diagnosis".to_owned(),
        nodes,
        summary,
    };
    match args.printing.output {
        format @ (Format::Json | Format::Yaml) => {
            let mut value = document::json(&diagnosis)?;
            value["tool"] = json!({ "name": "shardplane", "version": env!("CARGO_PKG_VERSION") });
            value["exit"] = document::exit_json(exit);
            console.document(&document::print(&value, format)?);
        }
        format @ (Format::Text | Format::Wide) => {
            let detail = if format == Format::Wide {
                Detail::Wide
            } else {
                Detail::Normal
            };
            let text = render::doctor::text(&diagnosis, detail, console.out_paint());
            console.result(&text);
        }
    }
    Ok(exit)
}

fn look(
    args: &DoctorArgs,
    environment: &Environment,
    console: &Console,
) -> Result<Vec<HardwareSnapshot>, Failure> {
    if args.recordings.snapshot.is_empty() {
        return probe::look(&args.place, environment, console);
    }
    let expired = Expired::allowed(args.recordings.allow_expired);
    let mut found = recorded::snapshots(&args.recordings.snapshot, expired, console)?;
    if let Some(only) = &args.place.node {
        found.retain(|snapshot| snapshot.metadata.name.as_str() == only);
        if found.is_empty() {
            return Err(Failure::said(
                Exit::Missing,
                "no snapshot is of the node named with --node",
                "",
            ));
        }
    }
    found.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    Ok(found)
}

/// What a diagnosis leads to. A prerequisite that is not met is a rule that is violated; one that could not be told is
/// neither that nor fine: it is for lack of rights where whoever looked has none, else for lack of an answer.
fn outcome(nodes: &[NodeDiagnosis]) -> Exit {
    let any = |test: fn(&Finding) -> bool| nodes.iter().any(|node| node.findings.iter().any(test));
    if any(|found| found.verdict == Verdict::Fail) {
        return Exit::Policy;
    }
    if !any(|found| found.verdict == Verdict::Unknown && found.need == Need::Required) {
        return Exit::Ok;
    }
    if any(|found| found.id == "reader" && found.verdict != Verdict::Pass) {
        return Exit::NoPermission;
    }
    Exit::Unavailable
}

#[cfg(test)]
mod tests {
    use Need::{Advised, Required};
    use Verdict::{Fail, Pass, Unknown, Warn};

    use super::*;

    #[test]
    fn each_diagnosis_has_its_code() {
        let finding = |id: &str, verdict: Verdict, need: Need| Finding {
            id: id.to_owned(),
            title: String::new(),
            verdict,
            need,
            fact: String::new(),
            source: String::new(),
            fix: String::new(),
            mender: None,
            functions: Vec::new(),
        };
        for (findings, exit) in [
            (vec![], Exit::Ok),
            (
                vec![("kernel", Pass, Required), ("disk", Warn, Advised)],
                Exit::Ok,
            ),
            (vec![("disk", Unknown, Advised)], Exit::Ok),
            (vec![("mdp", Unknown, Required)], Exit::Unavailable),
            (
                vec![
                    ("reader", Warn, Required),
                    ("acs-redirect", Unknown, Required),
                ],
                Exit::NoPermission,
            ),
            (
                vec![
                    ("reader", Warn, Required),
                    ("mdp", Unknown, Required),
                    ("memory", Fail, Advised),
                ],
                Exit::Policy,
            ),
        ] {
            let findings: Vec<Finding> = findings
                .into_iter()
                .map(|(id, verdict, need)| finding(id, verdict, need))
                .collect();
            let node = NodeDiagnosis {
                node: "aic-07".into(),
                findings,
            };
            assert_eq!(outcome(std::slice::from_ref(&node)), exit, "{node:?}");
        }
    }
}
