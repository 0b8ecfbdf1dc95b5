//! Machines whose clocks are ten minutes off, either way: what they tell of is dated wrong, and everything goes on.
use crate::{
    control_plane::ControlPlane,
    converging::{all_converged, none_failed, ready},
    failing::{OBJECTS, apply, observed, reset_once, rests},
    fleet::{Fleet, until},
    lease::{lease, renewed},
    rights,
};

/// Seconds.
const OFF: i64 = 600;
const NODES: [&str; 3] = ["n1", "n2", "n3"];

pub fn clocks_that_are_off_only_tell_other_times(plane: &mut ControlPlane) {
    let clocks = [(NODES[0], OFF), (NODES[1], -OFF), (NODES[2], 0)];
    let fleet = Fleet::start_with_clocks(plane, &clocks);
    observed(plane, &NODES);
    apply(plane);
    ready(plane, &OBJECTS);
    all_converged(plane);
    for node in NODES {
        reset_once(plane, node);
    }

    // They are off: one dates its last step in what is to come, one before its own object was made.
    let of = |node: &str, path: &str| {
        let path = format!("jsonpath={path}");
        plane
            .kubectl(&["get", "cnode", node, "-o", &path])
            .expected()
    };
    let step = |node: &str| of(node, "{.status.lastSteps[0].at}");
    renewed(plane, 2);
    let now = lease(plane, "{.spec.renewTime}");
    let made = of(NODES[1], "{.metadata.creationTimestamp}");
    assert!(step(NODES[0]) > now, "{} {now}", step(NODES[0]));
    assert!(step(NODES[1]) < made, "{} {made}", step(NODES[1]));
    assert!(step(NODES[2]) < now && step(NODES[2]) > made);
    rests(plane, "cnode,cpol,p2pg,cplan,nodes");

    // A boot sets ACS again; it is seen, and put right, at any hour.
    let declared = NODES.map(|node| fleet.acs(plane, node));
    for node in NODES {
        fleet.shardplane(plane, node, &["rack", "reboot"]);
    }
    until(
        "ACS after a boot",
        || NODES.map(|node| fleet.acs(plane, node)),
        |now| *now == declared,
    );
    ready(plane, &OBJECTS);
    none_failed(plane);
    rights::suffice(plane);
}
