//! Since when something is so, by our own clock: the stamps of a server are by its own, and the two may differ by minutes.
use std::collections::{BTreeMap, BTreeSet};

use machine::Timestamp;

/// What was seen of things, look by look.
#[derive(Debug)]
pub struct Since<K> {
    /// Of which it was not so the last time.
    not: BTreeSet<K>,
    since: BTreeMap<K, Timestamp>,
}

impl<K> Default for Since<K> {
    fn default() -> Self {
        Self {
            not: BTreeSet::new(),
            since: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone> Since<K> {
    /// Looks at all of them, each with whether it is so: of those of which it was not the last time it began in between. Of others
    /// only whoever stamped them knows.
    pub fn look(
        &mut self,
        all: impl Iterator<Item = (K, bool)>,
        now: Timestamp,
    ) -> BTreeMap<K, Timestamp> {
        let (so, not): (Vec<_>, Vec<_>) = all.partition(|(_, is_so)| *is_so);
        let so: BTreeSet<K> = so.into_iter().map(|(key, _)| key).collect();
        self.since.retain(|key, _| so.contains(key));
        for key in so.intersection(&self.not) {
            self.since.entry(key.clone()).or_insert(now);
        }
        self.not = not.into_iter().map(|(key, _)| key).collect();
        self.since.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_counts_from_when_it_was_seen_to_begin() {
        let mut since = Since::default();
        let mut look = |all: &[(&'static str, bool)], at| -> Vec<(&'static str, u64)> {
            let since = since.look(all.iter().copied(), Timestamp(at));
            since
                .into_iter()
                .map(|(key, since)| (key, since.0))
                .collect()
        };
        // Of whom it is so already it began at a time that nobody here knows.
        assert_eq!(look(&[("a", false), ("b", true)], 1), []);
        assert_eq!(look(&[("a", true), ("b", true)], 2), [("a", 2)]);
        assert_eq!(look(&[("a", true), ("b", true)], 3), [("a", 2)]);
        // It is gone, and one of its name comes.
        assert_eq!(look(&[], 4), []);
        assert_eq!(look(&[("a", false)], 5), []);
        assert_eq!(look(&[("a", true)], 6), [("a", 6)]);
        assert_eq!(look(&[("a", false)], 7), []);
    }
}
