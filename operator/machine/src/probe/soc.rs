//! SoCs: what the kernel shows of each, joined on PCI address with what the vendor's tool says.
//!
//! Format: ids and the accel class are documented (the PCI list, the kernel's driver); the query's flags are documented, what it
//! prints is observed, documented in part and inferred (see `vendor`), and its JSON inferred.
use std::time::Duration;

use crd::{
    Fact, Unknown,
    id::{AccelMinor, PciAddress, Word},
    snapshot::{PciFunction, SkuKind, Soc, SocStatus},
};

use super::{mhi::Controllers, pci::DEVICES, reach::reason};
use crate::{
    access::{Invocation, MOST_OUTPUT, ToolError, ToolOutput},
    machine::Machine,
    vendor::{Device, Joined, join, own_size},
};

/// The vendor's tool for queries and resets.
pub(crate) const QUERY_TOOL: &str = "/opt/qti-aic/tools/qaic-util";
/// How long a query may take; SoCs that boot make it slow.
pub(crate) const QUERY_DEADLINE: Duration = Duration::from_mins(1);

/// Whether a function is an AI 100 or AI 080 SoC: vendor and device together, because modems share vendor and class.
pub(crate) fn is_soc(function: &PciFunction) -> bool {
    function.vendor == Word(0x17cb) && matches!(function.device, Word(0xa100 | 0xa080))
}

/// What the vendor's tool says, by address; or why it says nothing.
pub(crate) type Answer = Result<Joined, Unknown>;

/// Asks the vendor's tool, for its JSON beside its text where it has any. Its exit code proves nothing; a device is known by
/// its block alone, and an answer is one where it shows every SoC that is `expected`, and some where none is.
pub(crate) fn query(machine: &Machine, expected: &[PciAddress]) -> Answer {
    const FILE: &str = "query.json";
    let end = machine.now().plus(QUERY_DEADLINE);
    let mut call = Invocation::new(
        QUERY_TOOL,
        &["-q", "-j", "{dir}/query.json"],
        QUERY_DEADLINE,
    );
    call.results = vec![FILE.to_owned()];
    // A version that does not know the flag refuses the call, dies of it, takes what follows for something else, or prints its
    // help and ends with 0.
    let shown = |joined: &Joined| {
        let shown = expected
            .iter()
            .filter(|soc| joined.devices.contains_key(soc));
        (shown.count(), joined.devices.len())
    };
    let said = match machine.run(&call) {
        Ok(output) if output.timed_out => return Err(Unknown::ToolFailed),
        Ok(output) => {
            let file = output.files.iter().find(|(name, _)| name == FILE);
            // What is too long in the file says nothing against the text.
            let file = file.filter(|(_, text)| text.len() <= MOST_ANSWER);
            whole(&output).map(|()| {
                let file = file.map(|(_, text)| text.as_str());
                join(output.status, &output.stdout, file)
            })
        }
        Err(ToolError::Missing { .. }) => return Err(Unknown::ToolMissing),
        // Where no file can be written, there is the text.
        Err(ToolError::Start { .. }) => Err(Unknown::ToolFailed),
    };
    if let Ok(joined) = &said
        && !joined.devices.is_empty()
        && shown(joined).0 == expected.len()
    {
        return said;
    }
    // Both calls together have the time of one.
    let left = machine.now().until(end);
    let output = match machine.run(&Invocation::new(QUERY_TOOL, &["-q"], left)) {
        Ok(output) => output,
        Err(ToolError::Missing { .. }) => return Err(Unknown::ToolMissing),
        Err(ToolError::Start { .. }) => return Err(Unknown::ToolFailed),
    };
    let plain = whole(&output).map(|()| join(output.status, &output.stdout, None));
    match (said, plain) {
        (Ok(said), Ok(plain)) if shown(&plain) > shown(&said) => Ok(plain),
        (Ok(said), _) if !said.devices.is_empty() => Ok(said),
        (_, plain) => plain,
    }
}

/// More than this is no answer: 128 SoCs take half a mebibyte, and what is read takes many times its size. Log lines between
/// are no part of it: they are dropped before anything is made of the rest, and there may be as many as a machine reads.
const MOST_ANSWER: usize = 2 << 20;

/// A tool that was cut short may have printed half a block: then no block can be trusted to be whole.
fn whole(output: &ToolOutput) -> Result<(), Unknown> {
    if output.timed_out || output.status.is_none() {
        return Err(Unknown::ToolFailed);
    }
    // What is no text only grows when it is made text.
    let cut = output.stdout.len() >= MOST_OUTPUT;
    if cut || own_size(&output.stdout) > MOST_ANSWER {
        return Err(Unknown::TooLong);
    }
    Ok(())
}

