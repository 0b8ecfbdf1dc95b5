//! What a check saw, before it is a finding: facts as words, and the same of several SoCs said once.
use std::collections::BTreeSet;

use crd::{
    Fact, Unknown,
    diagnosis::{Finding, Mender, Need, Verdict},
    id::PciAddress,
};

use crate::doubt::{PORT_IS_OFF, SEE_PORT};

/// One thing that a check saw.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    verdict: Verdict,
    fact: String,
    sources: Vec<String>,
    fix: String,
    mender: Option<Mender>,
    functions: Vec<PciAddress>,
}

impl Seen {
    /// It is as it should be.
    pub(super) fn pass(fact: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, fact)
    }

    /// It will surprise somebody; a person may do something about it.
    pub(super) fn warn(fact: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, fact).fix(fix, Mender::Person)
    }

    /// It is not as it must be; a person must do something about it.
    pub(super) fn fail(fact: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, fact).fix(fix, Mender::Person)
    }

    /// It could not be told.
    pub(super) fn unknown(fact: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Verdict::Unknown, fact).fix(fix, Mender::Person)
    }

    /// A fact without a value, for its reason.
    pub(super) fn untold<T>(fact: &Fact<T>) -> Self {
        let reason = fact.unknown.unwrap_or(Unknown::Absent);
        let (why, fix) = match reason {
            Unknown::NoPermission => ("whoever looked may not read it", "look again as root"),
            Unknown::ShortRead => ("fewer bytes came back than it needs", "look again as root"),
            Unknown::Lockdown => (
                "kernel lockdown forbids reading it",
                "look again without Secure Boot, or without lockdown= on the command line",
            ),
            Unknown::Malformed => ("what is there has no form that is known", ""),
            Unknown::Absent => ("nothing there says it", ""),
            Unknown::ToolMissing => (
                "the tool that says it is not installed",
                "install the vendor's Platform SDK, or put the tool where it belongs",
            ),
            Unknown::ToolFailed => (
                "the vendor's tool failed, or left it out",
                "run `/opt/qti-aic/tools/qaic-util -q` and see what it says",
            ),
            Unknown::TooLong => (
                "the vendor's tool said more than is read of any answer",
                "run `/opt/qti-aic/tools/qaic-util -q` and see what else it prints",
            ),
            Unknown::NotReady => (
                "the SoC is in no state to say it",
                "look again when it is Ready",
            ),
            Unknown::ReadFailed => ("reading it failed", "see the kernel's log"),
        };
        let fix = if fix.is_empty() {
            format!("see what stands in {}", fact.source)
        } else {
            fix.to_owned()
        };
        Self::unknown(format!("unknown: {why}"), fix).from(&fact.source)
    }

    /// The same of a port: one in no state to say anything is no SoC that starts.
    pub(super) fn untold_of_port<T>(fact: &Fact<T>) -> Self {
        if fact.unknown == Some(Unknown::NotReady) {
            return Self::unknown(format!("unknown: the port {PORT_IS_OFF}"), SEE_PORT)
                .from(&fact.source);
        }
        Self::untold(fact)
    }

    /// A fact that older recordings do not hold.
    pub(super) fn unrecorded() -> Self {
        Self::unknown(
            "unknown: the recording is from a version that did not look",
            "record it anew with `shardplane snapshot`",
        )
        .from("prerequisites")
    }

    /// A SoC of which it is not known what it hangs on.
    pub(super) fn unplaced() -> Self {
        Self::unknown(
            "unknown: what the bridges above it are could not be read",
            "look again as root",
        )
    }

    /// The same, where a bridge above it, or above another, is not among what was seen.
    pub(super) fn lost() -> Self {
        Self::unknown(
            "unknown: a bridge above it, or above another SoC, is not there",
            "look again; record it anew where this is a recording",
        )
    }

    /// A fact, judged where it is known.
    pub(super) fn told<T>(fact: &Fact<T>, judge: impl FnOnce(&T) -> Self) -> Self {
        match fact.get() {
            Some(value) => judge(value).from(&fact.source),
            None => Self::untold(fact),
        }
    }

    fn new(verdict: Verdict, fact: impl Into<String>) -> Self {
        Self {
            verdict,
            fact: fact.into(),
            sources: Vec::new(),
            fix: String::new(),
            mender: None,
            functions: Vec::new(),
        }
    }

    fn fix(mut self, fix: impl Into<String>, mender: Mender) -> Self {
        self.fix = fix.into();
        self.mender = (!self.fix.is_empty()).then_some(mender);
        self
    }

    /// What `shardplane apply` does about it, once it is declared.
    pub(super) fn mended_by_apply(self, fix: impl Into<String>) -> Self {
        self.fix(fix, Mender::Apply)
    }

    /// What a person does about it.
    pub(super) fn mended_by_somebody(self, fix: impl Into<String>) -> Self {
        self.fix(fix, Mender::Person)
    }

    /// Where it was read.
    pub(super) fn from(mut self, source: &str) -> Self {
        if !self.sources.iter().any(|known| known == source) {
            self.sources.push(source.to_owned());
        }
        self
    }

    /// The function that it is about.
    pub(super) fn at(mut self, function: PciAddress) -> Self {
        self.functions.push(function);
        self
    }

    /// The functions that it is about.
    pub(super) fn over(mut self, functions: impl IntoIterator<Item = PciAddress>) -> Self {
        self.functions.extend(functions);
        self
    }

    /// As a finding of this check.
    pub(super) fn finding(self, id: &str, title: &str, need: Need) -> Finding {
        let source = source(&self.sources, &self.functions);
        let Self {
            verdict,
            fact,
            sources: _,
            fix,
            mender,
            functions,
        } = self;
        Finding {
            id: id.to_owned(),
            title: title.to_owned(),
            verdict,
            need,
            fact,
            source,
            fix,
            mender,
            functions,
        }
    }
}

