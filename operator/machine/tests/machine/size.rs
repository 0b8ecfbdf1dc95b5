//! How large a snapshot is: one of a full server travels as one compressed string, and has its place there.
use crd::snapshot::{Holder, HolderKind};
use miniz_oxide::deflate::compress_to_vec_zlib;

use crate::room::Room;

/// The place that a CardNode's status has for it (design: 16 KiB beside the status itself).
const MOST: usize = 16 << 10;

/// Thirty-two SoCs, each held by a container of a pod of its own, whose ids no compressor makes shorter.
#[test]
fn a_full_servers_snapshot_has_its_place_in_a_status() {
    let mut snapshot = Room::example("eight-ultra-two-switches").probe();
    assert_eq!(snapshot.socs.len(), 32);
    for (at, soc) in snapshot.socs.iter().enumerate() {
        let id = blake3::hash(soc.path.0.as_bytes()).to_hex().to_string();
        snapshot.holders.push(Holder {
            soc: soc.address,
            kind: HolderKind::Foreign,
            pid: Some(100_000 + 37 * u32::try_from(at).unwrap()),
            name: "python3".to_owned(),
            unit: None,
            pod: Some(format!(
                "{}-{}-{}-{}-{}",
                &id[..8],
                &id[8..12],
                &id[12..16],
                &id[16..20],
                &id[20..32]
            )),
            container: Some(id),
        });
    }
    snapshot.readings = None;
    let plain = serde_json::to_vec(&snapshot).unwrap();
    let compressed = compress_to_vec_zlib(&plain, 9);
    // Bytes travel as text: four characters for three.
    let text = compressed.len().div_ceil(3) * 4;
    assert!(
        plain.len() > 6 * MOST,
        "{} bytes: it is worth it",
        plain.len()
    );
    assert!(text <= MOST, "{text} of {MOST} characters");
}
