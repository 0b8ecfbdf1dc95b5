//! `rack`: makes a virtual machine room, and does to it what people and accidents do to a real one.
use std::{path::Path, time::Duration};

use crd::{
    diagnostic::Severity,
    id::PciAddress,
    kind::rack::Fault,
    load::{SourceText, load},
};
use machine::{
    Clock, Machine, RackError, RackServer, Replugged,
    rack::{self, Recipe},
};

use super::{replica, setting};
use crate::{
    cli::{
        Environment, FaultArgs, Format, HoldArgs, NewRackArgs, Place, PlugArgs, Printing, RackVerb,
        SetArgs, TargetArgs, WaitArgs,
    },
    console::Console,
    declared, document,
    exit::Exit,
    failure::Failure,
    room::{self, Opening, Room},
    state::{EngineLock, durable},
};

/// `rack`
pub fn run(verb: RackVerb, environment: &Environment, console: &Console) -> Result<Exit, Failure> {
    match verb {
        RackVerb::New(args) => new(&args, console),
        RackVerb::FromSnapshot(args) => replica::run(&args, console),
        RackVerb::Show { place, printing } => show(&place, printing, environment, console),
        RackVerb::Set(SetArgs {
            place,
            target,
            value,
        }) => each(&place, environment, console, |server| {
            server.set(&target, &value)
        }),
        RackVerb::Plug(PlugArgs {
            place,
            target,
            card,
        }) => {
            let port = address(&target)?;
            one_of(&place, environment, console, |server| {
                server.plug(port, &card)
            })
        }
        RackVerb::Unplug(TargetArgs { place, target }) => {
            let address = address(&target)?;
            one_of(&place, environment, console, |server| {
                server.unplug(address)
            })
        }
        RackVerb::Replug(TargetArgs { place, target }) => {
            one_of(&place, environment, console, |server| {
                let back = server.replug(&target)?;
                if back == Replugged::AtTheNextBoot {
                    console.note("note: it was out at the last boot and has no bus numbers: `shardplane rack reboot` gives it some, and it shows up");
                }
                Ok(())
            })
        }
        RackVerb::ResetSoc(TargetArgs { place, target }) => {
            let address = address(&target)?;
            one_of(&place, environment, console, |server| {
                server.reset_soc(address)
            })
        }
        RackVerb::Hold(HoldArgs {
            place,
            target,
            by,
            pid,
            release,
        }) => {
            let soc = address(&target)?;
            one_of(&place, environment, console, |server| {
                if release {
                    server.release(soc)
                } else {
                    server.hold(soc, &by, pid)
                }
            })
        }
        RackVerb::Fault(FaultArgs {
            place,
            fault,
            clear,
        }) => {
            let fault = fault.as_deref().map(str::parse::<Fault>).transpose();
            let fault = fault.map_err(|error| Failure::said(Exit::Usage, error.to_string(), ""))?;
            match (fault, clear) {
                (fault, true) => each(&place, environment, console, |server| {
                    server.clear_faults(fault.as_ref())
                }),
                (Some(fault), false) => each(&place, environment, console, |server| {
                    server.fault(fault.clone())
                }),
                (None, false) => Err(Failure::said(Exit::Usage, "name a fault, or --clear", "")),
            }
        }
        RackVerb::Reboot(args) => each(&args.place, environment, console, RackServer::reboot),
        RackVerb::Wait(WaitArgs { place, seconds }) => {
            let passing = Duration::from_secs(seconds.into());
            each(&place, environment, console, |server| server.wait(passing))
        }
        RackVerb::Reseed(args) => reseed(&args.place, environment, console),
    }
}

fn new(args: &NewRackArgs, console: &Console) -> Result<Exit, Failure> {
    let recipe = Recipe {
        name: args.name.clone().unwrap_or_else(|| named_after(&args.file)),
        cards: Recipe::cards(&args.cards)?,
        switches: args.switches,
        servers: args.servers,
        seed: args.seed,
    };
    let text = document::yaml(&rack::generate(&recipe)?)?;
    // What was asked for may be no rack: a name, say, of which no file or object can be made.
    let read = load(&[SourceText::new("the new rack", &text)]);
    let mut found = read.diagnostics.iter();
    if let Some(wrong) = found.find(|found| found.severity == Severity::Error) {
        return Err(Failure::said(
            Exit::Usage,
            format!("{}; nothing was written", wrong.message),
            "give another value",
        ));
    }
    put_new(&args.file, &text, console)
}

/// The name of a rack of which nobody said one: its file's, as far as a name may hold it. State is kept by name, so that two
/// files of one folder are two racks.
fn named_after(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = stem.chars().map(allowed).take(60).collect();
    match name.trim_matches('-') {
        "" => "rack".to_owned(),
        name => name.to_owned(),
    }
}

/// Prints a rack file, or writes it where there is none yet.
pub(super) fn put_new(file: &Path, text: &str, console: &Console) -> Result<Exit, Failure> {
    if file.as_os_str() == "-" {
        console.document(text);
        return Ok(Exit::Ok);
    }
    if file.exists() {
        return Err(Failure::said(
            Exit::CannotWrite,
            format!("{} is there already", file.display()),
            "name another file, or remove this one first",
        ));
    }
    let write = |source| Failure::Write {
        path: file.display().to_string(),
        source,
    };
    durable::replace(file, text.as_bytes()).map_err(write)?;
    console.note(&format!(
        "{} written; look at it with `shardplane probe --rack {}`",
        file.display(),
        file.display()
    ));
    Ok(Exit::Ok)
}

