//! Files of a recorded function: what was read of it, for as long as nothing has changed it since.
use std::fmt::Write;

use crd::{
    Fact, Unknown,
    snapshot::{ChannelState, Channels, Link},
};

use super::paths::{Answer, MOST, closed, names};
use crate::rack::{
    files::{Entry, View, sorted, text},
    world::{Function, Shown},
};

/// `IORESOURCE_UNSET`: a size without addresses.
const UNSET: u64 = 0x2000_0000;

/// What a file of a recorded function names.
pub(crate) fn device(
    view: &View<'_>,
    function: &Function,
    shown: &Shown,
    rest: &[&str],
) -> Option<Answer> {
    let asked = shown.asked.as_ref();
    Some(Answer(match rest {
        ["numa_node"] => match shown.function.numa_node.unknown {
            Some(Unknown::Absent) => text("-1"),
            Some(why) => closed(why),
            None => text(&shown.function.numa_node.get()?.to_string()),
        },
        [file @ ("current_link_speed" | "current_link_width")] => {
            link(&shown.function.link, file.ends_with("width"))
        }
        [file @ ("max_link_speed" | "max_link_width")] => {
            link(&shown.function.max_link, file.ends_with("width"))
        }
        ["resource"] => match shown.function.bars.unknown {
            Some(why) => closed(why),
            None => text(&resource(shown)),
        },
        ["msi_irqs"] => {
            let bound = view.driver(function) == function.driver.as_deref();
            let count = asked?.msi_vectors.get().filter(|_| bound);
            count.and_then(|count| {
                names((0..*count.min(&MOST)).map(|number| (64 + number).to_string()))
            })
        }
        [name @ ("ce_count" | "ue_count" | "ue_nonfatal_count")] => {
            return told(view, function, asked?.errors.as_ref()?, |errors| {
                let count = match *name {
                    "ce_count" => errors.correctable,
                    "ue_count" => errors.uncorrectable,
                    _ => errors.nonfatal,
                };
                text(&count.to_string())
            });
        }
        ["hwmon", _, "power1_max"] => {
            return told(
                view,
                function,
                asked?.power_limit_microwatts.as_ref()?,
                |limit| text(&limit.to_string()),
            );
        }
        ["accel", _, rest @ ..] => {
            return told(view, function, asked?.channels.as_ref()?, |known| {
                channels(known, rest)
            });
        }
        ["qaic"] => {
            let node = asked?.node.as_ref()?.get()?;
            let name = node.strip_prefix("/dev/qaic")?;
            names([format!("qaic{name}")].into_iter())
        }
        _ => return None,
    }))
}

/// What was recorded; what was not, only until the SoC has been reset.
fn told<T>(
    view: &View<'_>,
    function: &Function,
    fact: &Fact<T>,
    make: impl FnOnce(&T) -> Option<Entry>,
) -> Option<Answer> {
    let resets = view
        .live()
        .socs
        .get(&function.path)
        .map_or(0, |soc| soc.resets);
    match (fact.get(), resets) {
        (Some(value), _) => Some(Answer(make(value))),
        (None, 0) => Some(Answer(closed(fact.unknown.unwrap_or(Unknown::Absent)))),
        (None, _) => None,
    }
}

fn link(link: &Fact<Link>, width: bool) -> Option<Entry> {
    match (link.get(), width) {
        (Some(link), true) => text(&link.width.to_string()),
        (Some(link), false) => text(&link.speed),
        // A link that was down.
        (None, true) if link.unknown == Some(Unknown::NotReady) => text("0"),
        (None, false) if link.unknown == Some(Unknown::NotReady) => text("Unknown"),
        (None, _) => closed(link.unknown.unwrap_or(Unknown::Absent)),
    }
}

fn channels(known: &Channels, rest: &[&str]) -> Option<Entry> {
    match rest {
        [] => Some(Entry::Folder(sorted(
            (0..known.count.min(MOST)).map(|number| format!("dbc{number}_state")),
        ))),
        [file] => {
            let number = file.strip_prefix("dbc")?.strip_suffix("_state")?;
            let number: u32 = number.parse().ok()?;
            let busy = known.busy.iter().find(|channel| channel.number == number);
            text(match busy.map_or(ChannelState::Idle, |busy| busy.state) {
                ChannelState::Idle => "0",
                ChannelState::Assigned => "1",
                ChannelState::BeforeShutdown => "2",
                ChannelState::AfterShutdown => "3",
                ChannelState::BeforePowerUp => "4",
                ChannelState::AfterPowerUp => "5",
            })
        }
        [_, _, ..] => None,
    }
}

/// Base address registers with the sizes that were recorded, one above the other.
fn resource(shown: &Shown) -> String {
    let mut lines = vec![(0_u64, 0_u64, 0_u64); 7];
    let address = shown.function.address;
    let domain = u64::from(address.domain & 0xffff);
    let mut start = 0x40_0000_0000 + (u64::from(address.bus) << 36) + (domain << 44);
    let unassigned = shown
        .asked
        .as_ref()
        .is_some_and(|asked| asked.bar4_assigned.get() == Some(&false));
    for bar in shown.function.bars.get().into_iter().flatten() {
        let size = bar.size_kib.saturating_mul(1024);
        let Some(line) = lines.get_mut(usize::from(bar.index)) else {
            continue;
        };
        start = start
            .checked_next_multiple_of(size.max(4096))
            .unwrap_or(4096);
        let mut flags = if bar.prefetchable {
            0x14_220c
        } else {
            0x4_0200
        };
        if bar.unassigned || unassigned && bar.index == crd::snapshot::BAR4 {
            flags |= UNSET;
        }
        *line = (start, start.saturating_add(size.saturating_sub(1)), flags);
        start = start.saturating_add(size);
    }
    let mut text = String::new();
    for (start, end, flags) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "0x{start:016x} 0x{end:016x} 0x{flags:016x}");
    }
    text
}
