//! A state directory that can take no more: whatever cannot be written, the exit code tells a touched machine from an untouched one.
use std::process::Stdio;

use crate::lab::{Ended, Lab, ended};

/// Runs a command whose files may grow to so many blocks; a write beyond that fails as on a full disk.
fn with_blocks(lab: &Lab, state: &str, arguments: &[&str], blocks: usize) -> Ended {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts the command that it tests"
    )]
    let mut shell = std::process::Command::new("/bin/sh");
    // Ignored, the signal becomes an error of the write: EFBIG.
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\""])
        .arg(blocks.to_string())
        .arg(lab.path("bin/shardplane"))
        .args(["apply", "--rack", "rack.yaml", "--state-dir", state])
        .args(arguments)
        .current_dir(lab.path(""))
        .env_clear()
        .stdin(Stdio::null());
    ended(shell)
}

#[test]
fn a_full_state_directory_never_hides_that_the_machine_was_changed() {
    let lab = Lab::new();
    let fresh = lab.registers("fresh");
    let mut seen = [false; 3];
    for blocks in (1..=200).step_by(9) {
        let state = format!("state-{blocks}");
        let run = with_blocks(&lab, &state, &["-f", "declared"], blocks);
        let said = format!("{blocks}: {}{}", run.stdout, run.stderr);
        let changed = lab.registers(&state) != fresh;
        match run.code {
            0 => {
                seen[2] = true;
                break;
            }
            20 => {
                seen[1] = true;
                for words in ["machine changed", "File too large", "ulimit -f", "next run"] {
                    assert!(run.stderr.contains(words), "{words}: {said}");
                }
            }
            code => {
                seen[0] = true;
                assert_eq!(code, 73, "{said}");
                assert!(!changed, "changed, and nobody says so: {said}");
                assert!(run.stderr.contains("ulimit -f"), "{said}");
            }
        }
        // Nothing is lost: with room the same run ends well, and `down` still knows every word.
        lab.run(&state, &["apply", "-f", "declared"]).expect(0);
        lab.run(&state, &["down"]).expect(0);
        assert_eq!(lab.registers(&state).words, fresh.words, "{said}");
    }
    assert_eq!(seen, [true; 3], "untouched, cut off and done were all seen");
}

/// A write past `ulimit -f` raises a signal that ends whoever does not take it.
#[test]
fn the_largest_size_of_a_file_is_an_error_and_no_end() {
    let lab = Lab::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts the command that it tests"
    )]
    let mut shell = std::process::Command::new("/bin/sh");
    shell
        .args(["-c", "ulimit -f 1; exec \"$@\"", "sh"])
        .arg(lab.path("bin/shardplane"))
        .args(["rack", "new", "new.yaml", "--servers", "8"])
        .current_dir(lab.path(""))
        .env_clear()
        .stdin(Stdio::null());
    let ended = ended(shell).expect(73);
    assert!(ended.stderr.contains("ulimit -f"), "{}", ended.stderr);
    assert!(!lab.path("new.yaml").exists());
}
