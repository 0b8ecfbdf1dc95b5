//! Texts of every tool as its adapter reads them: what lies in `tests/captures`, each beside what is seen in it.
//!
//! Composed after the formats that are published, and then spoiled; none of them was recorded on a card. `UPDATE=1` rewrites
//! what is seen, and the diff is the review. A recorded text goes in by being put there.
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use machine::vendor::{
    CompilerWords, Device, GasWord, MonitorAnswer, QmonitorUnit, QueryJson, QueryText, ResetReport,
    RunnerReport, SwitchList, VersionReport, join, sdk_version,
};

/// What an adapter makes of a text, in words.
type Reading = fn(&str) -> String;

/// Every adapter by its folder, and what it makes of a text.
const ADAPTERS: [(&str, Reading); 12] = [
    ("query", query),
    ("query-json", query_json),
    ("reset", |text| shown(&text.parse::<ResetReport>())),
    ("runner", runner),
    ("monitor", |text| shown(&text.parse::<MonitorAnswer>())),
    ("switchtec-list", |text| shown(&text.parse::<SwitchList>())),
    ("switchtec-gas", |text| shown(&text.parse::<GasWord>())),
    ("version", |text| shown(&text.parse::<VersionReport>())),
    ("version-xml", |text| shown(&sdk_version(text))),
    ("compiler", |text| shown(&text.parse::<CompilerWords>())),
    ("qmonitor", |text| shown(&text.parse::<QmonitorUnit>())),
    ("cgroup", |text| {
        shown(&text.parse::<machine::vendor::CgroupOwner>())
    }),
];

fn shown(value: &impl std::fmt::Debug) -> String {
    format!("{value:#?}\n")
}

fn device(device: &Device) -> String {
    let address = device.address();
    format!(
        "QID {} at {}: {:?}, MDP {:?}, cores {:?} of {:?} free, {:?} MiB, MHI {:?}, SKU {:?}, board {:?}, firmware {:?}, {} fields\n",
        device.qid,
        address.map_or_else(|| "no address".to_owned(), |at| at.to_string()),
        device.status(),
        device.mdp(),
        device.cores_free(),
        device.cores(),
        device.dram_mib(),
        device.mhi().map(|id| id.0),
        device.sku(),
        device.board_serial(),
        device.firmware(),
        device.fields.len(),
    )
}

fn query(text: &str) -> String {
    let Ok(QueryText { devices, announced }) = text.parse();
    let mut seen = format!("announced: {announced:?}\n");
    for block in &devices {
        seen.push_str(&device(block));
    }
    let joined = join(Some(0), text, None);
    let at: Vec<String> = joined.devices.keys().map(ToString::to_string).collect();
    let _ = writeln!(seen, "believed: {}", at.join(" "));
    seen
}

fn query_json(text: &str) -> String {
    match text.parse::<QueryJson>() {
        Ok(QueryJson(devices)) => devices.iter().map(device).collect(),
        Err(error) => format!("{error}\n"),
    }
}

fn runner(text: &str) -> String {
    let Ok(report) = text.parse::<RunnerReport>();
    format!("{report:#?}\n{:?}\n", report.judge(10, Some(0), false))
}

fn captures(adapter: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/captures")
        .join(adapter);
    let entries = fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is there", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "txt"))
        .collect();
    paths.sort();
    paths
}

/// As a tool's output becomes text.
fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

#[test]
fn every_capture_is_read_as_recorded() {
    #[expect(clippy::disallowed_methods, reason = "UPDATE=1 records what is seen")]
    let update = std::env::var_os("UPDATE").is_some();
    let mut different = String::new();
    for (adapter, read) in ADAPTERS {
        let paths = captures(adapter);
        assert!(paths.len() >= 4, "{adapter} has captures");
        for path in paths {
            let seen = read(&text(&path));
            let beside = path.with_extension("seen");
            if update {
                fs::write(&beside, &seen).unwrap();
            }
            let recorded = fs::read_to_string(&beside).unwrap_or_default();
            if recorded != seen {
                let name = path.display();
                let _ = writeln!(
                    different,
                    "{name}\n--- recorded\n{recorded}--- seen\n{seen}"
                );
            }
        }
    }
    assert!(different.is_empty(), "UPDATE=1 rewrites:\n{different}");
}

/// What plans are made by, of each SoC of a text: nothing where it is unknown.
fn facts(text: &str) -> Vec<(String, Vec<Option<String>>)> {
    let words = |device: &Device| -> Vec<Option<String>> {
        let number = |value: Option<u32>| value.map(|value| value.to_string());
        vec![
            Some(device.qid.to_string()),
            device.status().map(|status| format!("{status:?}")),
            device.mdp().map(|on| on.to_string()),
            number(device.cores()),
            number(device.cores_free()),
            device.dram_mib().map(|mib| mib.to_string()),
            device.mhi().map(|id| id.0.to_string()),
        ]
    };
    join(Some(0), text, None)
        .devices
        .iter()
        .map(|(at, device)| (at.to_string(), words(device)))
        .collect()
}

