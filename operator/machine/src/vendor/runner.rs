//! `qaic-runner` with the P2P test: how much it ran, its rate, what it says of the data, and anything else it complains of.
//!
//! Format: the statistics line is documented (`InferenceCnt 5000 … Inf/Sec 284123.196`), and so is `Failed to access P2P
//! device`. That output is compared with `-o FILE` is inferred from the vendor's open runner, and so are the words in which it
//! says what came of that. No run of this test was ever seen: what is not said here is not known.
use std::{convert::Infallible, str::FromStr};

use super::{
    complaint::{complaint, counts_nothing, is_nothing, words_of},
    log::without_escapes,
};

/// What a run says of the data that it compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// It says nothing, so that nothing is known of the data: that the vendor's own runner compares, and ends with another
    /// code than 0 where the output differs, as the open one does, is not known.
    Unsaid,
    /// It says that the output is as expected.
    Passed,
    /// It says that it is not.
    Failed,
}

/// What a run that went well proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proven {
    /// That what arrived is what was sent: the runner says that it compared.
    Data,
    /// That links carried the run to its end. Nothing is known of what arrived.
    Links,
}

/// One run's report.
#[derive(Clone, Debug, PartialEq)]
pub struct RunnerReport {
    /// Inferences that it ran; the last of several counts. Absent where it does not say.
    pub count: Option<u64>,
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
        let (validation, denial) = validation(&text);
        let complaint = complaint(&text).or_else(|| unreached(&text)).or(denial);
        Ok(Self {
            count: after(&text, "InferenceCnt").and_then(|word| word.parse().ok()),
            rate: rate(&text),
            validation,
            complaint: complaint.map(|line| line.chars().take(200).collect()),
        })
    }
}

impl RunnerReport {
    /// What the run of so many inferences proves, or why it proves nothing; the exit code alone never does, and neither does
    /// the rate.
    pub fn judge(
        &self,
        asked: u64,
        status: Option<i32>,
        timed_out: bool,
    ) -> Result<Proven, String> {
        if timed_out {
            return Err("the test did not end in time".to_owned());
        }
        if let Some(line) = &self.complaint {
            return Err(line.clone());
        }
        match (status, self.rate) {
            (Some(0), Some(rate)) if rate > 0.0 => match self.count {
                Some(count) if count >= asked => Ok(match self.validation {
                    Validation::Passed => Proven::Data,
                    Validation::Unsaid | Validation::Failed => Proven::Links,
                }),
                Some(count) => Err(format!("the test ran {count} of {asked} inferences")),
                None => Err(format!(
                    "the test does not say how many of {asked} inferences it ran"
                )),
            },
            (Some(0), Some(_) | None) => Err("the test reports no work done".to_owned()),
            (Some(status), _) => Err(format!("the test ended with exit code {status}")),
            (None, _) => Err("the test was killed".to_owned()),
        }
    }
}

/// Words of which a line may be made that says that the output is as expected, beside how often it was.
const PASSED: [&str; 24] = [
    "all",
    "and",
    "compared",
    "complete",
    "completed",
    "correct",
    "data",
    "for",
    "has",
    "inference",
    "inferences",
    "is",
    "matched",
    "ok",
    "output",
    "outputs",
    "p2p",
    "pass",
    "passed",
    "result",
    "results",
    "succeeded",
    "success",
    "successful",
];
/// Words by which a line denies it.
const DENIED: [&str; 14] = [
    "bad",
    "differ",
    "differs",
    "error",
    "errors",
    "fail",
    "failed",
    "false",
    "incorrect",
    "mismatch",
    "no",
    "not",
    "unsuccessful",
    "wrong",
];

/// What all lines together say of the data, with the first that denies. A line that is made of anything else than words of
/// success says nothing: in whatever words a runner may deny, they are not taken for their opposite.
fn validation(text: &str) -> (Validation, Option<String>) {
    let (mut passed, mut odd, mut denial) = (false, false, None);
    for line in text.lines() {
        let lower = line.to_ascii_lowercase();
        if !lower.contains("validat") {
            continue;
        }
        let (before, own) = said(&lower);
        let words = without_nothings(&words_of(own));
        let about = |word: &&str| ["validation", "validated"].contains(word);
        let counts: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
        let all_of_them = match counts.as_slice() {
            [] => true,
            [done, of] => done == of && *of > 0,
            _ => false,
        };
        let success =
            |word: &&str| ["pass", "passed", "success", "successful", "succeeded"].contains(word);
        let plain = |word: &&str| {
            about(word) || PASSED.contains(word) || *word == "of" || word.parse::<u64>().is_ok()
        };
        if words.iter().any(|word| DENIED.contains(word)) {
            denial.get_or_insert_with(|| line.trim().to_owned());
        } else if !before.contains("error")
            && all_of_them
            && words.iter().any(success)
            && words.iter().all(plain)
        {
            passed = true;
        } else {
            odd = true;
        }
    }
    let validation = match (&denial, passed, odd) {
        (Some(_), _, _) => Validation::Failed,
        (None, true, false) => Validation::Passed,
        (None, _, _) => Validation::Unsaid,
    };
    (validation, denial)
}

