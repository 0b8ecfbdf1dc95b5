//! The words for steps: what each acts on, what changes, and why it is there.
use crd::{
    id::PciAddress,
    kind::{Connectivity, ResetScope, Target},
    program::ProgramRequest,
    snapshot::{LedgerTarget, SocIdentity},
    step::{Action, Inverse, MdpSetting, Step, Symbol, WorkerRequest},
};

use super::inline;
use crate::console::{Paint, Tone};

/// What a step does, in three columns.
pub struct Words {
    /// The verb as the wire has it.
    pub verb: &'static str,
    /// What it acts on.
    pub target: String,
    /// What changes, or what is looked at.
    pub change: String,
}

/// The words of one step.
pub fn of(step: &Step, paint: Paint) -> Words {
    let (verb, target, change) = match &step.action {
        Action::Taint { socs } => (
            "node.taint",
            group(socs),
            format!("no new work while steps run: {}", list(socs)),
        ),
        Action::Untaint { socs } => (
            "node.untaint",
            group(socs),
            format!("work may come back: {}", list(socs)),
        ),
        Action::Drain {
            socs,
            workers,
            timeout_seconds,
        } => {
            let who = if workers.is_empty() {
                "nothing of ours runs there".to_owned()
            } else {
                let names: Vec<&str> = workers.iter().map(crd::id::WorkerId::as_str).collect();
                format!("stops {}", names.join(", "))
            };
            (
                "socs.drain",
                group(socs),
                format!("{who}; waits up to {}", seconds(*timeout_seconds)),
            )
        }
        Action::ClearAcs { port, before, mask } => (
            "acs.clear",
            format!("port {}", port.address),
            word_change(before.0, before.0 & !mask.0, paint),
        ),
        Action::RestoreAcs {
            port,
            before,
            pre_image,
            mask,
        } => (
            "acs.restore",
            format!("port {}", port.address),
            word_change(
                before.0,
                (before.0 & !mask.0) | (pre_image.0 & mask.0),
                paint,
            ),
        ),
        Action::StartQmonitor {} => (
            "qmonitor.start",
            "qmonitor".to_owned(),
            inline::change("stopped", "running", paint),
        ),
        Action::RequestMdp { soc, enable } => {
            let (before, after) = match enable {
                MdpSetting::On => ("off", "on"),
                MdpSetting::Off => ("on", "off"),
            };
            let mut expected = step.preconditions.iter();
            let change = if expected.any(|fact| fact.equals == after) {
                format!("stays {after}: takes back what waits for its next reset")
            } else {
                let change = inline::change(before, after, paint);
                format!("{change}, at its next reset")
            };
            ("mdp.request", format!("SoC {}", soc.address), change)
        }
        Action::Reset { scope, socs } => (
            "soc.reset",
            identities(socs),
            match scope {
                ResetScope::SoC => "this SoC alone".to_owned(),
                ResetScope::Host => format!("every SoC of the machine together{}", which(socs)),
            },
        ),
        Action::WaitReady {
            socs,
            timeout_seconds,
        } => (
            "soc.wait",
            identities(socs),
            format!(
                "until Ready, up to {}{}",
                seconds(*timeout_seconds),
                which(socs)
            ),
        ),
        Action::VerifyMdp { socs, enable } => (
            "mdp.verify",
            identities(socs),
            match enable {
                MdpSetting::On => format!("MDP+ must show{}", which(socs)),
                MdpSetting::Off => format!("MDP+ must be gone{}", which(socs)),
            },
        ),
        Action::SetDriver {
            name,
            before,
            after,
        } => (
            "driver.set",
            name.clone(),
            value_change(*before, *after, paint),
        ),
        Action::SetSysctl {
            name,
            before,
            after,
        } => (
            "sysctl.set",
            name.clone(),
            value_change(*before, *after, paint),
        ),
        Action::WriteFile {
            file,
            before,
            after,
        } => (
            "file.write",
            file.to_string(),
            inline::change(&inline::file(before), &inline::file(after), paint),
        ),
        Action::VerifyP2P {
            group,
            members,
            ports: _,
        } => (
            "p2p.verify",
            format!("group {group}"),
            format!(
                "data, both directions, {}",
                counted(pairs(members.len()), "pair")
            ),
        ),
        Action::AssignEntry {
            entry,
            owners,
            deletion,
        } => {
            let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
            let change = if owners.is_empty() {
                "forgotten; what was written stays".to_owned()
            } else {
                format!("kept for {}; when they go: {deletion:?}", owners.join(", "))
            };
            ("ledger.assign", entry_name(entry), change)
        }
        Action::AssignGroup { group, members } => (
            "group.assign",
            format!("group {group}"),
            members_change(step, members, paint),
        ),
        Action::Build { program } => (
            "program.build",
            program.object.to_string(),
            program_shape(program),
        ),
        Action::StartWorker { worker } => (
            "worker.start",
            format!("worker {}", worker.id),
            placed(worker),
        ),
        Action::StopWorker { worker } => (
            "worker.stop",
            format!("worker {worker}"),
            "drains, then stops".to_owned(),
        ),
        Action::ReplaceWorker { worker } => (
            "worker.replace",
            format!("worker {}", worker.id),
            placed(worker),
        ),
    };
    Words {
        verb,
        target,
        change,
    }
}

