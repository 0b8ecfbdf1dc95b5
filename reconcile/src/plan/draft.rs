//! Steps, one constructor for what every kind of step has alike.
use crd::{
    declaration::{Declared, Span},
    id::{PciAddress, StepId},
    snapshot::{FileImage, SocIdentity},
    step::{
        Action, Cause, Disruption, DisruptionClass, Estimate, FactValue, Inverse, Ownership,
        Precondition, Step, StepReason, Subject, Symbol,
    },
};

use crate::{judge, view::View};

/// A step without its id: the sequence gives it one.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) target: String,
    pub(super) step: Step,
}

impl Draft {
    /// A step that expects and leaves nothing, disturbs nothing and cannot be undone for no reason given yet.
    pub(super) fn new(
        target: String,
        action: Action,
        reason: StepReason,
        causes: Vec<Cause>,
    ) -> Self {
        let form = form(&action);
        Self {
            target,
            step: Step {
                id: StepId(String::new()),
                action,
                symbol: form.symbol,
                batch: 0,
                reason,
                rule: form.rule.into(),
                causes,
                preconditions: Vec::new(),
                leaves: Vec::new(),
                inverse: Inverse::NothingChanged,
                disruption: quiet(),
                record: None,
                depends_on: Vec::new(),
                estimate: Estimate {
                    likely_ms: form.likely_ms,
                    limit_ms: form.limit_ms,
                },
            },
        }
    }

    pub(super) fn expects(mut self, facts: impl IntoIterator<Item = Precondition>) -> Self {
        self.step.preconditions.extend(facts);
        self
    }

    pub(super) fn leaves(mut self, facts: impl IntoIterator<Item = Precondition>) -> Self {
        self.step.leaves.extend(facts);
        self
    }

    pub(super) fn undone_by(mut self, action: Action) -> Self {
        self.step.inverse = Inverse::Action {
            action: Box::new(action),
        };
        self
    }

    pub(super) fn never_undone(mut self, why: &str) -> Self {
        self.step.inverse = Inverse::Impossible { why: why.into() };
        self
    }

    pub(super) fn disturbs(mut self, disruption: Disruption) -> Self {
        self.step.disruption = disruption;
        self
    }

    pub(super) fn records(mut self, record: Ownership) -> Self {
        self.step.record = Some(record);
        self
    }

    pub(super) fn takes_at_most(mut self, seconds: u32) -> Self {
        self.step.estimate.limit_ms = u64::from(seconds) * 1000;
        self
    }
}

/// A fact that must hold.
pub(super) fn fact(subject: Subject, equals: impl Into<String>) -> Precondition {
    Precondition {
        subject,
        equals: equals.into(),
    }
}

/// That a SoC is still the one the plan means.
pub(super) fn is_same(soc: &SocIdentity) -> Precondition {
    fact(
        Subject::Identity { soc: soc.address },
        judge::identity_text(soc),
    )
}

/// A disturbance of nothing.
pub(super) fn quiet() -> Disruption {
    Disruption {
        class: DisruptionClass::None,
        disruptive: false,
        socs: Vec::new(),
        workers: Vec::new(),
        isolation: None,
    }
}

/// A disturbance of whoever works on these SoCs now.
pub(super) fn idles(view: &View<'_>, socs: Vec<PciAddress>) -> Disruption {
    let workers = super::work::holding(view, &socs);
    let class = if workers.is_empty() {
        DisruptionClass::None
    } else {
        DisruptionClass::Worker
    };
    Disruption {
        class,
        disruptive: class >= DisruptionClass::Worker,
        socs,
        workers,
        isolation: None,
    }
}

/// A declared line as a cause.
pub(super) fn declared<S>(object: &Declared<S>, pointer: &str) -> Cause {
    Cause {
        object: Some(object.object.clone()),
        path: Some(pointer.into()),
        span: object.span(pointer).cloned(),
        fact: None,
    }
}

/// A fact of the snapshot as a cause.
pub(super) fn seen(view: &View<'_>, pointer: &str, value: impl Into<String>) -> Cause {
    Cause {
        object: None,
        path: None,
        span: None,
        fact: Some(FactValue {
            fact: format!("snapshot:{}#{pointer}", view.node()),
            value: value.into(),
        }),
    }
}

/// A cause that only the ledger knows: an object that is declared no more.
pub(super) fn owned(view: &View<'_>, object: Option<&crd::id::ObjectRef>, what: &str) -> Cause {
    let no_span: Option<Span> = None;
    Cause {
        object: object.cloned(),
        path: None,
        span: no_span,
        fact: Some(FactValue {
            fact: format!("ledger:{}#{what}", view.node()),
            value: object.map_or_else(|| "recorded".into(), ToString::to_string),
        }),
    }
}

