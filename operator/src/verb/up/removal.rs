//! `down` through the control socket: workers stop, and the machine is put back.
use std::sync::mpsc::SyncSender;

use crd::{declaration::Declaration, plan::Plan};

use super::Up;
use crate::{
    engine::{Engine, Settled, approve::Asking},
    failure::Failure,
    render::plan::{Detail, Frame},
    supervise::{Crew, control::Reply},
};

impl Up<'_> {
    /// Stops the workers and puts the machine back.
    pub(super) fn down(
        &mut self,
        yes: bool,
        approve_digest: Vec<String>,
        reply: &SyncSender<Reply>,
    ) -> Result<Settled, Failure> {
        let note = |text: String| {
            let _ = reply.send(Reply::Note { text });
        };
        note("stopping workers".to_owned());
        self.stop_workers()?;
        let nothing = Declaration::default();
        let leave = crate::cli::Leave {
            yes,
            approve_digest,
        };
        let mut engine = Engine {
            room: &self.setting.room,
            declaration: &nothing,
            place: &self.place,
            binary: &self.setting.binary,
            toolchain: self.setting.toolchain.clone(),
            console: self.console,
            stop: self.stop,
            leave: &leave,
            asking: Asking::Removal,
            crew: Crew::Supervised(&mut self.supervisor),
        };
        let title = self.setting.room.title.clone();
        engine.converge(|plan: &Plan| {
            let frame = Frame {
                observed: &title,
                next: None,
            };
            note(
                crate::render::plan::text(
                    plan,
                    &frame,
                    crate::console::Paint::Plain,
                    Detail::Normal,
                )
                .trim_end()
                .to_owned(),
            );
            Ok(())
        })
    }
}
