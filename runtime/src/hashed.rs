//! Reading a file into a hash piece by piece, so that whoever reads gigabytes can be told to stop.

use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::regular;

/// Bytes between two looks at whether to stop.
const PIECE: usize = 1 << 20;

/// Hashes a whole file, and gives its length; none where `stop` said so first.
pub(crate) fn hash(
    path: &Path,
    hasher: &mut blake3::Hasher,
    stop: &dyn Fn() -> bool,
) -> io::Result<Option<u64>> {
    let mut pieces = BufReader::with_capacity(PIECE, regular::open(path)?);
    let mut length = 0;
    loop {
        if stop() {
            return Ok(None);
        }
        let piece = pieces.fill_buf()?;
        if piece.is_empty() {
            return Ok(Some(length));
        }
        hasher.update(piece);
        let taken = piece.len();
        length += taken as u64;
        pieces.consume(taken);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn every_piece_asks_whether_to_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        let bytes = vec![7; 3 * PIECE + 1];
        std::fs::write(&path, &bytes).unwrap();
        let asked = Cell::new(0);
        let mut hasher = blake3::Hasher::new();
        let length = hash(&path, &mut hasher, &|| {
            asked.set(asked.get() + 1);
            false
        });
        assert_eq!(length.unwrap(), Some(bytes.len() as u64));
        assert_eq!(hasher.finalize(), blake3::hash(&bytes));
        // Before each piece, and before the end is seen.
        assert_eq!(asked.get(), 5);
        for pieces in 0..5 {
            asked.set(0);
            let length = hash(&path, &mut blake3::Hasher::new(), &|| {
                asked.set(asked.get() + 1);
                asked.get() > pieces
            });
            assert_eq!(length.unwrap(), None, "{pieces}");
        }
    }
}
