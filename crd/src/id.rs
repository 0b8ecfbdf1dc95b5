//! Names of things: every numbering the field knows is a type of its own, so that none can stand for another.
use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Why a text is not the id it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct IdError {
    text: String,
    wanted: &'static str,
}

/// A PCI function as the kernel writes it, `dddd:bb:dd.f` in lower-case hexadecimal.
///
/// Stable across reboots only while no card or switch is added: bus numbers shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// PCI segment, 16 bits on most hosts; some bridges number theirs above 0xffff.
    pub domain: u32,
    /// Bus, 0 to 255.
    pub bus: u8,
    /// Device, 0 to 31.
    pub device: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

/// What a PCI address looks like, for schemas and CEL alike.
pub const PCI_ADDRESS_PATTERN: &str = r"^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$";

impl FromStr for PciAddress {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError {
            text: text.to_owned(),
            wanted: "a PCI address such as 0000:21:00.0",
        };
        let (domain, rest) = text.split_once(':').ok_or_else(error)?;
        let (bus, rest) = rest.split_once(':').ok_or_else(error)?;
        let (device, function) = rest.split_once('.').ok_or_else(error)?;
        let hex = |digits: &str, widths: std::ops::RangeInclusive<usize>, most: u32| {
            let plain = digits
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            if !plain || !widths.contains(&digits.len()) {
                return Err(error());
            }
            u32::from_str_radix(digits, 16)
                .ok()
                .filter(|&n| n <= most)
                .ok_or_else(error)
        };
        Ok(Self {
            domain: hex(domain, 4..=8, u32::MAX)?,
            bus: hex(bus, 2..=2, 0xff)? as u8,
            device: hex(device, 2..=2, 0x1f)? as u8,
            function: hex(function, 1..=1, 7)? as u8,
        })
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04x}:{:02x}:{:02x}.{:x}",
            self.domain, self.bus, self.device, self.function
        )
    }
}

impl TryFrom<String> for PciAddress {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl Serialize for PciAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PciAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for PciAddress {
    fn schema_name() -> Cow<'static, str> {
        "PciAddress".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 16, "pattern": PCI_ADDRESS_PATTERN })
    }
}

/// A text id: a newtype over `String` that is its text on the wire.
macro_rules! text_id {
    ($(#[doc = $about:literal])* $name:ident, $longest:literal) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(length(max = $longest))] pub String);

        impl $name {
            /// The most bytes that it has.
            pub const LONGEST: usize = $longest;

            /// The id's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A function's path from its root port in the kernel's form, `0000:00:01.0/00.0/02.0/00.0`:
    /// domain, bus, device and function of the root port, then device and function of each hop.
    /// Bus numbers below the root do not enter it, so it outlives a card being added.
    /// As long as the deepest tree makes it: a domain of eight digits, and below the root port a hop for each of the 255 other
    /// buses that a domain has.
    PciPath, 1291
}
text_id! {
    /// The serial that MHI reports for one SoC (`/sys/bus/mhi/devices/mhiN/serialnumber`).
    MhiSerial, 64
}
text_id! {
    /// The kernel's boot id: a UUID drawn anew at every boot.
    BootId, 64
}
text_id! {
    /// A node: a Kubernetes node name, a host name, or a server's name in a rack.
    NodeName, 253
}
text_id! {
    /// A content digest with its algorithm, `b3:…` (BLAKE3, lower-case hexadecimal).
    Digest, 80
}
text_id! {
    /// The key of a compiled program, `b3:…`; see `reconcile::program`.
    ProgramKey, 80
}
text_id! {
    /// A step within one plan: `<node>/<verb>/<target>`, the same in every plan that needs it.
    StepId, 512
}
text_id! {
    /// One replica of a model: `<namespace>/<model>-<index>`.
    WorkerId, 512
}

/// A number id that never mixes with another numbering.
macro_rules! number_id {
    ($(#[doc = $about:literal])* $name:ident) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number_id! {
    /// The number the vendor's user-space runtime gives a SoC when a process starts. It identifies nothing by itself.
    Qid
}
number_id! {
    /// The `N` of `mhiN`: bus probe order, stable across nothing.
    MhiId
}
number_id! {
    /// The `N` of `/dev/accel/accelN`: allocation order, may change at a SoC reset.
    AccelMinor
}
number_id! {
    /// A partition config's `deviceId`: logical, 0 to n-1 within one program.
    LogicalDevice
}

/// One concrete set of SoCs: `name/index@node`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId {
    /// The `P2PGroup` that declares the set.
    pub name: String,
    /// Which of its sets on this node, from 0.
    pub index: u32,
    /// The node that holds it.
    pub node: NodeName,
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.name, self.index, self.node)
    }
}

impl FromStr for GroupId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError {
            text: text.to_owned(),
            wanted: "a group such as quad/0@aic-07",
        };
        let (name, rest) = text.split_once('/').ok_or_else(error)?;
        let (index, node) = rest.split_once('@').ok_or_else(error)?;
        let index = index.parse().map_err(|_| error())?;
        Ok(Self {
            name: name.to_owned(),
            index,
            node: NodeName(node.to_owned()),
        })
    }
}

impl Serialize for GroupId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GroupId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for GroupId {
    fn schema_name() -> Cow<'static, str> {
        "GroupId".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 330 })
    }
}

/// A 16-bit register word, `0x001d` on the wire: canonical JSON would round large integers, and people read hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(pub u16);

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}

impl FromStr for Word {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError {
            text: text.to_owned(),
            wanted: "a 16-bit word such as 0x001d",
        };
        let digits = text.strip_prefix("0x").ok_or_else(error)?;
        if digits.starts_with('+') {
            return Err(error());
        }
        u16::from_str_radix(digits, 16)
            .map(Self)
            .map_err(|_| error())
    }
}

impl Serialize for Word {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Word {
    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 6, "pattern": "^0x[0-9a-f]{1,4}$" })
    }
}

/// A declared object: kind, namespace where the kind has one, name.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// The kind, such as `P2PGroup`.
    pub kind: String,
    /// The namespace; absent for cluster-scoped kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.kind, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip_or_are_refused() {
        for text in ["0000:21:00.0", "10000:e1:1f.7"] {
            assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), text);
        }
        for text in [
            "0000:21:00",
            "0000:2:00.0",
            "000:21:00.0",
            "0000:21:20.0",
            "0000:21:00.8",
            "0000:2G:00.0",
            "0000:+1:00.0",
            "0000:2A:00.0",
        ] {
            assert!(text.parse::<PciAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn words_and_groups_round_trip() {
        assert_eq!("0x001d".parse::<Word>().unwrap().to_string(), "0x001d");
        assert!("1d".parse::<Word>().is_err());
        assert_eq!(
            "quad/1@aic-07".parse::<GroupId>().unwrap().to_string(),
            "quad/1@aic-07"
        );
        assert!("quad@aic-07".parse::<GroupId>().is_err());
    }
}
