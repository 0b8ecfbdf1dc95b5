//! The crates that name and decide open no way out: what clippy's bans cannot see, and that each ban is shown to hold.
use std::{collections::BTreeSet, fs};

use tests::root;

use crate::tidy::sources;

/// Folders of `std` in which there is nothing that a pure crate may use.
const CLOSED: [&str; 9] = [
    "os",
    "net",
    "process",
    "thread",
    "fs",
    "env",
    "backtrace",
    "random",
    "intrinsics",
];
/// Names that stand for an effect, a clock, a draw of luck or a thing that changes, wherever they come from.
const NAMES: [&str; 13] = [
    "HashMap",
    "HashSet",
    "RandomState",
    "DefaultHasher",
    "UNIX_EPOCH",
    "Instant",
    "SystemTime",
    "Mutex",
    "RwLock",
    "LazyLock",
    "UnsafeCell",
    "thread_local",
    "option_env",
];
/// The evaluator of rules cannot be shared between threads, so that each compiles its own once; what it answers is the same.
const ONCE_A_THREAD: (&str, &str) = ("crd/src/load/ruled.rs", "thread_local");

/// Ways out that a file opens. Comments and texts are no code.
fn ways_out(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = |by: usize| tokens.get(at + by).copied().unwrap_or_default();
        match *token {
            "std" | "core" | "alloc" if next(1) == "::" => {
                let rooms = rooms(&tokens[at + 2..]).into_iter();
                let closed = rooms.filter(|room| CLOSED.contains(room));
                found.extend(closed.map(|room| format!("{token}::{room}")));
            }
            "std" | "core" | "alloc" if next(1) == "as" => {
                found.push(format!("{token} as {}", next(2)));
            }
            "extern" if next(1) == "crate" => found.push("extern crate".to_owned()),
            "static" if next(1) == "mut" => found.push("static mut".to_owned()),
            "disallowed_methods" | "disallowed_types" | "disallowed_macros" => {
                found.push((*token).to_owned());
            }
            // What cargo says of the package itself is the same wherever it is built.
            "env" if next(1) == "!" && !next(3).starts_with("\"CARGO_PKG_") => {
                found.push("env!".to_owned());
            }
            name if NAMES.contains(&name) || name.starts_with("Atomic") => {
                found.push(name.to_owned());
            }
            _ => {}
        }
    }
    found
}

/// Folders that a path after `std::` leads to: one, or those of a group in braces.
fn rooms<'a>(after: &[&'a str]) -> Vec<&'a str> {
    if after.first() != Some(&"{") {
        return after.first().copied().into_iter().collect();
    }
    let mut depth = 0;
    let mut found = Vec::new();
    for pair in after.windows(2) {
        match pair[0] {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(pair[0], "{" | ",") {
            found.push(pair[1]);
        }
    }
    found
}

/// Words, texts and signs of a source file. Comments are none; a text between quotes is one token, with its quotes.
fn tokens(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = length(rest, first);
        let token = &rest[..length];
        if !token.starts_with("//") {
            found.push(token);
        }
        rest = rest[length..].trim_start();
    }
    found
}

fn length(rest: &str, first: char) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let to = |end: Option<usize>| end.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return to(rest.find('\n'));
    }
    let raw = rest.trim_start_matches(['b', 'r']).trim_start_matches('#');
    let before = &rest[..rest.len() - raw.len()];
    if before.contains('r') && raw.starts_with('"') {
        let end = format!("\"{}", "#".repeat(before.matches('#').count()));
        let start = before.len() + 1;
        return to(rest[start..].find(&end).map(|at| start + at + end.len()));
    }
    match first {
        '"' => {
            let mut escaped = false;
            let end = rest[1..].find(|c: char| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            to(end.map(|at| at + 2))
        }
        // A letter in quotes; else a lifetime, whose name is a word of its own.
        '\'' => match rest[1..].chars().next() {
            Some('\\') => to(rest[3..].find('\'').map(|at| at + 4)),
            Some(letter) if rest[1 + letter.len_utf8()..].starts_with('\'') => {
                letter.len_utf8() + 2
            }
            Some(_) | None => 1,
        },
        ':' if rest.starts_with("::") => 2,
        first if word(first) => to(rest.find(|c| !word(c))),
        first => first.len_utf8(),
    }
}

