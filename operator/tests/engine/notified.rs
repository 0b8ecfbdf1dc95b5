//! `up` under a service manager: when it says ready, that it lives, and what it does with nothing and with nonsense.
use std::{
    io::Read,
    os::unix::net::UnixDatagram,
    process::{Child, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use operator::supervise::process;

use crate::lab::Lab;

/// No machine is so slow that what is waited for takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// An `up` and the socket at which its service manager listens.
struct Unit {
    child: Child,
    said: std::sync::mpsc::Receiver<String>,
    heard: Vec<String>,
}

/// A laboratory whose machine takes no time.
fn quick() -> Lab {
    let lab = Lab::new();
    lab.speed_up(1000);
    lab
}

impl Unit {
    fn start(lab: &Lab, arguments: &[&str]) -> Self {
        let path = lab.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let (texts, said) = std::sync::mpsc::channel();
        // Read at once, as a service manager does: the queue of such a socket is short.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if texts.send(text).is_err() {
                    return;
                }
            }
        });
        let child = lab
            .command(arguments, "state")
            .env("NOTIFY_SOCKET", path)
            .env("WATCHDOG_USEC", "1000000")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            child,
            said,
            heard: Vec::new(),
        }
    }

    /// Waits for a datagram that holds `words`; what came before it is kept.
    #[track_caller]
    fn hears(&mut self, words: &str) -> String {
        while let Ok(text) = self.said.recv_timeout(PATIENCE) {
            self.heard.push(text.clone());
            if text.contains(words) {
                return text;
            }
            // A loop that turns is heard for ever.
            assert!(
                self.heard.len() < 400,
                "never heard `{words}`: {:#?}",
                self.heard
            );
        }
        panic!("never heard `{words}` but: {:#?}", self.heard);
    }

    fn has_heard(&self, words: &str) -> bool {
        self.heard.iter().any(|text| text.contains(words))
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Waits for its end; gives its exit code and what it said on standard error.
    fn ends(&mut self) -> (Option<i32>, String) {
        let ended = process::wait_for(PATIENCE, || self.child.try_wait().unwrap().is_some());
        assert!(ended, "it did not end");
        let mut said = String::new();
        let mut pipe = self.child.stderr.take().unwrap();
        pipe.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn ready_is_said_once_cards_and_settings_are_as_declared_and_models_keep_nobody_waiting() {
    let lab = quick();
    let mut unit = Unit::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    let ready = unit.hears("READY=1");
    assert!(
        ready.contains("STATUS=the machine is as declared"),
        "{ready}"
    );
    assert!(unit.has_heard("STATUS=acs.clear") && !unit.has_heard("program.build"));
    let words = lab.registers("state").words;
    assert_eq!(words["\"0000:24:00.0\""], "0x0011", "{words:#?}");
    assert_eq!(words["vm.max_map_count"], "2048000");
    unit.hears("STATUS=program.build");
    unit.hears("as declared; 1 worker");
    lab.run("state", &["status", "--wait", "60"]).expect(0);
    unit.signal(Signal::SIGTERM);
    let stopping = unit.hears("STOPPING=1");
    assert!(stopping.contains("EXTEND_TIMEOUT_USEC="), "{stopping}");
    assert_eq!(unit.ends().0, Some(0));
}

#[test]
fn only_the_loop_says_that_it_lives_and_a_step_says_how_long_it_may_take() {
    let lab = Lab::new();
    let mut unit = Unit::start(&lab, &["up", "-f", "declared"]);
    unit.hears("READY=1");
    unit.hears("as declared; 1 worker");
    // The loop rests for ten seconds between two looks: it turns all the while.
    for _ in 0..3 {
        unit.hears("WATCHDOG=1\n");
    }
    let waits: Vec<usize> = (0..unit.heard.len())
        .filter(|&at| unit.heard[at].contains("STATUS=soc.wait"))
        .collect();
    assert_eq!(waits.len(), 2);
    for at in waits {
        // Four seconds pass here on the rack's clock, and a watchdog's time is one: a bystander would have spoken.
        let limit = "WATCHDOG_USEC=1141000000";
        assert!(unit.heard[at].contains(limit), "{}", unit.heard[at]);
        let done = "EXTEND_TIMEOUT_USEC=1000000\nWATCHDOG_USEC=1000000\nWATCHDOG=1\n";
        assert_eq!(unit.heard[at + 1], done);
    }
}

#[test]
fn cards_that_boot_are_waited_for_and_others_are_not() {
    let soc = "0000:25:00.0/state";
    // A machine that was as declared, and boots: ACS is back, and a member takes its time.
    let booting = || {
        let lab = quick();
        lab.run("state", &["apply", "-f", "declared"]).expect(0);
        lab.run("state", &["rack", "reboot"]).expect(0);
        lab.run("state", &["rack", "set", soc, "stuck"]).expect(0);
        lab
    };
    let lab = booting();
    let mut unit = Unit::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    let waiting = unit.hears("waiting for cards that boot");
    assert!(waiting.contains("Initializing"), "{waiting}");
    // The loop turns, so the start may take longer.
    unit.hears("WATCHDOG=1\nEXTEND_TIMEOUT_USEC=1000000\n");
    let asked = lab.run("state", &["status", "--wait", "1"]).expect(12);
    assert!(asked.stderr.contains("Initializing"), "{}", asked.stderr);
    assert!(!unit.has_heard("READY=1"));
    lab.run("state", &["rack", "set", soc, "ready"]).expect(0);
    unit.hears("READY=1\nSTATUS=the machine is as declared");
    drop(unit);

    let lab = booting();
    let mut unit = Unit::start(&lab, &["up", "-f", "declared", "--settle", "0"]);
    let ready = unit.hears("READY=1");
    assert!(ready.contains("1 blocked goal"), "{ready}");
    lab.run("state", &["status", "--wait", "1"]).expect(12);
}

#[test]
fn what_a_person_must_approve_keeps_nobody_waiting_and_is_not_as_declared() {
    let lab = quick();
    let policy = lab.path("declared/policy.yaml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("mode: Automatic", "mode: Manual")).unwrap();
    let untouched = lab.registers("state");
    let mut unit = Unit::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    let ready = unit.hears("READY=1");
    assert!(ready.contains("STATUS=blocked: "), "{ready}");
    lab.run("state", &["status", "--wait", "1"]).expect(12);
    assert_eq!(lab.registers("state"), untouched);
    std::fs::write(&policy, &text).unwrap();
    unit.signal(Signal::SIGHUP);
    unit.hears("RELOADING=1\nMONOTONIC_USEC=");
    lab.run("state", &["status", "--wait", "60"]).expect(0);
    assert_ne!(lab.registers("state"), untouched);
}

#[test]
fn nothing_declared_is_waited_for_and_undoes_nothing() {
    let lab = quick();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let applied = lab.registers("state");
    std::fs::create_dir(lab.path("empty")).unwrap();
    lab.run("state", &["up", "-f", "empty"]).expect(65);
    for folder in ["empty", "missing"] {
        let mut unit = Unit::start(&lab, &["up", "-f", folder, "--standby", "--interval", "1"]);
        let ready = unit.hears("READY=1");
        assert!(ready.contains("nothing is declared"), "{ready}");
        lab.run("state", &["status", "--wait", "1"]).expect(12);
        std::fs::create_dir_all(lab.path(folder)).unwrap();
        let put = |text: &str| std::fs::write(lab.path(folder).join("policy.yaml"), text).unwrap();
        put("kind: CardPolicy\n");
        unit.signal(Signal::SIGHUP);
        unit.hears("RELOADING=1");
        unit.hears("READY=1");
        assert_eq!(lab.registers("state"), applied);
        let policy = std::fs::read_to_string(lab.path("declared/policy.yaml")).unwrap();
        put(&policy.replace("maxMapCount: 2048000", "maxMapCount: 3000000"));
        unit.hears("sysctl.set");
        unit.hears("the machine is as declared");
        lab.run("state", &["status", "--wait", "60"]).expect(0);
        unit.signal(Signal::SIGTERM);
        let (code, said) = unit.ends();
        assert_eq!(code, Some(0));
        assert!(
            said.contains("touching nothing until it is valid"),
            "{said}"
        );
        assert!(said.contains("something is declared now"), "{said}");
        std::fs::remove_dir_all(lab.path(folder)).unwrap();
        std::fs::remove_file(lab.path("notify")).unwrap();
        lab.run("state", &["apply", "-f", "declared"]).expect(0);
        if folder == "empty" {
            std::fs::create_dir(lab.path(folder)).unwrap();
        }
    }
}

#[test]
fn nonsense_at_the_start_fails_the_unit_and_later_changes_nothing() {
    let lab = quick();
    let policy = lab.path("declared/policy.yaml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, "kind: CardPolicy\n").unwrap();
    let mut unit = Unit::start(&lab, &["up", "-f", "declared", "--standby"]);
    let (code, said) = unit.ends();
    assert_eq!(code, Some(65));
    assert!(said.contains("declared/policy.yaml:1"), "{said}");
    drop(unit);
    std::fs::remove_file(lab.path("notify")).unwrap();
    std::fs::write(&policy, text).unwrap();
    let mut unit = Unit::start(&lab, &["up", "-f", "declared", "--standby"]);
    unit.hears("as declared; 1 worker");
    let right = lab.registers("state");
    std::fs::write(&policy, "kind: CardPolicy\n").unwrap();
    unit.signal(Signal::SIGHUP);
    unit.hears("RELOADING=1");
    unit.hears("READY=1\nSTATUS=the machine is as declared");
    assert_eq!(lab.registers("state"), right);
    for file in ["policy", "group", "model"] {
        std::fs::remove_file(lab.path(&format!("declared/{file}.yaml"))).unwrap();
    }
    unit.signal(Signal::SIGHUP);
    unit.hears("RELOADING=1");
    unit.hears("READY=1\nSTATUS=the machine is as declared; 1 worker");
    unit.signal(Signal::SIGTERM);
    let (_, said) = unit.ends();
    assert!(
        said.contains("keeping the last valid declaration"),
        "{said}"
    );
}

#[test]
fn a_model_that_cannot_be_built_does_not_keep_the_machine_from_being_put_right() {
    let lab = quick();
    std::fs::remove_dir_all(lab.path("declared/tiny")).unwrap();
    let mut unit = Unit::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    unit.hears("READY=1\nSTATUS=the machine is as declared");
    unit.hears("as declared; but");
    lab.run("state", &["rack", "set", "0000:24:00.0/acs", "0x001d"])
        .expect(0);
    unit.hears("STATUS=acs.clear port 0000:24:00.0");
    unit.hears("as declared; but");
    lab.run("state", &["status", "--wait", "60"]).expect(0);
}

#[test]
fn a_step_that_fails_while_the_unit_starts_keeps_nobody_waiting_and_is_tried_again() {
    let lab = quick();
    let fault = "write-ignored:0000:24:00.0";
    lab.run("state", &["rack", "fault", fault]).expect(0);
    let mut unit = Unit::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    let ready = unit.hears("READY=1");
    assert!(
        ready.contains("STATUS=blocked: ") && ready.contains("0000:24:00.0"),
        "{ready}"
    );
    let mut said = String::new();
    // One that is in the middle of trying again answers after that.
    let named = process::wait_for(PATIENCE, || {
        said = lab
            .run("state", &["status", "--wait", "1"])
            .expect(12)
            .stderr;
        said.contains("0000:24:00.0")
    });
    assert!(named, "{said}");
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    lab.run("state", &["status", "--wait", "60"]).expect(0);
    unit.hears("as declared; 1 worker");
    unit.signal(Signal::SIGTERM);
    let (code, said) = unit.ends();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("; trying again in 1 s"), "{said}");
}

#[test]
fn a_unit_that_may_change_nothing_fails_before_it_says_ready_and_one_that_may_change_something_stays()
 {
    let lab = quick();
    std::fs::remove_file(lab.path("declared/model.yaml")).unwrap();
    let rack = lab.path("rack.yaml");
    let text = std::fs::read_to_string(&rack).unwrap();
    let plain = "- name: aic-01\n      host: { access: Unprivileged }";
    std::fs::write(&rack, text.replace("- name: aic-01", plain)).unwrap();
    let mut unit = Unit::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    let (code, said) = unit.ends();
    assert_eq!(code, Some(77), "{said}");
    while let Ok(text) = unit.said.try_recv() {
        assert!(!text.contains("READY=1"), "{text}");
    }
    drop(unit);
    std::fs::remove_file(lab.path("notify")).unwrap();
    std::fs::remove_dir_all(lab.path("state")).unwrap();
    std::fs::write(&rack, text).unwrap();
    let forbidden = "setting-forbidden:vm.max_map_count";
    lab.run("state", &["rack", "fault", forbidden]).expect(0);
    let mut unit = Unit::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    let ready = unit.hears("READY=1");
    assert!(ready.contains("vm.max_map_count"), "{ready}");
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    unit.hears("READY=1\nSTATUS=the machine is as declared");
}
