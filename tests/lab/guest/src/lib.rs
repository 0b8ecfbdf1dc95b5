//! What the lab says to a machine and hears from it: one line of JSON a request, one an answer, over the second serial port.
use serde::{Deserialize, Serialize};

/// What the agent is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase")]
pub enum Request {
    /// Run a program to its end.
    #[serde(rename_all = "camelCase")]
    Run {
        /// The program and its arguments; no shell.
        argv: Vec<String>,
        /// As whom; absent means root.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<u32>,
        /// Afterwards it is killed.
        deadline_ms: u64,
    },
    /// Start a program in the background; its output goes to a file.
    Start {
        /// The program and its arguments.
        argv: Vec<String>,
        /// The file.
        log: String,
    },
    /// Send SIGTERM to what `Start` began, and wait for its end.
    #[serde(rename_all = "camelCase")]
    Stop {
        /// Its process.
        pid: u32,
        /// Afterwards it is killed.
        deadline_ms: u64,
    },
    /// Look at a port's ACS control word until it is this one.
    #[serde(rename_all = "camelCase")]
    Until {
        /// The port, as the kernel names it.
        port: String,
        /// The word, as `setpci` prints it.
        word: String,
        /// Afterwards the answer is what stands there.
        deadline_ms: u64,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "camelCase")]
pub enum Reply {
    /// The agent is there; sent once, unasked.
    Ready,
    /// A program ended.
    #[serde(rename_all = "camelCase")]
    Ended {
        /// Its exit code; absent when a signal ended it.
        status: Option<i32>,
        /// Standard output, bytes that are no UTF-8 replaced.
        stdout: String,
        /// Standard error, likewise.
        stderr: String,
        /// How long it took.
        took_ms: u64,
    },
    /// A program runs.
    Started {
        /// Its process.
        pid: u32,
    },
    /// What stands in a port's ACS control word.
    #[serde(rename_all = "camelCase")]
    Word {
        /// As `setpci` prints it.
        word: String,
        /// How long it took to come to that.
        took_ms: u64,
    },
    /// It could not be done.
    Failed {
        /// Why.
        why: String,
    },
}
