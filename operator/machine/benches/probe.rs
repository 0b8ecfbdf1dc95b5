//! What a probe of a machine with 32 SoCs costs: processor time and memory, each time in a process of its own, over files as
//! a kernel lays them out. Above the bounds it fails; they are the product's own promise.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints, and fails by panicking"
)]
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use crd::{
    Fact, Unknown,
    kind::Rack,
    snapshot::{Ledger, SocStatus},
};
use machine::{Clock, Known, Machine, probe, rack};
use nix::sys::resource::{UsageWho, getrusage};

#[path = "../tests/machine/tree.rs"]
mod tree;

/// Promised: processor time of one probe of 32 SoCs and what they hang on, in milliseconds.
const MOST_MS: f64 = 50.0;
/// Promised: memory that it ever has, in MiB.
const MOST_MIB: f64 = 25.0;
/// Probes of which the median counts.
const TURNS: usize = 21;
/// The argument by which this program is told to be the one that is measured.
const MEASURED: &str = "--measured";
/// The argument by which it is told to leave the files in a folder, for whoever measures by other means.
const BUILT: &str = "--built";
/// Functions that lead to no SoC: of processors, memory controllers and their counters, a server with two sockets lists so many.
/// What they add is told, and no bound of it is promised.
const OTHERS: usize = 400;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, flag, folder] if flag == MEASURED => {
            println!("{}", measured(Path::new(folder)));
            ExitCode::SUCCESS
        }
        [_, flag, folder] if flag == BUILT => {
            build(Path::new(folder), OTHERS);
            ExitCode::SUCCESS
        }
        _ if [0, OTHERS].map(compare)[0] => ExitCode::SUCCESS,
        _ => {
            println!("above its bounds");
            ExitCode::FAILURE
        }
    }
}

/// Probes once; gives what it cost: microseconds, KiB, and page faults of children, which has one only where there was a child.
fn measured(folder: &Path) -> String {
    let known = Known {
        ledger: Ledger::default(),
        programs: Vec::new(),
        workers: Vec::new(),
        worker: Fact::unknown(Unknown::Absent, "bench"),
    };
    let read = probe(&Machine::linux(tree::roots(folder)), &known);
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let children = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    assert_eq!(read.socs.len(), 32);
    assert_eq!(read.holders.len(), 1);
    let ready = |soc: &&crd::snapshot::Soc| soc.status.get() == Some(&SocStatus::Ready);
    let cpu = usage.user_time() + usage.system_time();
    format!(
        "{} {} {} {}",
        cpu.tv_sec() * 1_000_000 + cpu.tv_usec(),
        peak_kib(),
        children.minor_page_faults(),
        read.socs.iter().filter(ready).count(),
    )
}

/// The most memory that this process ever had; what the program that started it had is not in it, as it is in `ru_maxrss`.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches("kB").trim();
    number.parse().unwrap()
}

/// Measures among so many other functions, and says whether that is within the bounds.
fn compare(others: usize) -> bool {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), others);
    let mut costs: Vec<(u64, u64)> = Vec::new();
    for _ in 0..TURNS {
        let [cpu, memory, faults, ready] = turn(folder.path());
        assert!(faults > 0 && ready == 32, "the vendor's tool was asked");
        costs.push((cpu, memory));
    }
    // What the kernel's files say needs nobody's help.
    fs::remove_dir_all(folder.path().join("opt")).unwrap();
    let [_, _, faults, ready] = turn(folder.path());
    assert_eq!(
        (faults, ready),
        (0, 0),
        "a process was started without a tool"
    );

    costs.sort_unstable();
    let ms = thousandths(costs[TURNS / 2].0);
    let mib = thousandths(costs.iter().map(|cost| cost.1).max().unwrap()) * 1000.0 / 1024.0;
    println!(
        "probe of 32 SoCs among {others} other functions, {TURNS} times, each in a process of its own"
    );
    println!("  median CPU time  {ms:6.1} ms   (alone at most {MOST_MS} ms)");
    println!("  peak memory      {mib:6.1} MiB  (alone at most {MOST_MIB} MiB)");
    ms < MOST_MS && mib < MOST_MIB
}

