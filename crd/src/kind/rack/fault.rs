//! What can go wrong on a rack, as one line of text: the grammar of a rack file's `faults` and of `shardplane rack fault`.
use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::id::PciAddress;

/// One fault. Crash faults (`kill`, `power`) are used up when they strike; the others stay until they are cleared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// `write-ignored:<address>`: configuration writes to this function seem to succeed and change nothing.
    WriteIgnored(PciAddress),
    /// `config-writes-dropped:<address>`: as `write-ignored`, but the switch's own management interface still works.
    ConfigWritesDropped(PciAddress),
    /// `write-partial:<address>`: of the bits that a configuration write to this function would change, only the lowest does.
    WritePartial(PciAddress),
    /// `write-refused:<address>`: configuration writes to this function fail.
    WriteRefused(PciAddress),
    /// `write-forbidden:<address>`: configuration writes to this function are not permitted (EPERM).
    WriteForbidden(PciAddress),
    /// `lost-once-written:<address|name>`: reads of this function's configuration, or of this driver or kernel setting, fail
    /// after a write to it.
    LostOnceWritten(String),
    /// `setting-forbidden:<name>`: writes to this driver or kernel setting find a read-only mount (EROFS).
    SettingForbidden(String),
    /// `short-reads:<address>`: configuration reads of this function stop at 64 bytes.
    ShortReads(PciAddress),
    /// `reset-hangs:<address>`: the SoC never leaves `Initializing` after its next resets.
    ResetHangs(PciAddress),
    /// `reset-lingers:<address>`: for three seconds after its next resets the tool shows the SoC as it was.
    ResetLingers(PciAddress),
    /// `reset-fails:<address>`: the tool refuses to reset the SoC, with an exit code of 0.
    ResetFails(PciAddress),
    /// `falls-off:<address>`: the SoC vanishes from the bus at its next reset.
    FallsOff(PciAddress),
    /// `leaves-when-asked:<address>`: the SoC vanishes from the bus when partitioning is next requested of any, before the
    /// request is heard: QIDs move.
    LeavesWhenAsked(PciAddress),
    /// `mdp-missing:<address>`: a partitioning request for the SoC is accepted and lost.
    MdpMissing(PciAddress),
    /// `p2p-corrupt:<address>`: transfers to this SoC are fast and wrong.
    P2pCorrupt(PciAddress),
    /// `tool-killed:<tool>`: the tool is killed before it prints anything.
    ToolKilled(String),
    /// `tool-hangs:<tool>`: the tool never ends.
    ToolHangs(String),
    /// `tool-idle:<tool>`: the tool ends with 0, says nothing and does nothing.
    ToolIdle(String),
    /// `tool-ends-badly:<tool>`: the tool does what it is asked for, and ends with 3.
    ToolEndsBadly(String),
    /// `kill:<record>:<moment>`: our process is killed at this journal record.
    Kill {
        /// The record's sequence number.
        record: u64,
        /// When.
        moment: Moment,
    },
    /// `power:<record>:<moment>`: the server loses power at this journal record.
    Power {
        /// The record's sequence number.
        record: u64,
        /// When.
        moment: Moment,
    },
}

/// When a crash strikes, relative to a journal record.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Before the record is written.
    Before,
    /// After the record is durable.
    After,
    /// In the middle of writing it: half of its bytes are there.
    Torn,
}

impl Moment {
    fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Torn => "torn",
        }
    }
}

/// Each form of a fault, and what it makes the rack do; `<…>` stands for what is filled in.
pub const FAULTS: [(&str, &str); 21] = [
    (
        "write-ignored:<address>",
        "configuration writes to this function seem to succeed and change nothing",
    ),
    (
        "config-writes-dropped:<address>",
        "the same, but the switch's own management interface still works",
    ),
    (
        "write-partial:<address>",
        "of the bits that a configuration write would change, only the lowest does",
    ),
    (
        "write-refused:<address>",
        "configuration writes to this function fail",
    ),
    (
        "write-forbidden:<address>",
        "configuration writes to this function are not permitted",
    ),
    (
        "lost-once-written:<address|name>",
        "reads of this function's configuration, or of this driver or kernel setting, fail after a write to it",
    ),
    (
        "setting-forbidden:<name>",
        "writes to this driver or kernel setting find a read-only mount",
    ),
    (
        "short-reads:<address>",
        "configuration reads of this function stop at 64 bytes",
    ),
    (
        "reset-hangs:<address>",
        "the SoC never leaves Initializing after its next resets",
    ),
    (
        "reset-lingers:<address>",
        "for three seconds after its next resets the tool shows the SoC as it was",
    ),
    (
        "reset-fails:<address>",
        "the tool refuses to reset the SoC, with an exit code of 0",
    ),
    (
        "falls-off:<address>",
        "the SoC vanishes from the bus at its next reset",
    ),
    (
        "leaves-when-asked:<address>",
        "the SoC vanishes from the bus before the next partitioning request is heard, and QIDs move",
    ),
    (
        "mdp-missing:<address>",
        "a partitioning request for the SoC is accepted and lost",
    ),
    (
        "p2p-corrupt:<address>",
        "transfers to this SoC are fast and wrong",
    ),
    (
        "tool-killed:<tool>",
        "the tool is killed before it prints anything",
    ),
    ("tool-hangs:<tool>", "the tool never ends"),
    (
        "tool-idle:<tool>",
        "the tool ends with 0, says nothing and does nothing",
    ),
    (
        "tool-ends-badly:<tool>",
        "the tool does what it is asked for, and ends with 3",
    ),
    (
        "kill:<record>:<before|after|torn>",
        "our process is killed at this journal record",
    ),
    (
        "power:<record>:<before|after|torn>",
        "the server loses power at this journal record",
    ),
];

