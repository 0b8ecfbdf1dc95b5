//! A chat template's date is that of the machine's own zone.

use std::fs;
use std::process::Command;

use crate::command::speaking;

/// The day of the month that a template is told in a zone: the build's warning quotes the format that it cannot use.
fn day(zone: &str) -> String {
    let checkpoint = speaking();
    fs::write(
        checkpoint.path().join("chat_template.jinja"),
        "{{ strftime_now('%' ~ strftime_now('%d')) }}",
    )
    .expect("a template");
    let out = tempfile::tempdir().expect("a folder");
    #[expect(
        clippy::disallowed_methods,
        reason = "what is tested is the command, as a process"
    )]
    let output = Command::new(env!("CARGO_BIN_EXE_shardplane-worker"))
        .env("TZ", zone)
        .args(["build", "--shards", "1", "--checkpoint"])
        .arg(checkpoint.path())
        .arg("--out")
        .arg(out.path().join("program"))
        .output()
        .expect("a run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let quoted = said.split_once("strftime_now(\"%").expect(&said).1;
    quoted[..2].to_owned()
}

#[test]
fn two_zones_a_day_apart_have_two_dates() {
    let (east, west) = (day("EEE-14"), day("WWW+12"));
    assert!(east.parse::<u8>().is_ok(), "{east}");
    assert_ne!(east, west);
}
