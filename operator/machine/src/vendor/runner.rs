//! `qaic-runner` with the P2P test: its rate, what it says of the data, and anything else it complains of.
//!
//! Format: the statistics line is documented (`… Inf/Sec 284123.196`), and so is `Failed to access P2P device`; that output is
//! compared with `-o FILE` is inferred from the vendor's open runner, whose words for it differ between versions.
use std::{convert::Infallible, str::FromStr};

use super::{complaint, log::without_escapes};

/// What a run says of the data that it compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// It says nothing. Told to compare (`-o`), it ends with another code than 0 where the output differs, as the open runner
    /// does; whether the vendor's own does is not known.
    Unsaid,
    /// It says that the output is as expected.
    Passed,
    /// It says that it is not.
    Failed,
}

/// One run's report.
#[derive(Clone, Debug, PartialEq)]
pub struct RunnerReport {
    /// Inferences per second; the last of several counts.
    pub rate: Option<f64>,
    /// What it says of the data.
    pub validation: Validation,
    /// The first line that speaks of a failure.
    pub complaint: Option<String>,
}

impl FromStr for RunnerReport {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let text = without_escapes(text);
        let complaint = complaint(&text).or_else(|| unreached(&text));
        let says = |word: &str| {
            text.lines().any(|line| {
                let line = line.to_ascii_lowercase();
                line.contains("validation") && line.contains(word)
            })
        };
        let validation = match (&complaint, says("pass") || says("success")) {
            (Some(line), _) if line.to_ascii_lowercase().contains("validation") => {
                Validation::Failed
            }
            (_, true) => Validation::Passed,
            (_, false) => Validation::Unsaid,
        };
        Ok(Self {
            rate: rate(&text),
            validation,
            complaint: complaint.map(|line| line.chars().take(200).collect()),
        })
    }
}

impl RunnerReport {
    /// Why the run proves nothing; the exit code alone never does, and neither does the rate.
    pub fn judge(&self, status: Option<i32>, timed_out: bool) -> Result<(), String> {
        if timed_out {
            return Err("the test did not end in time".to_owned());
        }
        if let Some(line) = &self.complaint {
            return Err(line.clone());
        }
        match (status, self.rate) {
            (Some(0), Some(rate)) if rate > 0.0 => Ok(()),
            (Some(0), Some(_) | None) => Err("the test reports no work done".to_owned()),
            (Some(status), _) => Err(format!("the test ended with exit code {status}")),
            (None, _) => Err("the test was killed".to_owned()),
        }
    }
}

/// The documented sentence for a peer that is out of reach. The runtime says it, so that it may stand in a line of its log, and
/// no run gets over it.
fn unreached(text: &str) -> Option<String> {
    const SENTENCE: &str = "failed to access p2p device";
    let mut lines = text.lines().map(str::trim);
    lines
        .find(|line| line.to_ascii_lowercase().contains(SENTENCE))
        .map(str::to_owned)
}

fn rate(output: &str) -> Option<f64> {
    let (_, rest) = output.rsplit_once("Inf/Sec")?;
    let word = rest
        .trim_start_matches([':', '='])
        .split_whitespace()
        .next()?;
    let rate: f64 = word.parse().ok()?;
    rate.is_finite().then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: &str =
        "---- Stats ----\nInferenceCnt 10 TotalDuration 17598us BatchSize 1 Inf/Sec 568.246\n";

    fn check(text: &str, status: Option<i32>, expected: Result<(), &str>) {
        let Ok(report) = text.parse::<RunnerReport>();
        let judged = report.judge(status, false);
        assert_eq!(
            judged.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|e| *e),
            "{text}"
        );
    }

    #[test]
    fn a_run_counts_when_everything_speaks_for_it() {
        let with = |line: &str| format!("{line}\n{STATS}");
        check(STATS, Some(0), Ok(()));
        check(&with("Output validation passed"), Some(0), Ok(()));
        check(
            &with("[15:58:55.536][error][LogCommon] Failed to open"),
            Some(0),
            Ok(()),
        );
        check(&STATS.replace('\n', "\r\n"), Some(0), Ok(()));
        check(
            &with("Failed to access P2P device"),
            Some(0),
            Err("Failed to access P2P device"),
        );
        for line in [
            "[15:58:55.536][error][LogCommon][p2p:#68] Failed to access P2P device",
            "InferenceCnt 3[15:58:55.536][error][LogCommon] failed to access P2P Device 4",
        ] {
            check(&with(line), Some(0), Err(line));
        }
        check(
            &with("Output validation failed: 4194304 of 4194304 bytes differ"),
            Some(0),
            Err("Output validation failed: 4194304 of 4194304 bytes differ"),
        );
        check(
            &with("IOCTL: Connection timed out"),
            Some(0),
            Err("IOCTL: Connection timed out"),
        );
        check(STATS, Some(1), Err("the test ended with exit code 1"));
        check(STATS, None, Err("the test was killed"));
        check("", Some(0), Err("the test reports no work done"));
        check(
            "Inf/Sec 0.0\n",
            Some(0),
            Err("the test reports no work done"),
        );
        check(
            "Inf/Sec inf\n",
            Some(0),
            Err("the test reports no work done"),
        );
        check(
            "Inf/Sec -nan\n",
            Some(0),
            Err("the test reports no work done"),
        );
        check("Inf/Sec 1\nInf/Sec 2\n", Some(0), Ok(()));
        let Ok(report) = STATS.parse::<RunnerReport>();
        assert!(report.judge(Some(0), true).is_err());
    }

    #[test]
    fn what_is_said_of_the_data_is_told_apart() {
        for (text, expected) in [
            (STATS, Validation::Unsaid),
            ("Output validation passed\n", Validation::Passed),
            ("output validation: SUCCESS\n", Validation::Passed),
            (
                "Output validation failed: 3 of 4 bytes differ\n",
                Validation::Failed,
            ),
            ("Failed to access P2P device\n", Validation::Unsaid),
        ] {
            let Ok(report) = text.parse::<RunnerReport>();
            assert_eq!(report.validation, expected, "{text}");
        }
    }
}