/// A text that names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no fault; faults are {forms}", forms = forms())]
pub struct FaultError(String);

fn forms() -> String {
    FAULTS.map(|(form, _)| form).join(", ")
}

impl FromStr for Fault {
    type Err = FaultError;
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let error = || FaultError(text.to_owned());
        let (word, rest) = text.split_once(':').ok_or_else(error)?;
        let address = || rest.parse::<PciAddress>().map_err(|_| error());
        let crash = || {
            let (record, moment) = rest.split_once(':').ok_or_else(error)?;
            let moment = match moment {
                "before" => Moment::Before,
                "after" => Moment::After,
                "torn" => Moment::Torn,
                _ => return Err(error()),
            };
            Ok((record.parse().map_err(|_| error())?, moment))
        };
        let name = |marks: &[u8]| {
            let plain = rest
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || marks.contains(&b));
            if rest.is_empty() || rest.len() > 64 || !plain {
                return Err(error());
            }
            Ok(rest.to_owned())
        };
        let tool = || name(b"-");
        Ok(match word {
            "write-ignored" => Self::WriteIgnored(address()?),
            "write-partial" => Self::WritePartial(address()?),
            "config-writes-dropped" => Self::ConfigWritesDropped(address()?),
            "write-refused" => Self::WriteRefused(address()?),
            "write-forbidden" => Self::WriteForbidden(address()?),
            "lost-once-written" => Self::LostOnceWritten(name(b"._:")?),
            "setting-forbidden" => Self::SettingForbidden(name(b"._")?),
            "short-reads" => Self::ShortReads(address()?),
            "reset-hangs" => Self::ResetHangs(address()?),
            "reset-lingers" => Self::ResetLingers(address()?),
            "reset-fails" => Self::ResetFails(address()?),
            "falls-off" => Self::FallsOff(address()?),
            "leaves-when-asked" => Self::LeavesWhenAsked(address()?),
            "mdp-missing" => Self::MdpMissing(address()?),
            "p2p-corrupt" => Self::P2pCorrupt(address()?),
            "tool-killed" => Self::ToolKilled(tool()?),
            "tool-hangs" => Self::ToolHangs(tool()?),
            "tool-idle" => Self::ToolIdle(tool()?),
            "tool-ends-badly" => Self::ToolEndsBadly(tool()?),
            "kill" => crash().map(|(record, moment)| Self::Kill { record, moment })?,
            "power" => crash().map(|(record, moment)| Self::Power { record, moment })?,
            _ => return Err(error()),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteIgnored(at) => write!(f, "write-ignored:{at}"),
            Self::WritePartial(at) => write!(f, "write-partial:{at}"),
            Self::ConfigWritesDropped(at) => write!(f, "config-writes-dropped:{at}"),
            Self::WriteRefused(at) => write!(f, "write-refused:{at}"),
            Self::WriteForbidden(at) => write!(f, "write-forbidden:{at}"),
            Self::LostOnceWritten(what) => write!(f, "lost-once-written:{what}"),
            Self::SettingForbidden(name) => write!(f, "setting-forbidden:{name}"),
            Self::ShortReads(at) => write!(f, "short-reads:{at}"),
            Self::ResetHangs(at) => write!(f, "reset-hangs:{at}"),
            Self::ResetLingers(at) => write!(f, "reset-lingers:{at}"),
            Self::ResetFails(at) => write!(f, "reset-fails:{at}"),
            Self::FallsOff(at) => write!(f, "falls-off:{at}"),
            Self::LeavesWhenAsked(at) => write!(f, "leaves-when-asked:{at}"),
            Self::MdpMissing(at) => write!(f, "mdp-missing:{at}"),
            Self::P2pCorrupt(at) => write!(f, "p2p-corrupt:{at}"),
            Self::ToolKilled(tool) => write!(f, "tool-killed:{tool}"),
            Self::ToolHangs(tool) => write!(f, "tool-hangs:{tool}"),
            Self::ToolIdle(tool) => write!(f, "tool-idle:{tool}"),
            Self::ToolEndsBadly(tool) => write!(f, "tool-ends-badly:{tool}"),
            Self::Kill { record, moment } => write!(f, "kill:{record}:{}", moment.word()),
            Self::Power { record, moment } => write!(f, "power:{record}:{}", moment.word()),
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Fault {
    fn schema_name() -> Cow<'static, str> {
        "Fault".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 96, "pattern": "^[a-z0-9-]+:[a-z0-9:._-]+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_round_trip_or_are_refused() {
        for text in [
            "write-ignored:0000:21:00.0",
            "write-partial:0000:21:00.0",
            "reset-hangs:10000:e1:00.0",
            "write-forbidden:0000:21:00.0",
            "setting-forbidden:vm.max_map_count",
            "lost-once-written:0000:21:00.0",
            "tool-killed:qaic-util",
            "tool-idle:qaic-compile",
            "tool-ends-badly:switchtec",
            "kill:0:before",
            "power:18446744073709551615:torn",
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        for (form, _) in FAULTS {
            let text = form
                .replace("<address|name>", "vm.max_map_count")
                .replace("<address>", "0000:21:00.0")
                .replace("<name>", "vm.max_map_count")
                .replace("<tool>", "qaic-util")
                .replace("<record>", "7")
                .replace("<before|after|torn>", "torn");
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "kill",
            "kill:x:before",
            "kill:1:sometime",
            "write-ignored:21:00.0",
            "tool-killed:",
            "tool-killed:a b",
            "sulk:0000:21:00.0",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
