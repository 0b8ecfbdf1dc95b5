//! When what waits for a window may begin.
use crd::{
    declaration::Declaration,
    kind::{Enforcement, FailurePolicy, Rollout, Window},
    plan::Governance,
};
use reconcile::window::{open, opens};

use crate::declare::{object, policy};

const MINUTE: u64 = 60_000;
/// 2026-11-30T00:00:00Z, a Monday.
const MONDAY: u64 = 1_795_996_800_000;

fn window(days: &[&str], start: &str, minutes: u32) -> Window {
    Window {
        days: days.iter().map(|day| (*day).to_owned()).collect(),
        start: start.into(),
        minutes,
    }
}

#[test]
fn what_waits_begins_with_the_first_minute_in_which_all_windows_are_open() {
    let night = || window(&[], "22:00", 480);
    let cases: [(&[Vec<Window>], Option<u64>); 9] = [
        (&[vec![night()]], Some(22 * 60)),
        (&[vec![window(&["Mon"], "00:00", 60)]], Some(7 * 24 * 60)),
        (
            &[vec![window(&["Sun"], "04:00", 60), night()]],
            Some(22 * 60),
        ),
        // The later of two, in the window that runs past midnight.
        (
            &[vec![night()], vec![window(&[], "05:00", 120)]],
            Some(24 * 60 + 5 * 60),
        ),
        (
            &[vec![night()], vec![], vec![window(&["Wed"], "02:30", 10)]],
            Some(2 * 24 * 60 + 150),
        ),
        (
            &[
                vec![window(&["Sat"], "23:30", 60)],
                vec![window(&["Sun"], "00:15", 5)],
            ],
            Some(6 * 24 * 60 + 15),
        ),
        (
            &[
                vec![window(&["Sat"], "23:30", 60)],
                vec![window(&["Sun"], "00:30", 5)],
            ],
            None,
        ),
        (&[vec![window(&[], "25:00", 60)]], None),
        (&[vec![window(&[], "08:00", 0)]], None),
    ];
    for (windows, expected) in cases {
        let policies = windows.iter().enumerate().map(|(index, windows)| {
            let mut spec = policy();
            spec.rollout = Some(Rollout {
                windows: windows.clone(),
                ..Rollout::default()
            });
            object("CardPolicy", &format!("p{index}"), spec)
        });
        let declaration = Declaration {
            policies: policies.collect(),
            ..Declaration::default()
        };
        let policies = declaration.policies.iter();
        let governance = Governance {
            policies: policies.map(|policy| policy.object.name.clone()).collect(),
            enforcement: Enforcement::Enforce,
            approval: crd::kind::ApprovalMode::Automatic,
            approved: Vec::new(),
            on_failure: FailurePolicy::Halt,
            max_unavailable_socs: None,
            canary: false,
            failure_threshold: 1,
            max_unavailable_nodes: 1,
            batches: std::collections::BTreeMap::new(),
        };
        // Noon of a Monday, thirty seconds past: all are closed.
        let noon = MONDAY + 12 * 60 * MINUTE;
        let now = noon + 30_000;
        let may = |at: u64| open(&declaration, &governance, at);
        let found = opens(&declaration, &governance, now);
        let minutes = |at: u64| (at - MONDAY) / MINUTE;
        let told = found.map(minutes);
        assert!(!may(now), "{windows:?}");
        let watched = (1..=8 * 24 * 60)
            .map(|minute| noon + minute * MINUTE)
            .find(|at| may(*at))
            .map(minutes);
        assert_eq!(told, expected, "{windows:?}");
        assert_eq!(told, watched, "{windows:?}");
    }
}
