//! One journal record as a line of text: length, checksum, hash chain, JSON.
//!
//! `LLLLLLLL CCCCCCCC HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH {…}\n` in lower-case hexadecimal: `L` is the length of the JSON in
//! bytes, `C` the CRC-32 of hash and JSON, `H` the first half of BLAKE3 over the previous line's `H` and this JSON.
use std::fmt::Write as _;

/// Hexadecimal digits of the chain: 128 bits are enough to notice every accident and every edit.
const CHAIN: usize = 32;
/// Bytes before the JSON.
const HEAD: usize = 8 + 1 + 8 + 1 + CHAIN + 1;

/// The hash that a journal's first record is chained to.
pub const GENESIS: &str = "00000000000000000000000000000000";

/// Encodes one record; returns its line, newline included, and the chain's new hash.
pub fn encode(previous: &str, json: &str) -> (String, String) {
    let hash = link(previous, json);
    let mut line = String::with_capacity(HEAD + json.len() + 1);
    // Writing to a String cannot fail.
    let _ = writeln!(
        line,
        "{:08x} {:08x} {hash} {json}",
        json.len(),
        checksum(&hash, json)
    );
    (line, hash)
}

/// Decodes the line at the start of `bytes`: the JSON, the chain's new hash and the bytes used; `None` where there is no
/// whole, true record.
pub fn decode<'a>(previous: &str, bytes: &'a [u8]) -> Option<(&'a str, String, usize)> {
    let head = std::str::from_utf8(bytes.get(..HEAD)?).ok()?;
    let mut fields = head.split(' ');
    let length = number(fields.next()?)? as usize;
    let sum = number(fields.next()?)?;
    let hash = fields.next()?;
    if hash.len() != CHAIN {
        return None;
    }
    let json = std::str::from_utf8(bytes.get(HEAD..HEAD.checked_add(length)?)?).ok()?;
    let ends = bytes.get(HEAD + length) == Some(&b'\n');
    let whole = ends && checksum(hash, json) == sum && link(previous, json) == hash;
    whole.then(|| (json, hash.to_owned(), HEAD + length + 1))
}

fn number(field: &str) -> Option<u32> {
    let plain = field.len() == 8 && field.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(field, 16).ok()).flatten()
}

fn checksum(hash: &str, json: &str) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(hash.as_bytes());
    crc.update(json.as_bytes());
    crc.finalize()
}

fn link(previous: &str, json: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous.as_bytes());
    hasher.update(json.as_bytes());
    hasher.finalize().to_hex()[..CHAIN].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_round_trips_and_nothing_shorter_or_changed_does() {
        let (line, hash) = encode(GENESIS, r#"{"a":"ä"}"#);
        let bytes = line.as_bytes();
        assert_eq!(
            decode(GENESIS, bytes),
            Some((r#"{"a":"ä"}"#, hash.clone(), bytes.len()))
        );
        assert_eq!(decode(&hash, bytes), None, "another predecessor");
        for cut in 0..bytes.len() {
            assert_eq!(decode(GENESIS, &bytes[..cut]), None, "cut at {cut}");
            let mut bent = bytes.to_vec();
            bent[cut] ^= 0x01;
            assert_eq!(decode(GENESIS, &bent), None, "bit flipped at {cut}");
        }
    }
}
