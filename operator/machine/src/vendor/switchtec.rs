//! `switchtec list` and `switchtec gas read`: which management device belongs to which switch, and one register.
//!
//! Format: inferred from the source of the open `switchtec-user` (`%06X - 0x%08X` for a register); the columns of the list
//! differ between its versions, and only the device's name and a PCI address are looked for. Nothing was seen on a card.
use std::{convert::Infallible, ops::RangeInclusive, str::FromStr};

use crd::id::PciAddress;

use super::log::own_lines;

/// Management devices, in the order printed: `/dev/switchtec0` and the addresses that its line names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwitchList(pub Vec<(String, Vec<PciAddress>)>);

impl FromStr for SwitchList {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let lines = own_lines(text);
        Ok(Self(lines.iter().filter_map(|line| device(line)).collect()))
    }
}

fn device(line: &str) -> Option<(String, Vec<PciAddress>)> {
    let mut words = line.split([' ', '\t', ',', '(', ')', '[', ']']);
    let name = words.find(|word| !word.is_empty())?.trim_end_matches(':');
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    let number = name.strip_prefix("switchtec")?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let addresses = words
        .filter_map(|word| {
            let word = word.to_ascii_lowercase();
            let whole = if word.matches(':').count() == 1 {
                format!("0000:{word}")
            } else {
                word
            };
            whole.parse().ok()
        })
        .collect();
    Some((format!("/dev/{name}"), addresses))
}

impl SwitchList {
    /// The one device that names a function of the same device as `upstream`; none where two do.
    pub fn of(&self, upstream: PciAddress) -> Option<&str> {
        let whole = |address: PciAddress| PciAddress {
            function: 0,
            ..address
        };
        let mut here = self.0.iter().filter(|(_, addresses)| {
            addresses
                .iter()
                .any(|&address| whole(address) == whole(upstream))
        });
        let (name, _) = here.next()?;
        here.next().is_none().then_some(name.as_str())
    }
}

/// One register of a switch: `1361D0 - 0x001D00FF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasWord {
    /// Where it stands.
    pub address: u32,
    /// What stands there.
    pub value: u32,
}

/// A text that shows no register, or more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`switchtec gas read` shows no register; look whether the switch runs its main firmware")]
pub struct SwitchtecError;

impl FromStr for GasWord {
    type Err = SwitchtecError;

    fn from_str(text: &str) -> Result<Self, SwitchtecError> {
        let lines = own_lines(text);
        let mut words = lines.iter().filter_map(|line| word(line));
        let only = words.next().ok_or(SwitchtecError)?;
        match words.next() {
            None => Ok(only),
            Some(_) => Err(SwitchtecError),
        }
    }
}

fn word(line: &str) -> Option<GasWord> {
    let (address, value) = line.split_once(" - ")?;
    let hex = |digits: &str, widths: RangeInclusive<usize>| {
        let digits = digits.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let whole = widths.contains(&digits.len()) && !digits.starts_with('+');
        whole.then(|| u32::from_str_radix(digits, 16).ok())?
    };
    Some(GasWord {
        address: hex(address, 6..=8)?,
        // A register has all of its digits; fewer are a part of one.
        value: hex(value, 8..=8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_found_by_the_address_on_its_line() {
        let list = "switchtec0\tPFX 52XG4\tB2\t3.70 B1F7\t0000:23:00.0\nswitchtec1    PSX 48XG3  [c1:00.1]\nswitchtec2\t\nswitchtecX 0000:25:00.0\n[15:58:55.536][x] switchtec9 0000:99:00.0\n";
        let Ok(seen) = list.parse::<SwitchList>();
        assert_eq!(seen.0.len(), 3);
        for (upstream, expected) in [
            ("0000:23:00.0", Some("/dev/switchtec0")),
            ("0000:23:00.1", Some("/dev/switchtec0")),
            ("0000:c1:00.0", Some("/dev/switchtec1")),
            ("0000:25:00.0", None),
            ("0000:99:00.0", None),
        ] {
            assert_eq!(seen.of(upstream.parse().unwrap()), expected, "{upstream}");
        }
        let Ok(twice) =
            "switchtec0 0000:23:00.0\r\nswitchtec1 0000:23:00.0\r\n".parse::<SwitchList>();
        assert_eq!(twice.of("0000:23:00.0".parse().unwrap()), None);
    }

    #[test]
    fn a_register_is_one_line() {
        for (text, expected) in [
            ("1361D0 - 0x001D00FF\n", Some((0x13_61d0, 0x001d_00ff))),
            ("1361D0 - 0x001D00FF\r\n", Some((0x13_61d0, 0x001d_00ff))),
            ("0x1361D0 - 0xFFFFFFFF\n", Some((0x13_61d0, u32::MAX))),
            (
                "\u{1b}[1m1361D0\u{1b}[0m - 0x001d00ff\n",
                Some((0x13_61d0, 0x001d_00ff)),
            ),
            (
                "1361D0 - 0x00[15:58:55.536][error] z\n1D00FF\n",
                Some((0x13_61d0, 0x001d_00ff)),
            ),
            // Cut off, torn apart, and of another width: a part of a register is none.
            ("1361D0 - 0x001D00FF", None),
            ("1361D0 - 0x001D0\n", None),
            ("1361D0 - 0x00[15:58:55.536][error] z\n", None),
            ("1361D0 - 0x00000001\n1361D4 - 0x00000002\n", None),
            ("1361D0 - 0xFFFF\n", None),
            ("GAS is only available with Main Firmware!\n", None),
            ("1361D0 - 0x1FFFFFFFF\n", None),
            ("1361D0 - \n", None),
            ("", None),
        ] {
            let seen = text.parse::<GasWord>().ok().map(|w| (w.address, w.value));
            assert_eq!(seen, expected, "{text}");
        }
    }
}