/// Words without those that only say that nothing went wrong: `errors: 0`, `no mismatch`, `max error 0.0`.
fn without_nothings<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let none = |at: usize| counts_nothing(words, at);
    let goes = |at: usize| {
        let before = at.checked_sub(1).is_some_and(none);
        none(at) || (before || none(at + 1)) && (is_nothing(words[at]) || words[at] == "max")
    };
    let kept = (words.iter().enumerate()).filter(|(at, word)| **word != "," && !goes(*at));
    kept.map(|(_, word)| *word).collect()
}

/// What a log puts before a line in brackets, and the line.
fn said(line: &str) -> (&str, &str) {
    let mut rest = line;
    while let Some((_, behind)) = rest
        .trim_start()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        rest = behind;
    }
    line.split_at(line.len() - rest.len())
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
    let rate: f64 = after(output, "Inf/Sec")?.parse().ok()?;
    rate.is_finite().then_some(rate)
}

/// The word behind the last place where a key stands.
fn after<'a>(output: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = output.rsplit_once(key)?;
    rest.trim_start_matches([':', '='])
        .split_whitespace()
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: &str =
        "---- Stats ----\nInferenceCnt 10 TotalDuration 17598us BatchSize 1 Inf/Sec 568.246\n";

    fn check(text: &str, status: Option<i32>, expected: Result<Proven, &str>) {
        let Ok(report) = text.parse::<RunnerReport>();
        let judged = report.judge(10, status, false);
        assert_eq!(
            judged.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|e| *e),
            "{text}"
        );
    }

    #[test]
    fn a_run_counts_when_everything_speaks_for_it() {
        let with = |line: &str| format!("{line}\n{STATS}");
        // Nothing is said of the data: nothing is known of it.
        check(STATS, Some(0), Ok(Proven::Links));
        check(&with("Output validation passed"), Some(0), Ok(Proven::Data));
        check(
            &with("[15:58:55.536][error][LogCommon] Failed to open"),
            Some(0),
            Ok(Proven::Links),
        );
        check(&STATS.replace('\n', "\r\n"), Some(0), Ok(Proven::Links));
        // What was run is counted against what was asked.
        check(
            &STATS.replace("Cnt 10", "Cnt 3"),
            Some(0),
            Err("the test ran 3 of 10 inferences"),
        );
        check(
            &with("Output validation passed").replace("Cnt 10", "Cnt 9"),
            Some(0),
            Err("the test ran 9 of 10 inferences"),
        );
        check(
            "Output validation passed\nInf/Sec 568.246\n",
            Some(0),
            Err("the test does not say how many of 10 inferences it ran"),
        );
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
        check(&format!("{STATS}{STATS}"), Some(0), Ok(Proven::Links));
        let Ok(report) = STATS.parse::<RunnerReport>();
        assert!(report.judge(10, Some(0), true).is_err());
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
            (
                "[15:58:55.536][info] Output validation passed\n",
                Validation::Passed,
            ),
            (
                "Validation passed for 10 of 10 outputs\n",
                Validation::Passed,
            ),
            (
                "Validation passed for 0 of 10 outputs\n",
                Validation::Unsaid,
            ),
            ("Validation passed: 0\n", Validation::Unsaid),
            ("Validation bypassed\n", Validation::Unsaid),
            ("Output validation passthrough\n", Validation::Unsaid),
            (
                "[15:58:55.536][error] Output validation passed\n",
                Validation::Unsaid,
            ),
            (
                "Output validation passed\nOutput validation skipped\n",
                Validation::Unsaid,
            ),
            ("Validation unsuccessful\n", Validation::Failed),
            ("Validation not passed\n", Validation::Failed),
            ("No validation passed\n", Validation::Failed),
            ("Validation passed: false\n", Validation::Failed),
            ("output validation: pass=0 fail=10\n", Validation::Failed),
            ("Output validation passed, errors: 0\n", Validation::Passed),
            (
                "Output validation passed: 10 of 10, 0 mismatches, max error 0.0.\n",
                Validation::Passed,
            ),
            (
                "Output validation passed: max error 0.5\n",
                Validation::Failed,
            ),
            ("Output validation: no errors\n", Validation::Unsaid),
            (
                "Output validation passed: 0 errors, 1 failed\n",
                Validation::Failed,
            ),
        ] {
            let Ok(report) = text.parse::<RunnerReport>();
            assert_eq!(report.validation, expected, "{text}");
        }
    }
}
