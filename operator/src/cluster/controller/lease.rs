//! Who leads: one controller at a time, by a Lease. Its transitions are the epoch that grants carry.
use std::time::Duration;

use crd::kind::CardNode;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff,
};
use kube_client::{
    Api, Client,
    api::{ListParams, ObjectMeta, PostParams},
};
use machine::Timestamp;

use super::stores::PAGE;
use crate::cluster::names::LEASE;

/// What is known of the lease, and since when by our own clock: clocks of two machines are never compared.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The lease as it was read last.
    pub spec: LeaseSpec,
    /// When it was first read so.
    pub since: Timestamp,
}

/// What to do about the lease.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Write this: lead, or go on leading.
    Write(Box<LeaseSpec>),
    /// Somebody else leads.
    Wait,
}

/// Decides; `watched` is absent where there is no lease. `floor` is the highest epoch that any node has ever seen: where
/// the lease was deleted, counting goes on above it.
pub fn act(
    watched: Option<&Watched>,
    me: &str,
    now: Timestamp,
    duration: Duration,
    floor: i64,
) -> Act {
    let spec = watched.map(|watched| &watched.spec);
    let holder = spec
        .and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default();
    let epoch = spec
        .and_then(|spec| spec.lease_transitions)
        .unwrap_or_default();
    let expired = watched.is_none_or(|watched| {
        let seconds = watched.spec.lease_duration_seconds.unwrap_or_default();
        let term = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        watched.since.until(now) >= term
    });
    let next = |epoch: i32, acquired: Option<MicroTime>| {
        Act::Write(Box::new(LeaseSpec {
            holder_identity: Some(me.to_owned()),
            lease_duration_seconds: i32::try_from(duration.as_secs()).ok(),
            lease_transitions: Some(epoch),
            acquire_time: acquired,
            renew_time: Some(micro(now)),
            ..LeaseSpec::default()
        }))
    };
    let acquired = spec.and_then(|spec| spec.acquire_time.clone());
    if holder == me && !expired {
        return next(epoch, acquired);
    }
    if holder.is_empty() || expired {
        let floor = i32::try_from(floor).unwrap_or(i32::MAX);
        return next(epoch.max(floor).saturating_add(1), Some(micro(now)));
    }
    Act::Wait
}

fn micro(now: Timestamp) -> MicroTime {
    let millis = i64::try_from(now.0).unwrap_or(i64::MAX);
    MicroTime(jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}

/// Until when a process leads, by its own clock, and in which epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Led {
    /// The epoch.
    pub epoch: i64,
    /// Two thirds of the term after the last renewal: it stops before anybody else begins.
    pub until: Timestamp,
}

/// The lease at the API server.
#[derive(Clone, Debug)]
pub struct Leadership {
    api: Api<Lease>,
    card_nodes: Api<CardNode>,
    me: String,
    duration: Duration,
    watched: Option<Watched>,
}

impl Leadership {
    /// Nobody leads yet, as far as is known.
    pub fn new(client: &Client, namespace: &str, me: &str, duration: Duration) -> Self {
        Self {
            api: Api::namespaced(client.clone(), namespace),
            card_nodes: Api::all(client.clone()),
            me: me.to_owned(),
            duration,
            watched: None,
        }
    }

    /// How often it is renewed, and looked at by those who wait.
    pub fn rhythm(&self) -> Duration {
        self.duration / 5
    }

