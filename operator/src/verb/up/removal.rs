//! `down` through the control socket: workers stop, and the machine is put back.
use std::{collections::BTreeSet, sync::mpsc::SyncSender};

use crd::{declaration::Declaration, id::NodeName, plan::Plan};

use super::{Next, Up};
use crate::{
    cli::Leave,
    console::Paint,
    engine::{Engine, FailedBuilds, SetAside, Settled, approve::Asking, observe::Effort},
    exit::Exit,
    failure::Failure,
    render::{
        plan::{Detail, Frame},
        words::counted,
    },
    supervise::{
        Crew,
        control::{Asker, Reply},
    },
};

/// What to do about what could not be put back.
const AGAIN: &str = "workers are stopped and `up` has ended; once the cause is gone, `shardplane down` puts the rest back";

/// What is left of a removal, in one sentence.
fn left(settled: &Settled) -> String {
    if settled.why.is_empty() {
        let blocked = counted(settled.plan.summary.blocked as usize, "goal");
        format!("{blocked} blocked, see above")
    } else {
        settled.why.clone()
    }
}

impl Up<'_> {
    /// Somebody asks for the end through the control socket; what the loop does then.
    pub(super) fn asked_down(
        &mut self,
        leave: &Leave,
        meant: (&str, &[NodeName]),
        reply: SyncSender<Reply>,
        asker: &Asker,
    ) -> Next {
        let mut begun = false;
        let meant = self.is_whole(meant);
        let ended = meant.and_then(|()| self.down(leave, &reply, asker, &mut begun));
        let (exit, why, hint) = match ended {
            Ok(None) => return Next::Wait,
            Ok(Some(settled)) if settled.exit == Exit::Ok => (Exit::Ok, settled.why, String::new()),
            Ok(Some(settled)) => (settled.exit, left(&settled), AGAIN.to_owned()),
            Err(failure) => (failure.exit(), failure.chain(), failure.hint()),
        };
        let ended = Reply::Ended {
            code: exit.code(),
            why,
            hint,
        };
        // What was taken back is not built up again: whoever said `down` has the last word, however far it came.
        if begun {
            self.parting = Some((reply, ended));
            return Next::End(Exit::Ok);
        }
        // Whoever went away wants no answer.
        let _ = reply.send(ended);
        Next::Look
    }

    /// Refuses a removal that means other servers than those that are worked on here: it could neither go on with the rest nor
    /// leave them alone.
    fn is_whole(&self, (room, nodes): (&str, &[NodeName])) -> Result<(), Failure> {
        let here: BTreeSet<&NodeName> = (self.setting.room.nodes.iter())
            .map(|node| &node.name)
            .collect();
        if here == nodes.iter().collect() && room == self.setting.room.title {
            return Ok(());
        }
        let named = |nodes: &mut dyn Iterator<Item = &NodeName>| -> String {
            nodes.map(NodeName::as_str).collect::<Vec<_>>().join(", ")
        };
        let (asked, here) = (named(&mut nodes.iter()), named(&mut here.into_iter()));
        let ours = &self.setting.room.title;
        Err(Failure::said(
            Exit::Locked,
            format!(
                "`down` was asked for {asked} of {room}, and the `up` that works here keeps {here} of {ours}; nothing was touched"
            ),
            "say the same --rack and --node as that `up`; or end it with SIGTERM, which leaves the machines as they are, and run `down` again",
        ))
    }

    /// Stops the workers and puts the machine back. Without leave nothing stops. `None`: whoever asked has taken it back
    /// before anything was begun.
    fn down(
        &mut self,
        leave: &Leave,
        reply: &SyncSender<Reply>,
        asker: &Asker,
        begun: &mut bool,
    ) -> Result<Option<Settled>, Failure> {
        let note = |text: String| {
            // Whoever went away hears nothing.
            let _ = reply.send(Reply::Note { text });
        };
        let title = self.setting.room.title.clone();
        let show = |plan: &Plan| {
            let frame = Frame {
                observed: &title,
                next: None,
            };
            let text = crate::render::plan::text(plan, &frame, Paint::Plain, Detail::Normal);
            note(text.trim_end().to_owned());
        };
        let nothing = Declaration::default();
        let mut engine = self.removal(&nothing, leave);
        let (planned, _) = engine.look(Effort::Remembered)?;
        engine.approve(&planned).inspect_err(|_| show(&planned))?;
        if !asker.is_there() {
            self.console
                .note("up: `shardplane down` was taken back before anything was begun; going on");
            return Ok(None);
        }
        // Whoever went away now is too late.
        let _ = reply.send(Reply::Begun {});
        *begun = true;
        note("stopping workers".to_owned());
        self.stop_workers()?;
        let settled = self.removal(&nothing, leave).converge(|plan: &Plan| {
            show(plan);
            Ok(())
        })?;
        Ok(Some(settled))
    }

    /// An engine for an empty declaration. Nobody is asked: whoever said `down` sits at another terminal.
    fn removal<'e>(&'e mut self, nothing: &'e Declaration, leave: &'e Leave) -> Engine<'e> {
        Engine {
            room: &self.setting.room,
            declaration: nothing,
            scope: reconcile::Scope::Everything,
            builds: FailedBuilds::default(),
            aside: SetAside::default(),
            place: &self.place,
            binary: &self.setting.binary,
            toolchain: self.setting.toolchain.clone(),
            console: self.console,
            stop: self.stop,
            leave,
            asking: Asking::Timer,
            crew: Crew::Supervised(&mut self.supervisor),
        }
    }
}
