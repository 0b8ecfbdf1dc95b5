//! `down` through the control socket: workers stop, and the machine is put back.
use std::sync::mpsc::SyncSender;

use crd::{declaration::Declaration, plan::Plan};

use super::{Next, Up};
use crate::{
    cli::Leave,
    console::Paint,
    engine::{Engine, FailedBuilds, SetAside, Settled, approve::Asking, observe::Effort},
    exit::Exit,
    failure::Failure,
    render::plan::{Detail, Frame},
    supervise::{
        Crew,
        control::{Asker, Reply},
    },
};

impl Up<'_> {
    /// Somebody asks for the end through the control socket; what the loop does then.
    pub(super) fn asked_down(
        &mut self,
        leave: &Leave,
        reply: SyncSender<Reply>,
        asker: &Asker,
    ) -> Next {
        let ended = self.down(leave, &reply, asker);
        let (exit, why, hint) = match ended {
            Ok(None) => return Next::Wait,
            Ok(Some(settled)) => (settled.exit, settled.why, String::new()),
            Err(failure) => (failure.exit(), failure.chain(), failure.hint()),
        };
        let ended = Reply::Ended {
            code: exit.code(),
            why,
            hint,
        };
        if exit == Exit::Ok {
            self.parting = Some((reply, ended));
            return Next::End(Exit::Ok);
        }
        // Whoever went away wants no answer.
        let _ = reply.send(ended);
        Next::Look
    }

    /// Stops the workers and puts the machine back. Without leave nothing stops. `None`: whoever asked has taken it back
    /// before anything was begun.
    fn down(
        &mut self,
        leave: &Leave,
        reply: &SyncSender<Reply>,
        asker: &Asker,
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
        let engine = self.removal(&nothing, leave);
        let (planned, _) = engine.look(Effort::Remembered)?;
        engine.approve(&planned).inspect_err(|_| show(&planned))?;
        if !asker.is_there() {
            self.console
                .note("up: `shardplane down` was taken back before anything was begun; going on");
            return Ok(None);
        }
        // Whoever went away now is too late.
        let _ = reply.send(Reply::Begun {});
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
