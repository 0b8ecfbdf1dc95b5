//! The grammar of `shardplane snapshot`: record, or look at what was recorded.
use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use super::{Format, Place, Printing};

/// `snapshot`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SnapshotArgs {
    #[command(flatten)]
    #[doc = "How to record."]
    pub record: RecordArgs,
    /// What to do with what was recorded; absent records.
    #[command(subcommand)]
    pub verb: Option<SnapshotVerb>,
}

impl SnapshotArgs {
    /// How the result is printed.
    pub fn format(&self) -> Format {
        match &self.verb {
            None => self.record.printing.output,
            Some(SnapshotVerb::Diff(args)) => args.printing.output,
            Some(SnapshotVerb::Verify(args)) => args.printing.output,
        }
    }
}

/// How to record.
#[derive(Debug, Args)]
pub struct RecordArgs {
    #[command(flatten)]
    #[doc = "Which machine."]
    pub place: Place,
    #[command(flatten)]
    #[doc = "How the result is printed."]
    pub printing: Printing,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Record this label of the Node, as `kubectl get node --show-labels` shows it: policies and groups select by labels, and a
    /// machine knows none of its own; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
    /// Replace names, labels, serials, processes and the command line by pseudonyms; plans stay the same.
    #[arg(long)]
    pub redact: bool,
    /// The secret that pseudonyms are made with, at least 16 bytes [default: one drawn for this recording alone].
    #[arg(long, value_name = "FILE", requires = "redact")]
    pub redact_key: Option<PathBuf>,
    /// Keep this label as it is, so that selectors find the node; may be repeated.
    #[arg(long, value_name = "KEY", requires = "redact")]
    pub keep_label: Vec<String>,
    /// From when on nothing should be planned by it: 45m, 12h, 7d, 2w.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires_in: Option<Duration>,
}

/// What to do with what was recorded.
#[derive(Debug, Subcommand)]
pub enum SnapshotVerb {
    /// Show in what two recordings differ; exit 1 where they do.
    Diff(DiffArgs),
    /// Say whether recordings are whole: form, hash, expiry, and that they hold together.
    Verify(VerifyArgs),
}

/// `snapshot diff`
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// What was.
    pub before: PathBuf,
    /// What is.
    pub after: PathBuf,
    #[command(flatten)]
    #[doc = "How the result is printed."]
    pub printing: Printing,
}

/// `snapshot verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Recorded snapshots; - for standard input. The content that is printed names what plans are made from: recordings that
    /// differ in readings, time and expiry alone have the same. The hash in a file is over all of it.
    #[arg(required = true)]
    pub file: Vec<PathBuf>,
    #[command(flatten)]
    #[doc = "How the result is printed."]
    pub printing: Printing,
}

/// A key and a value, of the letters that labels have.
fn label(text: &str) -> Result<(String, String), String> {
    let plain = |text: &str, more: &[u8]| {
        let known = |sign: u8| {
            sign.is_ascii_alphanumeric() || b"-_.".contains(&sign) || more.contains(&sign)
        };
        text.len() <= 317 && text.bytes().all(known)
    };
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && plain(key, b"/") && plain(value, b"") => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("write a key, = and a value, such as tier=inference".to_owned()),
    }
}

/// Longer than anybody plans ahead.
const LONGEST: u64 = 10 * 366 * 86_400;

/// A number and a unit: `45m`, `12h`, `7d`, `2w`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and s, m, h, d or w, such as 7d; at most ten years".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let digits = &text[..text.len() - unit.len_utf8()];
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(wrong()),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    match count.checked_mul(seconds) {
        Some(seconds @ 1..=LONGEST) => Ok(Duration::from_secs(seconds)),
        Some(_) | None => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        for (text, seconds) in [
            ("1s", 1),
            ("45m", 2_700),
            ("12h", 43_200),
            ("7d", 604_800),
            ("2w", 1_209_600),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "d",
            "7",
            "0d",
            "-1d",
            "+7d",
            "1.5h",
            "7 d",
            "7D",
            "7日",
            "99999999999999999999d",
            "999999w",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
