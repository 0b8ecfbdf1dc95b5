//! Carries out one step's action on a machine: looks first, acts, waits, reads back.
mod acs;
mod begun;
mod failed;
mod identity;
mod limit;
mod p2p;
mod qmonitor;
mod request;
mod settings;
mod settings_file;
mod soc;
mod switchtec;

use std::time::Duration;

pub use limit::limit;

use crd::{
    id::{PciAddress, Qid, Word},
    snapshot::{SettingsFile, Verification},
    step::Action,
};

use crate::{
    access::{AccessError, ToolError},
    machine::Machine,
};

/// What came of an action that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Performed {
    /// What it would leave behind was there already; nothing was touched.
    AlreadyDone,
    /// A register or setting was changed, and read back.
    Changed {
        /// As the ledger keeps a pre-image: `0x001d`, `true`, `60`.
        before: String,
        /// What stands there now, in the same form.
        after: String,
    },
    /// Something was done or awaited, and seen.
    Seen,
    /// P2P was proven in this state.
    Proven(Verification),
}

/// Why an action failed. `Expectation` alone means that nothing was touched and that planning again may help.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The machine is not as the action expects; nothing was touched.
    #[error("expected {expected}, found {found}")]
    Expectation {
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A file could not be reached.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A write failed. What stands there now is for the next look.
    #[error(transparent)]
    Write(AccessError),
    /// Something was done, and what came of it cannot be seen.
    #[error("{what}, and what came of it cannot be seen")]
    Unseen {
        /// What was done, in words.
        what: String,
        /// Why not.
        #[source]
        source: Box<StepError>,
    },
    /// A request was made of one SoC by its QID, and may have been taken by others: QIDs moved meanwhile.
    #[error(
        "partitioning was requested of {soc} as QID {qid}, and {} may have taken the request instead: QIDs moved meanwhile, and it is remembered of each",
        .others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    Strayed {
        /// Who was meant.
        soc: PciAddress,
        /// By which number.
        qid: Qid,
        /// Who may have taken it; never empty.
        others: Vec<PciAddress>,
        /// What came of the request itself.
        #[source]
        source: Box<StepError>,
    },
    /// A tool could not be run.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A tool ran and did not do what it should.
    #[error("`{tool}` {what}")]
    ToolFailed {
        /// The tool.
        tool: String,
        /// What it did instead, with the end of its output.
        what: String,
    },
    /// A tool ran, and says itself that it was not permitted to do what it was told; it did none of it.
    #[error("`{tool}` was not permitted to: {said}")]
    ToolRefused {
        /// The tool.
        tool: String,
        /// Its own line.
        said: String,
    },
    /// A register kept its value although the write succeeded.
    #[error(
        "the write to {port} was ignored: wanted {wanted}, found {found}; the port's firmware may drop configuration writes"
    )]
    WriteIgnored {
        /// The port.
        port: PciAddress,
        /// The word written.
        wanted: Word,
        /// The word read back.
        found: Word,
    },
    /// The same on a card's own switch, which could be written through its own interface if the tool for that were there.
    #[error(
        "the write to {port} was ignored: wanted {wanted}, found {found}; the switch's firmware may drop configuration writes, and `switchtec`, which writes to it otherwise, is not installed: install switchtec-user, and `modprobe switchtec`"
    )]
    WriteDropped {
        /// The port.
        port: PciAddress,
        /// The word written.
        wanted: Word,
        /// The word read back.
        found: Word,
    },
    /// A register took only a part of a write, which was taken back: half a change would be in nobody's ledger.
    #[error(
        "the write to {port} took only partly: wanted {wanted}, found {found}; put back, it reads {left}"
    )]
    WritePartial {
        /// The port.
        port: PciAddress,
        /// The word written.
        wanted: Word,
        /// The word read back.
        found: Word,
        /// The word read once what stood there before was written again.
        left: Word,
    },
    /// A setting kept its value although the write succeeded.
    #[error("the write to {setting} was ignored: wanted {wanted}, found {found}")]
    SettingIgnored {
        /// Its name.
        setting: String,
        /// The value written.
        wanted: u64,
        /// The value read back.
        found: u64,
    },
    /// A settings file is not as it was written.
    #[error("the write of {file} was ignored: something else writes or removes it")]
    FileIgnored {
        /// Which.
        file: SettingsFile,
    },
    /// Somebody holds a SoC that the action must have free.
    #[error("{soc} is held by {by}; stop it, or wait until it ends")]
    Held {
        /// The SoC.
        soc: PciAddress,
        /// Name and pid of the holder.
        by: String,
    },
    /// The state waited for did not come in time.
    #[error("waited {} s for {wanted}, still {found}", .waited.as_secs())]
    Deadline {
        /// How long, in the machine's time.
        waited: Duration,
        /// What was waited for.
        wanted: String,
        /// What was seen last.
        found: String,
    },
    /// SoCs that were waited for are off the bus, for longer than any reset takes.
    #[error(
        "{} fell off the bus: not there for {} s after the reset; look at the card and its slot, then boot the machine with its power off in between",
        .socs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        .waited.as_secs()
    )]
    Gone {
        /// Which.
        socs: Vec<PciAddress>,
        /// How long they were away at least, in the machine's time.
        waited: Duration,
    },
    /// A SoC does not show what it should after its reset.
    #[error(
        "{soc} shows {found} instead of {wanted}; a request proves nothing, look at qmonitor's log"
    )]
    NotProven {
        /// The SoC.
        soc: PciAddress,
        /// What it should show.
        wanted: String,
        /// What it shows.
        found: String,
    },
    /// Data between two SoCs did not arrive as it was sent, or not at all.
    #[error("P2P from {from} to {to} failed: {why}")]
    NoP2P {
        /// The sending SoC.
        from: PciAddress,
        /// The receiving SoC.
        to: PciAddress,
        /// What the test said.
        why: String,
    },
    /// The test went well as far as it says, and does not say that data was compared.
    #[error(
        "links carried the test's {runs} runs, and of {unsaid} it does not say that the data was compared: P2P of data is not proven; compare it yourself and declare `verification: {{ mode: None }}` on the group, or install a test that brings its expected output"
    )]
    NotCompared {
        /// Runs, one a pair and direction.
        runs: u32,
        /// Those that say nothing of the data.
        unsaid: u32,
    },
    /// The action is no machine's business: a build, a worker, the ledger.
    #[error("{verb} is not carried out on a machine")]
    NotOnMachine {
        /// The action's verb.
        verb: String,
    },
}

