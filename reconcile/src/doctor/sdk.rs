//! SDK versions: what each brought, and that both halves are the same.
use crd::Unknown;

use super::{patient::Patient, seen::Seen};
use crate::selection::version;

/// Multi-device programs and MDP came with this Platform SDK.
const MULTI_DEVICE: [u32; 2] = [1, 17];
/// From this one on the vendor's installer sets MDP up (`--setup_mdp all`).
const INSTALLER: [u32; 2] = [1, 18];
/// From this one on the vendor's ACS script falls back on the `switchtec` command.
const SWITCHTEC: [u32; 2] = [1, 21];

/// Whether there is no SDK at all, which is one thing to say and not four.
pub(super) fn is_missing(patient: &Patient<'_>) -> bool {
    let asked = patient.snapshot.prerequisites.as_ref();
    let versions = patient.snapshot.tools.platform_sdk.unknown;
    versions == Some(Unknown::Absent)
        && asked.is_some_and(|asked| asked.installed.unknown == Some(Unknown::ToolMissing))
}

pub(super) fn multi_device(patient: &Patient<'_>) -> Vec<Seen> {
    if is_missing(patient) {
        let none = Seen::fail(
            "not installed",
            "install the vendor's Platform and Apps SDK, 1.17 or later, then request MDP",
        );
        return vec![none.from(&patient.snapshot.tools.platform_sdk.source)];
    }
    vec![Seen::told(&patient.snapshot.tools.platform_sdk, |sdk| {
        if version(sdk) < MULTI_DEVICE.to_vec() {
            Seen::fail(
                format!("{sdk}, older than 1.17"),
                "install Platform and Apps SDK 1.17 or later; MDP must be requested again after each installation",
            )
        } else {
            Seen::pass(sdk.clone())
        }
    })]
}

pub(super) fn installer(patient: &Patient<'_>) -> Vec<Seen> {
    if is_missing(patient) {
        return Vec::new();
    }
    vec![Seen::told(&patient.snapshot.tools.platform_sdk, |sdk| {
        if version(sdk) < INSTALLER.to_vec() {
            Seen::warn(
                format!("{sdk}: `install.sh --setup_mdp all` came with 1.18"),
                "nothing is lost: `shardplane apply` requests MDP itself",
            )
        } else {
            Seen::pass(format!("{sdk} has `install.sh --setup_mdp`"))
        }
    })]
}

pub(super) fn switchtec(patient: &Patient<'_>) -> Vec<Seen> {
    let sdk = patient.snapshot.tools.platform_sdk.get();
    let expected = sdk.is_none_or(|sdk| version(sdk) >= SWITCHTEC.to_vec());
    patient.asked(|asked| {
        let module = asked
            .modules
            .get()
            .is_some_and(|modules| modules.iter().any(|module| module == "switchtec"));
        let seen = match (asked.switchtec.get(), module) {
            (Some(path), true) => Seen::pass(format!("{path}, and its module is loaded")),
            (found, module) => {
                let lacks = match (found, module) {
                    (None, false) => "neither the switchtec command nor its module is there",
                    (None, true) => "the switchtec command is not there",
                    (Some(_), _) => "the module switchtec is not loaded",
                };
                let what = if expected {
                    "SDKs from 1.21 on fall back on it where a card's switch drops writes to its configuration space"
                } else {
                    "it helps only where a card's switch drops writes to its configuration space"
                };
                Seen::warn(
                    format!("{lacks}; {what}"),
                    "install switchtec-user, and `modprobe switchtec`",
                )
            }
        };
        vec![seen.from(&asked.switchtec.source).from(&asked.modules.source)]
    })
}

pub(super) fn same(patient: &Patient<'_>) -> Vec<Seen> {
    if is_missing(patient) {
        return Vec::new();
    }
    let tools = &patient.snapshot.tools;
    let (platform, apps) = (&tools.platform_sdk, &tools.apps_sdk);
    let seen = match (platform.get(), apps.get()) {
        (Some(one), Some(other)) if one == other => Seen::pass(format!("both {one}")),
        (Some(one), Some(other))
            if version(one)[..]
                .iter()
                .take(2)
                .eq(version(other)[..].iter().take(2)) =>
        {
            Seen::pass(format!("{one} and {other}, of one release"))
        }
        (Some(one), Some(other)) => Seen::warn(
            format!("Platform SDK {one} and Apps SDK {other}"),
            "install the same release of both: programs of one may not load with the other",
        ),
        (None, _) => Seen::untold(platform),
        (Some(_), None) => Seen::untold(apps),
    };
    vec![seen.from(&platform.source).from(&apps.source)]
}
