//! Texts of three SDK generations, written after the formats that are documented, and anything else that may come.
use crd::snapshot::{Lockdown, SocStatus};
use proptest::prelude::*;

use super::*;

fn devices(text: &str) -> Vec<Device> {
    let Ok(QueryText { devices, .. }) = text.parse();
    devices
}

/// What matters of a block: QID, address, state, partitioning, cores, memory in MiB.
fn seen(text: &str) -> Vec<String> {
    devices(text)
        .iter()
        .map(|device| {
            format!(
                "{} {} {:?} {:?} {:?} {:?}",
                device.qid,
                device
                    .address()
                    .map_or_else(|| "?".to_owned(), |at| at.to_string()),
                device.status(),
                device.mdp(),
                device.cores(),
                device.dram_mib()
            )
        })
        .collect()
}

#[test]
fn no_more_cores_are_free_than_there_are() {
    for (lines, expected) in [
        ("Nsp Total:16\n\tNsp Free:16\n", Some(16)),
        ("Nsp Total:16\n\tNsp Free:0\n", Some(0)),
        ("Nsp Total:8\n\tNsp Free:9\n", None),
        ("Nsp Total:70000\n\tNsp Free:9\n", None),
        ("Nsp Free:9\n", Some(9)),
        ("Nsp Free:65\n", None),
    ] {
        let device = &devices(&format!("QID 0\n\t{lines}\tStatus:Ready\n"))[0];
        assert_eq!(device.cores_free(), expected, "{lines}");
    }
}

/// Where a block's own address and the next one's head are lost, the address that follows is of the other SoC: it has no number.
#[test]
fn an_address_behind_a_lost_border_is_nobodys() {
    let block = |qid: u32, bus: &str| {
        [
            format!("QID {qid}\n"),
            "\tStatus:Ready\n".to_owned(),
            format!("\tMHI ID:{qid}\n"),
            format!("\tPCI Address:0000:{bus}:00.0\n"),
            "\tNsp Total:16\n".to_owned(),
        ]
    };
    let lines: Vec<String> = ["01", "02", "03"]
        .into_iter()
        .zip(0..)
        .flat_map(|(bus, qid)| block(qid, bus))
        .collect();
    let told = |lost: &[usize]| -> Vec<String> {
        let kept = (lines.iter().enumerate()).filter(|(at, _)| !lost.contains(at));
        let text: String = kept.map(|(_, line)| line.as_str()).collect();
        let found = devices(&text).into_iter();
        let found =
            found.filter_map(|device| Some(format!("{} {}", device.qid, device.address()?)));
        found.collect()
    };
    let (one, two, three) = ("0 0000:01:00.0", "1 0000:02:00.0", "2 0000:03:00.0");
    assert_eq!(told(&[]), [one, two, three]);
    assert_eq!(told(&[3, 5]), [three]);
    // As before: with its own address or its own head.
    assert_eq!(told(&[3]), [two, three]);
    assert_eq!(told(&[5]), [three]);
    // Whatever else is lost between, no SoC has another's number.
    for first in 0..lines.len() {
        for second in 0..lines.len() {
            let found = told(&[first, second]);
            assert!(
                found
                    .iter()
                    .all(|one_of| [one, two, three].contains(&one_of.as_str())),
                "{first} {second}: {found:?}"
            );
        }
    }
}

