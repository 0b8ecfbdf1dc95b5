//! Values that no flag takes: refused in words that say what to write.

use std::process::Command;

#[test]
fn what_is_no_number_or_no_address_is_told_what_to_write() {
    let rows: &[(&[&str], &str)] = &[
        (&["--temperature", "nan"], "such as 0.7"),
        (&["--temperature", "inf"], "such as 0.7"),
        (&["--top-p", "inf"], "such as 0.7"),
        (&["--presence-penalty", "NaN"], "such as 0.7"),
    ];
    for (arguments, says) in rows {
        let verb = ["generate", "--program", "P", "--prompt", "x"];
        check(&[&verb[..], arguments].concat(), says);
    }
    for address in ["garbage", "127.0.0.1", "127.0.0.1:99999", "localhost:1", ""] {
        let verb = ["serve", "--program", "P", "--listen", address];
        check(&verb, "such as 127.0.0.1:8080");
    }
}

fn check(arguments: &[&str], says: &str) {
    #[expect(
        clippy::disallowed_methods,
        reason = "what is tested is the command, as a process"
    )]
    let output = Command::new(env!("CARGO_BIN_EXE_shardplane-worker"))
        .args(arguments)
        .output()
        .expect("a run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{arguments:?}: {said}");
    assert!(said.contains(says), "{arguments:?}: {said}");
}
