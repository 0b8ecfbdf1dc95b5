//! Whether ports of an object's nodes are relaxed, in the words of the agents there: a plan tells what will be.
use crd::id::NodeName;

use super::{Seen, standing::on};
use crate::cluster::condition::{About, Said, said};

impl Seen<'_> {
    /// Of these nodes, the first on which ports are relaxed.
    pub(super) fn isolation(&self, nodes: &[&NodeName]) -> Said {
        let relaxed: Vec<(&NodeName, &str)> = nodes
            .iter()
            .filter_map(|name| {
                let status = self.world.card_nodes.get(*name)?.status.as_ref()?;
                let condition = status.conditions.iter().find(|condition| {
                    condition.type_ == About::IsolationReduced.name() && condition.status == "True"
                })?;
                Some((*name, condition.message.as_str()))
            })
            .collect();
        let Some((name, message)) = relaxed.first() else {
            let nothing = "no port is relaxed";
            return said(About::IsolationReduced, false, "Isolated", nothing);
        };
        let first = on(name, message);
        let message = match relaxed.len() - 1 {
            0 => first,
            1 => format!("{first}; and on one node more"),
            more => format!("{first}; and on {more} nodes more"),
        };
        said(About::IsolationReduced, true, "AcsRelaxed", message)
    }
}
