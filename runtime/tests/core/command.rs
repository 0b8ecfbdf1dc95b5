//! The command as supervisors run it: the line it announces itself with, what it answers, how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::program::Precision;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::support::{ODD, Recipe, program};

const PATIENCE: Duration = Duration::from_secs(30);

#[expect(
    clippy::disallowed_methods,
    reason = "what is tested is the command, as a process"
)]
pub fn worker(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardplane-worker"));
    command.args(arguments);
    command
}

/// A checkpoint whose tokenizer knows the words `w0`, `w1`, ...
pub fn speaking() -> TempDir {
    let folder = Recipe::new("llama", ODD, json!({})).write();
    let vocab: Map<String, Value> = (0..ODD.vocab)
        .map(|id| (format!("w{id}"), json!(id)))
        .collect();
    let tokenizer = json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "post_processor": null, "decoder": null,
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "w0"},
    });
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).expect("tokenizer");
    folder
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// A worker that listens; killed and reaped when the test ends early.
pub struct Serving {
    child: Child,
    lifeline: Option<ChildStdin>,
    pub address: String,
    ranks: Vec<i32>,
    _folder: TempDir,
}

impl Serving {
    pub fn start(shards: u32) -> Self {
        Self::start_under("", shards)
    }

    /// Under a shell that runs `before`.
    pub fn start_under(before: &str, shards: u32) -> Self {
        let checkpoint = speaking();
        let (folder, built) = program(checkpoint.path(), shards, Precision::F32);
        #[expect(
            clippy::disallowed_methods,
            reason = "what is tested is the command, as a process"
        )]
        let mut shell = Command::new("/bin/sh");
        let mut child = shell
            .args(["-c", &format!("{before} exec \"$@\""), "sh"])
            .arg(env!("CARGO_BIN_EXE_shardplane-worker"))
            .args([
                "serve",
                "--name",
                "odd",
                "--supervised",
                "-o",
                "json",
                "--program",
            ])
            .arg(built.directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a worker");
        let lifeline = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let line = within("the listening line", move || {
            let mut line = String::new();
            output.read_line(&mut line).map(|_| line)
        });
        let event: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        assert_eq!(event["event"], "listening", "{event}");
        let pids = event["pids"].as_array().expect("pids");
        Self {
            child,
            lifeline,
            address: event["address"].as_str().expect("an address").to_owned(),
            ranks: pids
                .iter()
                .filter_map(Value::as_i64)
                .map(|pid| pid as i32)
                .collect(),
            _folder: folder,
        }
    }

    pub fn complete(&self, extra: &Value) -> Value {
        let mut body =
            json!({"model": "odd", "prompt": "w1 w2", "max_tokens": 5, "temperature": 0});
        let object = body.as_object_mut().expect("an object");
        object.extend(extra.as_object().expect("an object").clone());
        let body = body.to_string();
        let mut connection = TcpStream::connect(&self.address).expect("a connection");
        connection
            .set_read_timeout(Some(PATIENCE))
            .expect("a deadline");
        let length = body.len();
        write!(
            connection,
            "POST /v1/completions HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .expect("a request");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("JSON")
    }

    /// Its exit code, and what it said on standard error.
    pub fn end(mut self) -> (Option<i32>, String) {
        let child = Pid::from_raw(self.child.id() as i32);
        let mut errors = self.child.stderr.take().expect("its errors");
        let said = within("the end of its errors", move || {
            let mut said = String::new();
            errors.read_to_string(&mut said).map(|_| said)
        });
        let said = said.unwrap_or_else(|error| panic!("{child}: {error}"));
        (self.child.wait().expect("an end").code(), said)
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("a signal");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail only where it has ended, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs something that may wait, and gives up on it after a while.
fn within<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = mpsc::channel();
    std::thread::spawn(move || drop(sender.send(work())));
    done.recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("waited too long for {what}"))
}

#[test]
fn a_supervised_worker_serves_and_leaves_with_its_supervisor() {
    let mut serving = Serving::start(2);
    assert_eq!(serving.ranks.len(), 2);
    let answer = serving.complete(&json!({}));
    assert_eq!(answer["usage"]["prompt_tokens"], 2, "{answer}");
    assert_eq!(answer["usage"]["completion_tokens"], 5, "{answer}");
    drop(serving.lifeline.take());
    assert_eq!(serving.end(), (Some(0), String::new()));
}

#[test]
fn a_small_stack_is_enough_to_serve() {
    let answer = Serving::start_under("ulimit -s 128;", 2).complete(&json!({}));
    assert_eq!(answer["usage"]["completion_tokens"], 5, "{answer}");
}

#[test]
fn answers_do_not_depend_on_shards() {
    let answers: Vec<Value> = [1, 3]
        .map(|shards| {
            Serving::start(shards).complete(&json!({"return_token_ids": true, "logprobs": 5}))
        })
        .map(|answer| answer["choices"][0].clone())
        .to_vec();
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["token_ids"].as_array().map(Vec::len), Some(5));
}

#[test]
fn a_terminated_worker_drains() {
    let serving = Serving::start(1);
    serving.signal(Signal::SIGTERM);
    assert_eq!(serving.end(), (Some(0), String::new()));
}

#[test]
fn a_worker_that_loses_a_rank_says_so_and_ends() {
    let serving = Serving::start(2);
    let lost = serving.ranks[1];
    kill(Pid::from_raw(lost), Signal::SIGKILL).expect("a signal");
    let (code, said) = serving.end();
    assert_eq!(code, Some(70), "{said}");
    assert!(
        said.contains(&format!("rank 1 (pid {lost}) is gone")) && said.contains("memory ran out"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_killed_worker_leaves_no_ranks() {
    let serving = Serving::start(3);
    let ranks = serving.ranks.clone();
    serving.signal(Signal::SIGKILL);
    let (code, _) = serving.end();
    assert_eq!(code, None, "a signal ends it");
    // Nobody but the kernel is left to tell the ranks. Orphans are reaped by whoever adopts them, so the dead count.
    let alive = |pid: &i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = status
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        status.contains(") ") && !matches!(state, Some('Z' | 'X'))
    };
    within("the ranks to leave", move || {
        while ranks.iter().any(alive) {
            std::thread::yield_now();
        }
    });
}
