//! What somebody gave leave for stays as it was left, whoever is asked for more: redirect bits and settings that a boot undid
//! are put back under every mode of approval, where that disturbs nobody, and what served then serves again.
use crd::{declaration::Declaration, kind::ApprovalMode};

use super::{
    Up,
    pass::{Which, Width, is_settled},
};
use crate::{exit::Exit, failure::Failure, state::left::Left};

impl Up<'_> {
    /// Before a first pass that may have to wait for somebody.
    pub(super) fn begins_with_repairs(&mut self) {
        let mut policies = self.declaration.policies.iter();
        if policies.any(|policy| policy.spec.approval.mode != ApprovalMode::Automatic) {
            self.puts_back(Width::Left);
            self.puts_back(Width::Repairs);
        }
    }

    /// Puts back what the ledger holds. Whether there was anything to put back.
    pub(super) fn puts_back(&mut self, width: Width) -> bool {
        match self.pass(Which::Later, width) {
            Ok(settled) if is_settled(&settled) => {
                self.said.remove("repairs");
                settled.steps > 0
            }
            Ok(settled) => {
                self.leaves_alone(&settled);
                false
            }
            // A rollout that is paused, which the pass after it says too.
            Err(failure) if failure.exit() == Exit::Blocked => false,
            Err(failure) => {
                self.say("repairs", &failure.chain());
                false
            }
        }
    }

    /// More waits for somebody's leave. What was carried out last stays meanwhile, and workers ask nobody: those that a
    /// boot ended start again, and models are changed as they are declared now.
    pub(super) fn kept_at_least(&mut self, why: &str) -> Result<(), Failure> {
        match self.pass(Which::Later, Width::Kept) {
            Ok(settled) if is_settled(&settled) => {
                let worked = self.work(&settled.plan);
                self.told("work", worked)?;
            }
            Ok(settled) => {
                self.leaves_alone(&settled);
            }
            // A rollout that is paused.
            Err(failure) if failure.exit() == Exit::Blocked => {}
            Err(failure) => self.say("repairs", &failure.chain()),
        }
        self.stands_still(why);
        Ok(())
    }

    /// What was carried out last, as far as it stands beside what is declared now; `None` where that is not known.
    pub(super) fn left(&mut self) -> Option<Declaration> {
        match Left::read(&self.setting.room.state) {
            Ok(left) => Some(left?.beside(&self.declaration, self.place.base())),
            Err(error) => {
                let why = crate::failure::chain(&error);
                self.say(
                    "left",
                    &format!("what was carried out last is not known: {why}"),
                );
                None
            }
        }
    }
}
