//! Ranks as processes: more of them than cores, killed ones, bad feeds, and none left behind.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use runtime::program::{MemoryLimit, Precision, ProgramError};
use runtime::ranks::{Connectivity, RankError, RankOptions, Ranks};
use serde_json::json;

use crate::support::{EIGHT, ODD, Recipe, chain, feed, options, program, step};

#[expect(clippy::disallowed_methods, reason = "tests time what they wait for")]
fn now() -> Instant {
    Instant::now()
}

fn signal(pid: u32, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
    nix::sys::signal::kill(pid, signal).expect("kill");
}

fn kill(pid: u32) {
    signal(pid, nix::sys::signal::Signal::SIGKILL);
}

/// Whether a process of ours is gone, the dead that nobody reaped excepted.
fn gone(pid: u32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn eight_ranks_on_few_cores_make_progress() {
    let checkpoint = Recipe::new("llama", EIGHT, json!({})).write();
    let (_folder, program) = program(checkpoint.path(), 8, Precision::F32);
    for connectivity in [Connectivity::P2P, Connectivity::ThroughHost] {
        let mut ranks = Ranks::start(&program, options(connectivity)).expect("start");
        let start = now();
        for position in 0..40 {
            step(&mut ranks, &[feed(0, position, &[7])]);
        }
        // 200 collectives; spinning without yielding would take tens of milliseconds each.
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{connectivity:?}: {:?}",
            start.elapsed()
        );
        ranks.stop().expect("stop");
    }
}

#[test]
fn a_killed_rank_is_an_error_within_a_second_and_ends_the_others() {
    let checkpoint = Recipe::new("llama", ODD, json!({})).write();
    let (_folder, program) = program(checkpoint.path(), 3, Precision::F32);
    for connectivity in [Connectivity::P2P, Connectivity::ThroughHost] {
        let mut ranks = Ranks::start(&program, options(connectivity)).expect("start");
        step(&mut ranks, &[feed(0, 0, &[1, 2, 3])]);
        let pids = ranks.pids();
        assert_eq!(pids.len(), 3);
        kill(pids[1]);
        let start = now();
        let mut logits = Vec::new();
        let error = ranks
            .step(&[feed(0, 3, &[4])], &mut logits)
            .expect_err("a rank is gone");
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{connectivity:?} took {:?}",
            start.elapsed()
        );
        assert!(
            matches!(error, RankError::Gone { rank: 1, pid, .. } if pid == pids[1]),
            "{connectivity:?}: {error}"
        );
        assert!(
            pids.iter().all(|pid| gone(*pid)),
            "{connectivity:?}: ranks are left behind"
        );
        let again = ranks
            .step(&[feed(0, 3, &[4])], &mut logits)
            .expect_err("they ended");
        assert!(matches!(again, RankError::Ended { .. }), "{again}");
        assert!(logits.is_empty());
    }
}

