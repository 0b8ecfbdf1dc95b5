//! Twists drawn at random.
use crd::{kind::DeletionRule, snapshot::WorkerState};
use proptest::prelude::*;

use super::Twist;

pub fn twist() -> BoxedStrategy<Twist> {
    let at = 0_usize..64;
    let rule = || prop_oneof![Just(DeletionRule::Revert), Just(DeletionRule::Retain)];
    // Open, kept apart by one bit alone, and anything.
    let control = || {
        prop_oneof![
            2 => Just(0x0011_u16), 1 => Just(0x0015), 1 => Just(0x0019), 2 => Just(0x0031), 1 => Just(0x003d),
            2 => 0_u16..0x80,
        ]
    };
    let states = prop_oneof![
        2 => (at.clone(), 0_usize..4).prop_map(|(at, state)| Twist::Status(at, state)),
        3 => (at.clone(), proptest::option::of(any::<bool>())).prop_map(|(at, mdp)| Twist::Mdp(at, mdp)),
        1 => at.clone().prop_map(Twist::SmallBar),
        1 => (at.clone(), prop_oneof![Just(8_u32), Just(14)]).prop_map(|(at, cores)| Twist::Cores(at, cores)),
        2 => at.clone().prop_map(Twist::Foreign),
        1 => at.clone().prop_map(Twist::Busy),
        5 => (at.clone(), control()).prop_map(|(at, word)| Twist::Word(at, word)),
        1 => at.clone().prop_map(Twist::UnknownWord),
        2 => at.clone().prop_map(Twist::NoAcs),
        2 => at.clone().prop_map(Twist::Unplug),
        1 => at.clone().prop_map(Twist::Passed),
        1 => at.clone().prop_map(Twist::Beside),
        1 => at.clone().prop_map(Twist::NoSerial),
    ];
    let silence = prop_oneof![
        2 => at.clone().prop_map(Twist::UnknownAcs),
        4 => at.clone().prop_map(Twist::SilentPort),
        1 => at.clone().prop_map(Twist::SilentFunction),
        2 => Just(Twist::Heard),
        1 => (at.clone(), 0_u16..0x80).prop_map(|(at, bits)| Twist::Capability(at, bits)),
    ];
    let machine = prop_oneof![
        2 => Just(Twist::Lockdown),
        2 => Just(Twist::NoQmonitor),
        4 => Just(Twist::Qmonitor),
        3 => at.clone().prop_map(Twist::Lacking),
        2 => Just(Twist::OldSdk),
        2 => Just(Twist::Milliseconds),
        2 => Just(Twist::NoSetting),
        2 => Just(Twist::UnknownSetting),
        1 => at.clone().prop_map(Twist::OwnText),
        1 => at.clone().prop_map(Twist::NoFolder),
        1 => at.clone().prop_map(Twist::UnreadableFile),
        2 => (at.clone(), prop_oneof![Just(2600_u64), Just(2_048_000), Just(7)]).prop_map(|(at, value)| Twist::Overruled(at, value)),
        1 => Just(Twist::NoWorkerTool),
        1 => Just(Twist::Unread),
        6 => Just(Twist::Reboot),
    ];
    let past = prop_oneof![
        4 => (at.clone(), control(), rule()).prop_map(|(at, word, rule)| Twist::FormerWord(at, word, rule)),
        2 => (at.clone(), rule()).prop_map(|(at, rule)| Twist::FormerMdp(at, rule)),
        2 => Just(Twist::FormerOwners),
        2 => (1_usize..9, 0_usize..4).prop_map(|(size, index)| Twist::FormerSet(size, index)),
        1 => at.prop_map(Twist::Moved),
    ];
    let workers = (
        0_usize..8,
        prop_oneof![
            Just(WorkerState::Starting),
            Just(WorkerState::Draining),
            Just(WorkerState::Failed)
        ],
    )
        .prop_map(|(at, state)| Twist::Worker(at, state));
    prop_oneof![22 => states.boxed(), 8 => silence.boxed(), 10 => machine.boxed(), 8 => past.boxed(), 5 => workers.boxed()].boxed()
}
