//! `systemctl show` of qmonitor's unit: whether it is there, runs, or is loaded and dead, which fails a second start.
//!
//! Format: documented (systemctl(1): `Property=value`, a line each, in no promised order). The unit's name and the port on which
//! its server listens are the vendor's, documented; that it warms up for about ten seconds is observed in vendor scripts.
use std::{convert::Infallible, str::FromStr};

/// Properties to ask for.
pub const UNIT_PROPERTIES: &str = "--property=LoadState,ActiveState,FragmentPath";

/// The unit as the service manager has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QmonitorUnit {
    /// There is none: it may be started as a transient unit.
    Absent,
    /// It runs: only its port tells whether it answers.
    Active,
    /// It is being started, for the first time or again and again.
    Starting,
    /// It was started as a transient unit and has ended; it is to be forgotten before a start succeeds.
    DeadTransient,
    /// It is installed and does not run; it is started by name.
    Installed,
    /// An administrator forbids it.
    Masked,
    /// The service manager is not there, or says something else.
    Unknown,
}

impl FromStr for QmonitorUnit {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let of = |key: &str| {
            text.lines().find_map(|line| {
                let (found, value) = line.trim().split_once('=')?;
                (found.trim() == key).then(|| value.trim())
            })
        };
        let transient = of("FragmentPath")
            .is_none_or(|path| path.is_empty() || path.starts_with("/run/systemd/transient/"));
        Ok(match (of("LoadState"), of("ActiveState")) {
            (Some("not-found"), _) => Self::Absent,
            (Some("masked"), _) => Self::Masked,
            (Some("loaded"), Some("active" | "reloading")) => Self::Active,
            (Some("loaded"), Some("activating")) => Self::Starting,
            (Some("loaded"), Some("failed" | "inactive" | "deactivating")) if transient => {
                Self::DeadTransient
            }
            (Some("loaded"), Some("failed" | "inactive" | "deactivating")) => Self::Installed,
            (Some(_) | None, _) => Self::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &QmonitorUnit) {
        assert_eq!(
            text.parse::<QmonitorUnit>().as_ref(),
            Ok(expected),
            "{text}"
        );
    }

    #[test]
    fn a_unit_is_told_by_its_states() {
        let transient = "FragmentPath=/run/systemd/transient/qmonitor-proxy.service\n";
        let installed = "FragmentPath=/etc/systemd/system/qmonitor-proxy.service\n";
        check(
            "LoadState=not-found\nActiveState=inactive\n",
            &QmonitorUnit::Absent,
        );
        check(
            "ActiveState=inactive\r\nLoadState=not-found\r\n",
            &QmonitorUnit::Absent,
        );
        check(
            "LoadState=masked\nActiveState=inactive\n",
            &QmonitorUnit::Masked,
        );
        for (state, unit) in [
            ("active", QmonitorUnit::Active),
            ("reloading", QmonitorUnit::Active),
            ("activating", QmonitorUnit::Starting),
        ] {
            let text = format!("LoadState=loaded\nActiveState={state}\n{transient}");
            check(&text, &unit);
        }
        for state in ["failed", "inactive", "deactivating"] {
            let text = format!("{transient}ActiveState={state}\nNew=1\nLoadState=loaded\n");
            check(&text, &QmonitorUnit::DeadTransient);
            let text = format!("{installed}ActiveState={state}\nLoadState=loaded\n");
            check(&text, &QmonitorUnit::Installed);
        }
        for text in [
            "",
            "LoadState=loaded\n",
            "ActiveState=active\n",
            "LoadState=bad-setting\nActiveState=inactive\n",
            "System has not been booted with systemd as init system (PID 1). Can't operate.\n",
        ] {
            check(text, &QmonitorUnit::Unknown);
        }
    }
}
