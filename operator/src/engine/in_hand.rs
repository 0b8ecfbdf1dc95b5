//! What a run that works elsewhere has in hand, read from its journals without asking it: in a step it answers nobody.
use std::fmt;

use crd::{id::NodeName, journal::Event, step::Step};
use machine::Timestamp;

use super::step::limit;
use crate::{
    console::Paint,
    render::words,
    room::Room,
    state::{Journal, journal},
};

/// A step that was begun and has not ended.
#[derive(Debug)]
pub struct InHand {
    node: NodeName,
    step: Step,
    since: String,
}

/// `soc.wait 0000:25:00.0 on aic-01 since …, until … at the latest`, by the machine's clock.
impl fmt::Display for InHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, step, since } = self;
        let said = words::of(step, Paint::Plain);
        write!(f, "{} {} on {node} since {since}", said.verb, said.target)?;
        match Timestamp::printed(since) {
            Some(begun) => write!(f, ", until {} at the latest", begun.plus(limit(step))),
            None => Ok(()),
        }
    }
}

/// The step that was begun last and has not ended; `None` between two steps, or where no journal can be read now.
pub fn of(room: &Room) -> Option<InHand> {
    let open = room.nodes.iter().filter_map(|node| {
        let path = room.state.node_folder(&node.name).join("journal");
        let records = Journal::read(&path).ok()?;
        let (_, step) = journal::open_steps(&records).pop()?;
        let intent = records.iter().rev().find(|record| {
            matches!(&record.event, Event::Intent { step: begun, .. } if begun.id == step.id)
        })?;
        Some(InHand {
            node: node.name.clone(),
            step,
            since: intent.at.clone(),
        })
    });
    open.max_by(|one, other| one.since.cmp(&other.since))
}
