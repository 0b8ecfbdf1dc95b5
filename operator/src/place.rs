//! Where declared paths start: the folder of the file that declares them.
use std::path::{Path, PathBuf};

/// The folder against which labels of declared files are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePlace {
    base: PathBuf,
}

impl SourcePlace {
    /// Labels are paths from `base`.
    pub fn new(base: PathBuf) -> Self {
        Self { base }
    }

    /// The folder itself.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The path that `declared` means in the file labelled `declared_in`; `-` declares relative to the base.
    pub fn resolve(&self, declared: &str, declared_in: &str) -> PathBuf {
        let folder = match declared_in {
            "-" => Path::new(""),
            file => Path::new(file).parent().unwrap_or(Path::new("")),
        };
        self.base.join(folder).join(declared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_path_starts_beside_its_file() {
        let place = SourcePlace::new(PathBuf::from("/here"));
        for (declared, file, expected) in [
            (
                "../models/m",
                "quickstart/model.yaml",
                "/here/quickstart/../models/m",
            ),
            ("m", "-", "/here/m"),
            ("/m", "a/b.yaml", "/m"),
            ("m", "/a/b.yaml", "/a/m"),
        ] {
            assert_eq!(place.resolve(declared, file), PathBuf::from(expected));
        }
    }
}
