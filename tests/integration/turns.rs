//! A real model in two replicas, real ranks below each: while both are replaced, somebody always answers.
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use tempfile::TempDir;
use tests::{binary, root};

/// No machine is so slow that what is waited for takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running `up`, killed when the test is done with it: its workers end with it.
struct Up {
    child: Child,
    said: Receiver<String>,
    /// Where each worker serves.
    serving: BTreeMap<String, String>,
    /// Every address at which a worker ever served.
    told: Vec<String>,
}

impl Up {
    fn start(declared: &Path, state: &Path) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test starts the command that it tests"
        )]
        let mut child = Command::new(binary("shardplane"))
            .args(["up", "--interval", "1", "--rack"])
            .arg(root().join("examples/quickstart/rack.yaml"))
            .arg("-f")
            .arg(declared)
            .arg("--state-dir")
            .arg(state)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let pipe = BufReader::new(child.stderr.take().expect("its words"));
        let (lines, said) = channel();
        std::thread::spawn(move || {
            pipe.lines()
                .map_while(Result::ok)
                .all(|line| lines.send(line).is_ok())
        });
        Self {
            child,
            said,
            serving: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    /// Takes in one line. Whoever is replaced serves no more from then on, and somebody else must.
    #[track_caller]
    fn hear(&mut self, line: &str) {
        let told = line.strip_prefix("worker ");
        if let Some((id, address)) = told.and_then(|told| told.split_once(" serves on http://")) {
            self.serving.insert(id.to_owned(), address.to_owned());
            self.told.push(address.to_owned());
        }
        let replaced = line.trim().strip_prefix("replacing worker ");
        if let Some(id) = replaced.and_then(|line| line.split_whitespace().next()) {
            self.serving.remove(id);
            assert!(!self.serving.is_empty(), "nobody serves while {id} stops");
        }
    }

    #[track_caller]
    fn hear_one(&mut self) {
        let line = self.said.recv_timeout(PATIENCE).expect("it goes on");
        self.hear(&line);
    }

    /// Asks whoever serves whether it is ready: one that is not is being replaced, which must be said.
    #[track_caller]
    fn all_answer(&mut self) {
        for line in self.said.try_iter().collect::<Vec<_>>() {
            self.hear(&line);
        }
        for (id, address) in self.serving.clone() {
            if !is_ready(&address) {
                while self.serving.get(&id) == Some(&address) {
                    self.hear_one();
                }
            }
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a server answers that it is ready.
fn is_ready(address: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

#[test]
fn while_both_replicas_are_replaced_one_answers_at_any_time() {
    let folder = TempDir::new().expect("a folder");
    let quickstart = root().join("examples/quickstart");
    let models = root().join("examples/models").display().to_string();
    for name in ["policy.yaml", "group.yaml", "model.yaml"] {
        let text = fs::read_to_string(quickstart.join(name)).expect("the quickstart");
        let text = text
            .replace("../models", &models)
            .replace("size: 4", "size: 2")
            .replace("shards: 4", "shards: 2\n  replicas: 2");
        fs::write(folder.path().join(name), text).expect("a copy");
    }
    let state = TempDir::new().expect("a folder");
    let mut up = Up::start(folder.path(), state.path());
    while up.told.len() < 2 {
        up.hear_one();
    }
    let model = folder.path().join("model.yaml");
    let text = fs::read_to_string(&model).expect("the model");
    fs::write(&model, text.replace("slots: 4", "slots: 3")).expect("an edit");
    let mut asked = 0;
    while up.told.len() < 4 {
        up.all_answer();
        asked += 1;
    }
    assert!(asked > 2, "it was asked {asked} times");
    let last: Vec<&String> = up.serving.values().collect();
    assert_eq!(last.len(), 2, "{last:?}");
    assert!(
        last.iter().all(|address| up.told[2..].contains(address)),
        "{last:?}"
    );
}