impl StepError {
    /// That this was done and could not be looked at any more.
    fn unseen(self, what: impl Into<String>) -> Self {
        Self::Unseen {
            what: what.into(),
            source: Box::new(self),
        }
    }

    /// SoCs that may have taken a request that was meant for another one.
    pub fn takers(&self) -> &[PciAddress] {
        match self {
            Self::Strayed { others, .. } => others,
            _ => &[],
        }
    }

    /// Whether something of which there is no other trace may have been changed before it failed: a register, a setting, a file,
    /// or a request that firmware remembers. A tool that says that it did not was not heard.
    pub fn may_have_touched(&self) -> bool {
        match self {
            Self::Expectation { .. }
            | Self::Access(_)
            | Self::Tool(_)
            | Self::ToolFailed { .. }
            | Self::ToolRefused { .. }
            | Self::Held { .. }
            | Self::NotOnMachine { .. } => false,
            Self::Write(_)
            | Self::Unseen { .. }
            | Self::Strayed { .. }
            | Self::WriteIgnored { .. }
            | Self::WriteDropped { .. }
            | Self::WritePartial { .. }
            | Self::SettingIgnored { .. }
            | Self::FileIgnored { .. }
            | Self::Deadline { .. }
            | Self::Gone { .. }
            | Self::NotProven { .. }
            | Self::NoP2P { .. }
            | Self::NotCompared { .. } => true,
        }
    }
}

/// Carries out one step's action, its waiting and read-back included. Blocks, on the machine's own time.
pub fn perform(machine: &Machine, action: &Action) -> Result<Performed, StepError> {
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    match action {
        // In a cluster the controller taints; on one machine nothing starts while an engine works.
        Action::Taint { socs: _ } | Action::Untaint { socs: _ } => Ok(Performed::Seen),
        Action::Drain {
            socs,
            workers: _,
            timeout_seconds,
        } => soc::drain(machine, socs, seconds(*timeout_seconds)),
        Action::ClearAcs { port, before, mask } => acs::clear(machine, port, *before, *mask),
        Action::RestoreAcs {
            port,
            before,
            pre_image,
            mask,
        } => acs::restore(machine, port, *before, *pre_image, *mask),
        Action::StartQmonitor {} => qmonitor::start(machine),
        Action::RequestMdp { soc, enable } => request::request_mdp(machine, soc, *enable),
        Action::Reset { scope, socs } => soc::reset(machine, *scope, socs),
        Action::WaitReady {
            socs,
            timeout_seconds,
        } => soc::wait_ready(machine, socs, seconds(*timeout_seconds)),
        Action::VerifyMdp { socs, enable } => soc::verify_mdp(machine, socs, *enable),
        Action::SetDriver {
            name,
            before,
            after,
        } => settings::driver(machine, name, *before, *after),
        Action::SetSysctl {
            name,
            before,
            after,
        } => settings::sysctl(machine, name, *before, *after),
        Action::WriteFile {
            file,
            before,
            after,
        } => settings_file::write(machine, *file, before, after),
        Action::VerifyP2P {
            group: _,
            members,
            ports,
        } => p2p::verify(machine, members, ports),
        Action::AssignEntry { .. } => not_here("ledger.assign"),
        Action::AssignGroup { .. } => not_here("group.assign"),
        Action::Build { .. } => not_here("program.build"),
        Action::StartWorker { .. } => not_here("worker.start"),
        Action::StopWorker { .. } => not_here("worker.stop"),
        Action::ReplaceWorker { .. } => not_here("worker.replace"),
    }
}

fn not_here(verb: &str) -> Result<Performed, StepError> {
    Err(StepError::NotOnMachine {
        verb: verb.to_owned(),
    })
}