/// `first+n`: a set of SoCs in a step's id.
pub(super) fn set_name<'a>(mut socs: impl Iterator<Item = &'a PciAddress>) -> String {
    let Some(first) = socs.next() else {
        return "none".into();
    };
    match socs.count() {
        0 => first.to_string(),
        more => format!("{first}+{more}"),
    }
}

/// The verb of an action, as it is on the wire.
pub(super) fn verb(action: &Action) -> &'static str {
    form(action).verb
}

struct Form {
    verb: &'static str,
    rule: &'static str,
    symbol: Symbol,
    likely_ms: u64,
    limit_ms: u64,
}

fn form(action: &Action) -> Form {
    let of = |verb, rule, symbol, likely_ms, limit_ms| Form {
        verb,
        rule,
        symbol,
        likely_ms,
        limit_ms,
    };
    // Limits: the driver gives a reset 25 s, the vendor's installer waits 15 min for Ready, qmonitor takes ten seconds
    // to answer after its start. The others are generous bounds on what takes milliseconds.
    match action {
        Action::ClearAcs { .. } => of("acs.clear", "SP-R0101", Symbol::Update, 5, 10_000),
        Action::RestoreAcs { .. } => of("acs.restore", "SP-R0102", Symbol::Update, 5, 10_000),
        Action::StartQmonitor {} => of(
            "qmonitor.start",
            "SP-R0201",
            Symbol::Create,
            10_000,
            120_000,
        ),
        Action::RequestMdp { .. } => of("mdp.request", "SP-R0202", Symbol::Update, 1_000, 60_000),
        Action::Reset { scope, .. } => {
            let symbol = match scope {
                crd::kind::ResetScope::SoC => Symbol::Reset,
                crd::kind::ResetScope::Host => Symbol::ResetAll,
            };
            of("soc.reset", "SP-R0203", symbol, 2_000, 60_000)
        }
        Action::WaitReady { .. } => of("soc.wait", "SP-R0204", Symbol::Read, 60_000, 900_000),
        Action::VerifyMdp { .. } => of("mdp.verify", "SP-R0205", Symbol::Read, 1_000, 60_000),
        Action::SetDriver { .. } => of("driver.set", "SP-R0301", Symbol::Update, 5, 10_000),
        Action::SetSysctl { .. } => of("sysctl.set", "SP-R0302", Symbol::Update, 5, 10_000),
        Action::WriteFile { before, after, .. } => {
            let symbol = match (before, after) {
                (_, FileImage::Absent) => Symbol::Delete,
                (FileImage::Absent, FileImage::Text(_)) => Symbol::Create,
                (FileImage::Text(_), FileImage::Text(_)) => Symbol::Update,
            };
            of("file.write", "SP-R0303", symbol, 10, 10_000)
        }
        Action::VerifyP2P { .. } => of("p2p.verify", "SP-R0401", Symbol::Read, 10_000, 600_000),
        Action::Taint { .. } => of("node.taint", "SP-R0501", Symbol::Update, 10, 10_000),
        Action::Drain { .. } => of("socs.drain", "SP-R0502", Symbol::Update, 5_000, 300_000),
        Action::Untaint { .. } => of("node.untaint", "SP-R0503", Symbol::Update, 10, 10_000),
        Action::AssignEntry { owners, .. } => {
            let symbol = if owners.is_empty() {
                Symbol::Delete
            } else {
                Symbol::Update
            };
            of("ledger.assign", "SP-R0601", symbol, 5, 10_000)
        }
        Action::AssignGroup { members, .. } => {
            let symbol = if members.is_empty() {
                Symbol::Delete
            } else {
                Symbol::Create
            };
            of("group.assign", "SP-R0602", symbol, 5, 10_000)
        }
        Action::Build { .. } => of(
            "program.build",
            "SP-R0701",
            Symbol::Create,
            60_000,
            14_400_000,
        ),
        Action::StartWorker { .. } => {
            of("worker.start", "SP-R0801", Symbol::Create, 5_000, 600_000)
        }
        Action::StopWorker { .. } => of("worker.stop", "SP-R0802", Symbol::Delete, 5_000, 600_000),
        Action::ReplaceWorker { .. } => of(
            "worker.replace",
            "SP-R0803",
            Symbol::Replace,
            10_000,
            1_200_000,
        ),
    }
}