/// How a step is drawn, and in which colour.
pub fn symbol(symbol: Symbol) -> (&'static str, Tone) {
    match symbol {
        Symbol::Create => ("+", Tone::Create),
        Symbol::Update => ("~", Tone::Update),
        Symbol::Delete => ("-", Tone::Delete),
        Symbol::Replace => ("-/+", Tone::Update),
        Symbol::Read => ("<=", Tone::Read),
        Symbol::Reset => ("!", Tone::Reset),
        Symbol::ResetAll => ("!!", Tone::Reset),
    }
}

/// `n thing` or `n things`.
pub fn counted(count: usize, thing: &str) -> String {
    if count == 1 {
        format!("1 {thing}")
    } else {
        format!("{count} {thing}s")
    }
}

/// A span of seconds as people say it.
pub fn seconds(seconds: u32) -> String {
    if seconds >= 120 && seconds.is_multiple_of(60) {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} s")
    }
}

/// Addresses separated by spaces.
pub fn list(socs: &[PciAddress]) -> String {
    let words: Vec<String> = socs.iter().map(ToString::to_string).collect();
    words.join(" ")
}

/// One SoC by its address, several by their number.
fn group(socs: &[PciAddress]) -> String {
    match socs {
        [one] => format!("SoC {one}"),
        several => format!("{} SoCs", several.len()),
    }
}

fn addresses(socs: &[SocIdentity]) -> Vec<PciAddress> {
    socs.iter().map(|soc| soc.address).collect()
}

fn identities(socs: &[SocIdentity]) -> String {
    group(&addresses(socs))
}

/// Which of several, at the end of a line; one is named in front.
fn which(socs: &[SocIdentity]) -> String {
    match socs {
        [_] => String::new(),
        several => format!(": {}", list(&addresses(several))),
    }
}

fn pairs(members: usize) -> usize {
    members * members.saturating_sub(1) / 2
}

fn word_change(before: u16, after: u16, paint: Paint) -> String {
    inline::change(&format!("0x{before:04x}"), &format!("0x{after:04x}"), paint)
}

fn value_change(before: Option<u64>, after: u64, paint: Paint) -> String {
    let before = before.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
    inline::change(&before, &after.to_string(), paint)
}

fn members_change(step: &Step, members: &[SocIdentity], paint: Paint) -> String {
    let text = |members: &[SocIdentity]| {
        let addresses: Vec<PciAddress> = members.iter().map(|soc| soc.address).collect();
        list(&addresses)
    };
    let before = match &step.inverse {
        Inverse::Action { action } => match &**action {
            Action::AssignGroup { members, .. } => members.as_slice(),
            _ => &[],
        },
        Inverse::NothingChanged | Inverse::Impossible { .. } => &[],
    };
    match (before.is_empty(), members.is_empty()) {
        (true, _) => text(members),
        (false, true) => "forgotten".to_owned(),
        (false, false) => inline::change(&text(before), &text(members), paint),
    }
}

/// What a ledger entry is about.
pub fn entry_name(entry: &LedgerTarget) -> String {
    match entry {
        LedgerTarget::Acs { port, path: _ } => format!("ACS of port {port}"),
        LedgerTarget::Mdp { soc } => format!("MDP of SoC {soc}"),
        LedgerTarget::Driver { name } => format!("driver {name}"),
        LedgerTarget::Sysctl { name } => format!("sysctl {name}"),
        LedgerTarget::File { file } => format!("file {file}"),
    }
}

/// A program's shape on one line.
pub fn program_shape(program: &ProgramRequest) -> String {
    let target = match program.target {
        Target::CPU => "CPU",
        Target::AI100 => "AI100",
    };
    let over = match program.topology.connectivity {
        Connectivity::P2P => "over P2P",
        Connectivity::ThroughHost => "through the host",
    };
    format!(
        "{} {over}, {:?}, context {}, for {target}",
        counted(program.topology.shards as usize, "shard"),
        program.precision,
        program.shapes.context_length,
    )
}

fn placed(worker: &WorkerRequest) -> String {
    let shape = program_shape(&worker.program);
    let place = worker
        .group
        .as_ref()
        .map_or_else(String::new, |group| format!(" on group {group}"));
    let port = worker
        .port
        .map_or_else(String::new, |port| format!(", 127.0.0.1:{port}"));
    format!("{shape}{place}{port}")
}

/// How a run that did not end well has ended.
pub fn ended(exit: crate::exit::Exit) -> &'static str {
    use crate::exit::Exit;
    match exit {
        Exit::Partial => "Stopped with steps outstanding",
        Exit::RolledBack => "Failed, and undone",
        Exit::NotRolledBack => "Failed, and not undone",
        Exit::Interrupted | Exit::Terminated => "Stopped",
        Exit::Ok
        | Exit::Failed
        | Exit::Changes
        | Exit::Policy
        | Exit::Stale
        | Exit::Blocked
        | Exit::Usage
        | Exit::Input
        | Exit::Missing
        | Exit::Unavailable
        | Exit::Internal
        | Exit::CannotWrite
        | Exit::Locked
        | Exit::NoPermission => "Failed",
    }
}
