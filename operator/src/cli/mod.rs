//! The one grammar: verbs, and flags that mean the same wherever they stand.
mod artifact;
mod cluster;
mod doctor;
mod environment;
mod input;
mod program;
mod rack;
mod snapshot;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use artifact::{ArtifactArgs, ArtifactVerb, ReachArgs};
pub use cluster::{
    AgentArgs, ApproveArgs, ClusterArgs, ClusterVerb, ControllerArgs, InstalledArgs,
};
pub use doctor::DoctorArgs;
pub use environment::Environment;
pub use program::{ProgramArgs, ProgramPlaceArgs, ProgramPruneArgs, ProgramVerb};
pub use rack::{
    FaultArgs, FromSnapshotArgs, HoldArgs, NewRackArgs, PlaceArgs, PlugArgs, RackArgs, RackVerb,
    SetArgs, TargetArgs, WaitArgs,
};

pub use snapshot::{DiffArgs, RecordArgs, SnapshotArgs, SnapshotVerb, VerifyArgs};

use crate::console::ColorChoice;

/// Declares, plans and applies Cloud AI 100 servers, and serves sharded models on them.
#[derive(Debug, Parser)]
#[command(name = "shardplane", version, propagate_version = true, after_long_help = crate::exit::table_text())]
pub struct Cli {
    /// When to colour.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Check declared files and report every problem at once.
    Validate(ValidateArgs),
    /// Rewrite declared files in one form; comments stay.
    Fmt(FmtArgs),
    /// Print the kinds, and the documents that we write, as CRDs or JSON Schemas.
    Schema(SchemaArgs),
    /// Make and handle a virtual machine room.
    Rack(RackArgs),
    /// Show what a machine is: cards, ports, settings.
    Probe(ProbeArgs),
    /// Say whether a machine is ready for cards, and what to do where it is not.
    Doctor(DoctorArgs),
    /// Record what a machine is, for planning elsewhere.
    Snapshot(SnapshotArgs),
    /// Show what apply would do, and why.
    Plan(PlanArgs),
    /// Carry out what is declared, and verify it.
    Apply(ApplyArgs),
    /// Apply, then keep it so and run the declared models.
    Up(UpArgs),
    /// Show what is there and what runs.
    Status(StatusArgs),
    /// Stop the models and put the machine back as the deletion rules say.
    ///
    /// The deletion rules and the approval that the policies asked for when they were last applied still govern: Automatic
    /// goes ahead, AutomaticIfNotDisruptive wants --yes where it resets SoCs or stops workers, Manual wants
    /// --approve-digest. Without leave nothing stops and nothing is touched. A running `shardplane up` does it and ends.
    Down(DownArgs),
    /// List compiled programs, and remove those that nothing uses.
    Program(ProgramArgs),
    /// Work on this node as a Kubernetes cluster asks: report what is there, carry out what was granted.
    Agent(AgentArgs),
    /// Decide for all nodes of a Kubernetes cluster: plan, ask for approval, grant, drain.
    Controller(ControllerArgs),
    /// Approve a plan of a Kubernetes cluster by its digest.
    Approve(ApproveArgs),
    /// Handle what is installed in a Kubernetes cluster.
    Installed(InstalledArgs),
    /// Push a program to a registry, or pull it from there.
    Artifact(ArtifactArgs),
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For people, with everything.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

impl Verb {
    /// How the verb's result is printed.
    pub fn format(&self) -> Format {
        match self {
            Self::Validate(args) => args.printing.output,
            Self::Probe(args) => args.printing.output,
            Self::Doctor(args) => args.printing.output,
            Self::Snapshot(args) => args.format(),
            Self::Plan(args) => args.printing.output,
            Self::Apply(args) => args.printing.output,
            Self::Status(args) => args.printing.output,
            Self::Down(args) => args.printing.output,
            Self::Program(args) => args.verb.of().printing.output,
            Self::Rack(args) => match &args.verb {
                RackVerb::Show { place: _, printing } => printing.output,
                RackVerb::New(_)
                | RackVerb::FromSnapshot(_)
                | RackVerb::Set(_)
                | RackVerb::Plug(_)
                | RackVerb::Unplug(_)
                | RackVerb::Replug(_)
                | RackVerb::Fault(_)
                | RackVerb::Hold(_)
                | RackVerb::Reboot(_)
                | RackVerb::ResetSoc(_)
                | RackVerb::Wait(_)
                | RackVerb::Reseed(_) => Format::Text,
            },
            Self::Fmt(_)
            | Self::Schema(_)
            | Self::Up(_)
            | Self::Agent(_)
            | Self::Controller(_)
            | Self::Approve(_)
            | Self::Installed(_)
            | Self::Artifact(_) => Format::Text,
        }
    }
}

/// Which machine.
#[derive(Clone, Debug, Default, Args)]
pub struct Place {
    /// A rack file: this virtual machine room instead of this machine.
    #[arg(long, value_name = "FILE")]
    pub rack: Option<PathBuf>,
    /// Where state is kept [default: `shardplane` in the folder that `XDG_STATE_HOME` names, where it names one;
    /// `/var/lib/shardplane` for root, else `~/.local/state/shardplane`; and there a folder of the rack's or the machine's name].
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Only this server of the room; with --roots, what this machine is called.
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// In a container: the folder below which this machine's own /sys, /proc, /dev, /etc, /run, /usr and /var are mounted,
    /// as far as they are. Programs and /opt are the container's.
    #[arg(long, value_name = "DIR", conflicts_with = "rack")]
    pub roots: Option<PathBuf>,
}

/// What is declared.
#[derive(Clone, Debug, Default, Args)]
pub struct Files {
    /// A declared file, a folder of them, or - for standard input; may be repeated.
    #[arg(short, long = "file", value_name = "PATH")]
    pub file: Vec<PathBuf>,
}

/// Recordings in place of a machine.
#[derive(Clone, Debug, Default, Args)]
pub struct Recordings {
    /// A recorded snapshot instead of a live machine; may be repeated.
    #[arg(long, value_name = "FILE", conflicts_with = "rack")]
    pub snapshot: Vec<PathBuf>,
    /// Go by a recorded snapshot that has expired, too.
    #[arg(long, requires = "snapshot")]
    pub allow_expired: bool,
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Printing {
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// Leave to go ahead.
#[derive(Clone, Debug, Default, Args)]
pub struct Leave {
    /// Go ahead without asking; a Manual policy still wants --approve-digest.
    #[arg(long)]
    pub yes: bool,
    /// Go ahead with exactly this plan: a node's or a rollout's digest; may be repeated.
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    pub approve_digest: Vec<String>,
}

/// `validate`
#[derive(Debug, Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    #[doc = "What is declared."]
    pub files: Files,
    #[command(flatten)]
    #[doc = "How the result is printed."]
    pub printing: Printing,
}

/// `fmt`
#[derive(Debug, Args)]
pub struct FmtArgs {
    #[command(flatten)]
    #[doc = "What is declared."]
    pub files: Files,
    /// Change nothing; exit 1 where a file would change.
    #[arg(long)]
    pub check: bool,
}

/// Which form of the schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaForm {
    /// CustomResourceDefinitions.
    Crd,
    /// JSON Schemas.
    JsonSchema,
}

/// `schema`
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Only this one: a kind by its name, plural, short name or file name, in any case; or plan, record, diagnosis,
    /// difference.
    #[arg(value_name = "KIND")]
    pub kind: Option<String>,
    /// Which form [default: crd, and json-schema of what no cluster stores].
    #[arg(long = "as", value_enum, value_name = "FORM")]
    pub form: Option<SchemaForm>,
    /// Write one file a kind into this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `probe`
#[derive(Debug, Args)]
pub struct ProbeArgs {
    #[command(flatten)]
    #[doc = "Which machine."]
    pub place: Place,
    #[command(flatten)]
    #[doc = "How the result is printed."]
    pub printing: Printing,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    #[doc = "What is declared."]
    pub files: Files,
    #[command(flatten)]
    #[doc = "Which machine."]
    pub place: Place,
    #[command(flatten)]
    #[doc = "How the result is printed."]
    pub printing: Printing,
    #[command(flatten)]
    #[doc = "Recordings in place of a machine."]
    pub recordings: Recordings,
    /// Save the plan, to be applied exactly.
    #[arg(long, value_name = "FILE", conflicts_with = "node")]
    pub out: Option<PathBuf>,
    /// Exit 2 when a step can run.
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Print the kernel's command line that would relax the same ports at boot, instead of the plan.
    #[arg(long, conflicts_with_all = ["out", "detailed_exitcode"])]
    pub boot_parameters: bool,
}

/// `apply`
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A saved plan, instead of -f.
    #[arg(value_name = "PLANFILE", conflicts_with = "file")]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    #[doc = "What is declared."]
    pub files: Files,
    #[command(flatten)]
    #[doc = "Which machine."]
    pub place: Place,
    #[command(flatten)]
    #[doc = "How the result is printed."]
    pub printing: Printing,
    #[command(flatten)]
    #[doc = "Leave to go ahead."]
    pub leave: Leave,
}

