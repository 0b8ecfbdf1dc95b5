//! The state of a room as text: groups, what we changed, workers.
use std::fmt::Write as _;

use crd::{
    id::PciAddress,
    snapshot::{HardwareSnapshot, SocStatus, WorkerState},
};

use super::words;
use crate::{
    console::{Paint, Tone},
    supervise::{Trouble, WorkerReport},
};

/// Everything, in the order in which a person asks.
pub fn text(
    room: &str,
    engine: &str,
    nodes: &[(HardwareSnapshot, usize)],
    (workers, troubles): (&[WorkerReport], &[Trouble]),
    paint: Paint,
) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}\n{engine}", paint.tone(Tone::Strong, room));
    for (snapshot, outstanding) in nodes {
        node(&mut out, snapshot, *outstanding, paint);
    }
    let _ = writeln!(out, "\n{}", paint.tone(Tone::Strong, "Workers"));
    if workers.is_empty() {
        let _ = writeln!(out, "  none");
    }
    for worker in workers {
        let (word, tone) = match worker.state {
            WorkerState::Starting => ("starting", Tone::Update),
            WorkerState::Ready => ("ready", Tone::Create),
            WorkerState::Draining => ("draining", Tone::Update),
            WorkerState::Failed => ("failed", Tone::Delete),
        };
        let address = worker
            .address
            .as_deref()
            .map_or_else(String::new, |address| format!("  http://{address}"));
        let pid = worker
            .pid
            .map_or_else(String::new, |pid| format!("  pid {pid}"));
        let again = if worker.restarts > 0 {
            format!(
                "  restarted {}",
                words::counted(worker.restarts as usize, "time")
            )
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "  {}  {}  {}{address}{pid}{again}",
            paint.tone(tone, format_args!("{word:<8}")),
            worker.id,
            worker.node
        );
        if !worker.why.is_empty() {
            let _ = writeln!(out, "            {}", worker.why);
        }
    }
    if !troubles.is_empty() {
        let _ = writeln!(out, "\n{}", paint.tone(Tone::Strong, "Came to nothing"));
    }
    list(&mut out, troubles, paint);
    out
}

/// That the machine is as declared, and what is not for all that.
pub fn as_declared(but: &[Trouble], paint: Paint) -> String {
    if but.is_empty() {
        return "The machine is as declared.\n".to_owned();
    }
    let mut out = "The machine is as declared, but not all that is to run on it:\n".to_owned();
    list(&mut out, but, paint);
    out
}

fn list(out: &mut String, troubles: &[Trouble], paint: Paint) {
    for trouble in troubles {
        let next = trouble
            .next_try
            .as_deref()
            .map_or_else(String::new, |at| format!("; next try at {at}"));
        let why = paint.tone(Tone::Delete, &trouble.why);
        let _ = writeln!(out, "  {why}{next}");
    }
}

fn node(out: &mut String, snapshot: &HardwareSnapshot, outstanding: usize, paint: Paint) {
    let ready = snapshot
        .socs
        .iter()
        .filter(|soc| soc.status.get() == Some(&SocStatus::Ready))
        .count();
    let title = paint.tone(
        Tone::Strong,
        format_args!("Node {}", snapshot.metadata.name),
    );
    let _ = writeln!(
        out,
        "\n{title}   {} of {} Ready",
        ready,
        words::counted(snapshot.socs.len(), "SoC")
    );
    if outstanding > 0 {
        let line = format!(
            "  the last run was cut off in {}; the next apply or up closes it",
            words::counted(outstanding, "step")
        );
        let _ = writeln!(out, "{}", paint.tone(Tone::Reset, line));
    }
    let lost: Vec<String> = (reconcile::lost::away(snapshot).iter())
        .map(ToString::to_string)
        .collect();
    if !lost.is_empty() {
        let line = format!(
            "  {} left the bus while SoCs were reset in this boot; no other is reset until it is back or the machine has booted",
            lost.join(", ")
        );
        let _ = writeln!(out, "{}", paint.tone(Tone::Delete, line));
    }
    for record in &snapshot.ledger.groups {
        let members: Vec<PciAddress> = record.members.iter().map(|soc| soc.address).collect();
        let proven = if reconcile::judge::is_verified(&record.group, snapshot) {
            paint.tone(Tone::Create, "P2P proven")
        } else {
            paint.tone(Tone::Update, "P2P not proven in this state")
        };
        let _ = writeln!(
            out,
            "  group {}   {}   {proven}",
            record.group,
            words::list(&members)
        );
    }
    for entry in &snapshot.ledger.entries {
        let owners: Vec<String> = entry.owners.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            out,
            "  changed {}: {} -> {}   for {}   when they go: {:?}",
            words::entry_name(&entry.target),
            entry.pre_image,
            entry.written,
            owners.join(", "),
            entry.deletion
        );
    }
    for holder in &snapshot.holders {
        let pid = holder
            .pid
            .map_or_else(String::new, |pid| format!(" (pid {pid})"));
        let _ = writeln!(out, "  held {} by {}{pid}", holder.soc, holder.name);
    }
}
