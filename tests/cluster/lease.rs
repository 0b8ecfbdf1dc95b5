//! The controller's lease, as kubectl reads it: who leads, and that whoever does goes on.
use crate::{control_plane::ControlPlane, fleet::until};

/// What the controller's lease says at a path.
pub fn lease(plane: &ControlPlane, path: &str) -> String {
    let path = format!("jsonpath={path}");
    let lease = ["lease", "shardplane-controller", "-n", "shardplane-system"];
    plane
        .kubectl(&[&["get"], &lease[..], &["-o", &path]].concat())
        .expected()
}

/// Waits until the controller has renewed its lease so many times.
pub fn renewed(plane: &ControlPlane, times: usize) {
    let renewed = || lease(plane, "{.spec.renewTime}");
    for _ in 0..times {
        let last = renewed();
        until("the lease is renewed", renewed, |now| *now != last);
    }
}
