//! `qaic-util -s` and `-s -p ADDRESS`: what it says of each SoC that it was to reset.
//!
//! Format: documented for one SoC (`Resetting 0000:83:00.0:`, then the address and `success`); inferred for several and for
//! failures. The exit code is not known to mean anything, and success only means that the reset was begun.
use std::{collections::BTreeMap, convert::Infallible, str::FromStr};

use crd::id::PciAddress;

use super::log::own_lines;

/// What the tool says of one SoC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetOutcome {
    /// `success`, and nothing else.
    Success,
    /// Other words, or `success` and other words.
    Other(String),
}

/// What the tool says, by SoC. One that it does not speak of is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResetReport(pub BTreeMap<PciAddress, ResetOutcome>);

impl ResetReport {
    /// Whether it says `success` of a SoC.
    pub fn succeeded(&self, soc: PciAddress) -> bool {
        self.0.get(&soc) == Some(&ResetOutcome::Success)
    }
}

impl FromStr for ResetReport {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut said: BTreeMap<PciAddress, ResetOutcome> = BTreeMap::new();
        // A last line that has no end may be cut off, but not where its last word is all of it that can be said.
        let ended = text.to_ascii_lowercase().ends_with(" success");
        let end = if ended { "\n" } else { "" };
        for line in own_lines(&format!("{text}{end}")) {
            let line = line.trim();
            // Both may stand on one line.
            let line = line.strip_prefix("Resetting ").unwrap_or(line);
            let Some((address, words)) = line.split_once([' ', '\t']) else {
                continue;
            };
            let address = address.trim_end_matches(':').to_ascii_lowercase();
            let (Ok(address), words) = (address.parse::<PciAddress>(), words.trim()) else {
                continue;
            };
            let outcome = if words.eq_ignore_ascii_case("success") {
                ResetOutcome::Success
            } else {
                ResetOutcome::Other(words.chars().take(200).collect())
            };
            match said.get(&address) {
                // Once failed, a word of success more does not mend it.
                Some(ResetOutcome::Other(_)) => {}
                Some(ResetOutcome::Success) | None => {
                    said.insert(address, outcome);
                }
            }
        }
        Ok(Self(said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let Ok(ResetReport(said)) = text.parse::<ResetReport>();
        let said: Vec<String> = said
            .iter()
            .map(|(soc, outcome)| match outcome {
                ResetOutcome::Success => format!("{soc} ok"),
                ResetOutcome::Other(words) => format!("{soc} {words}"),
            })
            .collect();
        assert_eq!(said.join(", "), expected, "{text}");
    }

    #[test]
    fn success_is_one_word() {
        check(
            "Resetting 0000:83:00.0:\n\t0000:83:00.0 success\n",
            "0000:83:00.0 ok",
        );
        check(
            "Resetting 0000:83:00.0:\r\n\t0000:83:00.0 success\r\n",
            "0000:83:00.0 ok",
        );
        check("Resetting 0000:C1:00.0: success\n", "0000:c1:00.0 ok");
        check("Resetting 0000:83:00.0:\n", "");
        check("Resetting 0000:83:00.0:\n\t0000:83:00.0 succ", "");
        check(
            "Resetting 0000:83:00.0:\n\t0000:83:00.0 success",
            "0000:83:00.0 ok",
        );
        check("\t0000:83:00.0 fail", "");
        check("\t0000:83:00.0 no success\n", "0000:83:00.0 no success");
        check(
            "\t0000:83:00.0 failed\n\t0000:83:00.0 success\n",
            "0000:83:00.0 failed",
        );
        check(
            "\t0000:83:00.0 success\n\t0000:83:00.0 failed\n",
            "0000:83:00.0 failed",
        );
        check(
            "[15:58:55.536][error][x] 0000:83:00.0 success\n\t0000:84:00.0 success[15:58:55.536][info] z\nDevice 3 invalid\n",
            "0000:84:00.0 ok",
        );
        check(
            "Resetting 0000:01:00.0:\n\t0000:01:00.0 success\nResetting 0000:02:00.0:\n\t0000:02:00.0 failed\n",
            "0000:01:00.0 ok, 0000:02:00.0 failed",
        );
        check("", "");
    }
}
