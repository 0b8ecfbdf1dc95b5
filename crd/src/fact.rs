//! A fact: a value or the reason there is none, and where it came from. Unknown is a value.
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Why a fact has no value.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Unknown {
    /// The reader may not see it (unprivileged config reads stop at 64 bytes).
    NoPermission,
    /// Kernel lockdown forbids it.
    Lockdown,
    /// Fewer bytes came back than the structure needs.
    ShortRead,
    /// The bytes do not form what they should.
    Malformed,
    /// The file, attribute or device that would say is absent.
    Absent,
    /// The tool that would say is not installed.
    ToolMissing,
    /// The tool failed, timed out, or left this device out of its answer.
    ToolFailed,
    /// The tool's answer is longer than any answer is read: it is not known to be whole.
    TooLong,
    /// The device is not in a state in which it can answer.
    NotReady,
    /// Reading failed with an error of the system.
    ReadFailed,
}

/// One thing known, or known to be unknown, about a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fact<T> {
    /// The value; absent when unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<T>,
    /// Why there is no value; absent when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Unknown>,
    /// The file, register or command it was read from.
    pub source: String,
}

impl<T> Fact<T> {
    /// A fact with a value.
    pub fn known(value: T, source: impl Into<String>) -> Self {
        Self {
            value: Some(value),
            unknown: None,
            source: source.into(),
        }
    }

    /// A fact without one.
    pub fn unknown(reason: Unknown, source: impl Into<String>) -> Self {
        Self {
            value: None,
            unknown: Some(reason),
            source: source.into(),
        }
    }

    /// The value by reference.
    pub fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// The same fact about something derived from the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fact<U> {
        Fact {
            value: self.value.map(f),
            unknown: self.unknown,
            source: self.source,
        }
    }
}

/// A fact that the version which recorded a file did not look for.
pub(crate) fn unrecorded<T>() -> Fact<T> {
    Fact::unknown(Unknown::Absent, UNRECORDED)
}

/// The source of facts that a recording does not have, or has without their source.
const UNRECORDED: &str = "recorded by an earlier version";

/// Reads a fact, or the plain value that earlier versions wrote in its place.
pub(crate) fn plain_or_fact<'de, D, T>(deserializer: D) -> Result<Fact<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written<T> {
        Fact(Fact<T>),
        Plain(T),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Fact(fact) => fact,
        Written::Plain(value) => Fact::known(value, UNRECORDED),
    })
}
