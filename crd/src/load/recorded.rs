//! Recorded snapshots: whether one was edited since, and whether it holds together.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    document::Document,
    escape,
    limits::{Hidden, MOST_PROBLEMS},
};
use crate::{
    declaration::Span,
    diagnostic::{Diagnostic, Explanation, catalog},
    id::{PciAddress, PciPath, Word},
    snapshot::{Above, Gap, HardwareSnapshot, PciFunction, gaps, recording},
};

/// A recorded snapshot and where each of its values stands.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What was recorded.
    pub snapshot: HardwareSnapshot,
    /// Where each value stands, by JSON pointer; `""` is the document.
    pub spans: BTreeMap<String, Span>,
    /// Whether it holds together, and is what was recorded.
    pub whole: bool,
}

/// Checks a snapshot that has the form of one.
pub(super) fn check(
    snapshot: &HardwareSnapshot,
    document: &Document<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut reader = Reader {
        snapshot,
        document,
        found: Vec::new(),
    };
    reader.seal();
    reader.functions();
    reader.socs();
    reader.numberings();
    reader.orders();
    reader.facts("", &document.value);
    let Reader { mut found, .. } = reader;
    found.sort_by_key(|problem| problem.severity);
    let mut hidden = Hidden::default();
    hidden.take(&mut found, 0, MOST_PROBLEMS);
    hidden.tell(&mut found, 0, "snapshot");
    diagnostics.append(&mut found);
}

