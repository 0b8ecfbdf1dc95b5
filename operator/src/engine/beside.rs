//! What may take long goes on while workers are looked after beside it.
use std::{panic, thread, time::Duration};

use super::interrupt::StopFlag;
use crate::{console::Console, room::Room, supervise::Crew};

/// How often workers are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Runs what blocks, and looks after workers until it is done. Not once a stop was asked for: they are about to end.
pub(super) fn workers<T: Send>(
    (crew, stop): (&mut Crew<'_>, &StopFlag),
    (room, console): (&Room, &Console),
    blocks: impl FnOnce() -> T + Send,
) -> T {
    if !crew.has_workers() {
        return blocks();
    }
    thread::scope(|scope| {
        let working = scope.spawn(blocks);
        while !working.is_finished() {
            if stop.asked().is_none() {
                crew.tend(room, console);
            }
            thread::park_timeout(LOOK);
        }
        working
            .join()
            .unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    })
}
