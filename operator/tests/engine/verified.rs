//! `snapshot verify` of files that hold no recording.
use std::fs;

use crate::recordings::recorded;

/// What a full disk leaves of a recording is no recording, beside a whole one too.
#[test]
fn a_file_without_a_recording_is_told() {
    let lab = recorded(&[]);
    for nothing in ["", "null\n", "# one was here\n"] {
        fs::write(lab.path("two.yaml"), nothing).unwrap();
        for files in [&["two.yaml"][..], &["one.yaml", "two.yaml"]] {
            let verify = [&["snapshot", "verify"], files].concat();
            let said = lab.plain(&verify).expect(65).stderr;
            assert!(said.contains("two.yaml:1:1"), "{nothing:?}: {said}");
            assert!(said.contains("no HardwareSnapshot is in it"), "{said}");
        }
    }
}
