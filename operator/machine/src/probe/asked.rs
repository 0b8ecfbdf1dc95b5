//! What is asked of each SoC beyond what plans are made by: its BAR's place, interrupts, node, channels, errors and power.
//!
//! Format: documented (the kernel's ABI: sysfs-bus-pci, sysfs-driver-qaic, hwmon); the node of older drivers is observed in
//! published issues.
use crd::{
    Fact, Unknown,
    id::PciAddress,
    snapshot::{
        BAR4, Bar, Channel, ChannelState, Channels, ErrorCounts, HolderKind, SocPrerequisites,
    },
};

use super::{
    pci::{DEVICES, bars, ranges},
    reach::{listed, number, parsed, reason},
};
use crate::machine::Machine;

/// Channels that one SoC may have before we no longer believe it; 16 are known.
const MOST_CHANNELS: usize = 256;

pub(super) fn of_soc(machine: &Machine, address: PciAddress) -> SocPrerequisites {
    let folder = format!("{DEVICES}/{address}");
    SocPrerequisites {
        address,
        bar4_assigned: parsed(machine, &format!("{folder}/resource"), bar4_assigned),
        msi_vectors: listed(machine, &format!("{folder}/msi_irqs"), |names| {
            u32::try_from(names.len()).unwrap_or(u32::MAX)
        }),
        node: Some(node(machine, &folder)),
        channels: Some(channels(machine, &folder)),
        errors: Some(errors(machine, &folder)),
        power_limit_microwatts: Some(power_limit(machine, &folder)),
    }
}

/// The node of the accel class, or of the class that drivers had before it (published issues: `/dev/qaic_aic100_N`, with
/// `qaic` for its subsystem).
fn node(machine: &Machine, folder: &str) -> Fact<String> {
    let accel = format!("{folder}/accel");
    let mut why = Unknown::Absent;
    for (class, prefix, start) in [
        (accel.clone(), "/dev/accel/", "accel"),
        (format!("{folder}/qaic"), "/dev/", "qaic"),
    ] {
        match machine.list(&class) {
            Ok(names) => match names.into_iter().find(|name| name.starts_with(start)) {
                Some(name) => return Fact::known(format!("{prefix}{name}"), class),
                None => return Fact::unknown(Unknown::Malformed, class),
            },
            Err(error) if reason(&error) == Unknown::Absent => {}
            Err(error) => why = reason(&error),
        }
    }
    Fact::unknown(why, accel)
}

/// Who has the first channel that is not idle, in words; nothing where all are.
pub(crate) fn taken(channels: &Channels) -> Option<String> {
    let Channel { number, state } = channels.busy.first()?;
    Some(format!(
        "a program with DMA bridge channel {number} ({state:?})"
    ))
}

/// Who has a SoC by its channels: a program that has one, or may have one whose state cannot be told. Kernels that show no
/// channels, or none to us, say nothing of anybody.
pub(crate) fn holder(channels: &Fact<Channels>) -> Option<(HolderKind, String)> {
    if let Some(known) = channels.get() {
        return Some((HolderKind::Foreign, taken(known)?));
    }
    let why = channels.unknown?;
    let told = matches!(why, Unknown::Malformed | Unknown::ReadFailed);
    (told && channels.source.ends_with("_state"))
        .then(|| (HolderKind::Unseen { why }, channels.source.clone()))
}

/// `accel/accelN/dbcM_state`, a number each.
pub(crate) fn channels(machine: &Machine, folder: &str) -> Fact<Channels> {
    let class = format!("{folder}/accel");
    let names = match machine.list(&class) {
        Ok(names) => names,
        Err(error) => return Fact::unknown(reason(&error), class),
    };
    let Some(node) = names.iter().find(|name| name.starts_with("accel")) else {
        return Fact::unknown(Unknown::Malformed, class);
    };
    let folder = format!("{class}/{node}");
    let files = match machine.list(&folder) {
        Ok(files) => files,
        Err(error) => return Fact::unknown(reason(&error), folder),
    };
    let number = |name: &str| {
        let number = name.strip_prefix("dbc")?.strip_suffix("_state")?;
        number.parse::<u32>().ok()
    };
    let mut numbers: Vec<u32> = files.iter().filter_map(|name| number(name)).collect();
    numbers.sort_unstable();
    if numbers.is_empty() {
        // Kernels before 6.19 do not tell.
        return Fact::unknown(Unknown::Absent, folder);
    }
    if let Some(beyond) = numbers.get(MOST_CHANNELS) {
        let one = format!("{folder}/dbc{beyond}_state");
        return Fact::unknown(Unknown::Malformed, one);
    }
    let mut busy = Vec::new();
    let mut untold = None;
    let states = machine.folder(&folder);
    for &number in &numbers {
        let name = format!("dbc{number}_state");
        let state = states.read_text(&name).map(|text| channel_state(&text));
        match state {
            Ok(Some(ChannelState::Idle)) => {}
            Ok(Some(state)) => busy.push(Channel { number, state }),
            Ok(None) => untold = Some((Unknown::Malformed, format!("{folder}/{name}"))),
            Err(error) => untold = Some((reason(&error), error.path)),
        }
    }
    drop(states);
    // One that is taken is taken, whatever the others say.
    if let Some((why, source)) = untold.filter(|_| busy.is_empty()) {
        return Fact::unknown(why, source);
    }
    let count = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    Fact::known(Channels { count, busy }, folder)
}

