//! A tool that did not do what it should: what it was, in its own words, and whether it was permitted at all.
use super::StepError;
use crate::{
    access::ToolOutput,
    vendor::{ResetOutcome, ResetReport, refusal},
};

/// What a tool did instead of its work, with the end of what it printed.
pub(super) fn failed(tool: &str, output: &ToolOutput) -> StepError {
    // One that was ended says nothing for certain, and one that did anything was permitted to.
    let by_itself = !output.timed_out && output.status.is_some();
    let began = || {
        let Ok(ResetReport(said)) = output.stdout.parse::<ResetReport>();
        said.values()
            .any(|outcome| *outcome == ResetOutcome::Success)
    };
    let said = || refusal(&output.stderr).or_else(|| refusal(&output.stdout));
    if let Some(said) = said().filter(|_| by_itself && !began()) {
        return StepError::ToolRefused {
            tool: tool.to_owned(),
            said,
        };
    }
    ended(tool, output)
}

/// How a tool ended, with the end of what it printed.
pub(super) fn ended(tool: &str, output: &ToolOutput) -> StepError {
    let ended = match (output.timed_out, output.status) {
        (true, _) => "did not end in time".to_owned(),
        (false, None) => "was killed".to_owned(),
        (false, Some(status)) => format!("ended with exit code {status}"),
    };
    let said = if output.stderr.trim().is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    let last = said.trim().lines().last().unwrap_or("nothing");
    let last: String = last.chars().take(200).collect();
    StepError::ToolFailed {
        tool: tool.to_owned(),
        what: format!("{ended}; it said: {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_only_where_nothing_was_done_and_the_tool_ended_by_itself() {
        const DENIED: &str = "0000:25:00.0 Permission denied\n";
        const ONE_DONE: &str = "0000:25:00.0 success\n0000:26:00.0 Permission denied\n";
        for (stdout, stderr, status, timed_out, refused) in [
            (DENIED, "", Some(0), false, true),
            (
                "",
                "qaic-util: Operation not permitted\n",
                Some(255),
                false,
                true,
            ),
            ("", "Error: must be root\n", Some(1), false, true),
            (ONE_DONE, "", Some(1), false, false),
            (DENIED, "", None, false, false),
            (DENIED, "", Some(0), true, false),
            (
                "0000:25:00.0 failed\n",
                "connection refused\n",
                Some(1),
                false,
                false,
            ),
            (
                "",
                "[15:58:55.536][error][x] Permission denied\n",
                Some(1),
                false,
                false,
            ),
        ] {
            let output = ToolOutput {
                status,
                stdout: stdout.to_owned(),
                stderr: stderr.to_owned(),
                timed_out,
                files: Vec::new(),
            };
            let error = failed("qaic-util", &output);
            let is = matches!(error, StepError::ToolRefused { .. });
            assert_eq!(is, refused, "{stdout}{stderr}: {error}");
        }
    }
}