/// `up`
#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    #[doc = "What is declared."]
    pub files: Files,
    #[command(flatten)]
    #[doc = "Which machine."]
    pub place: Place,
    #[command(flatten)]
    #[doc = "Leave to go ahead."]
    pub leave: Leave,
    /// Seconds between two looks at the machine and the files.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub interval: u64,
    /// Where -f names an empty or missing folder, touch nothing and wait for a declaration.
    #[arg(long)]
    pub standby: bool,
    /// Under a service manager: seconds that cards which boot may keep it waiting for "ready".
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub settle: u64,
    /// Ask a served model this, print its answer, stop the models and exit.
    #[arg(long, value_name = "QUESTION")]
    pub ask: Option<String>,
    /// Which model to ask, where several are declared.
    #[arg(long, value_name = "NAME", requires = "ask")]
    pub model: Option<String>,
    /// At most this many tokens of answer.
    #[arg(long, value_name = "N", requires = "ask", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: Option<u32>,
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only wait until the running `up` says that the machine is as declared, at most this long: its cards and settings. A
    /// model or build that is blocked then is told with it.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub wait: Option<u64>,
    #[command(flatten)]
    #[doc = "Which machine."]
    pub place: Place,
    #[command(flatten)]
    #[doc = "How the result is printed."]
    pub printing: Printing,
}

/// `down`
#[derive(Debug, Args)]
pub struct DownArgs {
    #[command(flatten)]
    #[doc = "Which machine."]
    pub place: Place,
    #[command(flatten)]
    #[doc = "How the result is printed."]
    pub printing: Printing,
    #[command(flatten)]
    #[doc = "Leave to go ahead."]
    pub leave: Leave,
}

/// A digest as plans print it: a mistyped one is a wrong command line, not a stale approval.
pub(super) fn digest(text: &str) -> Result<String, String> {
    let digits = ["node:", "rollout:"]
        .into_iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .and_then(|rest| rest.strip_prefix("b3:"));
    let whole = digits.is_some_and(|digits| {
        digits.len() == 64
            && digits
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    });
    if whole {
        Ok(text.to_owned())
    } else {
        Err("a digest is `node:b3:` or `rollout:b3:` and 64 hexadecimal digits; copy it from the plan".to_owned())
    }
}