#[test]
fn every_generation_is_read() {
    let first = "\
LRT QC_IMAGE_VERSION: LRT.AIC.5.2.1.5.6
Number of devices: 2
QID 0
        Status:Ready
        MHI ID:3
        PCI Address:0000:01:00.0
        Dram Total:16308 MB
        Nsp Total:14
        NSP Defective PG Mask: 0xC000
[15:58:55.536][error][LogCommon][openDevice:#68] Failed to open device /dev/qaic_aic100_0
QID 1
        Status:Error
        PCI Address:0000:81:00.0
        Board serial:
";
    let second = "Number of devices queried: 1\nQID 0\n\tStatus:Ready\n\tPCI Address:0001:21:00.0\n\tDram Total:32692 MB\n\tNsp Total:16\n\tNsp Free:14\n\tDevice Capabilities: HybridBoot+ MDP+\n\tFW OEM_IMAGE_VERSION:\n";
    let third = "Number of devices queried: 1\nQID 12\n    Status:Ready\n    PCI Address:0000:C1:00.0\n    Dram Total:33554432 KB\n    Nsp Total:16\n    Device Capabilities: HybridBoot+ MDP-\n    Sku Type:PCIe Ultra\n";
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "first",
            first,
            &[
                "0 0000:01:00.0 Some(Ready) None Some(14) Some(16308)",
                "1 0000:81:00.0 Some(Error) None None None",
            ],
        ),
        (
            "second",
            second,
            &["0 0001:21:00.0 Some(Ready) Some(true) Some(16) Some(32692)"],
        ),
        (
            "third",
            third,
            &["12 0000:c1:00.0 Some(Ready) Some(false) Some(16) Some(32768)"],
        ),
        ("no device, exit code 0", "", &[]),
        ("a failure in words", "Failed to query Device ID: 3\n", &[]),
        (
            "one line with commas",
            "QID 0, Status Busy, PCI Address 0000:01:00.0\n",
            &[],
        ),
        (
            "a state nobody knows",
            "QID 0\n\tStatus:Busy\n",
            &["0 ? Some(Other(\"Busy\")) None None None"],
        ),
        (
            "log within a block",
            "QID 0\n[x][error] PCI Address:0000:99:00.0\n\tStatus:Ready\n",
            &["0 ? Some(Ready) None None None"],
        ),
        (
            "a unit nobody knows",
            "QID 0\n\tDram Total:7 furlongs\n",
            &["0 ? None None None None"],
        ),
        (
            "capabilities without MDP",
            "QID 0\n\tDevice Capabilities:\n",
            &["0 ? None Some(false) None None"],
        ),
        (
            "words that may be MDP+ in another spelling, or run together with the one before",
            "QID 0\n\tDevice Capabilities: XMDP+\nQID 1\n\tDevice Capabilities: HybridBoot+MDP+\nQID 2\n\tDevice Capabilities: hybridboot+ mdp+\n",
            &[
                "0 ? None None None None",
                "1 ? None None None None",
                "2 ? None None None None",
            ],
        ),
        (
            "a log line into the middle of a line",
            "QID 0\n\tStatus:Ready[15:58:55.536][error][LogCommon] Failed\n\tNsp Total:16\n",
            &["0 ? Some(Ready) None Some(16) None"],
        ),
        (
            "the last line was cut off",
            "QID 1\n\tPCI Address:0000:81:00.0\n\tStatus:Ready\n\tNsp Total:1",
            &["1 0000:81:00.0 Some(Ready) None None None"],
        ),
        (
            "keys in another order, spaced and capitalised otherwise, and new ones",
            "QID 0:\n  NSP Total : 8\n  Power Rail 3:on\n  dram total:8116MB\n  PCI address: 01:00.0\n  status:Ready\n",
            &["0 0000:01:00.0 Some(Ready) None Some(8) Some(8116)"],
        ),
        (
            "numbers that no SoC has, and a sign against a sign",
            "QID 0\n\tNsp Total:70000\n\tDram Total:0 MB\n\tDevice Capabilities:MDP- MDP+\nQID 1\n\tNsp Total:0\n\tDram Total:1024 GB\n\tDevice Capabilities:MDP+ MDP+\n",
            &["0 ? None None None None", "1 ? None Some(true) None None"],
        ),
        (
            "memory in kilobytes and gibibytes",
            "QID 0\n\tDram Total:33554432 kB\nQID 1\n\tDram Total:32 GiB\nQID 2\n\tDram Total:32768\n",
            &[
                "0 ? None None None Some(32768)",
                "1 ? None None None Some(32768)",
                "2 ? None None None None",
            ],
        ),
        (
            "a SoC that is not ready: no telemetry before the tail",
            "QID 0\n\tStatus:Initializing\n\tPCI Address:0000:01:00.0\n\tDev Link:\n\tBoard serial:\n",
            &["0 0000:01:00.0 Some(Initializing) None None None"],
        ),
        (
            "capabilities with commas, and MDP off by its sign",
            "QID 0\n\tDevice Capabilities:HybridBoot+,MDP+\nQID 1\n\tDevice Capabilities:HybridBoot+, MDP-\nQID 2\n\tDevice Capabilities: MDP++\n",
            &[
                "0 ? None Some(true) None None",
                "1 ? None Some(false) None None",
                "2 ? None None None None",
            ],
        ),
        (
            "no capabilities that anybody knows, and words that log lines tore",
            "QID 4\n\tDevice Capabilities: Hybrid[15:58:55.536][error] oBoot+ open\nMDP+\nQID 5\n\tDevice Capabilities: HybridBoot+[15:58:55.536][error] y\n AUTO/FUSA- MDP+\nQID 6\n\tDevice Capabilities: HybridBoot+ AUTO/FUSA+\nQID 0\n\tDevice Capabilities: N/A\nQID 1\n\tDevice Capabilities: 0x28\nQID 2\n\tDevice Capabilities: HybridBoot+ M\t[15:58:55.536][error][x] y\nDP+\nQID 3\n\tDevice Capabilities: HybridBoot+ SSR\n",
            &[
                "4 ? None None None None",
                "5 ? None Some(true) None None",
                "6 ? None Some(false) None None",
                "0 ? None None None None",
                "1 ? None None None None",
                "2 ? None None None None",
                "3 ? None None None None",
            ],
        ),
        (
            "other values over two lines are none; a heading is nobody's",
            "QID 2\n\tDevice Capabilities: HybridBoot+ MDP+\nPerformance\n----------\n\tNsp Total:16\nQID 0\n\tStatus:Ready\n\tNsp Total:1\n6\n\tDram Total:32692\n\t\tMB\nQID 1\n\tStatus:Ready\n\tNsp Total:16\n\tPerformance\n\tDram Total:32692 MB\n\n",
            &[
                "2 ? None Some(true) Some(16) None",
                "0 ? Some(Ready) None None None",
                "1 ? Some(Ready) None Some(16) Some(32692)",
            ],
        ),
        (
            "capabilities over two lines: whole words go on, half a word or none of it says nothing, a complaint is no word",
            "QID 0\n\tDevice Capabilities: HybridBoot+ SSR+\n\t\tMDP+\n\tNsp Total:16\nQID 1\n\tDevice Capabilities:\n\t\tHybridBoot+ MDP-\nQID 2\n\tDevice Capabilities: HybridBoot+ M\nDP+\nQID 3\n\tDevice Capabilities: HybridBoot+\n\t\tSSR+\nQID 4\n\tDevice Capabilities: HybridBoot+ MDP\n+\nQID 5\n\tDevice Capabilities: HybridBoot+ SSR+\nDevice 3 invalid\n",
            &[
                "0 ? None Some(true) Some(16) None",
                "1 ? None Some(false) None None",
                "2 ? None None None None",
                "3 ? None None None None",
                "4 ? None None None None",
                "5 ? None Some(false) None None",
            ],
        ),
        (
            "a QID among the fields of its own block",
            "QID 3\n\tQID:3\n\tStatus:Ready\n",
            &["3 ? Some(Ready) None None None"],
        ),
        (
            "Windows line ends",
            "QID 0\r\n\tStatus:Ready\r\n",
            &["0 ? Some(Ready) None None None"],
        ),
    ];
    for &(name, text, want) in cases {
        assert_eq!(seen(text), want, "{name}");
    }
    let device = &devices(third)[0];
    assert_eq!(device.fields["Sku Type"], "PCIe Ultra");
    assert_eq!(
        (device.status(), device.sku()),
        (Some(SocStatus::Ready), Some("PCIe Ultra"))
    );
}

