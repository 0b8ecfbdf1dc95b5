//! JSON as objects carry it: gzipped, in base64, within a limit on both sides of the wire.
use std::io::{Read, Write};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Serialize, de::DeserializeOwned};

/// Bytes that a snapshot may take in a status.
pub const SNAPSHOT_LIMIT: usize = 16 * 1024;
/// Bytes that a node's plan may take in a grant.
pub const PLAN_LIMIT: usize = 256 * 1024;
/// Bytes that packed text may unfold to: a plan of 32 SoCs is 120 KB.
const UNFOLDED: u64 = 16 << 20;

/// Why something cannot be packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It has no JSON.
    #[error("writing it as JSON")]
    Json(#[source] serde_json::Error),
    /// It takes more room than there is.
    #[error("it takes {bytes} bytes packed, and {limit} is the most")]
    TooLarge {
        /// What it takes.
        bytes: usize,
        /// What there is.
        limit: usize,
    },
    /// It is no base64.
    #[error("reading base64")]
    Base64(#[source] base64::DecodeError),
    /// It is no gzip, or was cut short.
    #[error("unfolding it")]
    Gzip(#[source] std::io::Error),
    /// It unfolds to more than anything that we write.
    #[error("it unfolds to more than {UNFOLDED} bytes")]
    Unfolds,
    /// Its JSON is not what was expected.
    #[error("reading its JSON")]
    Shape(#[source] serde_json::Error),
}

/// Packs a value. The same value gives the same text.
pub fn pack<T: Serialize>(value: &T, limit: usize) -> Result<String, PackError> {
    let json = serde_json::to_vec(value).map_err(PackError::Json)?;
    // The default header has no time and no name in it.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&json).map_err(PackError::Gzip)?;
    let text = BASE64_STANDARD.encode(gzip.finish().map_err(PackError::Gzip)?);
    if text.len() > limit {
        return Err(PackError::TooLarge {
            bytes: text.len(),
            limit,
        });
    }
    Ok(text)
}

/// Unpacks what [`pack`] made.
pub fn unpack<T: DeserializeOwned>(text: &str) -> Result<T, PackError> {
    let gzip = BASE64_STANDARD.decode(text).map_err(PackError::Base64)?;
    let mut json = Vec::new();
    let mut unfolding = GzDecoder::new(gzip.as_slice()).take(UNFOLDED + 1);
    unfolding.read_to_end(&mut json).map_err(PackError::Gzip)?;
    if json.len() as u64 > UNFOLDED {
        return Err(PackError::Unfolds);
    }
    serde_json::from_slice(&json).map_err(PackError::Shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_and_nothing_else_does() {
        let value = vec!["a".repeat(5000), "b".to_owned()];
        let text = pack(&value, 1000).unwrap();
        assert_eq!(text, pack(&value, 1000).unwrap());
        assert_eq!(unpack::<Vec<String>>(&text).unwrap(), value);
        assert!(matches!(
            pack(&value, 10),
            Err(PackError::TooLarge { limit: 10, .. })
        ));
        assert!(matches!(
            unpack::<Vec<String>>("%"),
            Err(PackError::Base64(_))
        ));
        let torn = &text[..text.len() / 2 / 4 * 4];
        assert!(matches!(
            unpack::<Vec<String>>(torn),
            Err(PackError::Gzip(_))
        ));
        assert!(matches!(unpack::<u32>(&text), Err(PackError::Shape(_))));
    }

    #[test]
    fn a_bomb_does_not_unfold() {
        let bomb = pack(&" ".repeat(20 << 20), 1 << 20).unwrap();
        assert!(bomb.len() < 64 << 10);
        assert!(matches!(unpack::<String>(&bomb), Err(PackError::Unfolds)));
    }
}
