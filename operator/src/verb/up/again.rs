//! A pass over everything that came to nothing, for a model that cannot be built, say: it is told once, tried again with
//! growing pauses, and shown by `status` meanwhile.
use std::time::Duration;

use crd::declaration::Declaration;
use machine::Timestamp;
use reconcile::Scope;

use super::Up;
use crate::supervise::Trouble;

/// The longest pause: a model that somebody put right is found within it, or at once after an edit or SIGHUP.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// What came to nothing last, and when it is tried again.
#[derive(Debug, Default)]
pub(super) struct Again {
    failed: Option<Failed>,
    /// Plans that were printed last and not carried out to their end.
    printed: Vec<(Scope, String)>,
}

#[derive(Debug)]
struct Failed {
    why: String,
    declaration: Declaration,
    pause: Duration,
    at: Timestamp,
}

impl Again {
    /// Whether a pass over everything has its turn: nothing failed, its pause is over, or something else is declared.
    pub(super) fn is_due(&self, now: Timestamp, declaration: &Declaration) -> bool {
        (self.failed.as_ref())
            .is_none_or(|failed| failed.at <= now || failed.declaration != *declaration)
    }

    /// Why the last pass over everything came to nothing; empty where it did not.
    pub(super) fn why(&self) -> String {
        (self.failed.as_ref()).map_or_else(String::new, |failed| failed.why.clone())
    }

    /// Something happened that may have put it right.
    pub(super) fn at_once(&mut self) {
        if let Some(failed) = &mut self.failed {
            failed.at = Timestamp(0);
        }
    }

    /// Whether a plan is to be printed: not where it is the one that was printed last, and failed.
    pub(super) fn is_news(&mut self, scope: Scope, plan: &str) -> bool {
        let printed = self.printed.iter().find(|(of, _)| *of == scope);
        let news = printed.is_none_or(|(_, text)| text != plan);
        if news {
            self.is_done(scope);
            self.printed.push((scope, plan.to_owned()));
        }
        news
    }

    /// What was printed was carried out to its end: the same again is news.
    pub(super) fn is_done(&mut self, scope: Scope) {
        self.printed.retain(|(of, _)| *of != scope);
    }

    /// A pass over everything came to its end.
    pub(super) fn is_over(&mut self) {
        self.failed = None;
    }
}

impl Up<'_> {
    /// A pass over everything came to nothing: says why, once, and when it is tried again.
    pub(super) fn try_again(&mut self, why: &str) {
        let interval = Duration::from_secs(self.args.interval);
        let same = (self.again.failed.take()).filter(|failed| failed.why == why);
        let known = same.is_some();
        let pause = same.map_or(interval, |failed| {
            (failed.pause * 2).min(LONGEST_PAUSE.max(interval))
        });
        if known {
            self.console.note(&format!(
                "it failed as before; trying again in {} s",
                pause.as_secs()
            ));
        } else {
            self.say(
                "pass",
                &format!("{why}; trying again in {} s", pause.as_secs()),
            );
        }
        self.again.failed = Some(Failed {
            why: why.to_owned(),
            declaration: self.declaration.clone(),
            pause,
            at: self.wall.now().plus(pause),
        });
    }

    /// What came to nothing: a pass that is tried again, and rollouts that wait for a worker.
    pub(super) fn troubles(&self) -> Vec<Trouble> {
        let failed = self.again.failed.iter().map(|failed| Trouble {
            why: failed.why.clone(),
            next_try: Some(failed.at.to_string()),
        });
        let stopped = self.waiting.stopped.values().map(|why| Trouble {
            why: why.clone(),
            next_try: None,
        });
        failed.chain(stopped).collect()
    }
}
