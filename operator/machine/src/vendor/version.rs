//! `qaic-version-util [--platform|--apps]`: the versions of both SDKs.
//!
//! Format: inferred. That the tool exists and takes these flags is documented; its words are not, so that anything of the form
//! `AIC.1.21.0.3` or `1.21.0` behind a word that names an SDK, or on a line of its own, is taken.
use std::{convert::Infallible, str::FromStr};

use super::log::own_lines;

/// The versions found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionReport {
    /// The Platform SDK's.
    pub platform: Option<String>,
    /// The Apps SDK's.
    pub apps: Option<String>,
    /// One that no word says whose it is.
    pub unnamed: Option<String>,
}

impl FromStr for VersionReport {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut found = Self::default();
        for line in own_lines(text) {
            let mut place = None;
            for word in line.split([' ', '\t', ':', '=', ',', '(', ')']) {
                let folded = word.to_ascii_lowercase();
                match (version(word), folded.as_str()) {
                    (Some(version), _) => {
                        let slot = match place {
                            Some(Place::Platform) => &mut found.platform,
                            Some(Place::Apps) => &mut found.apps,
                            None => &mut found.unnamed,
                        };
                        // The first counts: build tools and compilers have versions too.
                        slot.get_or_insert(version);
                    }
                    (None, "platform") => place = Some(Place::Platform),
                    (None, "apps" | "app") => place = Some(Place::Apps),
                    (None, _) => {}
                }
            }
        }
        Ok(found)
    }
}

#[derive(Clone, Copy)]
enum Place {
    Platform,
    Apps,
}

/// `1.21.0` out of `AIC.1.21.0`: at least two numbers, and nothing but numbers.
fn version(word: &str) -> Option<String> {
    let number = word.strip_prefix("AIC.").unwrap_or(word);
    let parts: Vec<&str> = number.split('.').collect();
    let plain =
        |part: &&str| (1..=6).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    (parts.len() >= 2 && number.len() <= 32 && parts.iter().all(plain)).then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_by_the_words_before_them() {
        for (text, platform, apps, unnamed) in [
            (
                "platform:AIC.1.12.2.0\napps:AIC.1.12.2.0\n",
                Some("1.12.2.0"),
                Some("1.12.2.0"),
                None,
            ),
            (
                "Platform SDK version: 1.21.0\r\n",
                Some("1.21.0"),
                None,
                None,
            ),
            ("AIC.1.21.0\n", None, None, Some("1.21.0")),
            ("apps AIC.1.20.4 (gcc 9.4.0)\n", None, Some("1.20.4"), None),
            ("[15:58:55.536][info] platform 1.2.3\n", None, None, None),
            ("platform:AIC.1.2", None, None, None),
            ("platform: none\n7\n1.x\n", None, None, None),
            ("", None, None, None),
        ] {
            let Ok(found) = text.parse::<VersionReport>();
            let seen = (
                found.platform.as_deref(),
                found.apps.as_deref(),
                found.unnamed.as_deref(),
            );
            assert_eq!(seen, (platform, apps, unnamed), "{text}");
        }
    }
}
