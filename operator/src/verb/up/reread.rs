//! `up` reads `-f` again on its timer, and keeps the last valid declaration.
use super::Up;
use crate::declared;

impl Up<'_> {
    /// Reads `-f` again and keeps the last valid declaration.
    pub(super) fn read_again(&mut self) {
        if self
            .args
            .files
            .file
            .iter()
            .any(|path| path.as_os_str() == "-")
        {
            return;
        }
        match declared::read(&self.args.files.file) {
            Ok(read) if read.loaded.has_errors() => {
                let said = format!(
                    "{}; keeping the last valid declaration",
                    declared::invalid(&read.loaded)
                );
                if self.said.get("files") != Some(&said) {
                    declared::report(&read, self.console, crd::diagnostic::Severity::Warning);
                }
                self.say("files", &said);
            }
            Ok(read) => {
                if self.said.remove("files").is_some() {
                    self.console.note("what is declared is valid again");
                }
                if read.loaded.declaration != self.declaration {
                    self.declaration = read.loaded.declaration;
                    self.console.note("what is declared has changed");
                }
            }
            Err(error) => self.say(
                "files",
                &format!("{}; keeping the last valid declaration", error.chain()),
            ),
        }
    }
}