const GENERATIONS: [&str; 3] = [
    "first-eight-standard",
    "second-one-not-ready",
    "third-ultra",
];

fn generation(name: &str) -> String {
    let path = captures("query");
    let found = path
        .iter()
        .find(|path| path.file_stem().is_some_and(|stem| stem == name));
    text(found.unwrap())
}

/// Changes that mean nothing, each alone and some together.
#[test]
fn what_means_nothing_changes_nothing() {
    const LOG: &str =
        "[15:58:55.536][error][LogCommon][openDevice:#68] Failed to open device /dev/x\n";
    let every = |text: &str, change: &dyn Fn(&str) -> String| -> String {
        text.split_inclusive('\n').map(change).collect()
    };
    for name in GENERATIONS {
        let plain = generation(name);
        let expected = facts(&plain);
        assert!(expected.len() >= 2, "{name}");
        let logged = |text: &str| every(text, &|line| format!("{LOG}{line}"));
        let coloured = |text: &str| {
            every(text, &|line| {
                format!("\u{1b}[32m{}\u{1b}[0m\n", line.trim_end())
            })
        };
        let changed: [(&str, String); 12] = [
            ("Windows line ends", plain.replace('\n', "\r\n")),
            ("logs between", logged(&plain)),
            ("colours", coloured(&plain)),
            (
                "logs, colours and line ends",
                logged(&coloured(&plain)).replace('\n', "\r\n"),
            ),
            (
                "a space after each colon",
                plain
                    .replace(':', ": ")
                    .replace(": 00", ":00")
                    .replace(": 01", ":01")
                    .replace(": 8", ":8")
                    .replace(": a", ":a")
                    .replace(": c", ":c")
                    .replace(": 2", ":2"),
            ),
            ("tabs for spaces", plain.replace("    ", "\t")),
            ("spaces for tabs", plain.replace('\t', "   ")),
            (
                "white space at the ends",
                every(&plain, &|line| format!("{} \t\n", line.trim_end())),
            ),
            ("empty lines", every(&plain, &|line| format!("\n{line}\n"))),
            ("printed twice", format!("{plain}{plain}")),
            (
                "keys in capitals",
                every(&plain, &|line| match line.split_once(':') {
                    Some((key, value)) if !key.starts_with("QID") => {
                        format!("{}:{value}", key.to_uppercase())
                    }
                    Some(_) | None => line.to_owned(),
                }),
            ),
            (
                "new keys",
                every(&plain, &|line| format!("{line}    Brand New:7\n")),
            ),
        ];
        for (what, text) in changed {
            assert_eq!(facts(&text), expected, "{name}: {what}");
        }
    }
}

/// A log line anywhere, even within a word, and a text cut off anywhere: what is known afterwards is what was known before,
/// or less.
#[test]
fn torn_and_cut_anywhere_nothing_else_is_known() {
    for name in GENERATIONS {
        let whole = generation(name);
        // Two SoCs are as good as eight, and take a sixteenth of the time.
        let plain = whole.split("QID 2").next().unwrap();
        let expected = facts(plain);
        let check = |text: &str, at: usize, what: &str| {
            for (address, known) in facts(text) {
                let before = expected.iter().find(|(soc, _)| *soc == address);
                let (_, before) =
                    before.unwrap_or_else(|| panic!("{name}, {what} {at}: {address}"));
                for (now, before) in known.iter().zip(before) {
                    // Half a word for a state is no state that anything is done in.
                    let other = now.as_ref().is_some_and(|now| now.starts_with("Other("));
                    assert!(
                        now.is_none() || now == before || other,
                        "{name}, {what} {at}: {now:?} {before:?}"
                    );
                }
            }
        };
        for at in (0..=plain.len()).filter(|&at| plain.is_char_boundary(at)) {
            let (head, tail) = plain.split_at(at);
            check(head, at, "cut");
            check(
                &format!("{head}[15:58:55.536][error][x] y\n{tail}"),
                at,
                "torn",
            );
            check(
                &format!("{head}[15:58:55.536][error][x] y{tail}"),
                at,
                "swallowed",
            );
        }
    }
}

/// Whoever reads a text knows on what ground: published, seen by others, or concluded from sources.
#[test]
fn every_adapter_says_how_its_format_is_known() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut adapters: Vec<PathBuf> = fs::read_dir(source.join("vendor"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            !["mod.rs", "tests.rs", "interleaved.rs"]
                .iter()
                .any(|n| path.ends_with(n))
        })
        .collect();
    adapters
        .extend(["config/mod.rs", "probe/pci.rs", "probe/asked.rs"].map(|file| source.join(file)));
    assert!(adapters.len() > 14);
    for path in adapters {
        let text = fs::read_to_string(&path).unwrap();
        let head: Vec<&str> = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        let head = head.join(" ");
        let (_, format) = head
            .split_once("Format")
            .unwrap_or_else(|| panic!("{} says nothing", path.display()));
        let grounds = ["documented", "observed", "inferred"];
        assert!(
            grounds.iter().any(|ground| format.contains(ground)),
            "{}",
            path.display()
        );
    }
}
