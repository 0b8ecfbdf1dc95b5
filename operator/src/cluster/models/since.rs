//! Since when something has been so, by this controller's own clock: a server's may be another.
use std::{collections::BTreeMap, time::Duration};

use machine::Timestamp;

/// Since when each of these has been so.
#[derive(Debug)]
pub struct Since<K>(BTreeMap<K, Timestamp>);

impl<K> Default for Since<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Since<K> {
    /// For how long each that is so now has been; what is so no more begins anew when it is again.
    pub fn look(
        &mut self,
        now: Timestamp,
        so: impl Iterator<Item = K>,
    ) -> impl Iterator<Item = (&K, Duration)> {
        let since = so.map(|key| {
            let since = self.0.get(&key).copied().unwrap_or(now);
            (key, since)
        });
        self.0 = since.collect();
        self.0
            .iter()
            .map(move |(key, since)| (key, since.until(now)))
    }
}
