//! Where a template writes: text that is given up as soon as it is too long.

use std::io::{self, ErrorKind, Write};

use crate::text::Budget;

/// A rendering on its way.
#[derive(Debug)]
pub(super) struct Page<'a> {
    text: String,
    budget: Option<Budget<'a>>,
    beyond: bool,
}

impl<'a> Page<'a> {
    /// Empty.
    pub(super) fn new(budget: Option<Budget<'a>>) -> Self {
        Self {
            text: String::new(),
            budget,
            beyond: false,
        }
    }

    /// What was written; nothing where it was too much.
    pub(super) fn finish(self) -> Option<String> {
        (!self.beyond).then_some(self.text)
    }
}

impl Write for Page<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The engine writes strings, each whole.
        let piece = std::str::from_utf8(bytes)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        if let Some(budget) = &mut self.budget
            && budget.spend(piece).is_err()
        {
            self.beyond = true;
            return Err(ErrorKind::QuotaExceeded.into());
        }
        self.text.push_str(piece);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
