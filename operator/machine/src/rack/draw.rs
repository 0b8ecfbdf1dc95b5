//! Numbers drawn from a rack's seed: the same seed draws the same numbers, and nothing depends on the order of asking.

/// A number for `what`, uniform over 64 bits.
pub(crate) fn draw(seed: u32, what: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(what.as_bytes());
    let digest = hasher.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// A permutation of `0..count`, for `what`.
pub(crate) fn shuffle(seed: u32, what: &str, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|index| draw(seed, &format!("{what}/{index}")));
    order
}

/// A UUID of version 4 form, for `what`.
pub(crate) fn uuid(seed: u32, what: &str) -> String {
    let high = draw(seed, &format!("{what}/high"));
    let low = draw(seed, &format!("{what}/low"));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48 & 0x3fff),
        low & 0xffff_ffff_ffff
    )
}
