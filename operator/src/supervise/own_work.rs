//! What we do to SoCs ourselves, resets and proofs of P2P: what a machine tells of it is no news.
//!
//! A rack tells of a reset in one word. A kernel tells of every device of the SoC that goes and comes back, for as long as
//! it boots: what it says of the SoC before our run is over is that reset's, for the run looks for itself as it goes on. So it
//! is with a proof of P2P, of which a kernel tells by the channels of its SoCs that the vendor's test takes and gives back;
//! of these alone, for a SoC that goes meanwhile is news.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crd::{
    id::{NodeName, PciAddress, PciPath},
    snapshot::SocIdentity,
};
use machine::{Happening, KernelWords, Timestamp};

/// How much later than our run's end its last words may be heard: they are gathered for a tenth of a second, and a SoC is
/// seen to be Ready while its last devices come.
const LATE: Duration = Duration::from_secs(2);

/// What was begun.
#[derive(Debug, Default)]
pub struct OwnWork {
    /// Resets of which the machine has not told yet in a word of its own.
    untold: BTreeSet<(NodeName, PciPath)>,
    /// Since when each SoC is at work, and until when what is heard of it is ours.
    spans: BTreeMap<(NodeName, PciAddress, Work), Span>,
}

/// What a SoC is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Reset,
    Proof,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    from: Timestamp,
    /// `None` until the run is over.
    until: Option<Timestamp>,
}

impl OwnWork {
    /// A reset of these SoCs begins.
    pub fn reset(&mut self, node: &NodeName, socs: &[SocIdentity], now: Timestamp) {
        let paths = socs.iter().map(|soc| (node.clone(), soc.path.clone()));
        self.untold.extend(paths);
        self.begin(node, socs, Work::Reset, now);
    }

    /// A proof over these SoCs begins.
    pub fn prove(&mut self, node: &NodeName, socs: &[SocIdentity], now: Timestamp) {
        self.begin(node, socs, Work::Proof, now);
    }

    fn begin(&mut self, node: &NodeName, socs: &[SocIdentity], work: Work, now: Timestamp) {
        for soc in socs {
            let span = Span {
                from: now,
                until: None,
            };
            self.spans.insert((node.clone(), soc.address, work), span);
        }
    }

    /// The run on this node is over.
    pub fn over(&mut self, node: &NodeName, now: Timestamp) {
        for ((at, _, _), span) in &mut self.spans {
            if at == node {
                span.until.get_or_insert(now.plus(LATE));
            }
        }
    }

