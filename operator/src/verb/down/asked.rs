//! `down` through the `up` that holds the state directory. An `up` in a step answers when that has ended: what is waited
//! for is said, and the wait can be ended.
use std::time::Duration;

use machine::{Machine, Roots};

use crate::{
    cli::Leave,
    console::Console,
    engine::{
        in_hand,
        interrupt::{Stop, StopFlag},
    },
    exit::{Exit, TABLE},
    failure::Failure,
    room::Room,
    state::EngineLock,
    supervise::{
        control::{Heard, Reply, Request, Talk},
        process,
    },
};

/// The longest wait without looking whether somebody asked for a stop.
const LOOK: Duration = Duration::from_millis(200);
/// After so long without an answer it is said what is waited for, and again when that is something else.
const SILENCE: Duration = Duration::from_secs(2);
/// An `up` that stopped answering, because it ends, has ended within this time.
const GONE: Duration = Duration::from_secs(10);
/// An `up` that began while the request was taken back says so within this time.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Asks the `up` that works here to put the machine back: `None` where there is none, else what it says of a good end.
pub(super) fn up(
    leave: &Leave,
    room: &Room,
    console: &Console,
    stop: &StopFlag,
) -> Result<Option<String>, Failure> {
    let request = Request::Down {
        yes: leave.yes,
        approve_digest: leave.approve_digest.clone(),
        room: room.title.clone(),
        nodes: room.nodes.iter().map(|node| node.name.clone()).collect(),
    };
    let wall = Machine::linux(Roots::default());
    let Some(mut talk) = Talk::open(room.state.root(), &request).map_err(|error| broken(&error))?
    else {
        return Ok(None);
    };
    let mut begun = false;
    let mut said = String::new();
    let mut say_at = wall.now().plus(SILENCE);
    loop {
        match talk.hear(Some(LOOK)).map_err(|error| broken(&error))? {
            // It was ended otherwise, and there is nobody to ask any more; its lock goes with it.
            Heard::End if !begun => {
                process::wait_for(GONE, || !EngineLock::is_held(room.state.root()));
                return Ok(None);
            }
            Heard::End => return Err(broken("it ended without an answer")),
            Heard::Reply(Reply::Begun {}) => begun = true,
            Heard::Reply(Reply::Note { text }) => console.note(&text),
            Heard::Nothing | Heard::Reply(Reply::Status { .. }) => {}
            Heard::Reply(Reply::Ended { code, why, hint }) => return ended(code, why, hint),
        }
        if let Some(signal) = stop.asked() {
            return Err(no_longer(&mut talk, begun, signal, room));
        }
        if wall.now() >= say_at {
            say_at = wall.now().plus(SILENCE);
            let waits = waits_for(room);
            if waits != said {
                console.note(&waits);
                said = waits;
            }
        }
    }
}

fn ended(code: u8, why: String, hint: String) -> Result<Option<String>, Failure> {
    let exit = TABLE
        .iter()
        .find(|row| row.code == code)
        .map_or(Exit::Internal, |row| row.exit);
    match exit {
        Exit::Ok => Ok(Some(why)),
        _ => Err(Failure::said(exit, why, hint)),
    }
}

/// Whoever works here, for people.
fn who(room: &Room) -> String {
    EngineLock::holder(room.state.root()).map_or_else(
        || "the run that works here".to_owned(),
        |holder| format!("`shardplane {}` (pid {})", holder.verb, holder.pid),
    )
}

fn waits_for(room: &Room) -> String {
    let what = in_hand::of(room).map_or_else(
        || "it looks at its machines or drains workers".to_owned(),
        |step| format!("it is in {step}"),
    );
    format!("waiting for {}: {what}; a signal ends the wait", who(room))
}

/// Somebody wants to wait no longer: takes the request back, where that is not too late.
fn no_longer(talk: &mut Talk, mut begun: bool, signal: Stop, room: &Room) -> Failure {
    // Whoever is gone by now begins nothing either.
    let _ = talk.withdraw();
    let wall = Machine::linux(Roots::default());
    let until = wall.now().plus(LAST_WORD);
    while !begun && wall.now() < until {
        match talk.hear(Some(LOOK)) {
            Ok(Heard::Reply(Reply::Begun {})) => begun = true,
            Ok(Heard::Nothing | Heard::Reply(_)) => {}
            Ok(Heard::End) | Err(_) => break,
        }
    }
    if begun {
        return Failure::said(
            Exit::Partial,
            format!(
                "stopped waiting; {} has begun to put the machine back, and goes on",
                who(room)
            ),
            "`shardplane status` shows what is left; `shardplane down` waits for it again",
        );
    }
    Failure::said(
        signal.exit(),
        format!(
            "stopped waiting with nothing begun; {} keeps the machine as declared",
            who(room)
        ),
        "",
    )
}

fn broken(what: impl std::fmt::Display) -> Failure {
    Failure::said(
        Exit::Unavailable,
        format!("asking the running `shardplane up` to stop: {what}"),
        "look whether it still runs with `shardplane status`",
    )
}