#[test]
fn a_rank_killed_while_idle_is_seen() {
    let checkpoint = Recipe::new("llama", ODD, json!({})).write();
    let (_folder, program) = program(checkpoint.path(), 2, Precision::F32);
    let mut ranks = Ranks::start(&program, options(Connectivity::P2P)).expect("start");
    ranks.check().expect("both live");
    kill(ranks.pids()[0]);
    let start = now();
    loop {
        match ranks.check() {
            Err(RankError::Gone { rank: 0, .. }) => break,
            Err(error) => panic!("{error}"),
            Ok(()) => assert!(start.elapsed() < Duration::from_secs(1), "it was not seen"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn dropped_and_stopped_ranks_leave_nothing() {
    let checkpoint = Recipe::new("llama", ODD, json!({})).write();
    let (_folder, program) = program(checkpoint.path(), 2, Precision::F32);
    for stop in [true, false] {
        let ranks = Ranks::start(&program, options(Connectivity::P2P)).expect("start");
        let pids = ranks.pids();
        let start = now();
        if stop {
            ranks.stop().expect("stop");
        } else {
            drop(ranks);
        }
        // Two seconds is when a rank that does not leave by itself, as its lifeline ends, is killed.
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "stop: {stop}: {:?}",
            start.elapsed()
        );
        assert!(pids.iter().all(|pid| gone(*pid)), "stop: {stop}");
    }
}

#[test]
fn bad_feeds_are_refused_and_change_nothing() {
    let checkpoint = Recipe::new("llama", ODD, json!({})).write();
    let (_folder, program) = program(checkpoint.path(), 2, Precision::F32);
    let mut ranks = Ranks::start(&program, options(Connectivity::P2P)).expect("start");
    let before = step(&mut ranks, &[feed(0, 0, &[1, 2]), feed(1, 0, &[9])]);
    for (bad, expected) in [
        (feed(4, 0, &[1]), "feed 1 for slot 4: there are 4 slots"),
        (feed(0, 0, &[]), "feed 1 for slot 0: it has no tokens"),
        (
            feed(0, 3, &[1]),
            "feed 1 for slot 0: it begins at 3, and the slot holds 2 tokens",
        ),
        (
            feed(0, 0, &[131]),
            "feed 1 for slot 0: token 131 is outside the vocabulary of 131",
        ),
        (
            feed(0, 0, &[1; 97]),
            "feed 1 for slot 0: it ends at 97 of a context of 96 tokens",
        ),
        (
            feed(0, u32::MAX, &[1]),
            "feed 1 for slot 0: it ends at 4294967296 of a context of 96 tokens",
        ),
    ] {
        let error = ranks
            .step(&[feed(1, 0, &[3]), bad], &mut Vec::new())
            .expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(
        before,
        step(&mut ranks, &[feed(0, 0, &[1, 2]), feed(1, 0, &[9])])
    );
    assert!(step(&mut ranks, &[]).is_empty());
}

#[test]
fn options_are_checked_before_anything_starts() {
    let checkpoint = Recipe::new("llama", ODD, json!({})).write();
    let (_folder, program) = program(checkpoint.path(), 2, Precision::F32);
    let usual = || options(Connectivity::P2P);
    for (bad, expected) in [
        (
            RankOptions {
                slots: 0,
                ..usual()
            },
            "0 slots were asked for",
        ),
        (
            RankOptions {
                context: 0,
                ..usual()
            },
            "a context of 0 tokens was asked for; ask for 1 to 128",
        ),
        (
            RankOptions {
                context: 129,
                ..usual()
            },
            "a context of 129 tokens was asked for; ask for 1 to 128",
        ),
        (
            RankOptions {
                deadline: Duration::ZERO,
                ..usual()
            },
            "a deadline of zero",
        ),
        (
            RankOptions {
                memory: MemoryLimit::Bytes(1000),
                ..usual()
            },
            "and 1000 are available",
        ),
        (
            RankOptions {
                executable: PathBuf::from("/nowhere/worker"),
                ..usual()
            },
            "starting rank 0 with /nowhere/worker",
        ),
        (
            RankOptions {
                executable: PathBuf::from("/bin/false"),
                ..usual()
            },
            "is gone: exit status: 1",
        ),
    ] {
        let error = Ranks::start(&program, bad).expect_err(expected);
        assert!(chain(&error).contains(expected), "{}", chain(&error));
    }
}

#[test]
fn a_changed_slice_is_named_by_the_rank_that_loads_it() {
    let checkpoint = Recipe::new("llama", ODD, json!({})).write();
    let (folder, program) = program(checkpoint.path(), 2, Precision::F32);
    let path = folder.path().join("program/slice-1.bin");
    let mut bytes = std::fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("write");
    let error =
        Ranks::start(&program, options(Connectivity::ThroughHost)).expect_err("a bit is flipped");
    assert!(
        matches!(error, RankError::Program(ProgramError::Hash { .. })),
        "{error}"
    );
    assert!(
        error.to_string().contains("slice-1.bin has hash"),
        "{error}"
    );
}

#[test]
fn a_rank_that_stands_still_is_named_at_the_deadline() {
    let checkpoint = Recipe::new("llama", ODD, json!({})).write();
    let (_folder, program) = program(checkpoint.path(), 3, Precision::F32);
    for connectivity in [Connectivity::P2P, Connectivity::ThroughHost] {
        let short = RankOptions {
            deadline: Duration::from_millis(300),
            ..options(connectivity)
        };
        let mut ranks = Ranks::start(&program, short).expect("start");
        let pids = ranks.pids();
        signal(pids[1], nix::sys::signal::Signal::SIGSTOP);
        let outcome = ranks.step(&[feed(0, 0, &[4])], &mut Vec::new());
        assert!(
            matches!(outcome, Err(RankError::Deadline { rank: 1, .. })),
            "{connectivity:?}: {outcome:?}"
        );
        assert!(
            pids.iter().all(|pid| gone(*pid)),
            "{connectivity:?}: ranks are left behind"
        );
    }
}

#[test]
fn ranks_are_out_of_reach_of_the_terminals_signals() {
    let checkpoint = Recipe::new("llama", ODD, json!({})).write();
    let (_folder, program) = program(checkpoint.path(), 2, Precision::F32);
    let ranks = Ranks::start(&program, options(Connectivity::P2P)).expect("start");
    for pid in ranks.pids() {
        let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
        assert_eq!(nix::unistd::getpgid(Some(pid)), Ok(pid));
    }
}
