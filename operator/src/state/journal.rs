//! The journal of one node: an append-only file whose every record is durable before the next thing happens.
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use crd::{
    id::{BootId, PciAddress, StepId},
    journal::{Event, Record, RunOutcome},
    kind::rack::Moment,
    snapshot::SocIdentity,
    step::{Action, Step},
};
use machine::opened::{self, For};

use super::{
    attempts::{self, Touched},
    durable, frame,
};

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file could not be opened or read.
    #[error("reading the journal {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A record could not be made durable.
    #[error("writing the journal {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A record in the middle is damaged: not what a crash leaves behind.
    #[error("record {sequence} of the journal {path} is damaged, and whole records follow it")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which record.
        sequence: u64,
    },
}

/// The journal of one node, open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    hash: String,
    records: Vec<Record>,
}

impl Journal {
    /// Opens the journal at `path`, making it where there is none. A torn last record, which is what a crash in the
    /// middle of a write leaves, is cut off.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let read = |source| JournalError::Read {
            path: path.to_owned(),
            source,
        };
        let fresh = !path.exists();
        let mut file = opened::regular(path, For::Appending).map_err(read)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(read)?;
        let (records, hash, whole) = parse(&bytes, path)?;
        let write = |source| JournalError::Write {
            path: path.to_owned(),
            source,
        };
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(write)?;
            file.seek(io::SeekFrom::End(0)).map_err(write)?;
            file.sync_all().map_err(write)?;
        }
        if fresh {
            file.sync_all().map_err(write)?;
            durable::sync_folder(path.parent().unwrap_or(Path::new("."))).map_err(write)?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            hash,
            records,
        })
    }

    /// Reads the records at `path` without opening it for writing; a torn tail is left where it is.
    pub fn read(path: &Path) -> Result<Vec<Record>, JournalError> {
        match opened::whole(path) {
            Ok(bytes) => Ok(parse(&bytes, path)?.0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(JournalError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// The sequence number that the next record will have.
    pub fn next_sequence(&self) -> u64 {
        self.records.len() as u64
    }

    /// Everything recorded, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Appends one record and makes it durable. `cut` stops the writing as a crash would; the caller then dies.
    pub fn append(
        &mut self,
        boot_id: &BootId,
        at: String,
        event: Event,
        cut: Option<Moment>,
    ) -> Result<(), JournalError> {
        let record = Record {
            sequence: self.next_sequence(),
            boot_id: boot_id.clone(),
            at,
            event,
        };
        let write = |source| JournalError::Write {
            path: self.path.clone(),
            source,
        };
        let json = serde_json::to_string(&record).map_err(|e| write(io::Error::other(e)))?;
        let (line, hash) = frame::encode(&self.hash, &json);
        let bytes = match cut {
            Some(Moment::Before) => &[],
            Some(Moment::Torn) => &line.as_bytes()[..line.len() / 2],
            Some(Moment::After) | None => line.as_bytes(),
        };
        let start = self.file.metadata().map_err(write)?.len();
        let written = self
            .file
            .write_all(bytes)
            .and_then(|()| self.file.sync_all());
        if let Err(error) = written {
            // A full disk may have taken a part: leave the file as it was, so that a later record is not glued to it.
            let _ = self.file.set_len(start);
            return Err(write(error));
        }
        self.hash = hash;
        self.records.push(record);
        Ok(())
    }

    /// Steps that were begun and have not ended, oldest first, each with the boot of its intent.
    pub fn open_steps(&self) -> Vec<(BootId, Step)> {
        open_steps(&self.records)
    }

    /// Where the journal is larger than `limit` bytes and nothing in it is open, puts the whole file aside as
    /// `journal.old` and starts over with what a later run still asks for: the last unsuccessful attempt of each step in
    /// the last boot. Both files are whole chains. A crash in between leaves the journal as it was.
    pub fn compact(&mut self, limit: u64) -> Result<(), JournalError> {
        let path = self.path.clone();
        let write = |source| JournalError::Write {
            path: path.clone(),
            source,
        };
        let length = self.file.metadata().map_err(write)?.len();
        if length <= limit || self.run_is_open() || !self.open_steps().is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        let mut hash = frame::GENESIS.to_owned();
        let mut records = Vec::new();
        for mut record in unsuccessful(&self.records) {
            record.sequence = records.len() as u64;
            let json = serde_json::to_string(&record).map_err(|e| write(io::Error::other(e)))?;
            let (line, link) = frame::encode(&hash, &json);
            text.push_str(&line);
            hash = link;
            records.push(record);
        }
        let whole = opened::whole(&path).map_err(write)?;
        durable::replace(&path.with_extension("old"), &whole).map_err(write)?;
        durable::replace(&path, text.as_bytes()).map_err(write)?;
        self.file = opened::regular(&path, For::Appending).map_err(write)?;
        self.hash = hash;
        self.records = records;
        Ok(())
    }

    /// How often a step was begun in this boot without having come to something: its last intent says it, as of a reset's SoCs.
    pub fn attempts(&self, step: &Step, boot_id: &BootId) -> u32 {
        attempts::of(&self.records, step, boot_id)
    }

    /// Steps begun in this boot by the last run, ended or not, oldest first.
    pub fn begun_by_last_run(&self, boot_id: &BootId) -> Vec<Step> {
        let from = self
            .records
            .iter()
            .rposition(|record| matches!(record.event, Event::RunBegin { .. }))
            .unwrap_or(0);
        self.records[from..]
            .iter()
            .filter(|record| &record.boot_id == boot_id)
            .filter_map(|record| match &record.event {
                Event::Intent { step, .. } => Some((**step).clone()),
                Event::RunBegin { .. }
                | Event::Done { .. }
                | Event::Verified { .. }
                | Event::Failed { .. }
                | Event::Void { .. }
                | Event::Compensated { .. }
                | Event::RunEnd { .. } => None,
            })
            .collect()
    }

    /// The SoCs that were there when the last run began.
    pub fn there_at_last_run(&self) -> Vec<SocIdentity> {
        let mut events = self.records.iter().rev().map(|record| &record.event);
        let socs = events.find_map(|event| match event {
            Event::RunBegin { socs, .. } => Some(socs.clone()),
            _ => None,
        });
        socs.unwrap_or_default()
    }

    /// Whether somebody stopped the last run after a reset and before its SoCs were waited for. In which boot, the records say.
    pub fn stopped_in_a_reset(&self) -> bool {
        let mut waits: BTreeSet<PciAddress> = BTreeSet::new();
        let mut stopped = false;
        for record in &self.records {
            match &record.event {
                Event::RunBegin { .. } => waits.clear(),
                Event::Intent { step, .. } => match &step.action {
                    Action::Reset { socs, .. } => waits.extend(socs.iter().map(|soc| soc.address)),
                    // Whatever came of it, it is over.
                    Action::WaitReady { socs, .. } => {
                        waits.retain(|soc| socs.iter().all(|other| other.address != *soc));
                    }
                    _ => {}
                },
                Event::RunEnd { outcome } => stopped = *outcome == RunOutcome::Interrupted,
                _ => {}
            }
        }
        stopped && !waits.is_empty()
    }

    /// Whether the last run has no end.
    pub fn run_is_open(&self) -> bool {
        self.records
            .iter()
            .rev()
            .find_map(|record| match record.event {
                Event::RunBegin { .. } => Some(true),
                Event::RunEnd { .. } => Some(false),
                Event::Intent { .. }
                | Event::Done { .. }
                | Event::Verified { .. }
                | Event::Failed { .. }
                | Event::Void { .. }
                | Event::Compensated { .. } => None,
            })
            .unwrap_or(false)
    }
}

/// The last intent of each step of the last boot that did not end well, each with its end; of resets also those that did,
/// until a run that touched their SoCs converges: what they were for is seen later.
fn unsuccessful(records: &[Record]) -> Vec<Record> {
    let Some(boot) = records.last().map(|record| &record.boot_id) else {
        return Vec::new();
    };
    let mut kept: Vec<Record> = Vec::new();
    let mut touched = Touched::default();
    for record in records.iter().filter(|record| record.boot_id == *boot) {
        touched.take(&record.event);
        let ended = match &record.event {
            Event::Intent { step, .. } => &step.id,
            Event::Verified { step }
            | Event::Failed { step, .. }
            | Event::Void { step, .. }
            | Event::Compensated { step } => step,
            Event::RunEnd { outcome } => {
                if *outcome == RunOutcome::Converged {
                    forget_resets(&mut kept, &touched);
                }
                continue;
            }
            Event::RunBegin { .. } | Event::Done { .. } => continue,
        };
        let begun = matches!(record.event, Event::Intent { .. });
        let verified = matches!(record.event, Event::Verified { .. });
        if begun || verified && !kept.iter().any(|other| resets(other, ended)) {
            kept.retain(|other| !is_about(other, ended));
        }
        if begun || kept.iter().any(|other| is_about(other, ended)) {
            kept.push(record.clone());
        }
    }
    kept
}

fn forget_resets(kept: &mut Vec<Record>, touched: &Touched) {
    let done: Vec<StepId> = kept
        .iter()
        .filter_map(|record| match &record.event {
            Event::Intent { step, .. } => match &step.action {
                Action::Reset { socs, .. } => {
                    let all = socs.iter().all(|soc| touched.has(soc.address));
                    all.then(|| step.id.clone())
                }
                _ => None,
            },
            _ => None,
        })
        .collect();
    kept.retain(|record| !done.iter().any(|id| is_about(record, id)));
}

/// Whether a record is the intent of this step, which is a reset.
fn resets(record: &Record, id: &StepId) -> bool {
    matches!(&record.event, Event::Intent { step, .. }
        if step.id == *id && matches!(step.action, Action::Reset { .. }))
}

fn is_about(record: &Record, id: &StepId) -> bool {
    match &record.event {
        Event::Intent { step, .. } => step.id == *id,
        Event::Done { step }
        | Event::Verified { step }
        | Event::Failed { step, .. }
        | Event::Void { step, .. }
        | Event::Compensated { step } => step == id,
        Event::RunBegin { .. } | Event::RunEnd { .. } => false,
    }
}

/// Steps that were begun and have not ended, oldest first, each with the boot of its intent.
pub fn open_steps(records: &[Record]) -> Vec<(BootId, Step)> {
    let mut open: Vec<(BootId, Step)> = Vec::new();
    for record in records {
        match &record.event {
            Event::Intent { step, .. } => {
                open.retain(|(_, begun)| begun.id != step.id);
                open.push((record.boot_id.clone(), (**step).clone()));
            }
            Event::Verified { step }
            | Event::Failed { step, .. }
            | Event::Void { step, .. }
            | Event::Compensated { step } => open.retain(|(_, begun)| begun.id != *step),
            Event::RunBegin { .. } | Event::Done { .. } | Event::RunEnd { .. } => {}
        }
    }
    open
}

/// The whole records, the chain's last hash, and the bytes that they take.
fn parse(bytes: &[u8], path: &Path) -> Result<(Vec<Record>, String, usize), JournalError> {
    let mut records: Vec<Record> = Vec::new();
    let mut hash = frame::GENESIS.to_owned();
    let mut at = 0;
    while at < bytes.len() {
        let next = frame::decode(&hash, &bytes[at..]).and_then(|(json, link, used)| {
            let record: Record = serde_json::from_str(json).ok()?;
            (record.sequence == records.len() as u64).then_some((record, link, used))
        });
        match next {
            Some((record, link, used)) => {
                records.push(record);
                hash = link;
                at += used;
            }
            // A crash damages the last line alone. A line after this one means that somebody else did it.
            None if bytes[at..]
                .iter()
                .position(|&b| b == b'\n')
                .is_some_and(|end| at + end + 1 < bytes.len()) =>
            {
                return Err(JournalError::Damaged {
                    path: path.to_owned(),
                    sequence: records.len() as u64,
                });
            }
            None => break,
        }
    }
    Ok((records, hash, at))
}
