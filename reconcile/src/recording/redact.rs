//! Replaces what tells whose machine a snapshot is of, the same thing by the same pseudonym, so that plans stay the same.
//!
//! Replaced: the node's name, labels, boot ids, serials of SoCs and boards, process ids, command names, ids of containers and pods, files of
//! other people's settings and what they wrote into ours (`files`), and of the kernel's command line all but what decides about cards. Kept: addresses, paths, words, versions, sizes, and names of declared objects,
//! which whoever reads the plan has anyway. Every struct that holds something to replace is taken apart whole here: a
//! field that is added to one must be thought about.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    Fact,
    id::{BootId, GroupId, MhiSerial, NodeName},
    snapshot::{
        GroupRecord, HardwareSnapshot, Holder, HolderKind, Ledger, LedgerEntry, LedgerTarget,
        LostSoc, PodName, PresentWorker, Redaction, SnapshotMetadata, Soc, SocIdentity, Unread,
        Verification,
    },
};

use crate::view::in_order;

/// Parameters of the kernel that decide about cards and say nothing about whose machine it is.
const PARAMETERS: [&str; 8] = [
    "amd_iommu",
    "intel_iommu",
    "iommu",
    "iommu.passthrough",
    "iommu.strict",
    "lockdown",
    "pci",
    "pcie_acs_override",
];
/// Parameters of the driver stand there by the module's name.
const DRIVER: &str = "qaic.";
/// What a holder that is a binding and no process is called.
const VFIO: &str = "vfio";

/// Gives names their pseudonyms: the same key, the same pseudonym; without the key, no way back.
#[derive(Clone, Debug)]
pub struct Pseudonyms {
    key: [u8; 32],
    kept_labels: BTreeSet<String>,
}

impl Pseudonyms {
    /// Pseudonyms under a secret. Labels with these keys are kept, so that selectors still find the node.
    pub fn new(secret: &[u8], kept_labels: BTreeSet<String>) -> Self {
        Self {
            key: blake3::derive_key("shardplane 2026 pseudonyms of snapshots", secret),
            kept_labels,
        }
    }

    /// What a recording says of them.
    pub fn redaction(&self) -> Redaction {
        Redaction {
            key: self.digits("key", ""),
            kept_labels: self.kept_labels.iter().cloned().collect(),
        }
    }

    /// `node-0123456789abcdef`.
    pub(super) fn name(&self, what: &str, text: &str) -> String {
        format!("{what}-{}", self.digits(what, text))
    }

    fn digits(&self, what: &str, text: &str) -> String {
        let hash = blake3::keyed_hash(&self.key, format!("{what}\0{text}").as_bytes());
        hash.to_hex()[..16].to_owned()
    }

    pub(super) fn pid(&self, pid: u32) -> u32 {
        let hash = blake3::keyed_hash(&self.key, format!("pid\0{pid}").as_bytes());
        let [a, b, c, d, ..] = *hash.as_bytes();
        // Process ids are positive and signed in the kernel.
        (u32::from_le_bytes([a, b, c, d]) >> 1).max(1)
    }

    fn node(&self, node: &NodeName) -> NodeName {
        NodeName(self.name("node", node.as_str()))
    }

    fn boot(&self, boot: &BootId) -> BootId {
        BootId(self.name("boot", boot.as_str()))
    }

    fn serial(&self, serial: &MhiSerial) -> MhiSerial {
        MhiSerial(self.name("serial", serial.as_str()))
    }

    fn group(&self, group: &GroupId) -> GroupId {
        let GroupId { name, index, node } = group;
        GroupId {
            name: name.clone(),
            index: *index,
            node: self.node(node),
        }
    }

    fn labels(&self, labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let pair = |(key, value): (&String, &String)| {
            if self.kept_labels.contains(key) {
                (key.clone(), value.clone())
            } else {
                (self.name("label", key), self.name("value", value))
            }
        };
        labels.iter().map(pair).collect()
    }

    fn command_line(&self, line: &str) -> String {
        let kept = |word: &&str| {
            let name = word.split('=').next().unwrap_or_default();
            PARAMETERS.contains(&name) || name.starts_with(DRIVER)
        };
        let mut words: Vec<String> = (line.split_whitespace().filter(kept))
            .map(str::to_owned)
            .collect();
        if words.len() != line.split_whitespace().count() {
            words.push(self.name("redacted", line));
        }
        words.join(" ")
    }

    fn soc(&self, soc: Soc) -> Soc {
        let Soc {
            address,
            path,
            serial,
            qid,
            mhi,
            accel,
            status,
            mdp,
            cores,
            cores_free,
            dram_mib,
            sku,
            board_serial,
            firmware,
        } = soc;
        Soc {
            address,
            path,
            serial: serial.map(|serial| self.serial(&serial)),
            qid,
            mhi,
            accel,
            status,
            mdp,
            cores,
            cores_free,
            dram_mib,
            sku,
            board_serial: board_serial.map(|serial| self.name("board", &serial)),
            firmware,
        }
    }

    fn unread(&self, unread: Unread) -> Unread {
        let Unread { path, why } = unread;
        Unread {
            path: self.path(path),
            why,
        }
    }

    /// The number in a path of a process tells about it; the kernel's own folders tell nothing.
    fn path(&self, path: String) -> String {
        let process = path
            .strip_prefix("/proc/")
            .and_then(|rest| rest.split('/').next())
            .and_then(|pid| Some((pid, pid.parse().ok()?)));
        match process {
            Some((written, pid)) => {
                let rest = &path["/proc/".len() + written.len()..];
                format!("/proc/{}{rest}", self.pid(pid))
            }
            None => path,
        }
    }