fn show(
    place: &Place,
    printing: Printing,
    environment: &Environment,
    console: &Console,
) -> Result<Exit, Failure> {
    let room = open(place, environment, console, Opening::Look)?;
    let servers = servers(&room)?;
    match printing.output {
        Format::Text | Format::Wide => {
            let shown = servers
                .iter()
                .map(|server| server.show())
                .collect::<Result<Vec<_>, _>>()?;
            console.result(&format!("{}\n", shown.join("\n").trim_end()));
        }
        format @ (Format::Json | Format::Yaml) => {
            let shown = servers
                .iter()
                .map(|server| server.shown())
                .collect::<Result<Vec<_>, _>>()?;
            let value = serde_json::json!({ "room": room.title, "servers": shown });
            console.document(&document::print(&value, format)?);
        }
    }
    Ok(Exit::Ok)
}

fn reseed(place: &Place, environment: &Environment, console: &Console) -> Result<Exit, Failure> {
    let path = place.rack.as_deref().ok_or(RackError::NotARack)?;
    let file = declared::rack(path, console)?;
    let name = &file.rack.metadata.name;
    let state_dir = place
        .state_dir
        .as_ref()
        .map(|dir| setting::absolute(dir, environment));
    let root = room::root(
        state_dir.as_deref(),
        environment.state_home().as_deref(),
        name,
    )?;
    durable::make_folder(&root).map_err(|source| Failure::Write {
        path: root.display().to_string(),
        source,
    })?;
    // Nobody may be working while registers, journals and ledgers are put aside.
    let holder = setting::holder("rack reseed");
    let _lock = EngineLock::take(&root, &holder)?;
    rack::alone(&file.rack, &root)?;
    archive(&root.join(name), console)?;
    rack::reseed(&file.rack, &file.digest, &root)?;
    console.result(&format!(
        "rack {name} starts over from {}\n",
        path.display()
    ));
    Ok(Exit::Ok)
}

/// More archives than anybody looks at.
const ARCHIVES: u32 = 1000;

/// Puts each server's journal and ledger aside under the next free number: they speak of registers that are no more.
fn archive(folder: &std::path::Path, console: &Console) -> Result<(), Failure> {
    let write = |source| Failure::Write {
        path: folder.display().to_string(),
        source,
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for server in entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
    {
        let kept: Vec<_> = ["journal", "ledger.json"]
            .iter()
            .map(|name| server.join(name))
            .filter(|file| file.exists())
            .collect();
        if kept.is_empty() {
            continue;
        }
        let archive = (1..=ARCHIVES)
            .map(|n| server.join(format!("archive-{n}")))
            .find(|path| !path.exists());
        let Some(archive) = archive else {
            return Err(Failure::said(
                Exit::CannotWrite,
                format!("{} holds {ARCHIVES} archives already", server.display()),
                "remove some",
            ));
        };
        std::fs::create_dir(&archive).map_err(write)?;
        for file in kept {
            if let Some(name) = file.file_name() {
                std::fs::rename(&file, archive.join(name)).map_err(write)?;
            }
        }
        durable::sync_folder(&server).map_err(write)?;
        console.note(&format!(
            "journal and ledger put aside in {}",
            archive.display()
        ));
    }
    Ok(())
}

fn address(text: &str) -> Result<PciAddress, Failure> {
    text.parse()
        .map_err(|error: crd::id::IdError| Failure::said(Exit::Usage, error.to_string(), ""))
}

fn open(
    place: &Place,
    environment: &Environment,
    console: &Console,
    opening: Opening,
) -> Result<Room, Failure> {
    if place.rack.is_none() {
        return Err(RackError::NotARack.into());
    }
    setting::open_room(place, environment, console, opening)
}

fn servers(room: &Room) -> Result<Vec<&RackServer>, Failure> {
    room.nodes
        .iter()
        .map(|node| match &node.machine {
            Machine::Rack(server) => Ok(server),
            Machine::Linux(_) => Err(RackError::NotARack.into()),
        })
        .collect()
}

/// Does something to every server of the rack.
fn each(
    place: &Place,
    environment: &Environment,
    console: &Console,
    act: impl Fn(&RackServer) -> Result<(), RackError>,
) -> Result<Exit, Failure> {
    let room = open(place, environment, console, Opening::Work(Clock::Virtual))?;
    for server in servers(&room)? {
        act(server)?;
    }
    Ok(Exit::Ok)
}

/// Does something that names a function of one server: of several, --node says which.
fn one_of(
    place: &Place,
    environment: &Environment,
    console: &Console,
    act: impl Fn(&RackServer) -> Result<(), RackError>,
) -> Result<Exit, Failure> {
    let room = open(place, environment, console, Opening::Work(Clock::Virtual))?;
    match servers(&room)?.as_slice() {
        [server] => {
            act(server)?;
            Ok(Exit::Ok)
        }
        several => Err(Failure::said(
            Exit::Usage,
            format!("{} has {} servers", room.title, several.len()),
            "say which one with --node NAME",
        )),
    }
}