/// The same seen of several functions, once, with all of them; in the order in which each was first seen.
pub(super) fn merged(seen: Vec<Seen>) -> Vec<Seen> {
    let mut merged: Vec<Seen> = Vec::new();
    for one in seen {
        let same = merged.iter_mut().find(|other| {
            (other.verdict, &other.fact, &other.fix, other.mender)
                == (one.verdict, &one.fact, &one.fix, one.mender)
        });
        match same {
            Some(other) => {
                other.functions.extend(one.functions);
                other.sources.extend(one.sources);
            }
            None => merged.push(one),
        }
    }
    for one in &mut merged {
        one.functions.sort_unstable();
        one.functions.dedup();
        // Each source once, where it was first: a bus that cannot be read has thousands.
        let mut known = BTreeSet::new();
        one.sources.retain(|source| known.insert(source.clone()));
    }
    merged
}

/// Sources as one text: those that differ only in the function are one, with a star in its place.
fn source(sources: &[String], functions: &[PciAddress]) -> String {
    let [first, _, ..] = sources else {
        return sources.first().cloned().unwrap_or_default();
    };
    let starred = |source: &String| {
        let named = functions.iter().find_map(|function| {
            let name = function.to_string();
            source.contains(&name).then(|| source.replace(&name, "*"))
        });
        named.unwrap_or_else(|| source.clone())
    };
    let mut kinds: Vec<String> = sources.iter().map(starred).collect();
    kinds.sort_unstable();
    kinds.dedup();
    match kinds.as_slice() {
        [one] => one.clone(),
        [one, other] => format!("{one}, {other}"),
        more => format!("{first} and {} like it", more.len() - 1),
    }
}

/// `1 SoC`, `4 SoCs`.
pub(super) fn counted(count: usize, thing: &str) -> String {
    if count == 1 {
        format!("1 {thing}")
    } else {
        format!("{count} {thing}s")
    }
}
