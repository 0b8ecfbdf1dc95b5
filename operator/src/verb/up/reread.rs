//! `up` reads `-f` again on its timer, and keeps the last valid declaration.
use crd::declaration::Declaration;

use super::{Up, stage::Stage};
use crate::{cli::UpArgs, console::Console, declared, failure::Failure, source};

/// What `-f` declares at the start; `None` where nothing does and that is waited for.
pub(super) fn first(args: &UpArgs, console: &Console) -> Result<Option<Declaration>, Failure> {
    if args.standby && is_nothing(args) {
        return Ok(None);
    }
    let declared = declared::declared(&args.files.file, console)?;
    Ok(Some(declared.declaration))
}

/// Whether `-f` names empty or missing folders alone. That nothing is declared yet is no order to undo anything.
fn is_nothing(args: &UpArgs) -> bool {
    let paths = &args.files.file;
    !paths.is_empty() && paths.iter().all(|path| source::holds_nothing(path))
}

/// Whether a declaration has no object.
fn is_bare(declaration: &Declaration) -> bool {
    let Declaration {
        policies,
        groups,
        builds,
        models,
    } = declaration;
    policies.is_empty() && groups.is_empty() && builds.is_empty() && models.is_empty()
}

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
        if self.stage == Stage::Standby && is_nothing(self.args) {
            return;
        }
        match declared::read(&self.args.files.file) {
            Ok(read) if read.loaded.has_errors() => {
                let said = format!("{}; {}", declared::invalid(&read.loaded), self.meanwhile());
                if self.said.get("files") != Some(&said) {
                    declared::report(&read, self.console, crd::diagnostic::Severity::Warning);
                }
                self.say("files", &said);
            }
            // A file is empty for a moment where somebody writes it anew, and for longer on a full disk. To take everything back is
            // said by `down`, and by what is left of a declaration, never by nothing at all.
            Ok(read) if is_bare(&read.loaded.declaration) && !is_bare(&self.declaration) => {
                let said = "nothing is declared any more; keeping the last valid declaration: `shardplane down` puts the machine back";
                self.say("files", said);
            }
            Ok(read) => {
                if self.said.remove("files").is_some() {
                    self.console.note("what is declared is valid again");
                }
                if self.stage == Stage::Standby {
                    self.stage = Stage::Keeping;
                    self.declaration = read.loaded.declaration;
                    self.console.note("something is declared now");
                } else if read.loaded.declaration != self.declaration {
                    self.declaration = read.loaded.declaration;
                    self.is_in_doubt();
                    self.console.note("what is declared has changed");
                }
            }
            Err(error) => {
                self.say("files", &format!("{}; {}", error.chain(), self.meanwhile()));
            }
        }
    }

    /// What holds while what is declared cannot be used.
    fn meanwhile(&self) -> &'static str {
        match self.stage {
            Stage::Standby => "touching nothing until it is valid",
            Stage::Starting(_) | Stage::Keeping => "keeping the last valid declaration",
        }
    }
}
