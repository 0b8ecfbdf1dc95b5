//! What an agent listens to: its own objects at the API server, its machine, and whoever stops it.
use std::{thread, time::Duration};

use crd::kind::CardNode;
use k8s_openapi::api::core::v1::Node;
use kube_client::core::PartialObjectMeta;
use kube_client::{Api, Client};
use kube_runtime::watcher::{self, watcher};
use machine::Clock;
use tokio::runtime::Runtime;

use super::orders::Orders;
use crate::{
    cli::{Environment, Place},
    cluster::watching::{Patience, follow},
    console::Console,
    engine::interrupt::StopFlag,
    failure::Failure,
    room::Opening,
    verb::setting,
};

/// How often it is looked whether somebody asked for a stop.
const LOOK: Duration = Duration::from_millis(100);

/// Follows the agent's `CardNode` and its Node. A server that is away is asked again, for ever.
pub fn start(runtime: &Runtime, client: &Client, name: &str, orders: &Orders) {
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let card_nodes = watcher(Api::<CardNode>::all(client.clone()), only.clone());
    let told = orders.clone();
    // The loop publishes, and tells of a server that does not answer.
    runtime.spawn(follow(
        card_nodes,
        Patience::of(name),
        move |card_node| told.set_card_node(card_node),
        |_| {},
    ));
    let nodes = watcher(Api::<PartialObjectMeta<Node>>::all(client.clone()), only);
    let told = orders.clone();
    runtime.spawn(follow(
        nodes,
        Patience::of(name),
        move |node| told.set_node_uid(node.and_then(|node| node.metadata.uid)),
        |_| {},
    ));
}

/// Wakes the loop when a machine tells of something, from a view of its own. What raises no event, such as a register
/// write, is seen on the timer alone.
pub fn machine(
    place: &Place,
    environment: &Environment,
    console: &Console,
    orders: &Orders,
) -> Result<(), Failure> {
    let room = setting::open_room(place, environment, console, Opening::Work(Clock::Wall))?;
    for node in room.nodes {
        let orders = orders.clone();
        thread::spawn(move || {
            let mut cursor = node.machine.cursor();
            loop {
                let until = node.machine.now().plus(Duration::from_secs(1));
                if !node.machine.events(&mut cursor, until).is_empty() {
                    orders.nudge();
                }
            }
        });
    }
    Ok(())
}

/// Passes a stop on: to the grant at work, between two of its steps, and to whoever waits.
pub fn stops(runtime: &Runtime, stop: &StopFlag, orders: &Orders) {
    let (stop, orders) = (stop.clone(), orders.clone());
    runtime.spawn(async move {
        while stop.asked().is_none() {
            tokio::time::sleep(LOOK).await;
        }
        orders.stop_running();
        orders.nudge();
    });
}