/// The kernel's number of a state (Documentation/ABI/stable/sysfs-driver-qaic).
fn channel_state(text: &str) -> Option<ChannelState> {
    Some(match text {
        "0" => ChannelState::Idle,
        "1" => ChannelState::Assigned,
        "2" => ChannelState::BeforeShutdown,
        "3" => ChannelState::AfterShutdown,
        "4" => ChannelState::BeforePowerUp,
        "5" => ChannelState::AfterPowerUp,
        _ => return None,
    })
}

fn errors(machine: &Machine, folder: &str) -> Fact<ErrorCounts> {
    let read = |name: &str| number(machine, &format!("{folder}/{name}"));
    let (ce, ue, nonfatal) = (
        read("ce_count"),
        read("ue_count"),
        read("ue_nonfatal_count"),
    );
    if let (Some(correctable), Some(uncorrectable), Some(nonfatal)) =
        (ce.value, ue.value, nonfatal.value)
    {
        let counts = ErrorCounts {
            correctable,
            uncorrectable,
            nonfatal,
        };
        return Fact::known(counts, ce.source);
    }
    let first = [ce, ue, nonfatal]
        .into_iter()
        .find(|fact| fact.value.is_none());
    first.map_or_else(
        || Fact::unknown(Unknown::Malformed, folder),
        |fact| Fact::unknown(fact.unknown.unwrap_or(Unknown::Malformed), fact.source),
    )
}

/// `hwmon/hwmonX/power1_max`.
fn power_limit(machine: &Machine, folder: &str) -> Fact<u64> {
    let class = format!("{folder}/hwmon");
    match machine.list(&class) {
        Ok(names) => match names.iter().find(|name| name.starts_with("hwmon")) {
            Some(name) => number(machine, &format!("{class}/{name}/power1_max")),
            None => Fact::unknown(Unknown::Malformed, class),
        },
        Err(error) => Fact::unknown(reason(&error), class),
    }
}

/// Whether BAR 4 stands somewhere. A kernel that found no room leaves its size and marks it, or wipes the line.
fn bar4_assigned(resource: &str) -> Option<bool> {
    let &(start, end, _) = ranges(resource)?.get(usize::from(BAR4))?;
    let bars = bars(resource)?;
    let assigned = |bar: &Bar| bar.index == BAR4 && !bar.unassigned;
    // No range ends before it begins.
    (start <= end).then(|| end > start && bars.iter().any(assigned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_without_addresses_is_not_assigned() {
        let before = "0x0 0x0 0x0\n".repeat(4);
        for (line, expected) in [
            (
                "0x0000004000000000 0x000000407fffffff 0x000000000014220c",
                Some(true),
            ),
            // Marked as unset, by kernels that keep the size.
            (
                "0x0000000000000000 0x000000007fffffff 0x000000003414220c",
                Some(false),
            ),
            (
                "0x0000004000000000 0x000000407fffffff 0x000000003414220c",
                Some(false),
            ),
            // Wiped, by those that do not.
            (
                "0x0000000000000000 0x0000000000000000 0x0000000000000000",
                Some(false),
            ),
            ("nonsense", None),
            ("0x1 0x2", None),
        ] {
            assert_eq!(
                bar4_assigned(&format!("{before}{line}\n0x0 0x0 0x0\n")),
                expected,
                "{line}"
            );
        }
        let garbled = format!("{before}0xffffffffffffffff 0x0 0x14220c\n0x0 0x0 0x0\n");
        assert_eq!(bar4_assigned(&garbled), None);
        assert_eq!(bar4_assigned(&before), None);
    }
}
