//! Which sequences run in which slots, and what the next step feeds: a plain state machine.
//!
//! Sequences wait in one line and are admitted in order. A step feeds one token of every sequence
//! that is generating and, beside those, a bounded number of prompt tokens, oldest sequence
//! first: a long prompt never keeps the others from their next token.

use std::collections::VecDeque;

/// One sequence, from the line to its end. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Sizes that the batcher keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sequences that run at once.
    pub slots: u32,
    /// Tokens that a slot holds, prompt and output together.
    pub context: u32,
    /// Sequences that may wait for a slot.
    pub queue: usize,
    /// Prompt tokens that one step may feed beside sequences that generate.
    pub chunk: usize,
    /// Prompt tokens that one step may feed while none does: nobody waits for a next token then.
    pub burst: usize,
}

/// Why a sequence is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The line is as long as it may get.
    #[error(
        "{waiting} requests are waiting for {slots} slots, and at most {limit} may; try again later"
    )]
    Queue {
        /// Sequences in line.
        waiting: usize,
        /// Sequences that run at once.
        slots: u32,
        /// Sequences that may wait.
        limit: usize,
    },
}

/// What one step feeds, reused from step to step.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Step {
    /// In slot feeds' own order; those that want logits get rows in this order.
    pub feeds: Vec<Planned>,
    /// Tokens of all feeds, one after the other.
    pub tokens: Vec<u32>,
    /// How many of them belong to prompts.
    pub prompt_tokens: usize,
}

/// One sequence's part of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The sequence.
    pub ticket: Ticket,
    /// Its slot.
    pub slot: u32,
    /// Position of its first token in the sequence.
    pub position: u32,
    /// Its tokens in [`Step::tokens`].
    pub tokens: std::ops::Range<usize>,
    /// What comes back.
    pub wants: Wants,
}

/// What a feed brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Nothing: more of the prompt follows.
    Nothing,
    /// The distribution of the next token.
    Next,
}

/// The line, the slots, and what each holds.
#[derive(Debug)]
pub struct Batcher {
    limits: Limits,
    issued: u64,
    line: VecDeque<(Ticket, Vec<u32>)>,
    slots: Vec<Option<Sequence>>,
}

#[derive(Debug)]
struct Sequence {
    ticket: Ticket,
    /// Tokens not fed yet: the rest of the prompt, or the one just generated.
    pending: VecDeque<u32>,
    phase: Phase,
    /// Tokens fed so far.
    position: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Prompt,
    Generating,
}

impl Batcher {
    /// Nothing in line, every slot free.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            issued: 0,
            line: VecDeque::new(),
            slots: (0..limits.slots).map(|_| None).collect(),
        }
    }

    /// The sizes it keeps.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Sequences in line.
    pub fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Sequences in slots.
    pub fn running(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Whether nothing waits and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.line.is_empty() && self.running() == 0
    }

    /// Whether the sequence waits or runs.
    pub fn holds(&self, ticket: Ticket) -> bool {
        self.line.iter().any(|(other, _)| *other == ticket) || self.find(ticket).is_some()
    }

    /// Puts prompts in line, all or none. Each has at least one token and room in the context.
    ///
    /// Those that free slots will take at once do not count as waiting.
    pub fn offer(&mut self, prompts: Vec<Vec<u32>>) -> Result<Vec<Ticket>, Full> {
        let free = self.slots.len() - self.running();
        if self.line.len() + prompts.len() > self.limits.queue + free {
            return Err(Full::Queue {
                waiting: self.line.len().saturating_sub(free),
                slots: self.limits.slots,
                limit: self.limits.queue,
            });
        }
        let tickets = prompts.into_iter().map(|prompt| {
            let ticket = Ticket(self.issued);
            self.issued += 1;
            self.line.push_back((ticket, prompt));
            ticket
        });
        Ok(tickets.collect())
    }

    /// Takes a sequence out, wherever it is. Its slot is free for the next step.
    pub fn remove(&mut self, ticket: Ticket) {
        self.line.retain(|(other, _)| *other != ticket);
        if let Some(slot) = self.find(ticket) {
            self.slots[slot] = None;
        }
    }

    /// Admits from the line and lays out the next step; empty when there is nothing to feed.
    ///
    /// What it lays out counts as fed: the step that follows must run it.
    pub fn plan(&mut self, step: &mut Step) {
        step.feeds.clear();
        step.tokens.clear();
        self.admit();
        for slot in 0..self.slots.len() {
            self.feed(slot, Phase::Generating, usize::MAX, step);
        }
        let allowed = if step.feeds.is_empty() {
            self.limits.burst
        } else {
            self.limits.chunk
        };
        let mut order: Vec<(Ticket, usize)> = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(slot, sequence)| Some((sequence.as_ref()?.ticket, slot)))
            .collect();
        order.sort_unstable();
        let mut budget = allowed;
        for (_, slot) in order {
            budget -= self.feed(slot, Phase::Prompt, budget, step);
        }
        step.prompt_tokens = allowed - budget;
    }

    /// The token that a sequence goes on with. Unknown tickets were removed meanwhile.
    pub fn push(&mut self, ticket: Ticket, token: u32) {
        if let Some(sequence) = self.find(ticket).and_then(|slot| self.slots[slot].as_mut()) {
            sequence.pending.push_back(token);
        }
    }

    fn find(&self, ticket: Ticket) -> Option<usize> {
        self.slots.iter().position(|slot| {
            slot.as_ref()
                .is_some_and(|sequence| sequence.ticket == ticket)
        })
    }

    fn admit(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.is_none()) {
            let Some((ticket, prompt)) = self.line.pop_front() else {
                return;
            };
            *slot = Some(Sequence {
                ticket,
                pending: prompt.into(),
                phase: Phase::Prompt,
                position: 0,
            });
        }
    }

    /// Feeds up to `budget` tokens of a slot in that phase; says how many.
    fn feed(&mut self, slot: usize, phase: Phase, budget: usize, step: &mut Step) -> usize {
        let Some(sequence) = self.slots[slot]
            .as_mut()
            .filter(|sequence| sequence.phase == phase)
        else {
            return 0;
        };
        let count = sequence.pending.len().min(budget);
        if count == 0 {
            return 0;
        }
        let start = step.tokens.len();
        step.tokens.extend(sequence.pending.drain(..count));
        let wants = if sequence.pending.is_empty() {
            sequence.phase = Phase::Generating;
            Wants::Next
        } else {
            Wants::Nothing
        };
        step.feeds.push(Planned {
            ticket: sequence.ticket,
            slot: slot as u32,
            position: sequence.position,
            tokens: start..start + count,
            wants,
        });
        sequence.position += count as u32;
        count
    }
}

#[cfg(test)]
mod tests;
