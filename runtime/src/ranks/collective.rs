//! The sum over all ranks, two ways: everyone reads everyone, or the leader adds up.

use sys::{Deadline, Spin, Waited, Word};

use super::wire::Exchange;
use crate::model::{Abandoned, Collective};

/// What both ways need.
#[derive(Debug)]
pub struct Meeting<'a> {
    /// Number of the last round.
    pub round: &'a mut u32,
    /// How this rank waits.
    pub spin: Spin,
    /// When it gives up. A leader that learns of a rank's death kills the others long before.
    pub deadline: Deadline,
}

impl Meeting<'_> {
    fn next(&mut self) -> u32 {
        *self.round = self.round.wrapping_add(1);
        *self.round
    }

    fn wait(&self, word: Word<'_>) -> Result<(), Abandoned> {
        match word.wait_until(*self.round, self.spin, self.deadline) {
            Waited::Reached => Ok(()),
            Waited::Late => Err(Abandoned),
        }
    }
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
        let round = self.meeting.next();
        // Two buffers in turn: whoever publishes a round has read all of the one before, so the buffer of two
        // rounds ago is free.
        let which = round % 2;
        let own = &self.exchanges[self.own];
        own.put(which, sums);
        own.published().publish(round);
        let others = self
            .exchanges
            .iter()
            .enumerate()
            .filter(|(rank, _)| *rank != self.own);
        for (_, other) in others {
            self.meeting.wait(other.published())?;
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
        let round = self.meeting.next();
        self.exchange.put(0, sums);
        self.exchange.published().publish(round);
        self.meeting.wait(self.exchange.summed())?;
        self.exchange.take(1, sums);
        Ok(())
    }
}
