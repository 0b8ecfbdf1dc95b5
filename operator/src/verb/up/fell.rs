//! Workers that ended by themselves: what is said, and whether that changes what is to be done.
use crd::id::WorkerId;

use super::{Next, Up};
use crate::failure::Failure;

/// Of a program that could not be loaded.
const ASIDE: &str = "its program is set aside, and built again";
const BUILT_ANEW: &str = "its program was set aside: run the same again, which builds it anew";

impl Up<'_> {
    /// A worker ended by itself; `said` is what was not said of it yet.
    pub(super) fn fell(&mut self, id: &WorkerId, said: Option<&str>) -> Result<Next, Failure> {
        let aside = self.supervisor.sets_program_aside(id)?;
        if let (Some(_), Some((exit, why))) = (&self.args.ask, self.supervisor.last_words(id)) {
            let help = if aside { BUILT_ANEW } else { "" };
            return Err(Failure::said(
                exit,
                format!("worker {id} ended: {why}"),
                help,
            ));
        }
        if let Some(said) = said {
            self.console.note(said);
        }
        if aside {
            self.console.note(&format!("worker {id}: {ASIDE}"));
        }
        Ok(if self.stops_rollout(id) || aside {
            Next::Look
        } else {
            Next::Wait
        })
    }
}