fn thousandths(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap()) / 1000.0
}

/// One probe in a process of its own.
fn turn(folder: &Path) -> [u64; 4] {
    #[expect(
        clippy::disallowed_methods,
        reason = "a bench starts itself, to be measured alone"
    )]
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(MEASURED)
        .arg(folder)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = said
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    numbers.try_into().expect(&errors)
}

/// The files of a server with eight Ultra cards, with as many processors and processes as such a server has.
fn build(folder: &Path, others: usize) {
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/racks/eight-ultra-two-switches.yaml");
    let rack: Rack = serde_yaml::from_str(&fs::read_to_string(example).unwrap()).unwrap();
    let state = tempfile::tempdir().unwrap();
    let server = rack::open(&rack, "b3:bench", state.path(), Clock::Virtual)
        .unwrap()
        .remove(0);
    tree::whole(&Machine::Rack(server), folder);
    for index in 0..others {
        other(folder, index);
    }
    let one = fs::read_to_string(folder.join("proc/cpuinfo")).unwrap();
    let rest = "model name\t: processor\nbugs\t\t: none\n".repeat(20);
    tree::put(folder, "proc/cpuinfo", format!("{one}{rest}\n").repeat(128));
    for pid in 1..=400 {
        let process = format!("proc/{pid}");
        tree::put(folder, &format!("{process}/comm"), "worker\n");
        tree::put(
            folder,
            &format!("{process}/cgroup"),
            "0::/system.slice/worker.service\n",
        );
        let descriptors = folder.join(&process).join("fd");
        fs::create_dir_all(&descriptors).unwrap();
        for descriptor in 0..10 {
            let target = match (pid, descriptor) {
                (77, 7) => "/dev/accel/accel5",
                _ => "socket:[4711]",
            };
            symlink(target, descriptors.join(descriptor.to_string())).unwrap();
        }
    }
}

/// One of the functions that lead to no SoC, as both sorts of them are seen on servers of two sockets: conventional, with 256
/// bytes of configuration space, and an integrated endpoint of PCI Express, with a link that is none and a list of extended
/// capabilities.
fn other(folder: &Path, index: usize) {
    let bus = [0x7e, 0x7f, 0xfe, 0xff][index / 128 % 4];
    let address = format!(
        "0000:{bus:02x}:{:02x}.{}",
        index / 8 % 16 + index / 512 * 16,
        index % 8
    );
    let real = format!("sys/devices/pci0000:{bus:02x}/{address}");
    let write = |file: &str, text: &str| tree::put(folder, &format!("{real}/{file}"), text);
    write("vendor", "0x8086\n");
    write("device", "0x3258\n");
    write("class", "0x088000\n");
    write("numa_node", if bus < 0x80 { "0\n" } else { "1\n" });
    let none = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
    write("resource", &none.repeat(13));
    let conventional = index.is_multiple_of(2);
    let mut config = vec![0_u8; if conventional { 256 } else { 4096 }];
    config[..4].copy_from_slice(&[0x86, 0x80, 0x58, 0x32]);
    if !conventional {
        for end in ["current", "max"] {
            write(&format!("{end}_link_speed"), "Unknown\n");
            write(&format!("{end}_link_width"), "0\n");
        }
        // The list, and in it PCI Express: version 2, type 9.
        (config[0x06], config[0x34]) = (0x10, 0x40);
        config[0x40..0x44].copy_from_slice(&[0x10, 0x00, 0x92, 0x00]);
        // A vendor's own, thrice, and no ACS.
        for (at, next) in [(0x100, 0x140_u32), (0x140, 0x1b8), (0x1b8, 0)] {
            let header = next << 20 | 1 << 16 | 0x000b;
            config[at..at + 4].copy_from_slice(&header.to_le_bytes());
        }
    }
    tree::put(folder, &format!("{real}/config"), config);
    let group = format!("../../../kernel/iommu_groups/{}", 500 + index / 8);
    symlink(group, folder.join(&real).join("iommu_group")).unwrap();
    let link = folder.join("sys/bus/pci/devices").join(&address);
    symlink(
        format!("../../../devices/pci0000:{bus:02x}/{address}"),
        link,
    )
    .unwrap();
}