    /// Whether that is what a machine tells of. A rack's word counts once: whoever resets the SoC again is somebody else.
    pub fn explain(&mut self, node: &NodeName, what: &Happening, heard: Timestamp) -> bool {
        match what {
            Happening::SocReset { path } => self.untold.remove(&(node.clone(), path.clone())),
            Happening::Kernel {
                functions, about, ..
            } => {
                let works: &[Work] = match about {
                    KernelWords::Channels => &[Work::Reset, Work::Proof],
                    KernelWords::Devices => &[Work::Reset],
                };
                let ours = |soc: &PciAddress| {
                    works.iter().any(|work| {
                        let span = self.spans.get(&(node.clone(), *soc, *work));
                        span.is_some_and(|span| {
                            span.from <= heard && span.until.is_none_or(|until| heard <= until)
                        })
                    })
                };
                !functions.is_empty() && functions.iter().all(ours)
            }
            Happening::Unplugged { .. } | Happening::Replugged { .. } | Happening::Rebooted => {
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGUN: Timestamp = Timestamp(10_000);

    fn node() -> NodeName {
        NodeName("lab".into())
    }

    fn at(path: &str) -> PciPath {
        PciPath(path.into())
    }

    fn address(text: &str) -> PciAddress {
        text.parse().unwrap_or_else(|_| unreachable!("an address"))
    }

    fn soc() -> SocIdentity {
        SocIdentity {
            address: address("0000:25:00.0"),
            path: at("0000:20:01.0/00.0"),
            serial: None,
        }
    }

    /// One SoC's reset, begun.
    fn begun() -> OwnWork {
        let mut resets = OwnWork::default();
        resets.reset(&node(), &[soc()], BEGUN);
        resets
    }

    #[test]
    fn a_reset_of_ours_is_no_news_and_the_next_one_is() {
        let told = |path: &str| Happening::SocReset { path: at(path) };
        let mut resets = begun();
        let mut explains = |node: &NodeName, what: &Happening| resets.explain(node, what, BEGUN);
        assert!(!explains(&node(), &told("0000:20:02.0/00.0")));
        assert!(!explains(
            &NodeName("other".into()),
            &told("0000:20:01.0/00.0")
        ));
        assert!(!explains(&node(), &Happening::Rebooted));
        assert!(explains(&node(), &told("0000:20:01.0/00.0")));
        assert!(!explains(&node(), &told("0000:20:01.0/00.0")));
    }

    #[test]
    fn what_a_kernel_tells_of_a_soc_is_ours_until_the_run_is_over() {
        let told = |functions: &[&str]| Happening::Kernel {
            action: "remove".into(),
            device: "mhi0_QAIC_CONTROL".into(),
            more: 3,
            about: KernelWords::Devices,
            functions: functions.iter().map(|soc| address(soc)).collect(),
        };
        let ours = told(&["0000:25:00.0"]);
        let mut resets = begun();
        // However often, for as long as the run goes on.
        for heard in [10_000, 10_001, 900_000] {
            assert!(resets.explain(&node(), &ours, Timestamp(heard)), "{heard}");
        }
        assert!(!resets.explain(&node(), &ours, Timestamp(9_999)));
        assert!(!resets.explain(&NodeName("other".into()), &ours, BEGUN));
        for others in [
            &["0000:26:00.0"][..],
            &["0000:24:00.0", "0000:25:00.0"],
            &[],
        ] {
            assert!(!resets.explain(&node(), &told(others), BEGUN), "{others:?}");
        }
        resets.over(&NodeName("other".into()), Timestamp(800_000));
        resets.over(&node(), Timestamp(900_000));
        // A later run without a reset changes nothing.
        resets.over(&node(), Timestamp(950_000));
        assert!(resets.explain(&node(), &ours, Timestamp(902_000)));
        assert!(!resets.explain(&node(), &ours, Timestamp(902_001)));
    }

    #[test]
    fn of_a_proof_of_ours_the_channels_are_no_news_and_all_else_is() {
        let told = |about: KernelWords, soc: &str| Happening::Kernel {
            action: "change".into(),
            device: "accel0".into(),
            more: 1,
            about,
            functions: vec![address(soc)],
        };
        let mut proofs = OwnWork::default();
        proofs.prove(&node(), &[soc()], BEGUN);
        let channels = told(KernelWords::Channels, "0000:25:00.0");
        let mut explains =
            |what: &Happening, heard: u64| proofs.explain(&node(), what, Timestamp(heard));
        assert!(explains(&channels, 10_000));
        assert!(explains(&channels, 10_500));
        assert!(!explains(&channels, 9_999));
        assert!(!explains(
            &told(KernelWords::Devices, "0000:25:00.0"),
            10_500
        ));
        assert!(!explains(
            &told(KernelWords::Channels, "0000:26:00.0"),
            10_500
        ));
        // Nor is a reset of the SoC, which a proof does not do.
        let reset = Happening::SocReset {
            path: at("0000:20:01.0/00.0"),
        };
        assert!(!explains(&reset, 10_500));
        proofs.over(&node(), Timestamp(20_000));
        assert!(proofs.explain(&node(), &channels, Timestamp(22_000)));
        assert!(!proofs.explain(&node(), &channels, Timestamp(22_001)));
    }
}
