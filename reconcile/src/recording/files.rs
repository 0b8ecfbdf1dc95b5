//! Settings files in a recording: what names a site, or was written by its people, has pseudonyms.
use crd::snapshot::{FileImage, KeptSettings, OverrulingSetting, Settings, SettingsFile};

use super::redact::Pseudonyms;
use crate::plan::kept;

/// What lines of a settings file begin with that decide about cards.
const DECIDE: [&str; 2] = ["options qaic ", "vm.max_map_count"];

/// What folders of settings files end in.
const FOLDERS: [&str; 2] = ["/modprobe.d", "/sysctl.d"];

impl Pseudonyms {
    /// Files of a site are named after it.
    fn file(&self, path: &str) -> String {
        let ours = SettingsFile::ALL.map(SettingsFile::path);
        match path.rsplit_once('/') {
            Some(("/proc", _)) | None => path.to_owned(),
            Some(_) if ours.contains(&path) => path.to_owned(),
            // Read after ours, as the one that it stands for.
            Some((folder, name)) => format!("{folder}/{}.conf", self.name("99-file", name)),
        }
    }

    /// Where a fact about settings is from: a file of a site, or what every machine has.
    fn source(&self, source: &str) -> String {
        // `/etc/modprobe.d/…`, `/run/sysctl.d/…` and their like.
        let folder = source.rsplit_once('/').map(|(folder, _)| folder);
        if folder.is_some_and(|folder| FOLDERS.iter().any(|of| folder.ends_with(of))) {
            self.file(source)
        } else {
            source.to_owned()
        }
    }

    pub(super) fn settings(&self, settings: Settings) -> Settings {
        let Settings {
            mut driver,
            mut sysctl,
            mut kept,
        } = settings;
        for fact in driver.values_mut() {
            fact.source = self.source(&fact.source);
        }
        for fact in sysctl.values_mut() {
            fact.source = self.source(&fact.source);
        }
        for fact in kept.values_mut() {
            fact.source = self.source(&fact.source);
            let Some(KeptSettings { image, overruled }) = &mut fact.value else {
                continue;
            };
            *image = self.image(image);
            for OverrulingSetting {
                name: _,
                value: _,
                by,
            } in overruled
            {
                *by = self.file(by);
            }
        }
        Settings {
            driver,
            sysctl,
            kept,
        }
    }

    /// A file as it stands there, of which lines that a person wrote have pseudonyms, as comments.
    fn image(&self, image: &FileImage) -> FileImage {
        let FileImage::Text(text) = image else {
            return image.clone();
        };
        let line = |line: &str| {
            let (said, remark) = line.find('#').map_or((line, ""), |at| line.split_at(at));
            let decides = DECIDE.iter().any(|begins| said.starts_with(begins));
            match (decides, remark) {
                _ if line.is_empty() || kept::is_head(line) => line.to_owned(),
                (true, "") => line.to_owned(),
                (true, remark) => format!("{said}# {}", self.name("line", remark)),
                (false, _) => format!("# {}", self.name("line", line)),
            }
        };
        let lines: Vec<String> = text.split('\n').map(line).collect();
        FileImage::Text(lines.join("\n"))
    }

    /// The same of an image that a ledger keeps as text.
    pub(super) fn image_text(&self, image: String) -> String {
        match image.parse::<FileImage>() {
            Ok(read) => self.image(&read).to_string(),
            Err(_) => image,
        }
    }
}
