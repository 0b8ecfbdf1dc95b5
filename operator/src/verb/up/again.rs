//! What came to nothing: builds and steps, each for itself, and passes as a whole. It is told once, tried again with growing pauses,
//! and shown by `status` meanwhile.
use std::{collections::BTreeMap, time::Duration};

use crd::id::ObjectRef;
use machine::Timestamp;
use reconcile::Unbuilt;

use super::{Up, aside::Aside, goals, pass::Width, refused::Prospect};
use crate::{console::Tone, supervise::Trouble};

/// The longest pause: a model that somebody put right is found within it, or at once after an edit or SIGHUP.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// What came to nothing last, and when it is tried again.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// A pass, and what of it was lost.
    failed: Option<(Failed, Lost)>,
    /// Programs that could not be built, while everything else goes on.
    unbuilt: BTreeMap<ObjectRef, Failed>,
    /// What steps failed on, while everything else goes on.
    pub(super) aside: Aside,
    /// Whether something can be done here.
    pub(super) prospect: Prospect,
    /// Plans that were printed last and not carried out to their end.
    printed: Vec<(Width, String)>,
}

/// What of a pass came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// A step of cards or settings failed for a reason that is nothing's in particular: nothing is touched before its pause
    /// is over.
    Step,
    /// The pass could not be made, which need not be the cards' fault.
    Pass,
}

/// Whether a pass beyond cards has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// None failed, or its pause is over.
    Comes,
    /// Not yet, because of this.
    Waits(Lost),
}

/// Something that came to nothing, and when it has its turn again.
#[derive(Debug)]
pub(super) struct Failed {
    why: String,
    pause: Duration,
    at: Timestamp,
}

impl Failed {
    /// Failed now, for this reason; after `before` the pause is twice as long.
    pub(super) fn of(why: &str, before: Option<&Self>, interval: Duration, now: Timestamp) -> Self {
        let pause = before.map_or(interval, |before| {
            (before.pause * 2).min(LONGEST_PAUSE.max(interval))
        });
        Self {
            why: why.to_owned(),
            pause,
            at: now.plus(pause),
        }
    }

    pub(super) fn why(&self) -> &str {
        &self.why
    }

    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.at <= now
    }

    pub(super) fn at_once(&mut self) {
        self.at = Timestamp(0);
    }

    pub(super) fn trouble(&self) -> Trouble {
        Trouble {
            why: self.why.clone(),
            next_try: Some(self.at.to_string()),
        }
    }
}

impl Again {
    /// Whether a pass beyond cards has its turn.
    pub(super) fn turn(&self, now: Timestamp) -> Turn {
        match &self.failed {
            Some((failed, lost)) if failed.at > now => Turn::Waits(*lost),
            Some(_) | None => Turn::Comes,
        }
    }

    /// Why the last pass came to nothing; empty where it did not.
    pub(super) fn why(&self) -> String {
        (self.failed.as_ref()).map_or_else(String::new, |(failed, _)| failed.why.clone())
    }

    /// Passes that have their turn: where a build or a step failed, first one without it, so that nobody waits until it fails
    /// again.
    pub(super) fn turns(&self, now: Timestamp) -> Vec<Width> {
        let due = self.unbuilt.values().any(|failed| failed.is_due(now)) || self.aside.is_due(now);
        match (self.unbuilt.is_empty() && self.aside.is_empty(), due) {
            (true, _) => vec![Width::Everything],
            (false, false) => vec![Width::Sound],
            (false, true) => vec![Width::Sound, Width::Everything],
        }
    }

    /// The programs that such a pass does without.
    pub(super) fn without(&self, width: Width, now: Timestamp) -> Unbuilt {
        let waits = |failed: &Failed| match width {
            Width::Repairs | Width::Left | Width::Cards | Width::SoundCards | Width::Sound => true,
            Width::Kept | Width::Everything => failed.at > now,
        };
        let waiting = self.unbuilt.iter().filter(|(_, failed)| waits(failed));
        waiting
            .map(|(object, failed)| (object.clone(), failed.why.clone()))
            .collect()
    }

    /// Why something could not be built, where that is so.
    pub(super) fn unbuilt(&self) -> Option<String> {
        let first = self.unbuilt.values().next();
        first.map(|failed| failed.why.clone())
    }

    /// A pass came to its end: what it was not without and did not fail is built, or not declared any more.
    pub(super) fn built_but(&mut self, unbuilt: &Unbuilt) {
        self.unbuilt
            .retain(|object, _| unbuilt.contains_key(object));
    }

    /// Something happened that may have put it right.
    pub(super) fn at_once(&mut self) {
        let pass = self.failed.iter_mut().map(|(failed, _)| failed);
        for failed in pass.chain(self.unbuilt.values_mut()) {
            failed.at_once();
        }
        self.aside.at_once();
    }

    /// Whether a plan is to be printed: not where it is the one that was printed last, and failed.
    pub(super) fn is_news(&mut self, width: Width, plan: &str) -> bool {
        let printed = self.printed.iter().find(|(of, _)| *of == width);
        let news = printed.is_none_or(|(_, text)| text != plan);
        if news {
            self.is_done(width);
            self.printed.push((width, plan.to_owned()));
        }
        news
    }

    /// What was printed was carried out to its end: the same again is news.
    pub(super) fn is_done(&mut self, width: Width) {
        self.printed.retain(|(of, _)| *of != width);
    }

    /// A pass beyond cards came to its end.
    pub(super) fn is_over(&mut self) {
        self.failed = None;
    }
}

impl Up<'_> {
    /// A pass came to nothing: says why, once, and when it is tried again.
    pub(super) fn try_again(&mut self, why: &str, lost: Lost) {
        let interval = Duration::from_secs(self.args.interval);
        let before = self.again.failed.take().map(|(failed, _)| failed);
        let before = before.filter(|failed| failed.why == why);
        let failed = Failed::of(why, before.as_ref(), interval, self.wall.now());
        let pause = failed.pause.as_secs();
        if before.is_some() {
            self.console
                .note(&format!("it failed as before; trying again in {pause} s"));
        } else {
            self.say("pass", &format!("{why}; trying again in {pause} s"));
        }
        self.again.failed = Some((failed, lost));
    }

    /// Something could not be built: says why, once, and when it is tried again.
    pub(super) fn build_again(&mut self, object: &ObjectRef, why: &str) {
        let interval = Duration::from_secs(self.args.interval);
        let before = (self.again.unbuilt.remove(object)).filter(|failed| failed.why == why);
        let failed = Failed::of(why, before.as_ref(), interval, self.wall.now());
        let pause = failed.pause.as_secs();
        if before.is_some() {
            self.console.note(&format!(
                "{object}: it failed as before; trying again in {pause} s"
            ));
        } else {
            let paint = self.console.err_paint();
            self.console.note(&format!(
                "{} {why}; trying again in {pause} s",
                paint.tone(Tone::Update, "warning:")
            ));
        }
        self.again.unbuilt.insert(object.clone(), failed);
    }

    /// What came to nothing: a pass and builds that are tried again, rollouts that wait for a worker, and goals that are blocked.
    pub(super) fn troubles(&self) -> Vec<Trouble> {
        let pass = self.again.failed.iter().map(|(failed, _)| failed);
        let failed = pass.chain(self.again.unbuilt.values());
        let stopped = self.waiting.stopped.values().map(|why| Trouble {
            why: why.clone(),
            next_try: None,
        });
        let steps = self.again.aside.troubles();
        let failed = failed.map(Failed::trouble);
        failed
            .chain(steps)
            .chain(stopped)
            .chain(goals::troubles(&self.blocked))
            .collect()
    }
}
