//! The house's rules that no lint can hold: file sizes, first lines, names, arrows, the README's promise.
use std::{collections::BTreeMap, fs, path::Path};

use tests::{files, root};

const CRATES: [&str; 5] = ["crd", "reconcile", "operator", "runtime", "tests"];
/// One word per idea: these name none.
const BANNED: [&str; 11] = [
    "Manager",
    "Common",
    "Handler",
    "Helper",
    "Util",
    "Utils",
    "Service",
    "Data",
    "Info",
    "Processor",
    "Misc",
];

pub fn sources() -> Vec<(String, String)> {
    CRATES
        .iter()
        .flat_map(|folder| files(folder, &[".rs"]))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file is readable");
            let name = path
                .strip_prefix(root())
                .unwrap_or(&path)
                .display()
                .to_string();
            (name, text)
        })
        .collect()
}

#[test]
fn files_are_short() {
    let sizes: Vec<(String, usize)> = sources()
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .collect();
    let over: Vec<_> = sizes.iter().filter(|(_, lines)| *lines > 600).collect();
    assert!(over.is_empty(), "over 600 lines: {over:?}");
    let long: Vec<_> = sizes.iter().filter(|(_, lines)| *lines >= 400).collect();
    assert!(
        long.len() * 10 <= sizes.len(),
        "{} of {} files have 400 lines or more: {long:?}",
        long.len(),
        sizes.len()
    );
}

/// Whoever reads or writes a machine, or reads what its tools say, says in its first lines how certain the form of that is.
#[test]
fn adapters_say_how_certain_their_formats_are() {
    const ROOMS: [&str; 3] = ["perform", "probe", "vendor"];
    const TOUCHES: [&str; 14] = [
        "machine.capacity(",
        "machine.list(",
        "machine.pread(",
        "machine.pwrite(",
        "machine.read(",
        "machine.read_text(",
        "machine.readlink(",
        "machine.remove(",
        "machine.replace(",
        "machine.run(",
        "machine.write(",
        "impl FromStr for",
        "parsed(machine",
        "number(machine",
    ];
    // The one that reads whatever its callers name.
    const NAMELESS: &str = "operator/machine/src/probe/reach.rs";
    let adapters: Vec<(String, String)> = sources()
        .into_iter()
        .filter(|(name, text)| {
            let here = |room| name.starts_with(&format!("operator/machine/src/{room}/"));
            let touches = TOUCHES.iter().any(|call| text.contains(call));
            ROOMS.iter().any(here) && touches && name != NAMELESS
        })
        .collect();
    assert!(adapters.len() > 20, "{} adapters", adapters.len());
    let certain = |text: &str| {
        let head: Vec<&str> = text.lines().take_while(|l| l.starts_with("//!")).collect();
        let head = head.join(" ");
        let words = ["documented", "observed", "inferred"];
        head.contains("Format") && words.iter().any(|word| head.contains(word))
    };
    let silent: Vec<_> = adapters
        .iter()
        .filter(|(_, text)| !certain(text))
        .map(|(name, _)| name)
        .collect();
    assert!(
        silent.is_empty(),
        "documented, observed or inferred? {silent:?}"
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| {
            !text
                .lines()
                .next()
                .is_some_and(|line| line.starts_with("//! ") && line.len() > 12)
        })
        .map(|(name, _)| name)
        .collect();
    assert!(silent.is_empty(), "no first line: {silent:?}");
}

/// Words of an identifier in CamelCase: `PciFunction` is `Pci`, `Function`.
fn words(identifier: &str) -> Vec<String> {
    let mut words = Vec::new();
    for letter in identifier.chars() {
        if letter.is_uppercase() || words.is_empty() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    words
}

#[test]
fn names_are_the_fields_own() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        for line in text.lines() {
            let mut tokens = line
                .trim_start()
                .split(|c: char| !c.is_alphanumeric() && c != '_');
            // A trait of others says what its associated types are called; our own is seen where it declares them.
            let theirs = line.starts_with("    type ") && line.contains('=');
            while let Some(token) = tokens.next() {
                if !theirs && matches!(token, "struct" | "enum" | "trait" | "type") {
                    let identifier = tokens.next().unwrap_or_default();
                    let first = identifier.chars().next().is_some_and(char::is_uppercase);
                    if first
                        && words(identifier)
                            .iter()
                            .any(|word| BANNED.contains(&word.as_str()))
                    {
                        found.push(format!("{name}: {identifier}"));
                    }
                }
            }
        }
    }
    assert!(found.is_empty(), "names that say nothing: {found:?}");
}

#[test]
fn unsafe_stays_with_its_owners() {
    let owners = [
        "operator/machine/",
        "runtime/kernels/",
        "runtime/sys/",
        "tests/clock/",
        "tests/lab/shim/",
    ];
    // This file names what it looks for.
    let this = "tests/integration/tidy.rs";
    let mut found = Vec::new();
    for (name, text) in sources() {
        let owned = owners.iter().any(|owner| name.starts_with(owner));
        let allowed = text.contains("allow(unsafe_code") || text.contains("expect(unsafe_code");
        if allowed && !owned && name != this {
            found.push(name);
        }
    }
    assert!(found.is_empty(), "unsafe outside its owners: {found:?}");
}

