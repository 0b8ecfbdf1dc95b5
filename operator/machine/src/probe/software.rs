//! The vendor's software: SDK versions and the compiler that goes with them.
//!
//! Format: folders and tools are documented (the vendor's installer and guides); the records of versions are observed in
//! scripts that read them, and what the version tool prints is inferred (see `vendor`). From which version on which compiler is
//! to be used is inferred from the vendor's own tools.
use std::time::Duration;

use crd::{Fact, Unknown, snapshot::Toolchain};

use super::reach::{parsed, reason};
use crate::{
    access::Invocation,
    machine::Machine,
    vendor::{VersionReport, sdk_version},
};

/// The folder of the vendor's compilers (vendor's installer); it is on nobody's PATH.
pub const COMPILERS: &str = "/opt/qti-aic/exec";
const TOOLS: &str = "/opt/qti-aic/tools";
const VERSION_TOOL: &str = "qaic-version-util";
/// The tool reads two files.
const VERSION_DEADLINE: Duration = Duration::from_secs(10);
/// From this Apps SDK on the new compiler is the one to use; before, where both are there, the old one (vendor's own tools).
const NEW_COMPILER: [u32; 2] = [1, 21];

/// Versions of the two SDKs.
pub(super) struct Sdk {
    pub(super) platform: Fact<String>,
    pub(super) apps: Fact<String>,
}

/// What the SDK's own records say, which needs no process; where one is missing or says nothing, what its tool says.
pub(super) fn sdk(machine: &Machine) -> Sdk {
    let mut platform = parsed(machine, "/opt/qti-aic/versions/platform.xml", sdk_version);
    let mut apps = parsed(machine, "/opt/qti-aic/versions/apps.xml", sdk_version);
    let asks =
        |fact: &Fact<String>| matches!(fact.unknown, Some(Unknown::Absent | Unknown::Malformed));
    if (asks(&platform) || asks(&apps)) && has_version_tool(machine) {
        if asks(&platform) {
            platform = told(machine, "--platform", |report| report.platform).unwrap_or(platform);
        }
        if asks(&apps) {
            apps = told(machine, "--apps", |report| report.apps).unwrap_or(apps);
        }
    }
    Sdk { platform, apps }
}

fn has_version_tool(machine: &Machine) -> bool {
    let names = machine.list(TOOLS);
    names.is_ok_and(|names| names.iter().any(|name| name == VERSION_TOOL))
}

/// One SDK's version as the tool tells it; nothing where it does not.
fn told(
    machine: &Machine,
    flag: &str,
    named: impl FnOnce(VersionReport) -> Option<String>,
) -> Option<Fact<String>> {
    let program = format!("{TOOLS}/{VERSION_TOOL}");
    let call = Invocation::new(&program, &[flag], VERSION_DEADLINE);
    let output = machine.run(&call).ok().filter(|output| !output.timed_out)?;
    let Ok(report) = output.stdout.parse::<VersionReport>();
    // Asked for one, it may leave out whose the one is.
    let alone = report.platform.is_none() && report.apps.is_none();
    let unnamed = report.unnamed.clone().filter(|_| alone);
    let version = named(report).or(unnamed)?;
    Some(Fact::known(version, format!("{VERSION_TOOL} {flag}")))
}

/// The compiler to use: the one that is installed; where both are, the one that goes with the Apps SDK's version, which is
/// the compiler's too.
pub(super) fn compiler(machine: &Machine, apps_sdk: &Fact<String>) -> Fact<Toolchain> {
    let names = match machine.list(COMPILERS) {
        Ok(names) => names,
        Err(error) => {
            let why = match reason(&error) {
                Unknown::Absent => Unknown::ToolMissing,
                other => other,
            };
            return Fact::unknown(why, COMPILERS);
        }
    };
    let there = |program: &str| names.iter().any(|name| name == program);
    let program = match (there("qaic-compile"), there("qaic-exec")) {
        (true, true) => {
            let old = apps_sdk
                .get()
                .is_some_and(|version| is_before(version, NEW_COMPILER));
            if old { "qaic-exec" } else { "qaic-compile" }
        }
        (true, false) => "qaic-compile",
        (false, true) => "qaic-exec",
        (false, false) => return Fact::unknown(Unknown::ToolMissing, COMPILERS),
    };
    let source = format!("{COMPILERS}/{program}");
    match (&apps_sdk.value, apps_sdk.unknown) {
        (Some(version), _) => Fact::known(
            Toolchain {
                program: program.to_owned(),
                version: version.clone(),
            },
            source,
        ),
        (None, why) => Fact::unknown(why.unwrap_or(Unknown::Absent), apps_sdk.source.clone()),
    }
}

/// Whether a dotted version comes before another; one that is no version does not.
fn is_before(version: &str, other: [u32; 2]) -> bool {
    let numbers: Vec<u32> = version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect();
    numbers.len() >= 2 && numbers[..2] < other[..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        for (version, before) in [
            ("1.20.4", true),
            ("1.9", true),
            ("1.21", false),
            ("1.100.0", false),
            ("2.0", false),
            ("nightly", false),
            ("1", false),
        ] {
            assert_eq!(is_before(version, NEW_COMPILER), before, "{version}");
        }
    }
}
