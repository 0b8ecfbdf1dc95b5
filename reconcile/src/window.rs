//! When steps may start: not while a policy pauses, and disruptive ones in the windows that policies declare, in UTC.
use crd::{declaration::Declaration, kind::Window, plan::Governance};

/// Days, Monday first, as policies write them.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MINUTES_A_DAY: u32 = 24 * 60;
const MILLIS_A_DAY: u64 = 86_400_000;

/// Whether a disruptive step may start now on a node that is governed so: every policy of the node that declares windows has one open.
///
/// `now` is in milliseconds since 1970-01-01T00:00:00Z.
pub fn open(declaration: &Declaration, governance: &Governance, now: u64) -> bool {
    let (weekday, minute) = calendar(now);
    declared(declaration, governance).all(|windows| {
        let mut windows = windows.iter();
        windows.any(|window| is_open(window, weekday, minute))
    })
}

/// When one may start that may not now, in milliseconds since 1970-01-01T00:00:00Z; `None` where the windows are never open at
/// once.
pub fn opens(declaration: &Declaration, governance: &Governance, now: u64) -> Option<u64> {
    // All are open from a moment on at which the last of them opens, and every week is the same.
    let midnight = now / MILLIS_A_DAY * MILLIS_A_DAY;
    let starts = declared(declaration, governance)
        .flatten()
        .filter_map(|window| clock(&window.start));
    starts
        .flat_map(|start| {
            (0..8).map(move |day| midnight + day * MILLIS_A_DAY + u64::from(start) * 60_000)
        })
        .filter(|&at| at > now && open(declaration, governance, at))
        .min()
}

/// The windows of each policy of a node that declares some.
fn declared<'a>(
    declaration: &'a Declaration,
    governance: &'a Governance,
) -> impl Iterator<Item = &'a [Window]> {
    let policies = declaration.policies.iter();
    policies
        .filter(|policy| governance.policies.contains(&policy.object.name))
        .filter_map(|policy| policy.spec.rollout.as_ref())
        .map(|rollout| rollout.windows.as_slice())
        .filter(|windows| !windows.is_empty())
}

/// The first policy that pauses its rollout, of those that govern a node so: nothing new begins there.
pub fn paused<'a>(declaration: &'a Declaration, governance: &Governance) -> Option<&'a str> {
    let mut policies = declaration.policies.iter();
    let pauses = policies.find(|policy| {
        let rollout = policy.spec.rollout.as_ref();
        governance.policies.contains(&policy.object.name)
            && rollout.and_then(|rollout| rollout.paused) == Some(true)
    })?;
    Some(&pauses.object.name)
}

/// Whether one window is open; one that runs past midnight is open into the next day. A malformed one never is.
pub fn is_open(window: &Window, weekday: u8, minute: u32) -> bool {
    let Some(start) = clock(&window.start) else {
        return false;
    };
    let opens_on =
        |day: usize| window.days.is_empty() || window.days.iter().any(|name| name == DAYS[day % 7]);
    let today = usize::from(weekday % 7);
    let yesterday = (today + 6) % 7;
    let end = start + window.minutes.min(MINUTES_A_DAY);
    (opens_on(today) && (start..end).contains(&minute))
        || (opens_on(yesterday) && (start..end).contains(&(minute + MINUTES_A_DAY)))
}

/// Day of the week from 0 on Monday and minute of the day, in UTC.
fn calendar(now: u64) -> (u8, u32) {
    let minutes = now / 60_000;
    // 1970-01-01 was a Thursday.
    let weekday = (minutes / 1440 + 3) % 7;
    (weekday as u8, (minutes % 1440) as u32)
}

fn clock(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_begins_on_a_thursday() {
        for (millis, expected) in [
            (0, (3, 0)),
            (86_400_000 * 4, (0, 0)),
            (90 * 60_000, (3, 90)),
        ] {
            assert_eq!(calendar(millis), expected);
        }
    }

    #[test]
    fn windows_open_and_close() {
        let window = |days: &[&str], start: &str, minutes| Window {
            days: days.iter().map(|d| (*d).to_owned()).collect(),
            start: start.into(),
            minutes,
        };
        for (window, weekday, minute, expected) in [
            (window(&[], "02:00", 60), 3, 120, true),
            (window(&[], "02:00", 60), 3, 180, false),
            (window(&["Sat"], "23:30", 60), 5, 1410, true),
            (window(&["Sat"], "23:30", 60), 6, 29, true),
            (window(&["Sat"], "23:30", 60), 6, 30, false),
            (window(&["Sat"], "23:30", 60), 0, 10, false),
            (window(&["Sun"], "23:30", 60), 0, 10, true),
            (window(&[], "24:30", 60), 0, 10, false),
            (window(&[], "00:00", 1440), 4, 1439, true),
        ] {
            assert_eq!(is_open(&window, weekday, minute), expected, "{window:?}");
        }
    }
}