    fn holder(&self, holder: Holder) -> Holder {
        let Holder {
            soc,
            kind,
            pid,
            name,
            unit,
            container,
            pod,
        } = holder;
        Holder {
            soc,
            kind: match &kind {
                HolderKind::Pod { named } => HolderKind::Pod {
                    named: named.as_ref().map(|pod| PodName {
                        namespace: self.name("namespace", &pod.namespace),
                        name: self.name("pod", &pod.name),
                    }),
                },
                HolderKind::Worker { .. } | HolderKind::Foreign | HolderKind::Unseen { .. } => {
                    kind.clone()
                }
            },
            unit: unit.map(|unit| self.name("unit", &unit)),
            container: container.map(|id| self.name("container", &id)),
            pod: pod.map(|uid| self.name("pod", &uid)),
            name: if matches!(kind, HolderKind::Unseen { .. }) {
                self.path(name)
            } else if pid.is_none() && name == VFIO {
                name
            } else {
                self.name("command", &name)
            },
            pid: pid.map(|pid| self.pid(pid)),
        }
    }

    fn worker(&self, worker: PresentWorker) -> PresentWorker {
        let PresentWorker {
            id,
            program,
            group,
            socs,
            port,
            options,
            state,
        } = worker;
        PresentWorker {
            id,
            program,
            group: group.map(|group| self.group(&group)),
            socs,
            port,
            options,
            state,
        }
    }

    fn identity(&self, identity: SocIdentity) -> SocIdentity {
        let SocIdentity {
            address,
            path,
            serial,
        } = identity;
        SocIdentity {
            address,
            path,
            serial: serial.map(|serial| self.serial(&serial)),
        }
    }

    fn ledger(&self, ledger: Ledger) -> Ledger {
        let Ledger {
            entries,
            identities,
            groups,
            approval,
            qmonitor_started,
            reset_scope,
            lost,
        } = ledger;
        Ledger {
            entries: entries.into_iter().map(|e| self.entry(e)).collect(),
            identities: identities.into_iter().map(|i| self.identity(i)).collect(),
            groups: groups.into_iter().map(|g| self.record(g)).collect(),
            approval,
            qmonitor_started: qmonitor_started.map(|boot| self.boot(&boot)),
            reset_scope,
            lost: lost.into_iter().map(|lost| self.lost(lost)).collect(),
        }
    }

    fn lost(&self, lost: LostSoc) -> LostSoc {
        let LostSoc { soc, boot_id } = lost;
        LostSoc {
            soc: self.identity(soc),
            boot_id: self.boot(&boot_id),
        }
    }

    fn entry(&self, entry: LedgerEntry) -> LedgerEntry {
        let LedgerEntry {
            target,
            owners,
            deletion,
            pre_image,
            written,
            boot_id,
        } = entry;
        let text = |image: String| match &target {
            LedgerTarget::File { file: _ } => self.image_text(image),
            LedgerTarget::Acs { port: _, path: _ }
            | LedgerTarget::Mdp { soc: _ }
            | LedgerTarget::Driver { name: _ }
            | LedgerTarget::Sysctl { name: _ } => image,
        };
        LedgerEntry {
            pre_image: text(pre_image),
            written: text(written),
            target,
            owners,
            deletion,
            boot_id: self.boot(&boot_id),
        }
    }

    fn record(&self, record: GroupRecord) -> GroupRecord {
        let GroupRecord {
            group,
            members,
            verification,
        } = record;
        let proof = |proof: Verification| {
            let Verification {
                boot_id,
                members,
                acs,
                mdp,
            } = proof;
            Verification {
                boot_id: self.boot(&boot_id),
                members,
                acs,
                mdp,
            }
        };
        GroupRecord {
            group: self.group(&group),
            members: members.into_iter().map(|m| self.identity(m)).collect(),
            verification: verification.map(proof),
        }
    }
}

/// The snapshot with pseudonyms in place of names, in its order again.
pub fn redact(snapshot: &HardwareSnapshot, pseudonyms: &Pseudonyms) -> HardwareSnapshot {
    let HardwareSnapshot {
        api_version,
        kind,
        metadata: SnapshotMetadata { name, labels },
        boot_id,
        functions,
        socs,
        unread,
        mut host,
        settings,
        tools,
        prerequisites,
        programs,
        workers,
        holders,
        ledger,
        readings: _,
        recording: _,
    } = snapshot.clone();
    host.command_line = Fact::map(host.command_line, |line| pseudonyms.command_line(&line));
    in_order(&HardwareSnapshot {
        api_version,
        kind,
        metadata: SnapshotMetadata {
            name: pseudonyms.node(&name),
            labels: pseudonyms.labels(&labels),
        },
        boot_id: boot_id.map(|boot| pseudonyms.boot(&boot)),
        functions,
        socs: socs.into_iter().map(|soc| pseudonyms.soc(soc)).collect(),
        unread: unread.into_iter().map(|u| pseudonyms.unread(u)).collect(),
        host,
        settings: pseudonyms.settings(settings),
        tools: pseudonyms.tools(tools),
        prerequisites,
        programs,
        workers: workers.into_iter().map(|w| pseudonyms.worker(w)).collect(),
        holders: holders.into_iter().map(|h| pseudonyms.holder(h)).collect(),
        ledger: pseudonyms.ledger(ledger),
        readings: None,
        recording: None,
    })
}
