//! The three answers of a step that looks at the machine just before it acts.
use serde::{Deserialize, Serialize};

/// What a step found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "judgement")]
pub enum Judgement {
    /// What it would leave behind is there already.
    Done,
    /// What it expects is there: act.
    Ready,
    /// Neither: touch nothing, plan again.
    Void {
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
}
