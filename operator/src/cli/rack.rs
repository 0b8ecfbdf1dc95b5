//! The grammar of `shardplane rack`.
use std::path::PathBuf;

use clap::{Args, Subcommand};
use crd::kind::rack::FAULTS;

use super::{Place, Printing};

/// `rack`
#[derive(Debug, Args)]
pub struct RackArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: RackVerb,
}

/// What to do with a virtual machine room.
#[derive(Debug, Subcommand)]
pub enum RackVerb {
    /// Write a new rack file.
    New(NewRackArgs),
    /// Make a rack file of recorded servers.
    FromSnapshot(FromSnapshotArgs),
    /// Show a rack's live registers.
    Show {
        #[command(flatten)]
        #[doc = "Which rack."]
        place: Place,
        #[command(flatten)]
        #[doc = "How the result is printed."]
        printing: Printing,
    },
    /// Change a live register or setting by hand.
    Set(SetArgs),
    /// Add a card. It is on the bus after the next `reboot`, and shifts the bus numbers of those after it.
    Plug(PlugArgs),
    /// Pull a SoC off the bus.
    Unplug(TargetArgs),
    /// Put a SoC back.
    Replug(TargetArgs),
    /// Tell the rack to fail.
    Fault(FaultArgs),
    /// Let a foreign tenant hold a SoC; --release lets go.
    Hold(HoldArgs),
    /// Boot a server anew.
    Reboot(PlaceArgs),
    /// Reset a SoC behind the engine's back.
    ResetSoc(TargetArgs),
    /// Let time pass: between verbs a rack stands still, until `up` or an agent has run on it.
    Wait(WaitArgs),
    /// Start over from the rack file; journals and ledgers are archived.
    Reseed(PlaceArgs),
}

/// `rack new`
#[derive(Debug, Args)]
pub struct NewRackArgs {
    /// The file to write; - for standard output.
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// The rack's name, by which its state is kept too [default: that of the file].
    #[arg(long)]
    pub name: Option<String>,
    /// Cards of each server: `ultra:2,pro:4`.
    #[arg(long, default_value = "ultra:1")]
    pub cards: String,
    /// PCIe switches of each server; 0 puts every card on a root port of its own.
    #[arg(long, default_value_t = 1)]
    pub switches: u32,
    /// Servers.
    #[arg(long, default_value_t = 1)]
    pub servers: u32,
    /// Seed of serials and, of every four in a row, of how QIDs go: 1, 5, … by address; 2, 6, … by decimal text of bus
    /// numbers which sorts otherwise; 3, 7, … at random; 4, 8, … at random on such buses.
    #[arg(long, default_value_t = 1)]
    pub seed: u32,
}

/// `rack from-snapshot`
#[derive(Debug, Args)]
pub struct FromSnapshotArgs {
    /// Recorded snapshots, one of each server.
    #[arg(required = true)]
    pub snapshot: Vec<PathBuf>,
    /// The file to write; - for standard output.
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub out: PathBuf,
    /// The rack's name [default: the server's, where there is one].
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    #[doc = "How the report of what the rack shows otherwise is printed; as text it is notes on standard error."]
    pub printing: Printing,
}

/// A place alone.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    #[command(flatten)]
    #[doc = "Which rack."]
    pub place: Place,
}

/// A place and a function on it.
#[derive(Debug, Args)]
pub struct TargetArgs {
    #[command(flatten)]
    #[doc = "Which rack."]
    pub place: Place,
    /// PCI address.
    pub target: String,
}

/// `rack wait`
#[derive(Debug, Args)]
pub struct WaitArgs {
    #[command(flatten)]
    #[doc = "Which rack."]
    pub place: Place,
    /// Seconds of the rack's own time.
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: u32,
}

/// `rack plug`
#[derive(Debug, Args)]
pub struct PlugArgs {
    #[command(flatten)]
    #[doc = "Which rack."]
    pub place: Place,
    /// PCI address of an empty port, or one on a root bus where no port is: firmware hides ports of empty slots.
    pub target: String,
    /// The card: standard, pro, ultra, standard080 or ultra080.
    #[arg(long, default_value = "ultra")]
    pub card: String,
}

/// `rack set`
#[derive(Debug, Args)]
pub struct SetArgs {
    #[command(flatten)]
    #[doc = "Which rack."]
    pub place: Place,
    /// What to change: `ADDRESS/acs`, `ADDRESS/mdp`, `ADDRESS/state`, `ADDRESS/driver`, `vm.max_map_count`,
    /// `control_resp_timeout_s`, `qmonitor`, `vendor-agent` or a file such as `/etc/sysctl.d/99-local.conf`.
    pub target: String,
    /// The value to write, such as `0x001d`, `on`, `Ready`, `60`; a file's text, or `absent`.
    pub value: String,
}

/// `rack hold`
#[derive(Debug, Args)]
pub struct HoldArgs {
    #[command(flatten)]
    #[doc = "Which rack."]
    pub place: Place,
    /// PCI address of the SoC.
    pub target: String,
    /// The tenant's name.
    #[arg(long, default_value = "tenant")]
    pub by: String,
    /// Its process id.
    #[arg(long, default_value_t = 4242)]
    pub pid: u32,
    /// Let go instead.
    #[arg(long)]
    pub release: bool,
}

/// `rack fault`
#[derive(Debug, Args)]
#[command(after_long_help = faults())]
pub struct FaultArgs {
    #[command(flatten)]
    #[doc = "Which rack."]
    pub place: Place,
    /// The fault, such as `kill:7:torn`, `power:3:after`; absent with --clear. Those listed below stay until they are cleared,
    /// but for kill and power, which strike once.
    pub fault: Option<String>,
    /// Forget every fault.
    #[arg(long)]
    pub clear: bool,
}

/// The faults, for the end of the help.
fn faults() -> String {
    let lines = FAULTS.map(|(form, what)| format!("\n  {form:<35} {what}"));
    format!("Faults:{}", lines.concat())
}
