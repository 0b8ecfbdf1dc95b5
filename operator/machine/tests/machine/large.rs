//! What a probe of very many functions costs: it grows as they do.
use std::fmt::Write;

use nix::sys::resource::{UsageWho, getrusage};

use crate::room::Room;

/// A rack of one server with this many root ports, below each a switch with eight Ultra cards: 82 functions.
fn rooted(count: usize) -> String {
    let mut rack = String::from(
        "apiVersion: shardplane.dev/v1alpha1\nkind: Rack\nmetadata: { name: room }\nspec:\n  seed: 3\n  servers:\n    - name: aic-01\n      rootPorts:\n",
    );
    for root in 0..count {
        writeln!(
            rack,
            "        - address: \"{root:04x}:00:01.0\"\n          switch:\n            ports:"
        )
        .unwrap();
        for slot in 0..8 {
            writeln!(
                rack,
                "              - {{ slot: \"{slot:02x}.0\", card: {{ sku: Ultra }} }}"
            )
            .unwrap();
        }
    }
    rack
}

fn cpu_ms() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    let of = |time: nix::sys::time::TimeVal| time.tv_sec() * 1000 + time.tv_usec() / 1000;
    of(usage.user_time()) + of(usage.system_time())
}

/// The least that one of three probes of it cost.
fn cost(count: usize) -> (usize, i64) {
    let room = Room::of(&rooted(count));
    let probe = |_| {
        let before = cpu_ms();
        let functions = room.probe().functions.len();
        (functions, cpu_ms() - before)
    };
    let all: Vec<_> = (0..3).map(probe).collect();
    (all[0].0, all.iter().map(|cost| cost.1).min().unwrap())
}

/// Four times the functions cost four times as much and not sixteen times: by the processor's time, which others do not take.
#[test]
fn many_functions_cost_as_much_each_as_few() {
    let (few, many) = (cost(3), cost(12));
    assert_eq!(few.0 * 4, many.0);
    assert!(many.1 < 9 * few.1.max(20), "{few:?} {many:?}");
}
