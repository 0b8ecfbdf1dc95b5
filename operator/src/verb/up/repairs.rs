//! What somebody gave leave for stays as it was left, whoever is asked for more: redirect bits and settings that a boot undid
//! are put back under every mode of approval, where that disturbs nobody.
use crd::kind::ApprovalMode;

use super::{
    Up,
    pass::{Which, Width, is_settled},
};
use crate::{exit::Exit, failure::Failure};

impl Up<'_> {
    /// Before a first pass that may have to wait for somebody.
    pub(super) fn begins_with_repairs(&mut self) {
        let mut policies = self.declaration.policies.iter();
        if policies.any(|policy| policy.spec.approval.mode != ApprovalMode::Automatic) {
            self.puts_back();
        }
    }

    /// Puts back what the ledger holds. Whether there was anything to put back.
    pub(super) fn puts_back(&mut self) -> bool {
        match self.pass(Which::Later, Width::Repairs) {
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

    /// More waits for somebody's leave: replicas that run nowhere start where cards are as they were left. An edit that
    /// nobody approved yet must not keep down what served before a boot.
    pub(super) fn kept_at_least(&mut self, why: &str) -> Result<(), Failure> {
        match self.pass(Which::Later, Width::Kept) {
            Ok(settled) if is_settled(&settled) => {
                let worked = self.work(&settled.plan);
                self.told("work", worked)?;
            }
            Ok(settled) => {
                self.leaves_alone(&settled);
            }
            Err(failure) if failure.exit() == Exit::Blocked => {}
            Err(failure) => self.say("kept", &failure.chain()),
        }
        self.stands_still(why);
        Ok(())
    }
}
