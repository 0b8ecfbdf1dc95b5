//! Connections that are cut, watches whose past is compacted away, and a server that dies in the middle of it all.
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{
    cable::Cable,
    control_plane::ControlPlane,
    converging::{all_converged, ready},
    draining::evicted,
    failing::{OBJECTS, apply, observed, rests},
    fleet::{Fleet, until},
    rights,
};

const NODES: [&str; 3] = ["n1", "n2", "n3"];

pub fn a_watch_that_is_cut_or_outlived_is_begun_anew(plane: &mut ControlPlane) {
    let cable = Cable::to(plane.port());
    let fleet = Fleet::start_at(plane, &NODES, cable.port());
    let before = NODES.map(|node| fleet.acs(plane, node));
    observed(plane, &NODES);

    // Every connection is cut as soon as some were made, until all has converged.
    let over = AtomicBool::new(false);
    let shared = &*plane;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut last = cable.made();
            while !over.load(Ordering::Relaxed) {
                until(
                    "connections are made",
                    || cable.made(),
                    |made| *made >= last + 12 || over.load(Ordering::Relaxed),
                );
                cable.cut();
                last = cable.made();
            }
        });
        let finish = scope.spawn(|| {
            apply(shared);
            ready(shared, &OBJECTS);
        });
        let ended = finish.join();
        over.store(true, Ordering::Relaxed);
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
    });
    all_converged(plane);
    // Not later: a server that has just started knows no roles for a moment, and refuses whoever asks.
    rights::suffice(plane);

    // Away while everything is taken back and its history compacted; the server begins anew too: 410 for every watch.
    cable.pull();
    plane
        .kubectl(&["delete", "--wait=false", OBJECTS[0], OBJECTS[1]])
        .expected();
    plane.compact();
    plane.restart_server();
    cable.plug();
    until(
        "ACS words after the deletion",
        || NODES.map(|node| fleet.acs(plane, node)),
        |now| *now == before,
    );

    // What is declared while its forerunner goes would go with it.
    let gone = [
        "wait",
        "--for=delete",
        "--timeout=60s",
        OBJECTS[0],
        OBJECTS[1],
    ];
    plane.kubectl(&gone).expected();

    // And once more, where the server dies as soon as it has taken what is declared.
    apply(plane);
    plane.restart_server();
    ready(plane, &OBJECTS);
    for node in NODES {
        assert_eq!(fleet.resets(plane, node), [1; 4], "{node}");
    }
    assert_eq!(evicted(plane), [""; 0]);
    rests(plane, "cnode,cpol,p2pg,cplan,nodes");
}
