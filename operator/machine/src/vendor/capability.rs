//! The line of a SoC's capabilities, `HybridBoot+ MDP+`.
//!
//! Format: documented in part (`MDP+` for what is on), and otherwise inferred. That a sign `-` says the contrary, and that a line
//! may be wrapped, nobody has published.
use super::log::BREAK;

/// The capability to be partitioned over several devices.
const PARTITIONING: &str = "MDP";

/// Whether multi-device partitioning is on: the word `MDP+`, and nothing else, says so. Beside `MDP-` it says nothing. Its absence
/// says that it is off where all words are whole capabilities: not where the line was broken, and the word may be too, nor where
/// something else stands there (`N/A`, a number).
pub(super) fn partitioned(line: &str) -> Option<bool> {
    let words = line.split([' ', '\t', ',', ';', BREAK]);
    let words: Vec<_> = words.filter(|word| !word.is_empty()).map(signed).collect();
    let broken = line.contains(BREAK);
    let whole = words.iter().all(Option::is_some);
    if broken && !whole {
        return None;
    }
    let mut said = (words.into_iter().flatten())
        .filter(|(name, _)| *name == PARTITIONING)
        .map(|(_, on)| on);
    match said.next() {
        Some(first) => said.all(|on| on == first).then_some(first),
        None => (whole && !broken).then_some(false),
    }
}

/// A capability's name and whether a SoC has it; none for a word that is no name with a sign.
fn signed(word: &str) -> Option<(&str, bool)> {
    let name = word.strip_suffix(['+', '-'])?;
    // What has it in its name may be it, in another spelling or run together with the one before.
    let may_be = name != PARTITIONING && name.to_ascii_uppercase().contains(PARTITIONING);
    let whole = name.starts_with(|sign: char| sign.is_ascii_alphabetic())
        && !name.ends_with('-')
        && !may_be
        && name
            .bytes()
            .all(|sign| sign.is_ascii_graphic() && sign != b'+');
    whole.then(|| (name, word.ends_with('+')))
}
