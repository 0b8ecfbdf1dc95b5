//! `up` and whoever disturbs it: a second run, `down`, signals, a killed supervisor, a killed worker.
use std::{
    io::{BufRead, BufReader},
    process::{Child, ExitStatus},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use operator::supervise::process;
use serde_json::Value;

use crate::lab::Lab;

/// A running `up`, stopped when the test is done with it.
pub struct Up {
    child: Child,
    said: std::sync::mpsc::Receiver<String>,
}

/// No machine is so slow that what is waited for takes longer.
pub const PATIENCE: Duration = Duration::from_mins(1);

impl Up {
    pub fn start(lab: &Lab, arguments: &[&str]) -> Self {
        Self::of(lab.start("state", arguments))
    }

    /// Listens to one that was started.
    pub fn of(mut child: Child) -> Self {
        let (lines, said) = std::sync::mpsc::channel();
        let pipe = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            pipe.lines()
                .map_while(Result::ok)
                .all(|line| lines.send(line).is_ok())
        });
        Self { child, said }
    }

    /// Waits until a line holds `words`; the lines before it.
    #[track_caller]
    pub fn hears(&self, words: &str) -> Vec<String> {
        self.listens(words).0
    }

    /// The lines before the first that holds `words`, and that line.
    #[track_caller]
    pub fn listens(&self, words: &str) -> (Vec<String>, String) {
        let mut heard = Vec::new();
        while let Ok(line) = self.said.recv_timeout(PATIENCE) {
            if line.contains(words) {
                return (heard, line);
            }
            heard.push(line);
        }
        panic!("never heard `{words}` but:\n{}", heard.join("\n"));
    }

    pub fn signal(&self, signal: Signal) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
    }

    pub fn ends(&mut self) -> ExitStatus {
        let ended = process::wait_for(PATIENCE, || self.child.try_wait().unwrap().is_some());
        assert!(ended, "it did not end");
        self.child.wait().unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn workers(lab: &Lab) -> Vec<Value> {
    let status = lab.run("state", &["status", "-o", "json"]).expect(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    status["workers"].as_array().unwrap().clone()
}

#[test]
fn a_second_run_is_refused_and_the_first_is_named() {
    let lab = Lab::new();
    let mut up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    for verb in ["up", "apply"] {
        let refused = lab.run("state", &[verb, "-f", "declared"]).expect(75);
        assert!(
            refused.stderr.contains("`shardplane up` (pid "),
            "{}",
            refused.stderr
        );
    }
    lab.run("state", &["rack", "reseed"]).expect(75);
    lab.run("state", &["plan", "-f", "declared", "--detailed-exitcode"])
        .expect(0);
    assert_eq!(workers(&lab).len(), 1);
    up.signal(Signal::SIGTERM);
    assert_eq!(up.ends().code(), Some(0));
    let status = lab.run("state", &["status"]).expect(0);
    assert!(
        status.stdout.contains("no engine runs on this machine now")
            && status.stdout.contains("P2P proven"),
        "{}",
        status.stdout
    );
}

#[test]
fn a_stop_in_a_long_wait_is_answered_and_a_second_ends_it() {
    let lab = Lab::new();
    lab.run("state", &["rack", "fault", "reset-hangs:0000:25:00.0"])
        .expect(0);
    let mut up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("soc.wait");
    up.signal(Signal::SIGTERM);
    up.hears("stopping once what is in hand has ended");
    up.signal(Signal::SIGTERM);
    up.hears("ended at once");
    assert_eq!(up.ends().code(), Some(20));
}

#[test]
fn the_other_key_of_a_terminal_stops_between_two_steps_too() {
    let lab = Lab::new();
    let mut up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    up.signal(Signal::SIGQUIT);
    up.hears("stopping: draining workers");
    assert_eq!(up.ends().code(), Some(0));
}

#[test]
fn a_down_beside_a_long_step_says_what_it_waits_for_and_can_be_stopped() {
    let lab = Lab::new();
    lab.run("state", &["rack", "fault", "reset-hangs:0000:25:00.0"])
        .expect(0);
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("soc.wait");
    let holder = format!(
        "waiting for `shardplane up` (pid {}): it is in ",
        up.child.id()
    );
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut down = Up::start(&lab, &["down"]);
        let (_, heard) = down.listens(&holder);
        assert!(
            heard.contains("soc.wait SoC 0000:25:00.0 on aic-01 since ")
                && heard.contains("Z, until ")
                && heard.contains("Z at the latest"),
            "{heard}"
        );
        down.signal(signal);
        // Whoever is impatient is told no less: nothing is in its own hand.
        std::thread::sleep(Duration::from_millis(50));
        down.signal(signal);
        down.hears("stopped waiting with nothing begun; `shardplane up`");
        assert_eq!(down.ends().code(), Some(code));
    }
    let status = lab.run("state", &["status"]).expect(0);
    assert!(
        status
            .stdout
            .contains(" and is busy: soc.wait SoC 0000:25:00.0"),
        "{}",
        status.stdout
    );
}

#[test]
fn a_down_that_was_taken_back_is_not_begun() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    up.signal(Signal::SIGSTOP);
    let mut down = Up::start(&lab, &["down"]);
    down.hears("waiting for `shardplane up`");
    down.signal(Signal::SIGTERM);
    assert_eq!(down.ends().code(), Some(143));
    up.signal(Signal::SIGCONT);
    up.hears("`shardplane down` was taken back before anything was begun; going on");
    assert_eq!(workers(&lab).len(), 1);
}

