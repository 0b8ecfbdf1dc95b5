//! The layout of the memory that leader and ranks share.
//!
//! *Control*, one a rank, shared with the leader alone: a pass goes in, flags and logits come out.
//! *Exchange*, one a rank: its sums. Over P2P every rank maps everyone's; through the host, the leader and its owner.
//!
//! Passes and rounds are numbered from one, wrapping. Who writes a number has finished writing what belongs to it.

use std::sync::atomic::Ordering::Relaxed;

use sys::{Segment, Word};

use crate::model::Row;

/// Rows of one pass. Weights are read once for all of them; sums and scratch grow with it.
pub const PASS_ROWS: usize = 64;
/// Counters lie on cache lines of their own.
const LINE: usize = 64;

const REQUEST: usize = 0;
const DONE: usize = LINE;
const COUNT: usize = 2 * LINE;
const BAD: usize = 3 * LINE;
const WHY: usize = 4 * LINE;
const WHY_WORDS: usize = 1024;
const ROWS: usize = WHY + WHY_WORDS * 4 + LINE;
const ROW_WORDS: usize = 4;
const LOGITS: usize = ROWS + PASS_ROWS * ROW_WORDS * 4;

/// Memory between the leader and one rank.
#[derive(Debug)]
pub struct Control {
    segment: Segment,
    vocab: usize,
}

impl Control {
    /// Bytes of a control segment for a rank that owns `vocab` rows of vocabulary.
    pub fn bytes(vocab: usize) -> usize {
        LOGITS + PASS_ROWS * vocab * 4
    }

    /// Reads a segment as control memory.
    pub fn new(segment: Segment, vocab: usize) -> Self {
        Self { segment, vocab }
    }

    /// The memory itself.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Number of the pass that the leader wants.
    pub fn request(&self) -> Word<'_> {
        self.segment.word(REQUEST)
    }

    /// Number of the pass that the rank has finished; the first is loading.
    pub fn done(&self) -> Word<'_> {
        self.segment.word(DONE)
    }

    /// Writes a pass, at most [`PASS_ROWS`] rows of it.
    pub fn put_rows(&self, rows: &[Row]) {
        self.segment.words(COUNT, 1)[0].store(rows.len() as u32, Relaxed);
        let words = self.segment.words(ROWS, PASS_ROWS * ROW_WORDS);
        for (words, row) in words.chunks_exact(ROW_WORDS).zip(rows) {
            let Row {
                slot,
                position,
                token,
                wanted,
            } = *row;
            for (word, value) in words.iter().zip([slot, position, token, u32::from(wanted)]) {
                word.store(value, Relaxed);
            }
        }
    }

    /// Reads a pass.
    pub fn take_rows(&self, rows: &mut Vec<Row>) {
        let count = (self.segment.words(COUNT, 1)[0].load(Relaxed) as usize).min(PASS_ROWS);
        rows.clear();
        let words = self.segment.words(ROWS, count * ROW_WORDS);
        rows.extend(words.chunks_exact(ROW_WORDS).map(|words| Row {
            slot: words[0].load(Relaxed),
            position: words[1].load(Relaxed),
            token: words[2].load(Relaxed),
            wanted: words[3].load(Relaxed) != 0,
        }));
    }

    /// Writes which rows left the range of the sums.
    pub fn put_good(&self, good: &[bool]) {
        let bad = good
            .iter()
            .enumerate()
            .fold(0_u64, |bits, (row, good)| bits | u64::from(!good) << row);
        let words = self.segment.words(BAD, 2);
        words[0].store(bad as u32, Relaxed);
        words[1].store((bad >> 32) as u32, Relaxed);
    }

    /// Rows that left the range of the sums, as bits.
    pub fn bad(&self) -> u64 {
        let words = self.segment.words(BAD, 2);
        u64::from(words[0].load(Relaxed)) | u64::from(words[1].load(Relaxed)) << 32
    }

    /// Writes this rank's part of the `place`-th wanted row of logits.
    pub fn put_logits(&self, place: usize, logits: &[f32]) {
        let words = self
            .segment
            .words(LOGITS + place * self.vocab * 4, self.vocab);
        words
            .iter()
            .zip(logits)
            .for_each(|(word, value)| word.store(value.to_bits(), Relaxed));
    }

    /// Appends this rank's part of the `place`-th wanted row of logits.
    pub fn take_logits(&self, place: usize, logits: &mut Vec<f32>) {
        let words = self
            .segment
            .words(LOGITS + place * self.vocab * 4, self.vocab);
        logits.extend(words.iter().map(|word| f32::from_bits(word.load(Relaxed))));
    }

    /// Writes why the rank ends.
    pub fn put_why(&self, why: &str) {
        let words = self.segment.words(WHY, WHY_WORDS);
        let bytes = &why.as_bytes()[..why.len().min((WHY_WORDS - 1) * 4)];
        for (word, bytes) in words[1..].iter().zip(bytes.chunks(4)) {
            let mut four = [0; 4];
            four[..bytes.len()].copy_from_slice(bytes);
            word.store(u32::from_le_bytes(four), Relaxed);
        }
        words[0].store(bytes.len() as u32, Relaxed);
    }

    /// Why the rank ended, if it said so.
    pub fn why(&self) -> Option<String> {
        let words = self.segment.words(WHY, WHY_WORDS);
        let length = (words[0].load(Relaxed) as usize).min((WHY_WORDS - 1) * 4);
        let bytes: Vec<u8> = words[1..]
            .iter()
            .flat_map(|word| word.load(Relaxed).to_le_bytes())
            .take(length)
            .collect();
        (length > 0).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}

const PUBLISHED: usize = 0;
const SUMMED: usize = LINE;
const SUMS: usize = 2 * LINE;

/// Memory in which one rank offers its sums, and through the host is given the total.
#[derive(Debug)]
pub struct Exchange {
    segment: Segment,
    hidden: usize,
}

impl Exchange {
    /// Bytes of an exchange segment: two buffers, used in turn.
    pub fn bytes(hidden: usize) -> usize {
        SUMS + 2 * PASS_ROWS * hidden * 8
    }

    /// Reads a segment as exchange memory.
    pub fn new(segment: Segment, hidden: usize) -> Self {
        Self { segment, hidden }
    }

    /// The memory itself.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Number of the round whose sums the rank offers.
    pub fn published(&self) -> Word<'_> {
        self.segment.word(PUBLISHED)
    }

    /// Number of the round whose total the leader has written.
    pub fn summed(&self) -> Word<'_> {
        self.segment.word(SUMMED)
    }

    fn buffer(&self, which: u32, count: usize) -> &[std::sync::atomic::AtomicI64] {
        self.segment
            .longs(SUMS + which as usize * PASS_ROWS * self.hidden * 8, count)
    }

    /// Writes sums into buffer `which`, 0 or 1.
    pub fn put(&self, which: u32, sums: &[i64]) {
        self.buffer(which, sums.len())
            .iter()
            .zip(sums)
            .for_each(|(to, sum)| to.store(*sum, Relaxed));
    }

    /// Reads sums from buffer `which`.
    pub fn take(&self, which: u32, sums: &mut [i64]) {
        self.buffer(which, sums.len())
            .iter()
            .zip(sums)
            .for_each(|(from, sum)| *sum = from.load(Relaxed));
    }

    /// Adds the sums in buffer `which`.
    pub fn add(&self, which: u32, sums: &mut [i64]) {
        for (from, sum) in self.buffer(which, sums.len()).iter().zip(sums) {
            *sum = sum.wrapping_add(from.load(Relaxed));
        }
    }
}
