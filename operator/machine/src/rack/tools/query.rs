//! `qaic-util -q`: one block a SoC in the text of three SDK generations, with log lines between, and the JSON of the later ones.
use std::{fmt::Write, fs};

use crd::{
    Unknown,
    id::{PciAddress, Qid},
    kind::rack::{Server, Sku},
    snapshot::Soc,
};
use serde_json::{Map, Value};

use super::{after, complained, qids, reachable, said};
use crate::{
    access::{Depth, ToolOutput},
    rack::{
        files::View,
        host::{Generation, minor, platform},
        recorded,
        soc_live::{Phase, SocLive},
        world::{Function, SocPart},
    },
    vendor::{QueryText, sku_number},
};

pub(super) fn run(view: &View<'_>, seed: u32, arguments: &[String]) -> ToolOutput {
    let file = after(arguments, "-j");
    if file.is_some() && !has_json(view.server) {
        return complained("qaic-util: invalid option -- 'j'\n", 255);
    }
    let output = printed(view, seed, arguments);
    if let Some(file) = file
        && let Err(error) = fs::write(file, json(&output.stdout, Generation::of(view.server)))
    {
        // What cannot be written is no failure of the query.
        return ToolOutput {
            stderr: format!("cannot write {file}: {error}\n"),
            ..output
        };
    }
    output
}

/// Whether the tool knows `-j`: not in the first generation, which is our guess; where a recording says, as recorded.
fn has_json(server: &Server) -> bool {
    match &server.recorded {
        Some(recorded) => {
            let from_file = |soc: &Soc| soc.status.source.starts_with("qaic-util -q -j ");
            recorded.socs.iter().any(from_file)
        }
        None => Generation::of(server) != Generation::First,
    }
}

/// The file's text: the five keys of which anything is known, and with them no more than the blocks say.
fn json(printed: &str, generation: Generation) -> String {
    let Ok(QueryText { devices, .. }) = printed.parse();
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
    let list: Vec<Value> = devices
        .iter()
        .map(|device| {
            let mut object = Map::new();
            object.insert("qid".to_owned(), device.qid.0.into());
            if let Some(status) = device.field("Status") {
                object.insert("dev_status".to_owned(), status.into());
            }
            for (key, shown) in [("nsp_total", "Nsp Total"), ("nsp_free", "Nsp Free")] {
                if let Some(number) = number(device.field(shown)) {
                    object.insert(key.to_owned(), number.into());
                }
            }
            if let (Some(sku), Generation::Third) = (device.sku(), generation) {
                let value = sku_number(sku).map_or_else(|| sku.into(), Value::from);
                object.insert("sku_type".to_owned(), value);
            }
            Value::Object(object)
        })
        .collect();
    format!("{:#}\n", serde_json::json!({ "device_info": list }))
}

fn printed(view: &View<'_>, seed: u32, arguments: &[String]) -> ToolOutput {
    if !arguments
        .iter()
        .any(|argument| argument == "-q" || argument == "--query")
    {
        return said("", 0);
    }
    let generation = Generation::of(view.server);
    let qids = qids(view, seed);
    // A SoC in reset answers nobody, so that the tool shows one fewer and says nothing.
    let mut shown: Vec<(Qid, PciAddress, &SocPart, &SocLive)> = view
        .socs()
        .filter(|&(_, _, _, phase)| phase != Phase::Resetting)
        .filter(|(_, function, _, _)| is_told(view, function))
        .filter_map(|(_, function, part, _)| {
            let soc = view.live().socs.get(&function.path)?;
            let qid = *qids.get(&function.address)?;
            Some((qid, function.address, part, soc))
        })
        .collect();
    shown.sort_by_key(|&(qid, ..)| qid);
    if shown.is_empty() {
        return said("", 0);
    }
    let mut text =
        String::from("LRT QC_IMAGE_VERSION: LRT.AIC.5.2.1.5.6\nLRT IMAGE_VARIANT: LRT.AIC.REL\n");
    let count = match generation {
        Generation::First => "Number of devices",
        Generation::Second | Generation::Third => "Number of devices queried",
    };
    line(&mut text, "", &format!("{count}: {}", shown.len()));
    for (qid, address, part, soc) in shown {
        line(&mut text, "", &format!("QID {qid}"));
        let reached = reachable(view, address);
        let (phase, mdp) = soc.told(view.now);
        let phase = if reached { phase } else { Phase::Error };
        if phase == Phase::Error {
            // The real tool logs on the stream that it prints to, wherever it happens to be.
            line(
                &mut text,
                "",
                &format!(
                    "[15:58:55.536][error][LogCommon][openDevice:#68] Failed to open device /dev/accel/accel{}",
                    soc.accel
                ),
            );
        }
        let shown = view
            .function(address)
            .and_then(|(_, function)| function.shown.as_deref());
        match shown.and_then(|shown| Some((shown, shown.soc.as_ref()?))) {
            Some((shown, recorded)) => {
                recorded::block(&mut text, view, address, shown, recorded, (phase, mdp), soc);
            }
            None => block(
                &mut text,
                view,
                generation,
                address,
                part,
                (phase, mdp),
                soc,
            ),
        }
    }
    said(&text, 0)
}

