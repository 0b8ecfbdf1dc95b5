//! Keys and values of every slot that a rank holds.

use std::ops::Range;

/// Keys and values, by layer, slot, head and position; each a row of the padded head width.
#[derive(Debug)]
pub struct Cache {
    keys: Vec<f32>,
    values: Vec<f32>,
    slots: usize,
    heads: usize,
    context: usize,
    width: usize,
}

impl Cache {
    /// An empty cache. The kernel gives its pages as they are first written.
    pub fn new(layers: usize, slots: usize, heads: usize, context: usize, width: usize) -> Self {
        let count = layers * slots * heads * context * width;
        Self {
            keys: vec![0.0; count],
            values: vec![0.0; count],
            slots,
            heads,
            context,
            width,
        }
    }

    /// Rows of `positions` in one head.
    fn span(
        &self,
        layer: usize,
        slot: usize,
        head: usize,
        positions: Range<usize>,
    ) -> Range<usize> {
        let first = ((layer * self.slots + slot) * self.heads + head) * self.context;
        (first + positions.start) * self.width..(first + positions.end) * self.width
    }

    /// Writes one position of one head; `key` and `value` are the unpadded head.
    pub fn write(
        &mut self,
        layer: usize,
        slot: usize,
        head: usize,
        position: usize,
        key: &[f32],
        value: &[f32],
    ) {
        let at = self.span(layer, slot, head, position..position + 1).start;
        self.keys[at..at + key.len()].copy_from_slice(key);
        self.values[at..at + value.len()].copy_from_slice(value);
    }

    /// Keys and values of a range of positions of one head, oldest first.
    pub fn read(
        &self,
        layer: usize,
        slot: usize,
        head: usize,
        positions: Range<usize>,
    ) -> (&[f32], &[f32]) {
        let span = self.span(layer, slot, head, positions);
        (&self.keys[span.clone()], &self.values[span])
    }
}
