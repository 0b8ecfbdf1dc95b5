//! A SoC that somebody has mapped and closed is held: that is planned for, and not found out half-way.
use std::fs;

use crate::lab::Lab;

const SOCS: [&str; 4] = [
    "0000:25:00.0",
    "0000:26:00.0",
    "0000:27:00.0",
    "0000:28:00.0",
];

/// A laboratory where somebody has these mapped.
fn mapped(socs: &[&str]) -> Lab {
    let lab = Lab::new();
    let rack = fs::read_to_string(lab.path("rack.yaml")).unwrap();
    let tenant = format!(
        "{}\n      tenants:\n        - {{ name: tenant, pid: 4711, holds: {socs:?}, mapped: true }}\n",
        rack.trim_end()
    );
    fs::write(lab.path("rack.yaml"), tenant).unwrap();
    lab
}

#[test]
fn whoever_has_socs_mapped_blocks_their_set_before_anything_is_begun() {
    let lab = mapped(&SOCS);
    let before = lab.registers("state");
    for verb in [
        &["plan", "-f", "declared"][..],
        &["plan", "-f", "declared", "--out", "saved.json"],
        &["probe"],
    ] {
        let said = lab.run("state", verb).expect(0).stdout;
        assert!(said.contains("tenant"), "{verb:?}: {said}");
    }
    let said = lab
        .run("state", &["apply", "-f", "declared"])
        .expect(12)
        .stdout;
    assert!(said.contains("pid 4711"), "{said}");
    let after = lab.registers("state");
    assert!(after.resets.is_empty(), "{said}");
    for (port, word) in before.words.iter().filter(|(name, _)| name.contains(':')) {
        assert_eq!(after.words.get(port), Some(word), "{port}: {said}");
    }
    // Whoever goes lets them go.
    for soc in SOCS {
        lab.run("state", &["rack", "hold", soc, "--release"])
            .expect(0);
    }
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    assert_eq!(lab.registers("state").resets.len(), 2);
}

#[test]
fn an_automatic_set_goes_where_nobody_has_a_soc_mapped() {
    let lab = mapped(&SOCS[..1]);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let resets = lab.registers("state").resets;
    let paths: Vec<&String> = resets.keys().collect();
    assert_eq!(resets.len(), 2, "{paths:?}");
    let held = |path: &&String| path.ends_with("/00.0/00.0");
    assert!(!paths.iter().any(held), "{paths:?}");
}
