//! helm, as a person runs it over our chart: built once from its pinned module.
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::root;

/// The chart, from the repository's root.
pub const CHART: &str = "charts/shardplane";
/// Set where a skip would hide that nothing was tested.
const REQUIRED: &str = "SHARDPLANE_REQUIRE_CLUSTER";

/// How a run of it ended.
#[derive(Debug)]
pub struct Ran {
    /// Whether it exited with 0.
    pub succeeded: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The program.
#[derive(Clone, Debug)]
pub struct Helm(PathBuf);

impl Helm {
    /// Finds it; where it is not built, that nothing was tested is said past the test's captured output. Where the
    /// environment asks for everything to be tested it is built.
    ///
    /// # Panics
    /// Where everything is to be tested and it cannot be built.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test that depends on the machine reads what the machine says of itself"
    )]
    pub fn find() -> Option<Self> {
        let required = std::env::var_os(REQUIRED).is_some_and(|value| !value.is_empty());
        let arguments: &[&str] = if required { &[] } else { &["--if-built"] };
        let built = run(Command::new(root().join("tests/chart/build")).args(arguments));
        if built.succeeded {
            return Some(Self(PathBuf::from(built.stdout.trim()).join("helm")));
        }
        let why = built.stderr.lines().last().unwrap_or("it said nothing");
        assert!(!required, "the chart: {why}");
        let line = format!("\nSKIPPED: nothing was held against helm: {why}\n");
        // Written to the file itself: what a passing test prints is kept back.
        let _ = std::io::stderr().write_all(line.as_bytes());
        None
    }

    /// Runs it in the repository's root, its own files in a folder that goes.
    ///
    /// # Panics
    /// When no folder can be made.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        clippy::expect_used,
        reason = "a test runs the command that people run"
    )]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let own = tempfile::tempdir().expect("a folder for helm's own files");
        run(Command::new(&self.0)
            .args(arguments)
            .current_dir(root())
            .env_clear()
            .env("HOME", own.path()))
    }

    /// What the chart comes to with these values, as text.
    ///
    /// # Errors
    /// What helm has against them.
    pub fn text(&self, namespace: &str, values: &Value) -> Result<String, String> {
        let values = written(values);
        let ran = self.run(&[
            "template",
            "shardplane",
            CHART,
            "--namespace",
            namespace,
            "--values",
            &values.path().display().to_string(),
        ]);
        if ran.succeeded {
            Ok(ran.stdout)
        } else {
            Err(ran.stderr)
        }
    }

    /// What the chart comes to with these values, object by object.
    ///
    /// # Errors
    /// What helm has against them.
    pub fn objects(&self, namespace: &str, values: &Value) -> Result<Vec<Value>, String> {
        Ok(objects(&self.text(namespace, values)?))
    }
}

/// Values in a file, for as long as it is kept. Any JSON is YAML.
///
/// # Panics
/// When the file cannot be written.
#[must_use]
#[expect(clippy::expect_used, reason = "a test without its input must fail")]
pub fn written(values: &Value) -> NamedTempFile {
    let file = NamedTempFile::with_suffix(".yaml").expect("a file for values");
    fs::write(file.path(), values.to_string()).expect("values are written");
    file
}

/// Every object of a text of several.
///
/// # Panics
/// When it is no YAML.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "a test over text that is no YAML must fail"
)]
pub fn objects(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).expect("the document is YAML"))
        .filter(|object| !object.is_null())
        .collect()
}

/// Every object of a file below the chart.
///
/// # Panics
/// When it cannot be read.
#[must_use]
#[expect(clippy::expect_used, reason = "a test without its input must fail")]
pub fn read(file: &str) -> Vec<Value> {
    let path: PathBuf = root().join(Path::new(CHART)).join(file);
    objects(&fs::read_to_string(path).expect("the chart has the file"))
}

#[expect(
    clippy::expect_used,
    reason = "a test that cannot start what it tests must fail"
)]
fn run(command: &mut Command) -> Ran {
    let ended = command
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran {
        succeeded: ended.status.success(),
        stdout: text(ended.stdout),
        stderr: text(ended.stderr),
    }
}
