//! What `up` says of what goes wrong, once for as long as it stays the same.
use super::Up;
use crate::{console::Tone, failure::Failure};

impl Up<'_> {
    /// What goes wrong beside a pass ends `--ask`; otherwise it is told, and tried again.
    pub(super) fn told(
        &mut self,
        subject: &'static str,
        result: Result<(), Failure>,
    ) -> Result<(), Failure> {
        match result {
            Ok(()) => {
                self.said.remove(subject);
                Ok(())
            }
            Err(failure) if self.args.ask.is_none() => {
                self.say(subject, &failure.chain());
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Says something, unless it was the last thing said of its subject.
    pub(super) fn say(&mut self, subject: &'static str, text: &str) {
        if self.said.get(subject).is_none_or(|last| last != text) {
            let paint = self.console.err_paint();
            self.console
                .note(&format!("{} {text}", paint.tone(Tone::Update, "warning:")));
            self.said.insert(subject, text.to_owned());
        }
    }
}