    /// Looks at the lease, and takes or renews it where that is its turn. `now` reads the clock.
    pub async fn turn(
        &mut self,
        now: impl Fn() -> Timestamp,
    ) -> Result<Option<Led>, kube_client::Error> {
        let lease = self.api.get_opt(LEASE).await?;
        let floor = match &lease {
            Some(_) => 0,
            None => self.highest_epoch().await?,
        };
        let spec = lease.as_ref().and_then(|lease| lease.spec.clone());
        // From before the write: nobody may think that we lead for longer than they think.
        let read = now();
        self.watched = spec.map(|spec| match self.watched.take() {
            Some(watched) if watched.spec == spec => watched,
            Some(_) | None => Watched { spec, since: read },
        });
        let Act::Write(next) = act(self.watched.as_ref(), &self.me, read, self.duration, floor)
        else {
            return Ok(None);
        };
        let parameters = PostParams::default();
        let next = |metadata| Lease {
            metadata,
            spec: Some(*next),
        };
        let written = if let Some(lease) = lease {
            let next = next(lease.metadata);
            self.api.replace(LEASE, &parameters, &next).await
        } else {
            let next = next(ObjectMeta {
                name: Some(LEASE.to_owned()),
                ..ObjectMeta::default()
            });
            self.api.create(&parameters, &next).await
        };
        match written {
            Ok(lease) => {
                let spec = lease.spec.unwrap_or_default();
                let epoch = i64::from(spec.lease_transitions.unwrap_or_default());
                self.watched = Some(Watched { spec, since: read });
                Ok(Some(Led {
                    epoch,
                    until: read.plus(self.duration * 2 / 3),
                }))
            }
            // Also where somebody else was faster: whoever led goes on until its time is over or the next look, for it may
            // have been a label, and nobody takes a lease before that.
            Err(error) => Err(error),
        }
    }

    /// The highest epoch that any node was ever granted anything in.
    async fn highest_epoch(&self) -> Result<i64, kube_client::Error> {
        let mut page = ListParams::default().limit(PAGE);
        let mut highest = 0;
        loop {
            let some = self.card_nodes.list(&page).await?;
            let epochs = some.items.iter().flat_map(|node| {
                let granted = node.spec.grant.as_ref().map(|grant| grant.lease_epoch);
                let told = node
                    .status
                    .as_ref()
                    .and_then(|status| status.grant.as_ref());
                [granted, told.map(|told| told.lease_epoch)]
            });
            highest = epochs.flatten().fold(highest, i64::max);
            match some.metadata.continue_ {
                Some(next) if !next.is_empty() => page = page.continue_token(&next),
                Some(_) | None => return Ok(highest),
            }
        }
    }

    /// Gives the lease back where it is ours, so that the next one need not wait.
    pub async fn release(&mut self) -> Result<(), kube_client::Error> {
        let Some(lease) = self.api.get_opt(LEASE).await? else {
            return Ok(());
        };
        let holder = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.as_ref());
        if holder != Some(&self.me) {
            return Ok(());
        }
        let spec = LeaseSpec {
            holder_identity: None,
            ..lease.spec.clone().unwrap_or_default()
        };
        let lease = Lease {
            spec: Some(spec),
            ..lease
        };
        let parameters = PostParams::default();
        self.api
            .replace(LEASE, &parameters, &lease)
            .await
            .map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Duration = Duration::from_secs(15);

    fn lease(holder: Option<&str>, epoch: i32) -> LeaseSpec {
        LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(epoch),
            // Somebody's clock, which may be hours off: it never counts.
            renew_time: Some(micro(Timestamp(0))),
            ..LeaseSpec::default()
        }
    }

    /// Who leads, in which epoch, after a turn of `b` at second 100.
    fn turn(watched: Option<(LeaseSpec, u64)>, floor: i64) -> Option<(String, i32)> {
        let watched = watched.map(|(spec, since)| Watched {
            spec,
            since: Timestamp(since * 1000),
        });
        match act(watched.as_ref(), "b", Timestamp(100_000), TERM, floor) {
            Act::Wait => None,
            Act::Write(spec) => Some((spec.holder_identity?, spec.lease_transitions?)),
        }
    }

    #[test]
    fn one_leads_and_every_change_of_leader_is_a_new_epoch() {
        let led = |epoch| Some(("b".to_owned(), epoch));
        for (watched, floor, expected) in [
            (None, 0, led(1)),
            // The lease was deleted, and nodes have seen epoch 7.
            (None, 7, led(8)),
            (Some((lease(Some("a"), 3), 90)), 0, None),
            (Some((lease(Some("a"), 3), 85)), 0, led(4)),
            (Some((lease(Some("b"), 3), 90)), 0, led(3)),
            // Ours, and it ran out: somebody may have led meanwhile as far as we know.
            (Some((lease(Some("b"), 3), 80)), 0, led(4)),
            (Some((lease(None, 3), 99)), 0, led(4)),
            (Some((lease(None, 3), 99)), 9, led(10)),
        ] {
            assert_eq!(turn(watched.clone(), floor), expected, "{watched:?}");
        }
    }
}