/// Whether the tool shows a SoC: one that it left out of a recording it leaves out until the SoC is reset.
fn is_told(view: &View<'_>, function: &Function) -> bool {
    let left_out = function
        .recorded_soc()
        .is_some_and(|soc| soc.status.unknown == Some(Unknown::ToolFailed));
    let resets = view
        .live()
        .socs
        .get(&function.path)
        .map_or(0, |soc| soc.resets);
    !left_out || resets > 0
}

fn block(
    text: &mut String,
    view: &View<'_>,
    generation: Generation,
    address: PciAddress,
    part: &SocPart,
    (phase, mdp): (Phase, bool),
    soc: &SocLive,
) {
    let indent = match generation {
        Generation::First | Generation::Third => "        ",
        Generation::Second => "\t",
    };
    let mut say = |key: &str, value: &str| line(text, indent, &format!("{key}:{value}"));
    say(
        "Status",
        match phase {
            Phase::Ready => "Ready",
            Phase::Resetting | Phase::Initializing => "Initializing",
            Phase::Error => "Error",
        },
    );
    say("MHI ID", &soc.mhi.to_string());
    say("PCI Address", &address.to_string());
    say("PCI Info", "Qualcomm Device a100");
    say("Max Link Speed", "16GT/s");
    say("Max Link Width", "x8");
    say("Current Link Speed", "16GT/s");
    say("Current Link Width", "x8");
    say("Dev Link", "");
    if phase == Phase::Ready {
        let holders = crate::rack::server::open_by(view.live(), Depth::Files);
        let busy = holders.iter().any(|(path, _, _)| {
            view.function(address)
                .is_some_and(|(_, function)| function.path == *path)
        });
        let free = if busy { 0 } else { part.cores };
        say("HW Version", "2.0.0.0");
        say(
            "HW Serial",
            &format!("0x{:08x}", part.serial.0.parse::<u32>().unwrap_or(0)),
        );
        say("FW Version", "1.21.3");
        say("FW QC_IMAGE_VERSION", "AIC100.SBL.1.21.3");
        say("FW OEM_IMAGE_VERSION", "");
        say("FW IMAGE_VARIANT", "AIC100.REL");
        say("NSP IMAGE_VARIANT", "aic100.nsp.prodQ");
        let dram = u64::from(part.dram_mib);
        let memory = match generation {
            Generation::First | Generation::Second => format!("{dram} MB"),
            Generation::Third => format!("{} KB", dram * 1024),
        };
        say("Dram Total", &memory);
        say("Dram Free", &memory);
        say("Dram Fragmentation", "0.00%");
        say("Vc Total", "16");
        say("Vc Free", "16");
        say("Nsp Total", &part.cores.to_string());
        say("Nsp Free", &free.to_string());
        say("Semaphore Total", "32");
        // The one key with a space before its value.
        say(
            "NSP Defective PG Mask",
            &format!(" 0x{:X}", mask(part.cores)),
        );
        // Multi-device partitioning came with 1.17, and so did the line that shows it.
        if minor(platform(view.server)) >= 17 {
            let mdp = if mdp { " MDP+" } else { "" };
            say("Device Capabilities", &format!(" HybridBoot+{mdp}"));
        }
    }
    if generation == Generation::Third {
        say("Sku Type", sku(part.sku));
    }
    say("Board serial", &part.board_serial);
    if phase == Phase::Ready {
        say("SoC temperature(degree C)", "41");
        say("Board power(Watts)", "18.5");
        say("TDP Cap(Watts)", "75.0");
    }
}

/// Cores that are fused off, from the top.
fn mask(cores: u32) -> u32 {
    0xffff_u32 & !((1_u32 << cores.min(16)) - 1)
}

fn sku(sku: Sku) -> &'static str {
    match sku {
        Sku::Standard => "PCIe",
        Sku::Pro => "PCIe Pro",
        Sku::Ultra => "PCIe Ultra",
        Sku::Standard080 => "PCIe 080",
        Sku::Ultra080 => "PCIe Ultra 080",
    }
}

fn line(text: &mut String, indent: &str, content: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{indent}{content}");
}