#[test]
fn every_way_out_is_seen() {
    for (line, expected) in [
        (
            "extern crate std as other;",
            vec!["extern crate", "std as other"],
        ),
        ("    extern crate std;", vec!["extern crate"]),
        ("use std as s;", vec!["std as s"]),
        (
            "#![allow(clippy::disallowed_methods, reason = \"no\")]",
            vec!["disallowed_methods"],
        ),
        (
            "#[expect(clippy::disallowed_types, reason = \"no\")]",
            vec!["disallowed_types"],
        ),
        ("use std::os::unix::fs::symlink;", vec!["std::os"]),
        (
            "use std::{\n    collections::BTreeMap,\n    net::{IpAddr, TcpStream},\n};",
            vec!["std::net"],
        ),
        (
            "use std::{fmt::{self, Write}, process, thread::{self}};",
            vec!["std::process", "std::thread"],
        ),
        (
            "let seed = std::hash::RandomState::new();",
            vec!["RandomState"],
        ),
        (
            "static SEEN: AtomicU32 = AtomicU32::new(0);",
            vec!["AtomicU32", "AtomicU32"],
        ),
        (
            "static LAST: std::sync::Mutex<u8> = std::sync::Mutex::new(0);",
            vec!["Mutex", "Mutex"],
        ),
        ("static mut LAST: u8 = 0;", vec!["static mut"]),
        (
            "thread_local! { static N: Cell<u8> = const { Cell::new(0) }; }",
            vec!["thread_local"],
        ),
        ("let home = option_env!(\"HOME\");", vec!["option_env"]),
        ("let home = env!(\"HOME\");", vec!["env!"]),
        ("let version = env!(\"CARGO_PKG_VERSION\");", vec![]),
        ("let age = UNIX_EPOCH.elapsed();", vec!["UNIX_EPOCH"]),
        (
            "let m: HashMap<u8, u8> = HashMap::new();",
            vec!["HashMap", "HashMap"],
        ),
        (
            "use std::collections::BTreeMap; // an external crate",
            vec![],
        ),
        ("/// What `std::fs` reads.", vec![]),
        (
            r#"let text = "a \"std::fs\" of https://x"; std::env::args();"#,
            vec!["std::env"],
        ),
        (
            r##"let text = r#"std::fs "x" "#; std::net::f();"##,
            vec!["std::net"],
        ),
        (
            r#"let (a, b, c) = ('"', '\'', 'é'); std::fs::read(b);"#,
            vec!["std::fs"],
        ),
        (
            "fn f<'a>(at: &'a str) -> &'static str { std::process::id() }",
            vec!["std::process"],
        ),
        ("static CELLS: OnceLock<u8> = OnceLock::new();", vec![]),
    ] {
        assert_eq!(ways_out(line), expected, "{line}");
    }
}

#[test]
fn the_pure_crates_open_no_door() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        if name.starts_with("crd/src/") || name.starts_with("reconcile/src/") {
            let ways = ways_out(&text).into_iter();
            let ways = ways.filter(|way| (name.as_str(), way.as_str()) != ONCE_A_THREAD);
            found.extend(ways.map(|way| format!("{name}: {way}")));
        }
    }
    assert!(found.is_empty(), "a pure crate opens a door: {found:#?}");
}

#[test]
fn every_ban_has_its_leak() {
    let read =
        |name: &str| fs::read_to_string(root().join(name)).expect("a file of the purity check");
    let bans = read("crd/clippy.toml");
    assert_eq!(bans, read("reconcile/clippy.toml"));
    let banned: BTreeSet<&str> = bans
        .lines()
        .filter_map(|line| line.trim().strip_prefix("{ path = \"")?.split('"').next())
        .collect();
    assert!(banned.len() > 100, "{} bans", banned.len());
    let leaks = read("tests/purity/leaks.rs");
    let leaked: BTreeSet<&str> = leaks
        .lines()
        .filter_map(|line| line.split_once("// LEAK "))
        .map(|(_, path)| path)
        .collect();
    assert_eq!(banned, leaked);
}