#[test]
fn a_model_that_cannot_be_built_is_told_once_and_tried_again_with_growing_pauses() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    let model = lab.path("declared/model.yaml");
    let text = std::fs::read_to_string(&model).unwrap();
    std::fs::write(&model, text.replace("path: tiny", "path: gone")).unwrap();
    let told = up.hears("; trying again in 1 s");
    assert!(
        told.iter().any(|line| line.contains("Plan: 1 build")),
        "{told:#?}"
    );
    for said in ["it failed as before; trying again in 2 s", "in 4 s"] {
        let told = up.hears(said);
        assert_eq!(told.len(), 1, "{told:#?}");
    }
    let status = lab.run("state", &["status", "-o", "json"]).expect(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let trouble = &status["troubles"][0];
    let why = trouble["why"].as_str().unwrap();
    assert!(why.contains("ShardedModel/default/tiny"), "{why}");
    assert!(trouble["nextTry"].as_str().unwrap().ends_with('Z'));
    let status = lab.run("state", &["status"]).expect(0);
    assert!(
        status.stdout.contains(&format!("{why}; next try at ")),
        "{}",
        status.stdout
    );
    // An edit is followed at once, whatever the pause.
    std::fs::write(&model, text.replace("slots: 1", "slots: 2")).unwrap();
    up.hears("replacing worker default/tiny-0");
    up.hears("serves on");
    let status = lab.run("state", &["status", "-o", "json"]).expect(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["troubles"], Value::Array(Vec::new()));
}

#[test]
fn down_reaches_the_holder_and_puts_the_machine_back() {
    let lab = Lab::new();
    let before = lab.registers("state");
    let mut up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    assert_ne!(lab.registers("state").words, before.words);
    lab.run("state", &["down"]).expect(0);
    assert_eq!(up.ends().code(), Some(0));
    assert_eq!(lab.registers("state").words, before.words);
}

#[test]
fn a_down_without_leave_stops_no_worker() {
    let lab = Lab::new();
    let policy = lab.path("declared/policy.yaml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("mode: Automatic", "mode: Manual")).unwrap();
    let digest = |said: &str| {
        let (_, digest) = said.split_once("--approve-digest ").unwrap();
        digest.split_whitespace().next().unwrap().to_owned()
    };
    let refused = lab.run("state", &["apply", "-f", "declared"]).expect(12);
    let approved = digest(&refused.stderr);
    let arguments = ["up", "-f", "declared", "--approve-digest", &approved];
    let mut up = Up::start(&lab, &arguments);
    up.hears("serves on");
    let running = workers(&lab);
    let refused = lab.run("state", &["down", "--yes"]).expect(12);
    assert_eq!(workers(&lab)[0]["pid"], running[0]["pid"]);
    let approved = digest(&refused.stderr);
    lab.run("state", &["down", "--approve-digest", &approved])
        .expect(0);
    assert_eq!(up.ends().code(), Some(0));
}

#[test]
fn a_killed_worker_comes_back_and_a_killed_supervisor_leaves_none() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    let pid = |worker: &Value| u32::try_from(worker["pid"].as_u64().unwrap()).unwrap();
    let leader = i32::try_from(pid(&workers(&lab)[0])).unwrap();
    kill(Pid::from_raw(leader), Signal::SIGKILL).unwrap();
    up.hears("starting it again in 1 s");
    up.hears("serves on");
    let orphan = workers(&lab)[0].clone();
    assert_eq!(orphan["restarts"], 1);
    up.signal(Signal::SIGKILL);
    // The next run waits for what the killed one left, and finds nothing to do.
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    assert_eq!(
        process::identity(pid(&orphan)),
        None,
        "the worker outlived its supervisor"
    );
}