/// However early it is cut off, a text says what it said whole, or less.
#[test]
fn a_text_cut_off_anywhere_says_nothing_else() {
    let text = "Number of devices queried: 12\nQID 0\n\tStatus:Ready\n\tPCI Address:0000:c1:00.0\n\tDram Total:32692 MB\n\tNsp Total:16\n\tNsp Free:14\n\tDevice Capabilities: HybridBoot+ MDP+\n[15:58:55.536][error][x] y\nQID 11\n\tStatus:Ready\n\tNsp Total:14\n";
    let whole = devices(text);
    for end in 0..text.len() {
        let Ok(cut) = text[..end].parse::<QueryText>();
        assert!(cut.announced.is_none_or(|count| count == 12), "{end}");
        for (at, device) in cut.devices.iter().enumerate() {
            assert_eq!(device.qid, whole[at].qid, "{end}");
            for (key, value) in &device.fields {
                assert_eq!(whole[at].fields.get(key), Some(value), "{end}");
            }
        }
    }
}

#[test]
fn small_texts_are_read_or_not() {
    assert_eq!(
        memory_kib("MemTotal:  16 kB\nMemFree: 1 kB\n", "MemTotal"),
        Some(16)
    );
    assert_eq!(memory_kib("MemTotal: many kB\n", "MemTotal"), None);
    for (list, want) in [
        ("0-3,8,10-11", Some(7)),
        ("0", Some(1)),
        ("", None),
        ("3-0", None),
        ("0-4294967295", None),
    ] {
        assert_eq!(cpu_count(list), want, "{list}");
    }
    for (text, want) in [
        ("[none] integrity confidentiality", Some(Lockdown::None)),
        (
            "none [integrity] confidentiality",
            Some(Lockdown::Integrity),
        ),
        ("none integrity confidentiality", None),
        ("[", None),
    ] {
        assert_eq!(lockdown_level(text), want, "{text}");
    }
    let table = "  sl  local_address rem_address   st\n   0: 0100007F:F408 00000000:0000 0A 0:0\n   1: 0100007F:1F90 0100007F:F408 01 0:0\n";
    assert!(listens_on(table, 62472));
    assert!(!listens_on(table, 8080), "connected, not listening");
    for (xml, want) in [
        (
            "<v><base_version>1.5</base_version><build_id>9</build_id></v>",
            Some("1.5.9"),
        ),
        ("<base_version> 1.21 </base_version>", Some("1.21")),
        ("<base_version></base_version>", None),
        ("<base_version>1.5", None),
        ("<base_version>one</base_version>", None),
        ("<base_version>1</base_version>", None),
        ("<base_version>1.x</base_version>", None),
        ("<base_version>1.20-rc1</base_version>", None),
        (
            "<!--<base_version>1.22</base_version>--><base_version>1.10</base_version><!-- and",
            Some("1.10"),
        ),
        ("<!--<base_version>1.22</base_version>", None),
        ("<base_version>$(rm)</base_version>", None),
    ] {
        assert_eq!(sdk_version(xml).as_deref(), want, "{xml}");
    }
    for (variable, want) in [
        (&[6, 0, 0, 0, 1][..], Some(true)),
        (&[6, 0, 0, 0, 0], Some(false)),
        (&[6, 0, 0, 0, 2], None),
        (&[6, 0, 0, 0], None),
        (&[], None),
    ] {
        assert_eq!(secure_boot(variable), want, "{variable:?}");
    }
}

