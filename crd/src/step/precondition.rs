//! What must be found before and after a step, as facts with a text value.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{GroupId, PciAddress, ProgramKey, WorkerId},
    snapshot::{LedgerTarget, SettingsFile},
};

/// A fact that must hold. Both sides are text so that a person and a program read the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Precondition {
    /// What is looked at.
    #[serde(flatten)]
    pub subject: Subject,
    /// The text it must read as.
    pub equals: String,
}

/// What a precondition looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "fact", rename_all_fields = "camelCase")]
pub enum Subject {
    /// A port's ACS control word, `0x001d`.
    #[serde(rename = "acs.control")]
    AcsControl {
        /// The port.
        port: PciAddress,
    },
    /// A SoC's partitioning, `on` or `off`.
    #[serde(rename = "mdp")]
    Mdp {
        /// The SoC.
        soc: PciAddress,
    },
    /// A SoC's state, `Ready`.
    #[serde(rename = "status")]
    Status {
        /// The SoC.
        soc: PciAddress,
    },
    /// A SoC's MHI serial and path, `serial@path`.
    #[serde(rename = "identity")]
    Identity {
        /// The SoC.
        soc: PciAddress,
    },
    /// The path that leads to a port.
    #[serde(rename = "path")]
    Path {
        /// The port.
        port: PciAddress,
    },
    /// Whether anything holds a SoC: `free`.
    #[serde(rename = "held")]
    Held {
        /// The SoC.
        soc: PciAddress,
    },
    /// A driver parameter's value.
    #[serde(rename = "driver")]
    Driver {
        /// Its name.
        name: String,
    },
    /// A kernel setting's value.
    #[serde(rename = "sysctl")]
    Sysctl {
        /// Its name.
        name: String,
    },
    /// A settings file: `absent`, or the digest of its text, `b3:…`.
    #[serde(rename = "file")]
    File {
        /// Which.
        file: SettingsFile,
    },
    /// Whether qmonitor runs: `running` or `stopped`.
    #[serde(rename = "qmonitor")]
    Qmonitor,
    /// Whether a program is present: `present` or `absent`.
    #[serde(rename = "program")]
    Program {
        /// Its key.
        key: ProgramKey,
    },
    /// A worker: `absent`, or the fingerprint of its options.
    #[serde(rename = "worker")]
    Worker {
        /// Which.
        id: WorkerId,
    },
    /// A group's verification in the ledger: `verified` or `unverified`, for the members, ports and boot at hand.
    #[serde(rename = "verification")]
    Verification {
        /// Which group.
        group: GroupId,
    },
    /// A ledger entry: `owned by …` or `absent`.
    #[serde(rename = "ledger")]
    Ledger {
        /// Which entry.
        entry: LedgerTarget,
    },
}