#[test]
fn an_edit_is_followed_and_a_broken_one_is_not() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    let model = lab.path("declared/model.yaml");
    let text = std::fs::read_to_string(&model).unwrap();
    std::fs::write(&model, text.replace("shards: 2", "shards: 3")).unwrap();
    up.hears("keeping the last valid declaration");
    assert_eq!(workers(&lab).len(), 1);
    std::fs::write(&model, text.replace("slots: 1", "slots: 2")).unwrap();
    up.hears("replacing worker default/tiny-0");
    up.hears("serves on");
    std::fs::remove_file(&model).unwrap();
    up.hears("draining worker default/tiny-0");
}

#[test]
fn drift_is_put_right_on_the_timer() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    let right = lab.registers("state");
    lab.run("state", &["rack", "set", "vm.max_map_count", "65530"])
        .expect(0);
    up.hears("sysctl.set");
    let put_right = process::wait_for(PATIENCE, || lab.registers("state").words == right.words);
    assert!(put_right);
}

#[test]
fn a_goal_that_becomes_blocked_is_told_and_so_is_its_end() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    let status = lab.run("state", &["status", "-o", "json"]).expect(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let soc = status["nodes"][0]["ledger"]["groups"][0]["members"][0]["address"]
        .as_str()
        .unwrap()
        .to_owned();
    lab.run("state", &["rack", "unplug", &soc]).expect(0);
    up.hears("blocked: P2PGroup/");
    up.hears("help:");
    lab.run("state", &["rack", "replug", &soc]).expect(0);
    up.hears("no longer blocked: P2PGroup/");
    up.hears("serves on");
    lab.run("state", &["rack", "reboot"]).expect(0);
    up.hears("starting worker");
    up.hears("serves on");
}

#[test]
fn whoever_looks_on_knows_our_workers_and_plans_what_up_carries_out() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&lab.run("state", arguments).stdout).unwrap()
    };
    let plan = [
        "plan",
        "-f",
        "declared",
        "--detailed-exitcode",
        "-o",
        "json",
    ];
    let rests = json(&plan);
    assert_eq!(rests["exit"]["code"], 0, "{rests:#}");
    assert_eq!(rests["nodes"][0]["work"], Value::Array(Vec::new()));
    for verb in ["snapshot", "probe"] {
        let seen = json(&[verb, "-o", "json"]);
        let holders = seen["holders"].as_array().unwrap();
        assert!(!holders.is_empty(), "{verb}");
        for holder in holders {
            assert_eq!(holder["kind"]["id"], "default/tiny-0", "{holder}");
        }
        assert_eq!(seen["workers"][0]["state"], "Ready", "{verb}");
    }
    let soc = json(&["snapshot", "-o", "json"])["holders"][0]["soc"].clone();
    // With `up` stopped in its tracks, what is planned here is what it will carry out.
    up.signal(Signal::SIGSTOP);
    let mdp = format!("{}/mdp", soc.as_str().unwrap());
    lab.run("state", &["rack", "set", &mdp, "off"]).expect(0);
    let planned = lab
        .run("state", &["plan", "-f", "declared", "--detailed-exitcode"])
        .expect(2);
    assert!(
        !planned.stdout.contains("HeldByForeign") && planned.stdout.contains("default/tiny-0"),
        "{}",
        planned.stdout
    );
    let digest = json(&plan)["nodes"][0]["digest"].clone();
    up.signal(Signal::SIGCONT);
    up.hears(digest.as_str().unwrap());
}
