//! One pass of `up`: the engine over what is declared, then the workers.
use crd::plan::Plan;
use reconcile::{Scope, Word};

use super::{
    Up,
    again::{Lost, Turn},
    apply, goals,
    stage::Stage,
};
use crate::{
    engine::{Engine, FailedBuilds, SetAside, Settled, approve::Asking, interrupt},
    exit::Exit,
    failure::Failure,
    render::plan::{Detail, Frame},
    supervise::{Crew, DRAIN_SECONDS},
};

/// Whether it is the first pass, which is printed whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    First,
    Later,
}

/// What a pass is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// What only puts back what the ledger holds.
    Repairs,
    /// The same, of cards as they were declared when that was carried out last.
    Left,
    /// The same, and workers on these cards.
    Kept,
    /// Cards and settings alone.
    Cards,
    /// Of these, everything but what steps failed on.
    SoundCards,
    /// Everything but what could not be built, and what steps failed on.
    Sound,
    /// Everything but what of that waits to be tried again.
    Everything,
}

/// What became of a pass beyond cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// It came to its end.
    Whole,
    /// A step failed; what it was about is left alone from now on, and the rest has to be done yet.
    Partly,
    /// It came to nothing.
    Nothing,
}

impl Up<'_> {
    /// The first pass. `Some` ends `up`.
    pub(super) fn begin(&mut self) -> Result<Option<Exit>, Failure> {
        match self.stage {
            Stage::Standby => {
                self.stand_by();
                return Ok(None);
            }
            Stage::Starting(_) => return self.start_up(Which::First),
            Stage::Keeping => {}
        }
        self.begins_with_repairs();
        let first = self.pass(Which::First, Width::Everything)?;
        if !is_settled(&first) {
            let ends = self.begins_badly(&first);
            if ends.is_some() {
                return Ok(ends);
            }
            self.stands_still(&first.why);
            if first.failed.is_empty() {
                return Ok(None);
            }
            return match self.keeps_the_rest()? {
                Kept::Whole => self.may_nothing(),
                Kept::Partly | Kept::Nothing => Ok(None),
            };
        }
        // The first plan was printed whole.
        self.blocked = goals::blocked(&first.plan);
        self.stands(&first, self.again.unbuilt().as_deref());
        self.work(&first.plan)?;
        if let Some(failure) = self.nothing_to_ask(&first) {
            return Err(failure);
        }
        if self.args.ask.is_none() {
            self.console
                .note("up: keeping it so; Ctrl-C or `shardplane down` ends it");
        }
        Ok(None)
    }

    /// A look at the machine and the files. `Some` ends `up`.
    pub(super) fn look(&mut self) -> Result<Option<Exit>, Failure> {
        self.read_again();
        if self.setting.finds_worker(self.environment) {
            self.supervisor.set_binary(self.setting.binary.clone());
        }
        match self.stage {
            Stage::Standby => {
                self.console.notify().ready(&self.standing.status());
                return Ok(None);
            }
            Stage::Starting(_) => return self.start_up(Which::Later),
            Stage::Keeping => {}
        }
        match self.again.turn(self.wall.now()) {
            Turn::Comes => {}
            Turn::Waits(Lost::Step) => return Ok(None),
            Turn::Waits(Lost::Pass) => {
                let why = self.again.why();
                self.cards_at_least(&why);
                return Ok(None);
            }
        }
        for width in self.again.turns(self.wall.now()) {
            let kept = match self.keeps(width)? {
                Kept::Partly => self.keeps_the_rest()?,
                kept => kept,
            };
            if kept == Kept::Nothing {
                return Ok(None);
            }
        }
        self.may_nothing()
    }

    /// A step failed: passes without what it was about, until one comes to its end. Each leaves more alone than the last.
    fn keeps_the_rest(&mut self) -> Result<Kept, Failure> {
        loop {
            match self.keeps(Width::Sound)? {
                Kept::Partly => {}
                kept => return Ok(kept),
            }
        }
    }

    /// One pass beyond cards, and its workers.
    fn keeps(&mut self, width: Width) -> Result<Kept, Failure> {
        let mut passed = self.pass(Which::Later, width);
        if matches!(&passed, Err(failure) if failure.exit() == Exit::Blocked)
            && self.puts_back(Width::Repairs)
        {
            passed = self.pass(Which::Later, width);
        }
        match passed {
            Ok(settled) if is_settled(&settled) => {
                if self.again.aside.is_empty() {
                    self.said.remove("pass");
                }
                self.again.is_over();
                self.goals(&settled.plan);
                let worked = self.work(&settled.plan);
                self.told("work", worked)?;
                self.stands(&settled, self.again.unbuilt().as_deref());
                return Ok(Kept::Whole);
            }
            // Whoever asked for a stop hears of that.
            Ok(_) if self.stop.asked().is_some() => {}
            Ok(settled) => {
                self.stands_still(&settled.why);
                if self.leaves_alone(&settled) {
                    return Ok(Kept::Partly);
                }
                self.try_again(&settled.why, Lost::Step);
            }
            // Somebody's leave may come at any time.
            Err(failure) if failure.exit() == Exit::Blocked => {
                self.say("pass", &failure.chain());
                self.kept_at_least(&failure.chain())?;
            }
            Err(failure) => {
                self.try_again(&failure.chain(), Lost::Pass);
                self.cards_at_least(&failure.chain());
            }
        }
        Ok(Kept::Nothing)
    }

    /// A pass over more came to nothing: cards and settings are put right all the same.
    fn cards_at_least(&mut self, why: &str) {
        match self.pass(Which::Later, Width::Cards) {
            Ok(settled) if is_settled(&settled) => self.stands(&settled, Some(why)),
            Ok(settled) => {
                self.stands_still(&settled.why);
                // The rest has its turn at the next look.
                self.leaves_alone(&settled);
            }
            Err(failure) => self.stands_still(&failure.chain()),
        }
    }

    /// A look at cards and settings while a service manager waits. What a person has to approve keeps nobody waiting, and
    /// neither does a step that failed.
    fn start_up(&mut self, which: Which) -> Result<Option<Exit>, Failure> {
        self.begins_with_repairs();
        match self.pass(which, Width::Cards) {
            Ok(settled) if is_settled(&settled) => {
                match which {
                    Which::First => self.blocked = goals::blocked(&settled.plan),
                    Which::Later => self.goals(&settled.plan),
                }
                self.stands(&settled, None);
                Ok(None)
            }
            Ok(settled) => {
                let ends = match self.begins_badly(&settled) {
                    None => self.without_refused()?,
                    ends => ends,
                };
                if ends.is_none() {
                    self.stands_still(&settled.why);
                }
                Ok(ends)
            }
            Err(failure) if failure.exit() == Exit::Blocked => {
                self.say("pass", &failure.chain());
                self.stands_still(&failure.chain());
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The first pass did not come to its end. A step that failed is tried again, as it is later: whoever starts `up` anew
    /// has no more reason to lose what else it does. `Some` ends `up`: a question will not be answered, somebody asked for
    /// a stop, or the fault is our own.
    fn begins_badly(&mut self, settled: &Settled) -> Option<Exit> {
        self.console
            .note(apply::outcome(settled, self.console).trim_end());
        let hopeless = settled.exit == Exit::Internal;
        if self.args.ask.is_some() || self.stop.asked().is_some() || hopeless {
            return Some(settled.exit);
        }
        self.blocked = goals::blocked(&settled.plan);
        if !self.leaves_alone(settled) {
            self.try_again(&settled.why, Lost::Step);
        }
        // Where nothing but refusals came of it, that shows only when the rest had its turn.
        if !self.again.aside.is_refused() {
            self.stays();
        }
        None
    }

    /// One pass of the engine.
    pub(super) fn pass(&mut self, which: Which, width: Width) -> Result<Settled, Failure> {
        let now = self.wall.now();
        let without = self.again.without(width, now);
        let word = if interrupt::reads_again_on_hangup(self.console) {
            Word::Hangup
        } else {
            Word::EditOrBoot
        };
        let alone = self.again.aside.during(width, now, word);
        let awaited = self.awaited_program();
        let leave = self.args.leave.clone();
        let (console, title) = (self.console, self.setting.room.title.clone());
        let asks_only = self.args.ask.is_some();
        let left = match width {
            Width::Left | Width::Kept => self.left(),
            Width::Repairs
            | Width::Cards
            | Width::SoundCards
            | Width::Sound
            | Width::Everything => None,
        };
        let first = which == Which::First;
        let again = &mut self.again;
        let mut engine = Engine {
            room: &self.setting.room,
            declaration: left.as_ref().unwrap_or(&self.declaration),
            scope: match width {
                Width::Repairs | Width::Left => Scope::Repairs,
                Width::Kept => Scope::Kept,
                Width::Cards | Width::SoundCards => Scope::Cards,
                Width::Sound | Width::Everything => Scope::Everything,
            },
            builds: FailedBuilds::going_without(without.clone(), awaited),
            aside: SetAside::before(alone.clone()),
            place: &self.place,
            binary: &self.setting.binary,
            toolchain: self.setting.toolchain.clone(),
            console,
            stop: self.stop,
            leave: &leave,
            asking: match width {
                Width::Repairs | Width::Left | Width::Kept => Asking::Nobody,
                _ if first => Asking::Up,
                _ => Asking::Timer,
            },
            crew: Crew::Supervised(&mut self.supervisor),
        };
        let settled = engine.converge(|plan: &Plan| {
            if first || plan.applyable {
                let frame = Frame {
                    observed: &title,
                    next: None,
                };
                let text =
                    crate::render::plan::text(plan, &frame, console.err_paint(), Detail::Normal);
                // The answer alone is the result of `--ask`.
                if !again.is_news(width, &text) && !first {
                    return Ok(());
                }
                if matches!(width, Width::Repairs | Width::Left | Width::Kept) {
                    console.note(
                        "putting back what was approved before, which needs no approval again",
                    );
                }
                if asks_only || !first {
                    console.note(text.trim_end());
                } else {
                    console.result(&text);
                }
            }
            Ok(())
        });
        let unbuilt = engine.builds.unbuilt;
        for (object, why) in &unbuilt {
            if !without.contains_key(object) {
                self.build_again(object, why);
            }
        }
        let settled = settled?;
        if !first && settled.exit == Exit::Partial {
            self.cut = Some(settled.why.clone());
        }
        if is_settled(&settled) {
            self.again.built_but(&unbuilt);
            // One that had nothing to do shows nothing of what others failed on.
            let shows = match width {
                Width::Repairs | Width::Left | Width::Kept => settled.steps > 0,
                Width::Cards | Width::SoundCards | Width::Sound | Width::Everything => true,
            };
            if shows {
                self.again.aside.worked_but(&alone);
            }
            if unbuilt == without {
                self.again.is_done(width);
            }
        }
        Ok(settled)
    }

    /// The longest drain that a policy declares.
    pub(super) fn drain_seconds(&self) -> u32 {
        self.declaration
            .policies
            .iter()
            .filter_map(|policy| policy.spec.drain.as_ref())
            .map(|drain| drain.timeout_seconds)
            .max()
            .unwrap_or(DRAIN_SECONDS)
    }
}

pub(super) fn is_settled(settled: &Settled) -> bool {
    matches!(settled.exit, Exit::Ok | Exit::Blocked)
}
