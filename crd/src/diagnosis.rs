//! What `doctor` finds: each prerequisite of sharding on cards, with the fact it was judged by and what to do.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{NodeName, PciAddress};

/// Version of the diagnosis' JSON: a minor one adds, a major one breaks.
pub const DIAGNOSIS_FORMAT: &str = "1.0";

/// What was found on every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// [`DIAGNOSIS_FORMAT`].
    pub format_version: String,
    /// Always `Diagnosis`.
    pub kind: String,
    /// Each node, ordered by name.
    pub nodes: Vec<NodeDiagnosis>,
    /// Counts over all of them.
    pub summary: VerdictCounts,
}

/// What was found on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeDiagnosis {
    /// The node.
    pub node: NodeName,
    /// What was found, in the order in which things are set up.
    pub findings: Vec<Finding>,
}

/// How many findings have each verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerdictCounts {
    /// Prerequisites that are met.
    pub pass: u32,
    /// What will surprise somebody.
    pub warn: u32,
    /// Prerequisites that are not met.
    pub fail: u32,
    /// Of `fail`, those that `shardplane apply` mends once they are declared.
    pub mended_by_apply: u32,
    /// What could not be told.
    pub unknown: u32,
}

/// One thing looked at. Things of the same kind that show the same are one finding, which names them all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Which check, a stable word: `bar4-size`.
    pub id: String,
    /// What it asks, for people.
    pub title: String,
    /// What came out.
    pub verdict: Verdict,
    /// Whether sharding on cards needs it, or the vendor advises it.
    pub need: Need,
    /// What was seen.
    pub fact: String,
    /// The file, register or command that it was read from.
    pub source: String,
    /// What to do; empty where nothing is to be done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fix: String,
    /// Who does it; absent where nothing is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mender: Option<Mender>,
    /// The functions that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<PciAddress>,
}

/// What came out of a check.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is as it should be.
    Pass,
    /// It works, and will surprise somebody.
    Warn,
    /// It is not as it must be.
    Fail,
    /// It could not be told; never taken for either.
    Unknown,
}

/// How much a check matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// Sharding on cards does not work without it.
    Required,
    /// The vendor advises it, or it matters to some.
    Advised,
}

/// Who does what a fix says.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Mender {
    /// `shardplane apply`, once it is declared.
    Apply,
    /// A person.
    Person,
}

impl VerdictCounts {
    /// Counts findings.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            let count = match finding.verdict {
                Verdict::Pass => &mut counts.pass,
                Verdict::Warn => &mut counts.warn,
                Verdict::Fail => &mut counts.fail,
                Verdict::Unknown => &mut counts.unknown,
            };
            *count += 1;
            if finding.verdict == Verdict::Fail && finding.mender == Some(Mender::Apply) {
                counts.mended_by_apply += 1;
            }
        }
        counts
    }
}
