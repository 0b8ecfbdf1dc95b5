//! `qaic-util -q`: blocks of `key:value` in the layouts of every SDK generation, with log lines anywhere between.
//!
//! Format: observed up to 1.10 (published captures), and after that documented in part (field names, `MDP+`) and inferred from
//! the vendor's open runtime. Key order, indentation, line ends and units differ between versions, and none of them is relied on.
use std::{collections::BTreeMap, convert::Infallible, str::FromStr};

use crd::{
    id::{MhiId, PciAddress, Qid},
    snapshot::SocStatus,
};

use super::{
    capability,
    log::{BREAK, is_sentence, mended_lines},
};

/// One SoC as the tool shows it. What the tool left out is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its number until the driver or the machine starts anew.
    pub qid: Qid,
    /// Every `key:value` of its block, the unknown ones too. A key that was printed with two values has none that is known.
    pub fields: BTreeMap<String, String>,
    /// Whether another SoC's number stands within its block: whose the fields are cannot be told then, nor whether this is its
    /// number. Its address alone is kept, so that it is known of whom nothing is.
    pub doubtful: bool,
}

/// The key of what everything is joined on.
const ADDRESS: &str = "PCI Address";
/// The key of what it can do.
const CAPABILITIES: &str = "Device Capabilities";
/// What stands in the place of two values of one key: a block's border was lost, or somebody else's line is in it.
const TWO: &str = "more than one";

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

    /// A field's value, however the key is spaced or capitalised in this version; none where it is empty.
    pub fn field(&self, key: &str) -> Option<&str> {
        self.text(key).filter(|value| !value.is_empty())
    }

    /// Whether anything stands there, whatever it means.
    pub fn says(&self, key: &str) -> bool {
        self.field(key).is_some()
    }

    /// As [`Device::field`], for names and words. None of them has a colon or a bracket: one that does has somebody else's line
    /// in it, and half a name is another name.
    fn word(&self, key: &str) -> Option<&str> {
        self.field(key).filter(|value| is_word(value))
    }

    /// Whether a key was printed with two values, or with one that may be another SoC's.
    pub fn is_ambiguous(&self, key: &str) -> bool {
        self.doubtful || self.raw(key) == Some(TWO)
    }

    /// As [`Device::field`], empty values too.
    fn text(&self, key: &str) -> Option<&str> {
        self.raw(key).filter(|value| *value != TWO)
    }

    fn raw(&self, key: &str) -> Option<&str> {
        let mut alike = (self.fields.iter()).filter(|(known, _)| is_alike(known, key));
        let (_, value) = alike.next()?;
        // Two spellings of one key are one key.
        let two = alike.any(|(_, other)| !other.eq_ignore_ascii_case(value));
        Some(if two { TWO } else { value })
    }

    /// Its PCI address, by which it is joined with everything else.
    pub fn address(&self) -> Option<PciAddress> {
        let text = self.field(ADDRESS)?.to_ascii_lowercase();
        let whole = if text.matches(':').count() == 1 {
            // Without its domain it is in the first.
            format!("0000:{text}")
        } else {
            text
        };
        whole.parse().ok()
    }

    /// Its state. Words that nobody knows are kept, and are not `Ready`.
    pub fn status(&self) -> Option<SocStatus> {
        Some(match self.word("Status")? {
            "Ready" => SocStatus::Ready,
            "Initializing" => SocStatus::Initializing,
            "Error" => SocStatus::Error,
            other => SocStatus::Other(other.chars().take(64).collect()),
        })
    }

    /// Its MHI number.
    pub fn mhi(&self) -> Option<MhiId> {
        self.field("MHI ID")?.parse().ok().map(MhiId)
    }

    /// Cores that work. A number that no SoC has is none.
    pub fn cores(&self) -> Option<u32> {
        let cores = self.field("Nsp Total")?.parse().ok()?;
        (1..=MOST_CORES).contains(&cores).then_some(cores)
    }

    /// Cores that no program has; more than there are is no number of them.
    pub fn cores_free(&self) -> Option<u32> {
        let free = self.field("Nsp Free")?.parse().ok()?;
        let most = match self.field("Nsp Total") {
            Some(_) => self.cores()?,
            None => MOST_CORES,
        };
        (free <= most).then_some(free)
    }

    /// Memory in MiB, some of it and less than 1 TiB; the unit is the line's own, bytes or any of `KB`, `MB`, `GB`, all of them binary. A number without a unit
    /// is none.
    pub fn dram_mib(&self) -> Option<u64> {
        let text = self.field("Dram Total")?;
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = text.split_at(end);
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        // Three digits behind the point are as many as anybody prints.
        let part: u64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
        let whole: u64 = whole.parse().ok()?;
        let thousandths = whole.checked_mul(1000)?.checked_add(part)?;
        let bytes: u64 = match unit.trim().to_ascii_uppercase().as_str() {
            "B" | "BYTES" => 1,
            "KB" | "KIB" => 1 << 10,
            "MB" | "MIB" => 1 << 20,
            "GB" | "GIB" => 1 << 30,
            _ => return None,
        };
        let bytes = u128::from(thousandths) * u128::from(bytes);
        let mib = u64::try_from(bytes / 1000 / (1 << 20)).ok()?;
        (1..MOST_MIB).contains(&mib).then_some(mib)
    }

    /// Whether multi-device partitioning is on, as its capabilities say; none where this SDK prints no such line, or the SoC is
    /// not ready.
    pub fn mdp(&self) -> Option<bool> {
        let line = self.text(CAPABILITIES).filter(|line| is_word(line))?;
        capability::partitioned(line)
    }

    /// Its SKU in the tool's words.
    pub fn sku(&self) -> Option<&str> {
        self.word("Sku Type")
    }

    /// Its board's serial.
    pub fn board_serial(&self) -> Option<&str> {
        self.word("Board serial")
    }

    /// Its firmware's version.
    pub fn firmware(&self) -> Option<&str> {
        self.word("FW Version")
    }
}

/// Four times the 16 cores of a SoC of today.
const MOST_CORES: u32 = 64;
/// Bytes of a name, a version or a line of capabilities: many times what any version prints.
const MOST_WORD: usize = 1024;
/// Of a SoC; those of today have 32 GiB at most.
const MOST_MIB: u64 = 1 << 20;

fn is_word(value: &str) -> bool {
    value.len() <= MOST_WORD && !value.contains([':', '[', ']'])
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

/// Whether two keys are one, however they are written.
fn is_alike(key: &str, other: &str) -> bool {
    folded(key).eq(folded(other))
}

/// A key without what versions write differently: case, spaces, dashes and underscores.
pub(super) fn fold(key: &str) -> String {
    folded(key).map(char::from).collect()
}

fn folded(key: &str) -> impl Iterator<Item = u8> {
    let signs = key.bytes().filter(u8::is_ascii_alphanumeric);
    signs.map(|sign| sign.to_ascii_lowercase())
}
