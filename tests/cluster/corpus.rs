//! Documents of the corpus, fed to the server and to `shardplane validate`: the same sentence or the same field.
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde::Deserialize;
use tests::{binary, files, root};

use crate::{
    answer::{Complaint, complaints},
    control_plane::ControlPlane,
};

/// Kinds that a cluster stores; the file kinds never meet a server.
const STORED: [&str; 6] = [
    "CardPolicy",
    "P2PGroup",
    "ShardedModel",
    "ModelBuild",
    "CardNode",
    "ChangePlan",
];
/// Problems of one object's shape, which the server answers with their field.
const SHAPE: [&str; 7] = [
    "SP-V0021", "SP-V0022", "SP-V0023", "SP-V0024", "SP-V0025", "SP-V0026", "SP-V0027",
];
/// Unknown fields, which a server answers before it looks at shapes, and then says nothing else of the object.
const UNKNOWN: &str = "SP-V0020";
/// Problems after which we look no further, and the server does: too many of them, too deep, a merge key.
const ENOUGH: [&str; 3] = ["SP-V0008", "SP-V0004", "SP-V0003"];
/// What only we refuse, each with why.
const STRICTER: [(&str, &str); 1] = [(
    "true-or-false.yaml",
    "kubectl reads YAML 1.1, where `yes` is true",
)];

/// One problem as `validate -o json` prints it.
#[derive(Debug, Deserialize)]
struct Problem {
    id: String,
    severity: String,
    message: String,
    #[serde(default)]
    field: String,
}

#[derive(Debug, Deserialize)]
struct Validated {
    diagnostics: Vec<Problem>,
}

pub fn valid_documents_are_taken(plane: &ControlPlane) -> Vec<String> {
    namespaces(plane);
    files("tests/corpus/valid", &["yaml"])
        .iter()
        .filter(|path| stored(path))
        .filter_map(|path| {
            let complaints = create(plane, path);
            (!complaints.is_empty()).then(|| format!("{}: {complaints:?}", shown(path)))
        })
        .collect()
}

/// Applied twice, the second time without a difference: the server fills in nothing that was not declared.
pub fn quickstart_is_taken(plane: &ControlPlane) -> Vec<String> {
    let apply = ["apply", "--server-side", "-k", "examples/quickstart"];
    let diff = ["diff", "--server-side", "-k", "examples/quickstart"];
    [&apply[..], &diff[..]]
        .into_iter()
        .map(|arguments| plane.kubectl(arguments))
        .filter(|answer| !answer.succeeded || !answer.stderr.is_empty())
        .map(|answer| format!("{}{}", answer.stdout, answer.stderr))
        .collect()
}

pub fn invalid_documents_give_the_same_answer(plane: &ControlPlane) -> Vec<String> {
    let mut wrong = Vec::new();
    for path in files("tests/corpus/invalid", &["yaml"]) {
        let stricter = |(name, _): &(&str, &str)| path.ends_with(name);
        if !stored(&path) || STRICTER.iter().any(stricter) {
            continue;
        }
        let problems = validate(&path);
        let said = create(plane, &path);
        wrong.extend(
            differences(&problems, &said)
                .into_iter()
                .map(|difference| format!("{}: {difference}", shown(&path))),
        );
    }
    wrong
}

/// What one of them says and the other does not.
fn differences(problems: &[Problem], said: &[Complaint]) -> Vec<String> {
    let errors: Vec<&Problem> = problems
        .iter()
        .filter(|problem| problem.severity == "error")
        .collect();
    let enough = errors
        .iter()
        .any(|problem| ENOUGH.contains(&problem.id.as_str()));
    let unknown = errors.iter().any(|problem| problem.id == UNKNOWN);
    // What kubectl or the server say of no field, they say of a document that they cannot read or place.
    let (unread, said): (Vec<&Complaint>, Vec<&Complaint>) = said
        .iter()
        .partition(|complaint| complaint.field.is_empty());
    let mut differences: Vec<String> = said
        .iter()
        .filter(|complaint| !problems.iter().any(|problem| same(problem, complaint)))
        .filter(|_| !enough)
        .chain(unread.iter().filter(|_| problems.is_empty()))
        .map(|complaint| format!("the server alone says {complaint:?}"))
        .collect();
    let found: Vec<&&Problem> = errors
        .iter()
        .filter(|problem| found_by_server(problem))
        .collect();
    if unknown || !unread.is_empty() {
        if said.is_empty() && unread.is_empty() {
            differences.push(format!("the server takes what has {errors:?}"));
        }
        return differences;
    }
    differences.extend(
        found
            .iter()
            .filter(|problem| !said.iter().any(|complaint| same(problem, complaint)))
            .map(|problem| format!("we alone say {problem:?}")),
    );
    differences
}

/// Whether a server looks for this: the shape of one object, and its rules.
fn found_by_server(problem: &Problem) -> bool {
    let rule = problem.id == "SP-V0007" || ("SP-V0040".."SP-V0060").contains(&problem.id.as_str());
    rule || SHAPE.contains(&problem.id.as_str())
}

/// The same sentence, or the same field.
fn same(problem: &Problem, complaint: &Complaint) -> bool {
    complaint.text.contains(&problem.message)
        || (!problem.field.is_empty() && complaint.field.trim_start_matches('.') == problem.field)
}

/// Whether every document of a file is an object that a server stores.
fn stored(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut kinds = text
        .lines()
        .filter_map(|line| line.strip_prefix("kind: "))
        .peekable();
    kinds.peek().is_some() && kinds.all(|kind| STORED.contains(&kind.trim()))
}

/// Makes every namespace that the corpus names: a server looks for it before it looks at the object.
fn namespaces(plane: &ControlPlane) {
    for name in ["models", "a", "b"] {
        plane.kubectl(&["create", "namespace", name]).expected();
    }
}

fn create(plane: &ControlPlane, path: &Path) -> Vec<Complaint> {
    let path = path.to_str().expect("a path of ours is UTF-8");
    let answer = plane.kubectl(&[
        "create",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        path,
    ]);
    complaints(&answer.stderr)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test starts the command that it tests"
)]
fn validate(path: &Path) -> Vec<Problem> {
    let ended = Command::new(binary("shardplane"))
        .args(["validate", "-o", "json", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .expect("shardplane starts");
    let validated: Validated = serde_json::from_slice(&ended.stdout).expect("problems as JSON");
    validated.diagnostics
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}
