//! What is declared, against a real Kubernetes API server: started here on loopback, and driven by kubectl.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its own functions too"
)]

mod answer;
mod approving;
mod assets;
mod autoscaled;
mod batches;
mod beside;
mod cable;
mod chart;
mod claims;
mod clocks;
mod columns;
mod contending;
mod control_plane;
mod converging;
mod corpus;
#[path = "../scale/course/mod.rs"]
#[allow(
    dead_code,
    reason = "bounds of time hold for the run that is measured, and not beside other tests"
)]
mod course;
mod definitions;
mod downgraded;
mod draining;
mod failing;
mod fleet;
mod gitops;
mod handing;
mod judging;
mod killing;
mod kubelet;
mod lease;
mod leaving;
mod models;
mod ours;
mod pausing;
mod played;
mod pruned;
mod raw;
mod rights;
mod severed;
mod silent;
mod upgraded;
mod waiting;
mod watched;

use assets::Found;
use control_plane::ControlPlane;

/// Says what is wrong; nothing where all is well.
type Scenario = fn(&ControlPlane) -> Vec<String>;

/// Runs every scenario against one minor, and says what differed in all of them.
fn hold(minor: &str) {
    let assets = match assets::find(minor) {
        Found::Here(assets) => assets,
        Found::Nowhere(why) => return assets::skip(minor, &why),
    };
    let scenarios: &[(&str, Scenario)] = &[
        ("definitions", definitions::are_taken),
        ("valid documents", corpus::valid_documents_are_taken),
        (
            "invalid documents",
            corpus::invalid_documents_give_the_same_answer,
        ),
        // After the corpus, whose objects may have the same names.
        ("quickstart", corpus::quickstart_is_taken),
        ("printed columns", definitions::print_their_columns),
    ];
    let plane = ControlPlane::start(&assets);
    let mut wrong = Vec::new();
    for (name, scenario) in scenarios {
        wrong.extend(
            scenario(&plane)
                .into_iter()
                .map(|what| format!("{name}: {what}")),
        );
    }
    assert!(wrong.is_empty(), "{minor}:\n{}", wrong.join("\n"));
}

#[test]
fn kubernetes_1_37_and_our_own_checks_agree() {
    hold("1.37");
}

#[test]
fn kubernetes_1_34_and_our_own_checks_agree() {
    hold("1.34");
}

/// Runs a scenario on a cluster of its own, with agents and controllers.
fn act(minor: &str, scenario: fn(&mut ControlPlane)) {
    match assets::find(minor) {
        Found::Here(assets) => scenario(&mut ControlPlane::start(&assets)),
        Found::Nowhere(why) => assets::skip(minor, &why),
    }
}

macro_rules! acts {
    ($($name:ident: $minor:literal, $scenario:path;)*) => {
        $(
            #[test]
            fn $name() {
                act($minor, $scenario);
            }
        )*
    };
}

acts! {
    the_quickstart_converges_on_1_37: "1.37", converging::the_quickstart_converges_and_goes_without_a_trace;
    the_quickstart_converges_on_1_34: "1.34", converging::the_quickstart_converges_and_goes_without_a_trace;
    nothing_goes_ahead_without_leave: "1.37", approving::nothing_goes_ahead_without_leave;
    agents_and_servers_that_die_lose_nothing: "1.37", failing::agents_and_servers_that_die_lose_nothing;
    a_leader_that_is_paused_wakes_behind_the_fence: "1.37", failing::a_leader_that_is_paused_wakes_behind_the_fence;
    a_node_that_boots_or_comes_back_is_planned_anew: "1.37", failing::a_node_that_boots_or_comes_back_is_planned_anew;
    a_node_that_is_not_ready_is_waited_for: "1.37", failing::a_node_that_is_not_ready_is_waited_for;
    a_canary_that_fails_holds_the_others_and_says_why: "1.37", failing::a_canary_that_fails_holds_the_others_and_says_why;
    two_policies_for_one_card_cancel_each_other: "1.37", failing::two_policies_for_one_card_cancel_each_other;
    a_model_is_built_served_scaled_and_left: "1.37", models::a_model_is_built_served_scaled_and_left;
    a_claim_that_comes_late_is_waited_for: "1.37", claims::a_claim_that_comes_late_is_waited_for;
    what_goes_wrong_with_a_model_is_said: "1.37", models::what_goes_wrong_with_a_model_is_said;
    holders_are_evicted_and_nobody_else: "1.37", draining::holders_are_evicted_and_nobody_else;
    a_few_nodes_converge_as_a_thousand_do: "1.37", course::in_small;
    evictions_are_handed_off_where_that_is_served: "1.37", handing::evictions_are_handed_off_where_that_is_served;
    the_vendors_agent_is_left_the_resets: "1.37", beside::the_vendors_agent_is_left_the_resets;
    what_values_of_the_chart_come_to_is_taken: "1.37", chart::what_values_come_to_is_taken;
    a_release_is_installed_changed_and_taken_away: "1.37", chart::a_release_is_installed_changed_and_taken_away;
    an_agent_is_killed_at_every_record: "1.37", killing::an_agent_is_killed_at_every_record;
    a_machine_that_loses_power_at_work_is_planned_anew: "1.37", killing::a_machine_that_loses_power_at_work_is_planned_anew;
    clocks_that_are_off_only_tell_other_times: "1.37", clocks::clocks_that_are_off_only_tell_other_times;
    a_silent_agent_finds_nothing_that_should_not_be_done: "1.37", silent::a_silent_agent_finds_nothing_that_should_not_be_done;
    every_state_reads_aloud: "1.37", columns::every_state_reads_aloud;
    whoever_else_writes_only_costs_time: "1.37", contending::whoever_else_writes_only_costs_time;
    a_watch_that_is_cut_or_outlived_is_begun_anew: "1.37", severed::a_watch_that_is_cut_or_outlived_is_begun_anew;
    all_that_is_declared_may_go_at_once: "1.37", pruned::all_that_is_declared_may_go_at_once;
    what_is_out_of_date_lets_nothing_begin: "1.37", waiting::what_is_out_of_date_lets_nothing_begin;
    definitions_change_under_live_objects: "1.37", upgraded::definitions_change_under_live_objects;
    an_older_version_takes_nothing_away: "1.37", downgraded::an_older_version_takes_nothing_away;
    kstatus_judges_as_we_mean_it: "1.37", judging::kstatus_judges_as_we_mean_it;
    a_repository_is_all_that_anybody_writes: "1.37", gitops::a_repository_is_all_that_anybody_writes;
    an_autoscaler_is_not_fought: "1.37", autoscaled::an_autoscaler_is_not_fought;
    a_paused_rollout_begins_nothing: "1.37", pausing::a_paused_rollout_begins_nothing;
    a_step_in_hand_ends_though_its_rollout_is_deleted: "1.37", pausing::a_step_in_hand_ends_though_its_rollout_is_deleted;
    a_batch_begins_when_the_one_before_has_ended: "1.37", batches::a_batch_begins_when_the_one_before_has_ended;
    a_deleted_policy_waits_for_what_it_changed: "1.37", leaving::a_deleted_policy_waits_for_what_it_changed;
    the_approval_asked_for_last_governs_a_removal: "1.37", leaving::the_approval_asked_for_last_governs_a_removal;
    at_rest_nothing_is_written: "1.37", failing::at_rest_nothing_is_written;
}

#[test]
fn argo_cds_tests_of_the_health_check_pass() {
    gitops::argo_cds_tests_of_the_health_check_pass();
}
