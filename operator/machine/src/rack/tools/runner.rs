//! `qaic-runner` with the P2P test: what it says follows from the registers as they are. It compares where it is told to (`-o`),
//! as the vendor's open runner does, and says so; it says nothing of the data where it is not.
use crd::{
    id::{PciAddress, Qid},
    kind::rack::Fault,
    step::ACS_REDIRECT_MASK,
};

use super::{after, complained, phase, qids, reachable, said};
use crate::{
    access::{Depth, ToolOutput},
    rack::{
        files::View,
        registers::acs_offset,
        server::open_by,
        soc_live::Phase,
        world::{Nature, World},
    },
};

/// What comes of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transfer {
    Good,
    /// Fast, and every byte wrong: what peers behind a redirecting switch were seen to deliver.
    Corrupt,
    Refused,
}

pub(super) fn run(view: &View<'_>, seed: u32, arguments: &[String]) -> ToolOutput {
    let devices: Option<Vec<Qid>> = after(arguments, "-D").and_then(|map| {
        map.split(':')
            .map(|qid| qid.parse().ok().map(Qid))
            .collect()
    });
    let Some(devices) = devices else {
        return complained("usage: qaic-runner -t DIR -D q0:q1\n", 1);
    };
    let numbers = qids(view, seed);
    let mut members: Vec<PciAddress> = Vec::new();
    for qid in devices {
        let Some((&address, _)) = numbers.iter().find(|&(_, known)| *known == qid) else {
            return complained(&format!("Device {qid} invalid\n"), 255);
        };
        members.push(address);
    }
    for &address in &members {
        if !reachable(view, address) || phase(view, address) != Some(Phase::Ready) {
            return complained(&format!("Failed to open device {address}\n"), 1);
        }
        let held = view.function(address).is_some_and(|(_, function)| {
            open_by(view.live(), Depth::Whole)
                .iter()
                .any(|(path, _, _)| *path == function.path)
        });
        if held {
            return complained(
                &format!("Failed to open device {address}: Device or resource busy\n"),
                1,
            );
        }
    }
    let mut worst = Transfer::Good;
    for pair in members.windows(2) {
        match transfer(view, pair[0], pair[1]) {
            Transfer::Refused => return complained("Failed to access P2P device\n", 1),
            Transfer::Corrupt => worst = Transfer::Corrupt,
            Transfer::Good => {}
        }
    }
    let validates = arguments.iter().any(|argument| argument == "-o");
    let verdict = match (validates, worst) {
        (true, Transfer::Corrupt) => "Output validation failed: 4194304 of 4194304 bytes differ\n",
        (true, Transfer::Good | Transfer::Refused) => "Output validation passed\n",
        (false, _) => "",
    };
    // The vendor's runner does 40 where nobody says how many.
    let count = after(arguments, "-n").and_then(|count| count.parse::<u32>().ok());
    let count = count.unwrap_or(40);
    // Bandwidth looks fine and the exit code is 0 even where the data is wrong.
    said(
        &format!(
            "{verdict}---- Stats ----\nInferenceCnt {count} TotalDuration 17598us BatchSize 1 Inf/Sec 568.246\n"
        ),
        0,
    )
}

fn transfer(view: &View<'_>, from: PciAddress, to: PciAddress) -> Transfer {
    let world = &view.loaded.world;
    let (Some((one, _)), Some((other, _))) = (view.function(from), view.function(to)) else {
        return Transfer::Refused;
    };
    for index in [one, other] {
        let function = &world.functions[index];
        let ready = match &function.nature {
            Nature::Soc(part) => {
                let mdp = view
                    .live()
                    .socs
                    .get(&function.path)
                    .is_some_and(|soc| soc.mdp);
                mdp && part.bar4_kib >= 2 << 20
            }
            Nature::Port(_) | Nature::Other => false,
        };
        if !ready {
            return Transfer::Refused;
        }
    }
    let Some((left, right)) = world.divergence(one, other) else {
        return Transfer::Refused;
    };
    if view.live().faults.contains(&Fault::P2pCorrupt(to)) {
        return Transfer::Corrupt;
    }
    match (redirects(view, world, left), redirects(view, world, right)) {
        (None, None) => Transfer::Good,
        // A card's own switch drops what it redirects; a host switch sends it up, and what comes back is not the data.
        (Some(OnCard::Yes), _) | (_, Some(OnCard::Yes)) => Transfer::Refused,
        (Some(OnCard::No), _) | (_, Some(OnCard::No)) => Transfer::Corrupt,
    }
}

/// Whether a redirecting port belongs to a card's own switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnCard {
    Yes,
    No,
}

fn redirects(view: &View<'_>, world: &World, index: usize) -> Option<OnCard> {
    let function = &world.functions[index];
    let at = acs_offset(function)? + 6;
    let image = view.image(function);
    let control = u16::from_le_bytes([*image.get(at)?, *image.get(at + 1)?]);
    if control & ACS_REDIRECT_MASK == 0 {
        return None;
    }
    match &function.nature {
        Nature::Port(port) if port.on_card => Some(OnCard::Yes),
        Nature::Port(_) | Nature::Soc(_) | Nature::Other => Some(OnCard::No),
    }
}
