//! `make scale NODES=1000`: what a thousand nodes cost, measured on a real API server and printed as a table. Fails where a
//! promised bound is not kept.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a run that cannot be measured ends at once"
)]
#![allow(
    dead_code,
    reason = "what starts the servers is shared with the tier of tests, which uses more of it"
)]

#[path = "../cluster/assets.rs"]
mod assets;
#[path = "../cluster/control_plane.rs"]
mod control_plane;
mod course;
#[path = "../cluster/fleet.rs"]
mod fleet;
#[path = "../cluster/lease.rs"]
mod lease;
#[path = "../cluster/ours.rs"]
mod ours;
#[path = "../cluster/raw.rs"]
mod raw;
#[path = "../cluster/rights.rs"]
mod rights;

use std::{env, io::Write, process::ExitCode};

use assets::Found;
use control_plane::ControlPlane;

/// How long the first convergence is waited for, as kubectl writes it: longer than is promised, to have a figure all the
/// same.
const LIMIT: &str = "40m";

fn main() -> ExitCode {
    let nodes = env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1000);
    let assets = match assets::find("1.37") {
        Found::Here(assets) => assets,
        Found::Nowhere(why) => {
            assets::skip("1.37", &why);
            return ExitCode::FAILURE;
        }
    };
    let figures = course::run(&ControlPlane::start(&assets), nodes, LIMIT);
    let broken = figures.broken();
    let mut lines = vec![figures.to_string()];
    lines.extend(broken.iter().map(|what| format!("NOT SO: {what}\n")));
    let text = lines.concat();
    std::io::stdout()
        .write_all(text.as_bytes())
        .expect("standard output takes a table");
    if broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