/// Lines that a tool might print, whole and broken.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "QID [0-9]{1,12}",
        "\tStatus:[A-Za-z]{0,8}",
        "    PCI Address:[0-9a-f:.]{0,14}",
        "\tDram Total:[0-9]{0,22} ?[KMG]?B?",
        "\tDevice Capabilities:[A-Za-z+ -]{0,20}",
        "\\PC{0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_text_has_an_answer(lines in proptest::collection::vec(line(), 0..30), rest in "\\PC{0,80}") {
        let text = lines.join("\n");
        for device in devices(&text) {
            let _ = (device.address(), device.status(), device.mdp(), device.dram_mib(), device.cores(), device.mhi());
        }
        let _ = (memory_kib(&rest, "MemTotal"), cpu_count(&rest), lockdown_level(&rest), listens_on(&rest, 1), sdk_version(&rest), complaint(&rest));
        let Ok(_) = rest.parse::<RunnerReport>();
        let Ok(_) = rest.parse::<ResetReport>();
        let Ok(_) = rest.parse::<MonitorAnswer>();
        let Ok(_) = rest.parse::<QmonitorUnit>();
        let Ok(_) = rest.parse::<VersionReport>();
        let Ok(_) = rest.parse::<CompilerWords>();
        let Ok(_) = rest.parse::<SwitchList>();
        let _ = rest.parse::<GasWord>();
        let _ = join(Some(0), &text, Some(&rest));
    }
}

#[test]
fn a_word_that_no_version_prints_is_none() {
    let of = |length: usize| {
        let version = "1".repeat(length);
        let text = format!("QID 0\n\tPCI Address:0000:81:00.0\n\tFW Version:{version}\n");
        let Ok(QueryText { devices, .. }) = text.parse();
        devices[0].firmware().map(str::len)
    };
    assert_eq!((of(64), of(1025)), (Some(64), None));
}
