//! Conditions: what is said of an object, and since when. A transition is a change of status, never of words.
use crd::kind::Condition;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff};
use machine::Timestamp;

/// Why an agent that carries nothing out is not ready, in a word.
pub const IDLE: &str = "Idle";

/// Characters that a message may have: a sentence or two, not a log.
const MESSAGE: usize = 1024;

/// One thing said of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Which aspect.
    pub about: About,
    /// Whether it holds.
    pub holds: bool,
    /// Stable reason, one word.
    pub reason: String,
    /// A sentence with the object and the next step.
    pub message: String,
}

/// The aspects that are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Everything is as declared.
    Ready,
    /// Work goes on, or waits for leave.
    Reconciling,
    /// Nothing moves without a person.
    Stalled,
    /// A plan waits for a person: for approval, or for the end of a pause.
    PlanPending,
    /// Somebody stands in the way of a drain.
    DrainBlocked,
    /// Something changed under us.
    Drifted,
    /// ACS is relaxed somewhere.
    IsolationReduced,
    /// What it governs is not all of use: another object's goal is blocked there.
    Degraded,
}

impl About {
    /// The condition's type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::PlanPending => "PlanPending",
            Self::DrainBlocked => "DrainBlocked",
            Self::Drifted => "Drifted",
            Self::IsolationReduced => "IsolationReduced",
            Self::Degraded => "Degraded",
        }
    }
}

/// Says something.
pub fn said(about: About, holds: bool, reason: &str, message: impl Into<String>) -> Said {
    Said {
        about,
        holds,
        reason: reason.to_owned(),
        message: message.into(),
    }
}

/// The three that kstatus reads, for an object in one of the three states that it can be in.
pub fn standing(standing: Standing, reason: &str, message: impl Into<String>) -> Vec<Said> {
    let message = message.into();
    // The one that does not hold says why not in words of its own: the same sentence three times reads as if all were so.
    let (works, stuck) = match standing {
        Standing::Ready => ("nothing is left to do", "nothing stands in the way"),
        Standing::Working => (message.as_str(), "it is not stuck"),
        Standing::Stalled => ("nothing goes on until somebody steps in", message.as_str()),
    };
    vec![
        said(
            About::Ready,
            standing == Standing::Ready,
            reason,
            message.clone(),
        ),
        said(
            About::Reconciling,
            standing == Standing::Working,
            reason,
            works,
        ),
        said(About::Stalled, standing == Standing::Stalled, reason, stuck),
    ]
}

/// How an object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As declared.
    Ready,
    /// Work goes on, or waits for a person's leave.
    Working,
    /// Nothing moves without a person.
    Stalled,
}

/// The conditions of an object that had `before`: times move only where a status does.
pub fn conditions(
    before: &[Condition],
    said: Vec<Said>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    said.into_iter()
        .map(|said| {
            let type_ = said.about.name().to_owned();
            let status = if said.holds { "True" } else { "False" };
            let same = before
                .iter()
                .find(|old| old.type_ == type_ && old.status == status);
            Condition {
                last_transition_time: same
                    .map_or_else(|| time(now), |old| old.last_transition_time.clone()),
                type_,
                status: status.to_owned(),
                reason: said.reason,
                message: shortened(&said.message, MESSAGE),
                observed_generation: generation,
            }
        })
        .collect()
}

/// Text of at most so many characters; what was cut off is marked.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

/// A reading of a clock as objects carry it: whole seconds, which is all that survives the way there and back.
fn time(now: Timestamp) -> Time {
    let seconds = i64::try_from(now.0 / 1000).unwrap_or(i64::MAX);
    Time(jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_moves_only_with_its_status() {
        let at = |second: u64| Timestamp(second * 1000);
        let first = conditions(
            &[],
            standing(Standing::Working, "Applying", "one of two"),
            Some(1),
            at(10),
        );
        let words = conditions(
            &first,
            standing(Standing::Working, "Applying", "two of two"),
            Some(1),
            at(20),
        );
        let done = conditions(
            &words,
            standing(Standing::Ready, "Converged", "all"),
            Some(1),
            at(30),
        );
        let times = |conditions: &[Condition]| -> Vec<i64> {
            conditions
                .iter()
                .map(|c| c.last_transition_time.0.as_second())
                .collect()
        };
        assert_eq!(times(&first), [10, 10, 10]);
        assert_eq!(times(&words), [10, 10, 10]);
        assert_eq!(words[0].message, "two of two");
        // Stalled was False all along.
        assert_eq!(times(&done), [30, 30, 10]);
        let statuses: Vec<&str> = done.iter().map(|c| c.status.as_str()).collect();
        assert_eq!(statuses, ["True", "False", "False"]);
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 3), "äö…");
    }
}
