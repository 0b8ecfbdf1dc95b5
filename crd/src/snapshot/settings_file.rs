//! Files that keep settings over a boot: which are ours, what stands in them, and what overrules them.
use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Most bytes of a settings file. Ours have a few hundred; one in its place that is larger is never replaced, because
/// its text would have to fit in the ledger.
pub const SETTINGS_FILE_LIMIT: usize = 64 * 1024;

/// A settings file of ours. No other file of a machine is ever written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum SettingsFile {
    /// Options of kernel modules, read whenever a module is loaded.
    Modprobe,
    /// Kernel settings, written at every boot.
    Sysctl,
}

impl SettingsFile {
    /// Both, ordered.
    pub const ALL: [Self; 2] = [Self::Modprobe, Self::Sysctl];

    /// Where it lies. Files are read in the order of their names, and 90 leaves a site room to overrule us.
    pub fn path(self) -> &'static str {
        match self {
            Self::Modprobe => "/etc/modprobe.d/90-shardplane.conf",
            Self::Sysctl => "/etc/sysctl.d/90-shardplane.conf",
        }
    }
}

impl fmt::Display for SettingsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

/// What stands at a settings file's place: `absent`, or `text:` and the text, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileImage {
    /// There is no such file.
    Absent,
    /// A file with this text.
    Text(String),
}

/// Why a text is no image of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an image of a file is `absent`, or `text:` and its text")]
pub struct FileImageError;

impl fmt::Display for FileImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Text(text) => write!(f, "text:{text}"),
        }
    }
}

impl FromStr for FileImage {
    type Err = FileImageError;

    fn from_str(image: &str) -> Result<Self, FileImageError> {
        match (image, image.strip_prefix("text:")) {
            ("absent", _) => Ok(Self::Absent),
            (_, Some(text)) => Ok(Self::Text(text.to_owned())),
            (_, None) => Err(FileImageError),
        }
    }
}

impl Serialize for FileImage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileImage {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let image = String::deserialize(deserializer)?;
        image.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for FileImage {
    fn schema_name() -> Cow<'static, str> {
        "FileImage".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The limit, and the five letters before a text.
        json_schema!({ "type": "string", "maxLength": SETTINGS_FILE_LIMIT + 5 })
    }
}

/// One settings file of ours on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeptSettings {
    /// What stands there.
    pub image: FileImage,
    /// Settings that a policy may declare and that are set again after this file is read, in the order of reading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overruled: Vec<OverrulingSetting>,
}

/// A setting that something else sets after our file is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OverrulingSetting {
    /// The setting, under the name that [`super::Settings`] has.
    pub name: String,
    /// The text it is set to.
    pub value: String,
    /// The file that sets it; `/proc/cmdline` for the kernel's command line.
    pub by: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_its_text_byte_for_byte() {
        for image in [
            FileImage::Absent,
            FileImage::Text(String::new()),
            FileImage::Text("absent".to_owned()),
            FileImage::Text("a = 1\r\n\n# \u{e9}".to_owned()),
        ] {
            assert_eq!(image.to_string().parse(), Ok(image));
        }
        assert_eq!("b3:00".parse::<FileImage>(), Err(FileImageError));
    }
}
