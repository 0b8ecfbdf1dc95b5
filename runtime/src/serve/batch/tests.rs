//! Scripts for the batcher beside what each step feeds, and properties over random ones.

use std::collections::BTreeMap;

use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    slots: 2,
    context: 64,
    queue: 2,
    chunk: 3,
    burst: 4,
};

/// Plays a script, one command a line, and returns what happened, one line each.
///
/// `offer 3 1`: prompts of those lengths. `remove 0`. `step`: feed, then push a token for each
/// sequence that got logits. A feed prints as `ticket@slot:position+count`, `!` where it wants logits.
fn play(script: &str) -> String {
    let mut batcher = Batcher::new(LIMITS);
    let mut step = Step::default();
    let mut out = Vec::new();
    for line in script.split(';').map(str::trim) {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let numbers: Vec<u64> = rest
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        match command {
            "offer" => {
                let prompts = numbers.iter().map(|n| vec![7; *n as usize]).collect();
                out.push(match batcher.offer(prompts) {
                    Ok(tickets) => format!(
                        "tickets {:?}",
                        tickets.iter().map(|t| t.0).collect::<Vec<_>>()
                    ),
                    Err(Full::Queue { waiting, .. }) => format!("full at {waiting}"),
                });
            }
            "remove" => batcher.remove(Ticket(numbers[0])),
            "step" => {
                batcher.plan(&mut step);
                let feeds: Vec<String> = step.feeds.iter().map(show).collect();
                out.push(if feeds.is_empty() {
                    "-".to_owned()
                } else {
                    feeds.join(" ")
                });
                for feed in &step.feeds {
                    if feed.wants == Wants::Next {
                        batcher.push(feed.ticket, 9);
                    }
                }
            }
            other => panic!("unknown command {other}"),
        }
    }
    out.join("\n")
}

fn show(feed: &Planned) -> String {
    let Planned {
        ticket,
        slot,
        position,
        tokens,
        wants,
    } = feed;
    let mark = match wants {
        Wants::Next => "!",
        Wants::Nothing => "",
    };
    format!("{}@{slot}:{position}+{}{mark}", ticket.0, tokens.len())
}

fn check(script: &str, expected: &str) {
    assert_eq!(play(script), expected, "{script}");
}

#[test]
fn a_prompt_is_fed_in_chunks_and_then_generates() {
    check(
        "step; offer 7; step; step; step; step",
        "-\ntickets [0]\n0@0:0+4\n0@0:4+3!\n0@0:7+1!\n0@0:8+1!",
    );
}

#[test]
fn generating_goes_on_beside_a_long_prompt() {
    check(
        "offer 1; step; offer 5; step; step; step",
        "tickets [0]\n0@0:0+1!\ntickets [1]\n0@0:1+1! 1@1:0+3\n0@0:2+1! 1@1:3+2!\n0@0:3+1! 1@1:5+1!",
    );
}

#[test]
fn the_budget_is_shared_oldest_first() {
    check(
        "offer 2 5; step; step",
        "tickets [0, 1]\n0@0:0+2! 1@1:0+2\n0@0:2+1! 1@1:2+3!",
    );
}

#[test]
fn a_freed_slot_goes_to_the_next_in_line() {
    check(
        "offer 1 1 1; step; remove 0; step",
        "tickets [0, 1, 2]\n0@0:0+1! 1@1:0+1!\n1@1:1+1! 2@0:0+1!",
    );
}

#[test]
fn the_line_is_bounded_and_takes_all_or_none() {
    check("offer 1 1 1 1; offer 1", "tickets [0, 1, 2, 3]\nfull at 2");
    check(
        "offer 1 1 1 1 1; offer 1; step",
        "full at 0\ntickets [0]\n0@0:0+1!",
    );
    check(
        "offer 1 1; step; offer 1; offer 1 1; offer 1",
        "tickets [0, 1]\n0@0:0+1! 1@1:0+1!\ntickets [2]\nfull at 1\ntickets [3]",
    );
}

#[test]
fn leaving_the_line_costs_nobody_his_place() {
    check(
        "offer 1 1 1 1; remove 2; step; remove 0; step",
        "tickets [0, 1, 2, 3]\n0@0:0+1! 1@1:0+1!\n1@1:1+1! 3@0:0+1!",
    );
}

#[test]
fn removal_between_step_and_push_is_harmless() {
    let mut batcher = Batcher::new(LIMITS);
    let mut step = Step::default();
    let ticket = batcher.offer(vec![vec![1]]).unwrap()[0];
    batcher.plan(&mut step);
    batcher.remove(ticket);
    batcher.push(ticket, 5);
    assert!(batcher.is_idle() && !batcher.holds(ticket));
    batcher.plan(&mut step);
    assert_eq!(step, Step::default());
}

#[derive(Debug, Clone)]
enum Act {
    Offer(Vec<u8>),
    Remove(u64),
    Step,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        2 => prop::collection::vec(1u8..12, 1..3).prop_map(Act::Offer),
        1 => (0u64..30).prop_map(Act::Remove),
        5 => Just(Act::Step),
    ];
    prop::collection::vec(act, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn every_sequence_is_fed_whole_in_order_and_in_turn(acts in acts()) {
        let mut batcher = Batcher::new(LIMITS);
        let mut step = Step::default();
        let mut fed: BTreeMap<Ticket, u32> = BTreeMap::new();
        let mut prompts: BTreeMap<Ticket, u32> = BTreeMap::new();
        for act in acts {
            match act {
                Act::Offer(lengths) => {
                    let offered = lengths.iter().map(|n| vec![1; usize::from(*n)]).collect();
                    if let Ok(tickets) = batcher.offer(offered) {
                        prompts.extend(tickets.into_iter().zip(lengths.iter().map(|n| u32::from(*n))));
                    }
                }
                Act::Remove(number) => batcher.remove(Ticket(number)),
                Act::Step => {
                    batcher.plan(&mut step);
                    let mut slots: Vec<u32> = step.feeds.iter().map(|feed| feed.slot).collect();
                    slots.sort_unstable();
                    slots.dedup();
                    prop_assert_eq!(slots.len(), step.feeds.len(), "a slot is fed once a step");
                    let of_prompts: usize = step.feeds.iter()
                        .filter(|feed| feed.position < prompts[&feed.ticket]).map(|feed| feed.tokens.len()).sum();
                    prop_assert!(of_prompts <= if of_prompts == step.tokens.len() { LIMITS.burst } else { LIMITS.chunk }, "prompts stay in their budget");
                    for feed in &step.feeds {
                        let before = fed.entry(feed.ticket).or_default();
                        prop_assert_eq!(feed.position, *before, "no gap, no overlap");
                        *before += feed.tokens.len() as u32;
                        let whole = *before >= prompts[&feed.ticket];
                        prop_assert_eq!(feed.wants == Wants::Next, whole, "logits exactly from the prompt's end on");
                        if whole {
                            batcher.push(feed.ticket, 2);
                        }
                    }
                    // Whoever runs was offered before whoever waits.
                    let oldest_waiting = prompts.keys().find(|t| !fed.contains_key(t) && batcher.line.iter().any(|(l, _)| l == *t));
                    let newest_running = batcher.slots.iter().flatten().map(|s| s.ticket).max();
                    if let (Some(waiting), Some(running)) = (oldest_waiting, newest_running) {
                        prop_assert!(running < *waiting);
                    }
                    prop_assert!(batcher.waiting() == 0 || batcher.running() == LIMITS.slots as usize, "no slot idles while one waits");
                }
            }
            prop_assert!(batcher.waiting() <= LIMITS.queue + LIMITS.slots as usize);
        }
    }
}
