//! Resets that we carry out ourselves: what a machine tells of them is no news.
use std::collections::BTreeSet;

use crd::{
    id::{NodeName, PciPath},
    snapshot::SocIdentity,
};
use machine::Happening;

/// Resets that were begun and of which the machine has not told yet.
#[derive(Debug, Default)]
pub struct OwnResets(BTreeSet<(NodeName, PciPath)>);

impl OwnResets {
    /// A reset of these SoCs begins.
    pub fn begin(&mut self, node: &NodeName, socs: &[SocIdentity]) {
        let begun = socs.iter().map(|soc| (node.clone(), soc.path.clone()));
        self.0.extend(begun);
    }

    /// Whether that is what a machine tells of. Once: whoever resets the SoC again is somebody else.
    pub fn explain(&mut self, node: &NodeName, what: &Happening) -> bool {
        match what {
            Happening::SocReset { path } => self.0.remove(&(node.clone(), path.clone())),
            Happening::Unplugged { .. }
            | Happening::Replugged { .. }
            | Happening::Rebooted
            | Happening::Kernel { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_of_ours_is_no_news_and_the_next_one_is() {
        let node = NodeName("lab".into());
        let at = |path: &str| PciPath(path.into());
        let told = |path: &str| Happening::SocReset { path: at(path) };
        let soc = SocIdentity {
            address: "0000:25:00.0"
                .parse()
                .unwrap_or_else(|_| unreachable!("an address")),
            path: at("0000:20:01.0/00.0"),
            serial: None,
        };
        let mut resets = OwnResets::default();
        resets.begin(&node, &[soc]);
        assert!(!resets.explain(&node, &told("0000:20:02.0/00.0")));
        assert!(!resets.explain(&NodeName("other".into()), &told("0000:20:01.0/00.0")));
        assert!(!resets.explain(&node, &Happening::Rebooted));
        assert!(resets.explain(&node, &told("0000:20:01.0/00.0")));
        assert!(!resets.explain(&node, &told("0000:20:01.0/00.0")));
    }
}
