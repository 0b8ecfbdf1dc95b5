//! What must hold on a real node, one after another on one cluster.
mod failures;
mod machine;
mod mistakes;
mod pods;
mod pushed;
mod quickstart;
mod rolling;
mod uninstall;

use anyhow::{Result, bail};

use host::{now, say};

use crate::{cluster::Cluster, place::Room};

/// Something that must hold. Each begins with the quickstart, applied anew, and leaves what it likes of it.
type Scenario = fn(&Cluster) -> Result<()>;

/// All of them, in order.
pub(crate) const ALL: &[(&str, Scenario)] = &[
    (
        "the quickstart is built, answers an OpenAI client, is scaled",
        quickstart::is_built_answers_and_is_scaled,
    ),
    (
        "no request fails while a revision rolls and the node drains",
        rolling::no_request_fails,
    ),
    ("a full disk is met", failures::a_full_disk_is_met),
    (
        "a pod that is deleted by force comes back",
        pods::one_deleted_by_force_comes_back,
    ),
    (
        "a pod that does not answer is evicted whatever the budget says",
        pods::one_that_does_not_answer_is_evicted,
    ),
    (
        "an image that cannot be pulled is said",
        mistakes::an_image_that_cannot_be_pulled,
    ),
    (
        "another model than was declared is refused",
        mistakes::another_model_than_was_declared,
    ),
    ("too little memory is said", mistakes::too_little_memory),
    ("on cards no pod is made", mistakes::on_cards_no_pod_is_made),
    (
        "a program is pushed to a registry and served by its digest",
        pushed::it_is_served_by_its_digest,
    ),
    (
        "a rank that is killed is started anew",
        failures::a_rank_that_is_killed_is_started_anew,
    ),
    (
        "a registry that vanishes is waited for",
        failures::a_registry_that_vanishes_is_waited_for,
    ),
    (
        "a silent node comes back",
        failures::a_silent_node_comes_back,
    ),
    ("a full disk is said", failures::a_full_disk_is_said),
    (
        "uninstall is refused while something would stay",
        uninstall::it_is_refused_while_something_would_stay,
    ),
    (
        "an upgrade brings the definitions",
        uninstall::an_upgrade_brings_definitions,
    ),
    ("deleted, nothing is left", quickstart::goes),
    (
        "the agent's pod sees and sets this machine",
        machine::it_is_seen_and_set,
    ),
    (
        "each privilege of the agent is missed",
        machine::each_privilege_is_missed,
    ),
    ("uninstalled, nothing is left", uninstall::nothing_stays),
];

/// Runs those whose names have one of these words, or all; whether all held.
pub(crate) fn run(room: &Room, names: &[String]) -> Result<bool> {
    let chosen: Vec<_> = ALL
        .iter()
        .filter(|(name, _)| {
            names.is_empty() || names.iter().any(|word| name.contains(word.as_str()))
        })
        .collect();
    if chosen.is_empty() {
        bail!("no scenario has such a name; `node --list` names them");
    }
    let started = now();
    let cluster = Cluster::start(room)?;
    say(&format!(
        "a node is up after {:.1} s",
        started.elapsed().as_secs_f32()
    ));
    for (name, scenario) in chosen {
        let started = now();
        let outcome = scenario(&cluster);
        let took = started.elapsed().as_secs_f32();
        match outcome {
            Ok(()) => say(&format!("ok      {name:<64} {took:5.1} s")),
            Err(error) => {
                say(&format!("FAILED  {name:<64} {took:5.1} s\n{error:#}"));
                say(&cluster.told_of_all());
                // What it left would be in the way of the others.
                return Ok(false);
            }
        }
    }
    Ok(true)
}
