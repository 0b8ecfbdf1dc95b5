//! Since when policies are on their way out, by our own clock: the server's stamp is by its own, and the two may differ by
//! minutes.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crd::kind::CardPolicy;
use kube_client::ResourceExt;
use machine::Timestamp;

use super::world::stays;

/// What was seen of policies, by their uid.
#[derive(Debug, Default)]
pub struct Departures {
    staying: BTreeSet<String>,
    since: BTreeMap<String, Timestamp>,
}

impl Departures {
    /// Looks at the policies: those that stayed the last time and are going now began to in between. Of others only the server
    /// knows.
    pub fn look(
        &mut self,
        policies: &[Arc<CardPolicy>],
        now: Timestamp,
    ) -> BTreeMap<String, Timestamp> {
        let (staying, going): (Vec<_>, Vec<_>) =
            policies.iter().partition(|policy| stays(policy.as_ref()));
        let uids = |of: Vec<&Arc<CardPolicy>>| -> BTreeSet<String> {
            of.into_iter().filter_map(|policy| policy.uid()).collect()
        };
        let going = uids(going);
        self.since.retain(|uid, _| going.contains(uid));
        for uid in going.intersection(&self.staying) {
            self.since.entry(uid.clone()).or_insert(now);
        }
        self.staying = uids(staying);
        self.since.clone()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff};

    use super::*;

    fn policy(name: &str, goes: bool) -> Arc<CardPolicy> {
        let mut policy = CardPolicy::new(name, crd::kind::CardPolicySpec::default());
        policy.metadata.uid = Some(name.to_owned());
        policy.metadata.deletion_timestamp = goes.then_some(Time(jiff::Timestamp::UNIX_EPOCH));
        Arc::new(policy)
    }

    #[test]
    fn the_time_counts_from_when_it_was_seen_to_begin() {
        let mut departures = Departures::default();
        let mut look = |goes: [bool; 2], at| {
            let policies = [policy("a", goes[0]), policy("b", goes[1])];
            let since = departures.look(&policies, Timestamp(at));
            since
                .into_iter()
                .map(|(uid, since)| (uid, since.0))
                .collect::<Vec<_>>()
        };
        // Whoever goes already began at a time that nobody here knows.
        assert_eq!(look([false, true], 1), []);
        assert_eq!(look([true, true], 2), [("a".to_owned(), 2)]);
        assert_eq!(look([true, true], 3), [("a".to_owned(), 2)]);
        // It is gone, and one of its name is made and goes.
        assert_eq!(departures.look(&[], Timestamp(4)), BTreeMap::new());
        let mut look = |goes, at| departures.look(&[policy("a", goes)], Timestamp(at));
        assert_eq!(look(false, 5), BTreeMap::new());
        assert_eq!(look(true, 6).get("a"), Some(&Timestamp(6)));
    }
}