struct Reader<'a> {
    snapshot: &'a HardwareSnapshot,
    document: &'a Document<'a>,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(&mut self, rule: &'static Explanation, pointer: &str, message: String, help: &str) {
        let place = self.document.span(pointer);
        let problem = Diagnostic::error(rule, message).at(place).help(help);
        self.found.push(problem);
    }

    fn wrong(&mut self, pointer: &str, message: String) {
        self.error(
            &catalog::SNAPSHOT_BROKEN,
            pointer,
            message,
            "record it anew with `shardplane snapshot`",
        );
    }

    /// The hash, and the times that it seals.
    fn seal(&mut self) {
        let Some(recording) = &self.snapshot.recording else {
            let unsealed = Diagnostic::warning(
                &catalog::SNAPSHOT_UNSEALED,
                "the snapshot carries no hash: whether it was edited cannot be told",
            );
            let place = self.document.span("/kind");
            self.found.push(
                unsealed
                    .at(place)
                    .help("record one with `shardplane snapshot`"),
            );
            return;
        };
        let is = recording::hash(self.document.value.clone());
        if recording.hash != is {
            self.error(
                &catalog::SNAPSHOT_EDITED,
                "/recording/hash",
                format!("the snapshot was edited since it was recorded: its hash is {is}, and it says {}", recording.hash),
                "record it anew, or compare it with the original through `shardplane snapshot diff`",
            );
        }
        if let (Some(taken), Some(expires)) = (&recording.taken_at, &recording.expires_at)
            && expires < taken
        {
            self.wrong(
                "/recording/expiresAt",
                format!("it expires at {expires}, before it was taken at {taken}"),
            );
        }
    }

    /// Every function hangs where its parent and its path say.
    fn functions(&mut self) {
        let by_address: BTreeMap<PciAddress, &PciFunction> = (self.snapshot.functions.iter())
            .map(|function| (function.address, function))
            .collect();
        let gaps: BTreeMap<PciAddress, Gap> = gaps(self.snapshot)
            .into_iter()
            .map(|gap| (gap.bridge, gap))
            .collect();
        let mut paths: BTreeSet<&PciPath> = BTreeSet::new();
        for (index, function) in self.snapshot.functions.iter().enumerate() {
            let at = |field: &str| format!("/functions/{index}/{field}");
            let address = function.address;
            if !paths.insert(&function.path) {
                let path = &function.path;
                self.wrong(&at("path"), format!("two functions stand at path {path}"));
            }
            let hop = format!("{:02x}.{:x}", address.device, address.function);
            let Some(parent) = function.parent else {
                if function.path.0 != address.to_string() {
                    self.wrong(
                        &at("path"),
                        format!("{address} has no parent, so its path should be its address"),
                    );
                }
                continue;
            };
            match by_address.get(&parent) {
                // What could not be read was there all the same, and the recording says so.
                None if let Some(gap) = gaps.get(&parent) => {
                    if function.path.0 != format!("{}/{hop}", gap.path) {
                        let path = &gap.path;
                        self.wrong(
                            &at("path"),
                            format!("{address} hangs below {parent}, which stands at path {path}, and its path does not lead through it"),
                        );
                    } else if gap.below == address {
                        self.gap(&at("parent"), gap);
                    }
                }
                None => self.wrong(
                    &at("parent"),
                    format!("{address} hangs below {parent}, which is not among the functions"),
                ),
                Some(above) if above.port.is_none() => self.wrong(
                    &at("parent"),
                    format!("{address} hangs below {parent}, which is no port"),
                ),
                Some(above) if function.path.0 != format!("{}/{hop}", above.path) => self.wrong(
                    &at("path"),
                    format!(
                        "{address} hangs below {parent}, and its path does not lead through it"
                    ),
                ),
                Some(_) => {}
            }
        }
    }

    /// A bridge that something hangs below, and that could not be read.
    fn gap(&mut self, pointer: &str, gap: &Gap) {
        let Gap { bridge, below, .. } = gap;
        let rack = match gap.above {
            Above::Nothing | Above::Bridge(_) => "",
            Above::Unknown => {
                "; what the bridge itself hangs below is not in it, so no rack can be made of it"
            }
        };
        let message = format!(
            "{below} hangs below {bridge}, which could not be read when the machine was recorded{rack}"
        );
        let place = self.document.span(pointer);
        let problem = Diagnostic::warning(&catalog::SNAPSHOT_GAP, message).at(place);
        self.found.push(problem.help(
            "record it anew as root; if it stays so, see that machine's kernel log for what became of the bridge",
        ));
    }

    /// Every SoC is a function, and every AI 100 function a SoC; holders hold SoCs.
    fn socs(&mut self) {
        let HardwareSnapshot {
            functions,
            socs,
            holders,
            ..
        } = self.snapshot;
        let is_ai100 = |function: &PciFunction| {
            function.vendor == Word(0x17cb) && matches!(function.device, Word(0xa100 | 0xa080))
        };
        for (index, soc) in socs.iter().enumerate() {
            let found = functions.iter().find(|f| f.address == soc.address);
            let at = |field: &str| format!("/socs/{index}/{field}");
            match found {
                None => self.wrong(
                    &at("address"),
                    format!("SoC {} is not among the functions", soc.address),
                ),
                Some(function) if !is_ai100(function) => self.wrong(
                    &at("address"),
                    format!(
                        "SoC {} is a function {}:{}, which is no AI 100",
                        soc.address, function.vendor, function.device
                    ),
                ),
                Some(function) if function.path != soc.path => self.wrong(
                    &at("path"),
                    format!(
                        "SoC {} stands at path {} and its function at {}",
                        soc.address, soc.path, function.path
                    ),
                ),
                Some(_) => {}
            }
        }
        let known: BTreeSet<PciAddress> = socs.iter().map(|soc| soc.address).collect();
        for (index, function) in functions.iter().enumerate() {
            if is_ai100(function) && !known.contains(&function.address) {
                self.wrong(
                    &format!("/functions/{index}/address"),
                    format!("{} is an AI 100 and not among the SoCs", function.address),
                );
            }
        }
        let asked = self.snapshot.prerequisites.iter().flat_map(|p| &p.socs);
        for (index, asked) in asked.enumerate() {
            if !known.contains(&asked.address) {
                self.wrong(
                    &format!("/prerequisites/socs/{index}/address"),
                    format!("{} is asked of, and is no SoC", asked.address),
                );
            }
        }
        for (index, holder) in holders.iter().enumerate() {
            if !known.contains(&holder.soc) {
                self.wrong(
                    &format!("/holders/{index}/soc"),
                    format!("{} holds {}, which is no SoC", holder.name, holder.soc),
                );
            }
        }
    }

    /// No two SoCs have one number of the same kind.
    fn numberings(&mut self) {
        let mut taken: BTreeMap<(&str, u32), PciAddress> = BTreeMap::new();
        let socs = &self.snapshot.socs;
        for (index, soc) in socs.iter().enumerate() {
            let numbers = [
                ("qid", soc.qid.get().map(|id| id.0)),
                ("mhi", soc.mhi.get().map(|id| id.0)),
                ("accel", soc.accel.get().map(|minor| minor.0)),
            ];
            for (field, number) in numbers {
                let Some(number) = number else { continue };
                if let Some(other) = taken.insert((field, number), soc.address) {
                    self.wrong(
                        &format!("/socs/{index}/{field}/value"),
                        format!("{other} and {} both have {field} {number}", soc.address),
                    );
                }
            }
        }
    }

    /// Lists come in their documented order, each entry once.
    fn orders(&mut self) {
        let HardwareSnapshot {
            functions,
            socs,
            programs,
            workers,
            holders,
            ledger,
            ..
        } = self.snapshot;
        self.order("/functions", functions.iter().map(|f| f.address));
        self.order("/socs", socs.iter().map(|soc| soc.address));
        let asked = self.snapshot.prerequisites.iter().flat_map(|p| &p.socs);
        self.order("/prerequisites/socs", asked.map(|soc| soc.address));
        self.order("/programs", programs.iter().map(|program| &program.key));
        self.order("/workers", workers.iter().map(|worker| &worker.id));
        self.order("/holders", holders.iter());
        self.order("/ledger/entries", ledger.entries.iter().map(|e| &e.target));
        self.order("/ledger/identities", ledger.identities.iter());
        self.order("/ledger/groups", ledger.groups.iter().map(|g| &g.group));
    }

    fn order<K: Ord>(&mut self, pointer: &str, keys: impl Iterator<Item = K>) {
        let mut before: Option<K> = None;
        for (index, key) in keys.enumerate() {
            let at = format!("{pointer}/{index}");
            match before.as_ref().map(|before| before.cmp(&key)) {
                Some(std::cmp::Ordering::Equal) => {
                    self.wrong(&at, "the entry before says of the same thing".to_owned());
                }
                Some(std::cmp::Ordering::Greater) => {
                    let place = self.document.span(&at);
                    self.found.push(
                        Diagnostic::warning(
                            &catalog::SNAPSHOT_DISORDERED,
                            format!("`{}` is out of its order here", &pointer[1..]),
                        )
                        .at(place)
                        .help(
                            "nothing is planned otherwise by it; a recording always has its order",
                        ),
                    );
                }
                Some(std::cmp::Ordering::Less) | None => {}
            }
            before = Some(key);
        }
    }

    /// Every fact has a value or a reason, never both and never neither.
    fn facts(&mut self, pointer: &str, value: &Value) {
        match value {
            Value::Object(map) => {
                let has = |key: &str| map.get(key).is_some_and(|value| !value.is_null());
                let only = |key: &String| ["value", "unknown", "source"].contains(&key.as_str());
                if has("source") && map.keys().all(only) {
                    let says = match (has("value"), has("unknown")) {
                        (true, true) => Some("a value and a reason why there is none"),
                        (false, false) => Some("no value and no reason why"),
                        (true, false) | (false, true) => None,
                    };
                    if let Some(says) = says {
                        self.wrong(pointer, format!("{pointer} has {says}"));
                    }
                }
                for (key, inner) in map {
                    self.facts(&format!("{pointer}/{}", escape(key)), inner);
                }
            }
            Value::Array(items) => {
                for (index, inner) in items.iter().enumerate() {
                    self.facts(&format!("{pointer}/{index}"), inner);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