/// Direct dependencies of a package, from the lock file.
fn locked() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(root().join("Cargo.lock")).expect("the lock file is checked in");
    let mut graph = BTreeMap::<String, Vec<String>>::new();
    for block in text.split("[[package]]").skip(1) {
        let field = |key: &str| {
            block
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .map(|rest| rest.trim_matches([' ', '=', '"']).to_owned())
        };
        let name = field("name").expect("a package has a name");
        let needs = block
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with('"'))
            .filter_map(|line| {
                line.trim_matches(['"', ','])
                    .split(' ')
                    .next()
                    .map(str::to_owned)
            });
        graph.entry(name).or_default().extend(needs);
    }
    graph
}

#[test]
fn the_arrows_point_one_way() {
    let manifest = |folder: &str| {
        fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest")
    };
    let needs = |folder: &str, name: &str| {
        let text = manifest(folder);
        // Development dependencies are tests' own business.
        let product = text
            .split("[dev-dependencies]")
            .next()
            .unwrap_or_default()
            .to_owned();
        product
            .lines()
            .any(|line| line.split(['.', ' ', '=']).next() == Some(name))
    };
    let forbidden = [
        (
            "crd",
            vec![
                "reconcile",
                "operator",
                "machine",
                "runtime",
                "kernels",
                "sys",
                "tokio",
            ],
        ),
        (
            "reconcile",
            vec![
                "operator", "machine", "runtime", "kernels", "sys", "tokio", "kube",
            ],
        ),
        (
            "operator/machine",
            vec![
                "reconcile",
                "operator",
                "runtime",
                "kernels",
                "sys",
                "tokio",
                "kube",
            ],
        ),
        ("operator", vec!["runtime", "kernels", "sys", "kube"]),
        (
            "runtime",
            vec!["crd", "reconcile", "operator", "machine", "kube"],
        ),
        ("runtime/kernels", vec!["crd", "runtime", "sys", "tokio"]),
        ("runtime/sys", vec!["crd", "runtime", "kernels", "tokio"]),
    ];
    for (folder, names) in forbidden {
        for name in names {
            assert!(!needs(folder, name), "{folder} depends on {name}");
        }
    }
}

#[test]
fn no_client_and_no_c_library_enters_the_graph() {
    let graph = locked();
    for (from, never) in [
        ("crd", vec!["tokio", "hyper", "kube-client"]),
        ("reconcile", vec!["tokio", "hyper", "kube-client"]),
        ("machine", vec!["tokio", "hyper", "kube-client"]),
        ("runtime", vec!["kube", "kube-client", "rustls"]),
    ] {
        let mut reached = vec![from.to_owned()];
        let mut at = 0;
        while at < reached.len() {
            for next in graph.get(&reached[at]).into_iter().flatten() {
                if !reached.contains(next) {
                    reached.push(next.clone());
                }
            }
            at += 1;
        }
        for name in never {
            assert!(
                !reached.iter().any(|reached| reached == name),
                "{from} reaches {name}"
            );
        }
    }
    for name in ["openssl-sys", "aws-lc-sys", "onig_sys"] {
        assert!(!graph.contains_key(name), "{name} is in the graph");
    }
    // Who speaks to a cluster, and whose cryptography that takes.
    for (name, users) in [
        ("kube-client", vec!["kube-runtime", "operator"]),
        ("kube-runtime", vec!["operator"]),
        ("ring", vec!["rustls", "rustls-webpki"]),
    ] {
        let found: Vec<&str> = graph
            .iter()
            .filter(|(_, needs)| needs.iter().any(|need| need == name))
            .map(|(user, _)| user.as_str())
            .collect();
        assert_eq!(found, users, "{name}");
    }
}

#[test]
fn the_readme_keeps_its_promise() {
    let text = fs::read_to_string(root().join("README.md")).expect("a README");
    let mut blocks = Vec::<Vec<&str>>::new();
    let mut inside = false;
    for line in text.lines() {
        match (inside, line) {
            (false, "```sh") => {
                inside = true;
                blocks.push(Vec::new());
            }
            (true, "```") => inside = false,
            (true, line) => blocks.last_mut().expect("a block is open").push(line),
            (false, _) => {}
        }
    }
    assert!(
        blocks.len() >= 2,
        "the README has {} sh blocks",
        blocks.len()
    );
    for block in &blocks[..2] {
        assert_eq!(block.len(), 1, "one line each: {block:?}");
    }
    for line in text.lines().chain(
        fs::read_to_string(root().join("ARCHITECTURE.md"))
            .expect("a map")
            .lines(),
    ) {
        for link in line.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            let local = !target.is_empty() && !target.contains("://");
            assert!(
                !local || root().join(target).exists(),
                "a link leads nowhere: {target}"
            );
        }
    }
    assert!(Path::new(&root().join("LICENSE")).exists());
}
