//! `qaic-util -q`: blocks of `key:value` in the layouts of every SDK generation, with log lines anywhere between.
//!
//! Format: observed up to 1.10 (published captures), and after that documented in part (field names, `MDP+`) and inferred from
//! the vendor's open runtime. Key order, indentation, line ends and units differ between versions, and none of them is relied on.
use std::{collections::BTreeMap, convert::Infallible, str::FromStr};

use crd::id::Qid;

use super::{
    device::{ADDRESS, CAPABILITIES, Device, TWO, is_alike},
    log::{BREAK, is_sentence, mended_lines},
};

/// The tool's whole output. Text that is none of its own gives no device; nothing is ever an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryText {
    /// Every block, in the order printed.
    pub devices: Vec<Device>,
    /// How many the tool says that it shows.
    pub announced: Option<u32>,
}

impl FromStr for QueryText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut seen = Self::default();
        let mut nobody = Device::of(Qid(0));
        let mut named = true;
        // Whether a block says a thing again: somebody else's line, or two blocks whose border was lost.
        let mut again = false;
        // Blocks whose address came only then.
        let mut late = Vec::new();
        // The field before, which may go on.
        let mut before: Option<Begun> = None;
        let mut lines = mended_lines(text);
        for line in &mut lines {
            // Half a capability is another one, or none.
            if !is_of(line, CAPABILITIES) {
                line.retain(|sign| sign != BREAK);
            }
        }
        // Blocks all begin at one depth: what stands deeper is within one, whatever it is.
        let numbered = lines.iter().filter(|line| number(line).is_some());
        let depth = numbered.map(|line| indent(line)).min().unwrap_or(0);
        for line in lines {
            let last = seen.devices.last_mut();
            match block_start(&line, depth) {
                Some(Start::Within(qid)) => {
                    let other = last.filter(|device| named && device.qid != qid);
                    other.into_iter().for_each(Device::doubt);
                }
                Some(Start::Of(qid)) if named && last.as_ref().is_some_and(|d| d.qid == qid) => {}
                Some(Start::Of(qid)) => {
                    (named, again, before) = (true, false, None);
                    seen.devices.push(Device::of(qid));
                }
                Some(Start::OfNobody) => named = false,
                None if !named => {
                    nobody.take(&line);
                }
                None => match last {
                    Some(device) if goes_on(&line) => {
                        if let Some(begun) = &before {
                            device.go_on(begun, &line);
                        }
                    }
                    Some(device) => {
                        if !line.trim().is_empty() {
                            before = Begun::by(&line);
                        }
                        if again && is_of(&line, ADDRESS) {
                            late.push(device.qid);
                        }
                        again |= device.take(&line);
                    }
                    None => seen.announced = seen.announced.or(announced(&line)),
                },
            }
        }
        let shown: Vec<Qid> = seen.devices.iter().map(|device| device.qid).collect();
        for device in &mut seen.devices {
            let next = Qid(device.qid.0.wrapping_add(1));
            let borders = shown.contains(&next) || seen.announced == Some(next.0);
            // A block is missing behind it, and its address may be that one's: the number went with the border.
            if late.contains(&device.qid) && !borders {
                device.disown(ADDRESS);
            }
        }
        Ok(seen)
    }
}

/// How a block begins.
enum Start {
    /// With a SoC's number.
    Of(Qid),
    /// With what must be a number and cannot be read: what follows is no SoC's that could be told.
    OfNobody,
    /// Not at all: a number within a block, of the same SoC or of another one.
    Within(Qid),
}

/// How a block begins, where blocks begin so deep.
fn block_start(line: &str, depth: usize) -> Option<Start> {
    let within = indent(line) > depth;
    match number(line) {
        Some(qid) if within => Some(Start::Within(qid)),
        Some(qid) => Some(Start::Of(qid)),
        None if within || !line.trim().starts_with("QID") || line.contains(':') => None,
        None => Some(Start::OfNobody),
    }
}

/// `QID 0` on a line of its own; some versions put a colon behind it.
fn number(line: &str) -> Option<Qid> {
    let rest = line.trim().strip_prefix("QID")?;
    let number = rest.trim_matches([' ', '\t', ':']);
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    number.parse().ok().filter(|_| plain).map(Qid)
}

/// `Number of devices: 8` (up to 1.7), `Number of devices queried: 1` (from 1.10).
fn announced(line: &str) -> Option<u32> {
    let (key, value) = line.split_once(':')?;
    key.trim()
        .starts_with("Number of devices")
        .then(|| value.trim().parse().ok())?
}

impl Device {
    fn of(qid: Qid) -> Self {
        Self {
            qid,
            fields: BTreeMap::new(),
            doubtful: false,
        }
    }

    /// Leaves nothing known of a SoC but where it is.
    fn doubt(&mut self) {
        self.doubtful = true;
        self.fields.retain(|key, _| is_alike(key, ADDRESS));
    }

    /// Adds a line's field, and says whether there was one of its key. Two values for one key are none.
    fn take(&mut self, line: &str) -> bool {
        let Some((key, value)) = line.split_once(':') else {
            return false;
        };
        let (key, value) = (key.trim().replace(BREAK, ""), value.trim());
        if self.doubtful && !is_alike(&key, ADDRESS) {
            return false;
        }
        let before = self.fields.insert(key.clone(), value.to_owned());
        let again = before.is_some();
        let moved = before.is_some_and(|before| !before.eq_ignore_ascii_case(value));
        if moved {
            self.fields.insert(key, TWO.to_owned());
        }
        again
    }

    /// Takes a further line of a field: capabilities go on there. Half a name or a number is another one, and whether a space or
    /// nothing stood at the break is not known: any other field has no value then. What is indented as the fields are is no
    /// field's, but a heading.
    fn go_on(&mut self, begun: &Begun, line: &str) {
        if !is_alike(&begun.key, CAPABILITIES) {
            if indent(line) != begun.indent {
                self.disown(&begun.key);
            }
            return;
        }
        // A list ends with a sign: what does not is a heading, and so is a line of dashes.
        let rest = line.trim();
        if !rest.ends_with(['+', '-']) || rest.len() > 1 && rest.bytes().all(|sign| sign == b'-') {
            return;
        }
        for (key, value) in &mut self.fields {
            if is_alike(key, CAPABILITIES) && value != TWO {
                value.push(BREAK);
                value.push_str(line.trim());
            }
        }
    }

    /// Makes a field's value one of two.
    fn disown(&mut self, what: &str) {
        for (key, value) in &mut self.fields {
            if is_alike(key, what) {
                TWO.clone_into(value);
            }
        }
    }
}

/// A field whose value may go on in the next line.
struct Begun {
    key: String,
    indent: usize,
}

impl Begun {
    fn by(line: &str) -> Option<Self> {
        let (key, _) = line.split_once(':')?;
        let (key, indent) = (key.trim().to_owned(), indent(line));
        Some(Self { key, indent })
    }
}

/// How many spaces and tabs a line begins with.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether a line tells of this.
fn is_of(line: &str, what: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(key, _)| is_alike(key, what))
}

/// Whether a line may be the rest of one that was too long: it has no key of its own, and is no complaint.
fn goes_on(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.contains(':') && !is_sentence(line)
}
