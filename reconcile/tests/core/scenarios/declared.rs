//! One thing out of the ordinary in the declaration.
use crd::{
    Fact, Unknown,
    kind::{Enforcement, MdpMode, Member, P2PGroupSpec, ResetScope, Rollout, SpreadOver},
    plan::ReportReason,
};

use super::{Expected, Row, check_rows};
use crate::declare::{automatic, object, policy};

#[test]
fn one_thing_out_of_the_ordinary_in_the_declaration() {
    let rows: Vec<Row> = vec![
        (
            "a budget below the group's size",
            |declared, _| {
                declared.policies[0].spec.rollout = Some(Rollout {
                    max_unavailable_socs: Some(3),
                    ..Rollout::default()
                });
            },
            Expected {
                blocked: vec![ReportReason::BudgetTooSmall, ReportReason::NoFittingGroup],
                resets: Some(0),
                ..Expected::default()
            },
        ),
        (
            "a budget for both groups",
            |declared, _| {
                declared.policies[0].spec.rollout = Some(Rollout {
                    max_unavailable_socs: Some(8),
                    ..Rollout::default()
                });
            },
            Expected {
                resets: Some(8),
                ..Expected::default()
            },
        ),
        (
            "resets of the whole machine",
            |declared, _| declared.policies[0].spec.reset_scope = Some(ResetScope::Host),
            Expected {
                resets: Some(8),
                says: vec!["all 8 SoCs"],
                ..Expected::default()
            },
        ),
        (
            "resets of the whole machine, and a SoC that no driver serves",
            |declared, node| {
                declared.policies[0].spec.reset_scope = Some(ResetScope::Host);
                let soc = node.socs[7].address;
                let mut functions = node.functions.iter_mut();
                let function = functions
                    .find(|f| f.address == soc)
                    .expect("the SoC's function");
                function.driver = Fact::unknown(Unknown::Absent, "test");
            },
            Expected {
                blocked: vec![ReportReason::NotReady],
                says: vec!["bound to no driver"],
                resets: Some(0),
                clears: Some(0),
            },
        ),
        (
            "observing",
            |declared, _| declared.policies[0].spec.enforcement = Enforcement::Observe,
            Expected {
                blocked: vec![],
                says: vec![
                    "Enforce would do soc.reset",
                    "Enforce would do worker.start",
                ],
                resets: Some(0),
                clears: Some(0),
            },
        ),
        (
            "two policies on every SoC",
            |declared, _| {
                declared
                    .policies
                    .push(object("CardPolicy", "other", policy()))
            },
            Expected {
                blocked: vec![ReportReason::PolicyConflict],
                says: vec![
                    "8 SoCs are matched by other too",
                    "8 SoCs are matched by cards too",
                ],
                resets: Some(0),
                clears: Some(0),
            },
        ),
        (
            "no policy",
            |declared, _| declared.policies.clear(),
            Expected {
                blocked: vec![ReportReason::NotGoverned],
                resets: Some(0),
                clears: Some(0),
                ..Expected::default()
            },
        ),
        (
            "partitioning turned off",
            |declared, _| declared.policies[0].spec.mdp = Some(MdpMode::Disabled),
            Expected {
                blocked: vec![ReportReason::MdpOff],
                resets: Some(0),
                clears: Some(0),
                ..Expected::default()
            },
        ),
        (
            "more shards than any group",
            |declared, _| declared.models[0].spec.shards = 8,
            Expected {
                blocked: vec![ReportReason::NoFittingGroup],
                resets: Some(8),
                ..Expected::default()
            },
        ),
        (
            "a member that is not there",
            |declared, _| {
                let member = |text: &str| Member {
                    address: text.parse().ok(),
                    path: None,
                    serial: None,
                };
                declared.groups[0].spec = P2PGroupSpec {
                    automatic: None,
                    members: Some(vec![member("0000:05:00.0"), member("0000:77:00.0")]),
                    ..automatic(2, SpreadOver::Card, None)
                };
            },
            Expected {
                blocked: vec![ReportReason::MemberMissing, ReportReason::NoFittingGroup],
                says: vec!["0000:77:00.0 is not on lab"],
                resets: Some(0),
                ..Expected::default()
            },
        ),
    ];
    check_rows(rows);
}
