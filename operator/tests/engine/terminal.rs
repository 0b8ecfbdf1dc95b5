//! A person at a terminal who asks for a stop while nothing is in hand: at a question, at a declaration that is read from the
//! keyboard, before an answer. Nothing was begun, and the exit code says so.
use std::{
    fs::{self, File},
    io::Read as _,
    process::{Child, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

use nix::{
    pty::{OpenptyResult, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    lab::Lab,
    supervision::{PATIENCE, Up},
};
use operator::supervise::process;

/// A command at a terminal of its own.
struct Seated {
    child: Child,
    shown: Receiver<Vec<u8>>,
}

impl Seated {
    fn start(lab: &Lab, arguments: &[&str]) -> Self {
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        let mut command = lab.command(arguments, "state");
        command
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stderr(Stdio::from(slave))
            .stdout(Stdio::null());
        let child = command.spawn().unwrap();
        drop(command);
        let (sender, shown) = sync_channel(64);
        std::thread::spawn(move || {
            let mut screen = File::from(master);
            let mut bytes = [0; 4096];
            // The last of the other side's ends makes it an error.
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                if sender.send(bytes[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, shown }
    }

    /// Waits until the screen shows `words`.
    fn shows(&self, words: &str) {
        let mut screen = Vec::new();
        while !String::from_utf8_lossy(&screen).contains(words) {
            let Ok(more) = self.shown.recv_timeout(PATIENCE) else {
                panic!(
                    "never saw `{words}` but {}",
                    String::from_utf8_lossy(&screen)
                );
            };
            screen.extend(more);
        }
    }

    fn ends_by(mut self, signal: Signal) -> Option<i32> {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
        let ended = process::wait_for(PATIENCE, || self.child.try_wait().unwrap().is_some());
        assert!(ended, "it did not end by {signal}");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SIGNALS: [(Signal, i32); 2] = [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)];

#[test]
fn a_stop_at_the_question_ends_with_nothing_begun() {
    for verb in ["apply", "up"] {
        for (signal, code) in SIGNALS {
            let lab = Lab::new();
            let policy = lab.path("declared/policy.yaml");
            let text = fs::read_to_string(&policy).unwrap();
            let text = text.replace("mode: Automatic", "mode: AutomaticIfNotDisruptive");
            fs::write(&policy, text).unwrap();
            let before = lab.registers("state");
            let seated = Seated::start(&lab, &[verb, "-f", "declared"]);
            seated.shows("Only `yes` goes ahead:");
            assert_eq!(seated.ends_by(signal), Some(code), "{verb} {signal}");
            assert_eq!(lab.registers("state"), before);
            // Nobody is left who works here.
            lab.run("state", &["apply", "-f", "declared", "--yes"])
                .expect(0);
        }
    }
}

#[test]
fn a_stop_while_the_keyboard_is_read_ends_at_once() {
    for verb in ["apply", "up", "plan"] {
        for (signal, code) in SIGNALS {
            let lab = Lab::new();
            let seated = Seated::start(&lab, &[verb, "-f", "-"]);
            // Nothing tells that it reads; a signal that comes before is one of a process that has begun nothing either.
            std::thread::sleep(Duration::from_millis(300));
            let ended = seated.ends_by(signal);
            // Before it listens for signals, one ends it as it ends any process.
            assert!(
                ended == Some(code) || ended.is_none(),
                "{verb} {signal}: {ended:?}"
            );
        }
    }
}

#[test]
fn whoever_stops_a_question_is_not_told_that_it_was_answered() {
    for (signal, code) in SIGNALS {
        let lab = Lab::new();
        let model = lab.path("declared/model.yaml");
        let text = fs::read_to_string(&model).unwrap();
        // The stand-in then never says that it is ready.
        fs::write(&model, text.replace("slots: 1", "slots: 9")).unwrap();
        let mut up = Up::start(&lab, &["up", "-f", "declared", "--ask", "who?"]);
        up.hears("starting worker default/tiny-0");
        up.signal(signal);
        assert_eq!(up.ends().code(), Some(code), "{signal}");
    }
}

/// What a step changes stands in its line as it is, in colours or without.
#[test]
fn a_step_is_shown_in_whole_words() {
    for colour in ["always", "never"] {
        let lab = Lab::new();
        let apply = ["apply", "-f", "declared", "--yes", "--color", colour];
        let seated = Seated::start(&lab, &apply);
        seated.shows("  acs.clear       port 0000:24:00.0         0x001d -> 0x0011");
    }
}
