//! The sum over all ranks, two ways: everyone reads everyone, or the leader adds up.

use std::time::Duration;

use sys::{Deadline, Spin, Waited, Word};

use super::wire::{Control, Exchange};
use crate::model::{Abandoned, Collective};

/// How long a rank sleeps before it looks whether it was told to give up.
const LOOK: Duration = Duration::from_millis(100);

/// Waits for another process, until told to give up or too late.
pub fn wait(
    word: Word<'_>,
    value: u32,
    spin: Spin,
    control: &Control,
    deadline: Deadline,
) -> Result<(), Abandoned> {
    loop {
        let slice = Deadline::after(LOOK.min(deadline.remaining()));
        match word.wait_until(value, spin, slice) {
            Waited::Reached => return Ok(()),
            Waited::Late if control.abandoned() || deadline.passed() => return Err(Abandoned),
            Waited::Late => {}
        }
    }
}

/// What both ways need.
#[derive(Debug)]
pub struct Meeting<'a> {
    /// Memory shared with the leader.
    pub control: &'a Control,
    /// Number of the last round.
    pub round: &'a mut u32,
    /// How this rank waits.
    pub spin: Spin,
    /// When it gives up.
    pub deadline: Deadline,
}

/// Every rank reads the sums of every other.
#[derive(Debug)]
pub struct Direct<'a> {
    /// The meeting.
    pub meeting: Meeting<'a>,
    /// Everyone's memory, in rank order.
    pub exchanges: &'a [Exchange],
    /// This rank.
    pub own: usize,
}

impl Collective for Direct<'_> {
    fn reduce(&mut self, sums: &mut [i64]) -> Result<(), Abandoned> {
        let Meeting {
            control,
            round,
            spin,
            deadline,
        } = &mut self.meeting;
        **round = round.wrapping_add(1);
        // Two buffers in turn: whoever publishes a round has read all of the one before, so the buffer of two
        // rounds ago is free.
        let which = **round % 2;
        let own = &self.exchanges[self.own];
        own.put(which, sums);
        own.published().publish(**round);
        let others = self
            .exchanges
            .iter()
            .enumerate()
            .filter(|(rank, _)| *rank != self.own);
        for (_, other) in others {
            wait(other.published(), **round, *spin, control, *deadline)?;
            other.add(which, sums);
        }
        Ok(())
    }
}

/// Every rank gives its sums to the leader, who gives the total back.
#[derive(Debug)]
pub struct Staged<'a> {
    /// The meeting.
    pub meeting: Meeting<'a>,
    /// This rank's memory, which the leader maps too.
    pub exchange: &'a Exchange,
}

impl Collective for Staged<'_> {
    fn reduce(&mut self, sums: &mut [i64]) -> Result<(), Abandoned> {
        let Meeting {
            control,
            round,
            spin,
            deadline,
        } = &mut self.meeting;
        **round = round.wrapping_add(1);
        self.exchange.put(0, sums);
        self.exchange.published().publish(**round);
        wait(self.exchange.summed(), **round, *spin, control, *deadline)?;
        self.exchange.take(1, sums);
        Ok(())
    }
}
