//! Files that a model names within itself: an ONNX file keeps weights beside it, for it may hold 2 GB at most.

use memchr::memmem;

/// How an ONNX file says where a tensor's bytes lie: an entry of `external_data` with this key, and a value after it.
const KEY: &[u8] = b"\x0a\x08location\x12";
/// The longest place that is looked for: a path has no more bytes.
const LONGEST: usize = 4096;
/// Bytes of the longest length before it.
const LENGTH: usize = 2;

/// Looks for such places in a file that is read piece by piece.
#[derive(Debug, Default)]
pub struct Places {
    /// The end of what was looked through, in which one may have begun.
    rest: Vec<u8>,
    found: Vec<String>,
}

impl Places {
    /// The next piece.
    pub fn look(&mut self, piece: &[u8]) {
        self.rest.extend_from_slice(piece);
        // One may go on in the next piece.
        self.take(LENGTH + LONGEST);
    }

    /// All of them, each once, ordered.
    pub fn end(mut self) -> Vec<String> {
        self.take(0);
        self.found.sort();
        self.found.dedup();
        self.found
    }

    /// Takes those after which at least so many bytes are known; what the next may begin in stays.
    fn take(&mut self, known: usize) {
        let mut from = 0;
        loop {
            let Some(at) = memmem::find(&self.rest[from..], KEY) else {
                from = from.max(self.rest.len().saturating_sub(KEY.len() - 1));
                break;
            };
            from += at;
            let after = &self.rest[from + KEY.len()..];
            if after.len() < known {
                break;
            }
            self.found.extend(place(after));
            from += KEY.len();
        }
        self.rest.drain(..from);
    }
}

/// The text that a length goes before; none where it is no path.
fn place(bytes: &[u8]) -> Option<String> {
    let (length, text) = match bytes {
        [low, text @ ..] if *low < 0x80 => (usize::from(*low), text),
        [low, high, text @ ..] if *high < 0x80 => {
            (usize::from(*low & 0x7f) | usize::from(*high) << 7, text)
        }
        _ => return None,
    };
    let text = std::str::from_utf8(text.get(..length)?).ok()?;
    (length > 0 && length <= LONGEST && !text.contains('\0')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str) -> Vec<u8> {
        let length = path.len();
        let mut bytes = KEY.to_vec();
        if length < 0x80 {
            bytes.push(u8::try_from(length).unwrap());
        } else {
            bytes.push(u8::try_from(length & 0x7f | 0x80).unwrap());
            bytes.push(u8::try_from(length >> 7).unwrap());
        }
        bytes.extend(path.as_bytes());
        bytes
    }

    fn found(bytes: &[u8], piece: usize) -> Vec<String> {
        let mut places = Places::default();
        for piece in bytes.chunks(piece) {
            places.look(piece);
        }
        places.end()
    }

    #[test]
    fn every_place_is_found_wherever_a_piece_ends() {
        let long = "d/".repeat(100) + "weights";
        let mut bytes = vec![7; 5000];
        for path in ["model.onnx.data", &long, "b", "model.onnx.data"] {
            bytes.extend(entry(path));
            bytes.extend(vec![9; 4999]);
        }
        bytes.extend(entry("last"));
        let expected = ["b", &long, "last", "model.onnx.data"];
        for piece in [1, 2, 7, 13, 100, 4096, 4999, 5000, 1 << 20] {
            assert_eq!(found(&bytes, piece), expected, "{piece}");
        }
    }

    #[test]
    fn what_is_no_path_is_none() {
        let mut endless = KEY.to_vec();
        endless.extend([0xff; 40]);
        let cut = &entry("weights")[..KEY.len() + 4];
        for bytes in [
            b"".as_slice(),
            KEY,
            &endless,
            cut,
            &entry(""),
            &entry("a\0b"),
        ] {
            assert_eq!(found(bytes, 5), [""; 0]);
        }
    }
}
