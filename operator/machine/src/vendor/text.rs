//! Small texts of the kernel and of the SDK: memory, processors, lockdown, sockets, Secure Boot, versions.
//!
//! Formats: the kernel's are documented (proc(5), the kernel's own pages); the SDK's record of versions is observed in scripts
//! that read it.
use crd::snapshot::Lockdown;

/// A line's value in KiB from `/proc/meminfo`, such as `MemTotal`.
pub fn memory_kib(meminfo: &str, key: &str) -> Option<u64> {
    meminfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let (number, unit) = value.trim().split_once(' ')?;
        (name == key && unit.trim() == "kB").then(|| number.parse().ok())?
    })
}

/// How many processors a kernel list such as `0-3,8,10-11` names.
pub fn cpu_count(list: &str) -> Option<u32> {
    let mut count = 0_u32;
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

/// The level in brackets of `/sys/kernel/security/lockdown`.
pub fn lockdown_level(text: &str) -> Option<Lockdown> {
    let (_, rest) = text.split_once('[')?;
    match rest.split_once(']')?.0 {
        "none" => Some(Lockdown::None),
        "integrity" => Some(Lockdown::Integrity),
        "confidentiality" => Some(Lockdown::Confidentiality),
        _ => None,
    }
}

/// The kernel's socket tables of the host's network. `/proc/net` would be that of whoever reads: a pod's own.
pub const SOCKETS: [&str; 2] = ["/proc/1/net/tcp", "/proc/1/net/tcp6"];

/// Whether a kernel socket table shows a listener on this port.
pub fn listens_on(table: &str, port: u16) -> bool {
    /// The kernel's number for a listening socket.
    const LISTEN: &str = "0A";
    table.lines().any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let local = columns.next().and_then(|local| local.rsplit(':').next());
        let state = columns.nth(1);
        let here = local.and_then(|digits| u16::from_str_radix(digits, 16).ok()) == Some(port);
        here && state == Some(LISTEN)
    })
}

/// Inodes of the sockets on which somebody listens on a port: the tenth column, absent from tables that were cut.
pub fn listening(table: &str, port: u16) -> Vec<u64> {
    table
        .lines()
        .filter(|line| listens_on(line, port))
        .filter_map(|line| line.split_whitespace().nth(9)?.parse().ok())
        .collect()
}

/// The version that the SDK's own record (`versions/platform.xml`) states: base version, two numbers at least, then build
/// number.
pub fn sdk_version(xml: &str) -> Option<String> {
    let xml = uncommented(xml);
    let base = element(&xml, "base_version")?;
    let mut numbers = base.split('.').map_while(|part| part.parse::<u32>().ok());
    numbers.next().zip(numbers.next())?;
    let version = match element(&xml, "build_id") {
        Some(build) => format!("{base}.{build}"),
        None => base.to_owned(),
    };
    let plain = version
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
    (plain && version.len() <= 32).then_some(version)
}

/// XML without its comments; one that is not closed reaches to the end.
fn uncommented(xml: &str) -> String {
    let mut parts = xml.split("<!--");
    let first = parts.next().unwrap_or_default();
    let after = parts.filter_map(|part| Some(part.split_once("-->")?.1));
    std::iter::once(first).chain(after).collect()
}

fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value.trim()).filter(|value| !value.is_empty())
}

/// Whether firmware started the kernel under Secure Boot: the variable's four bytes of attributes, then one that is 0 or 1.
pub fn secure_boot(variable: &[u8]) -> Option<bool> {
    match variable {
        [_, _, _, _, 0] => Some(false),
        [_, _, _, _, 1] => Some(true),
        _ => None,
    }
}