pub(crate) fn socs(machine: &Machine, functions: &[PciFunction], answer: &Answer) -> Vec<Soc> {
    let controllers = Controllers::list(machine);
    functions
        .iter()
        .filter(|function| is_soc(function))
        .map(|function| soc(machine, function, &controllers, answer))
        .collect()
}

fn soc(
    machine: &Machine,
    function: &PciFunction,
    controllers: &Controllers,
    answer: &Answer,
) -> Soc {
    let address = function.address;
    let said = Said { answer, address };
    Soc {
        address,
        path: function.path.clone(),
        serial: controllers.serial(machine, address),
        qid: said.fact("QID", |device| Some(device.qid)),
        mhi: controllers.id(address),
        accel: accel(machine, address),
        status: said.fact("Status", Device::status),
        mdp: said.ready("Device Capabilities", Device::mdp),
        cores: said.ready("Nsp Total", Device::cores),
        cores_free: said.ready("Nsp Free", Device::cores_free),
        dram_mib: said.ready("Dram Total", Device::dram_mib),
        sku: said.fact("Sku Type", |device| {
            device.sku().map(|sku| SkuKind(sku.to_owned()))
        }),
        board_serial: said.fact("Board serial", |device| {
            device.board_serial().map(str::to_owned)
        }),
        firmware: said.ready("FW Version", |device| device.firmware().map(str::to_owned)),
    }
}

/// What the vendor's tool says about one SoC.
#[derive(Clone, Copy)]
struct Said<'a> {
    answer: &'a Answer,
    address: PciAddress,
}

impl Said<'_> {
    fn device(&self) -> Result<Option<&Device>, Unknown> {
        match self.answer {
            Ok(joined) => Ok(joined.devices.get(&self.address)),
            Err(why) => Err(*why),
        }
    }

    /// A field; `Absent` where the block does not have it.
    fn fact<T>(self, key: &str, field: impl FnOnce(&Device) -> Option<T>) -> Fact<T> {
        self.field(key, Unknown::Absent, field)
    }

    /// A field that the tool prints for a ready SoC alone.
    fn ready<T>(self, key: &str, field: impl FnOnce(&Device) -> Option<T>) -> Fact<T> {
        let status = self.device().ok().flatten().and_then(Device::status);
        let why = if status == Some(SocStatus::Ready) {
            Unknown::Absent
        } else {
            Unknown::NotReady
        };
        self.field(key, why, field)
    }

    fn field<T>(
        self,
        key: &str,
        otherwise: Unknown,
        field: impl FnOnce(&Device) -> Option<T>,
    ) -> Fact<T> {
        let at = (self.address, key.to_owned());
        let (json, contradicted) = match self.answer {
            Ok(joined) => (
                joined.from_json.contains(&at),
                joined.contradicted.contains(&at),
            ),
            Err(_) => (false, false),
        };
        let flags = if json || contradicted { "-q -j" } else { "-q" };
        let source = format!("qaic-util {flags} {}: {key}", self.address);
        match self.device() {
            Err(why) => Fact::unknown(why, source),
            // The function is on the bus and the tool left it out: it is not ready, or not ours to open.
            Ok(None) => Fact::unknown(Unknown::ToolFailed, source),
            // Its text and its file say different things, or the text does: none is believed.
            Ok(Some(device)) if contradicted || device.is_ambiguous(key) => {
                Fact::unknown(Unknown::Malformed, source)
            }
            Ok(Some(device)) => match field(device) {
                Some(value) => Fact::known(value, source),
                // It says something there, of which nothing can be made.
                None if device.says(key) => Fact::unknown(Unknown::Malformed, source),
                None => Fact::unknown(otherwise, source),
            },
        }
    }
}

fn accel(machine: &Machine, address: PciAddress) -> Fact<AccelMinor> {
    let path = format!("{DEVICES}/{address}/accel");
    match machine.list(&path) {
        Ok(names) => names
            .iter()
            .find_map(|name| name.strip_prefix("accel")?.parse().ok())
            .map_or_else(
                || Fact::unknown(Unknown::Malformed, path.clone()),
                |minor| Fact::known(AccelMinor(minor), path.clone()),
            ),
        Err(error) => Fact::unknown(reason(&error), path),
    }
}
