//! Watches: what is tried again after a failure, and how long that waits.
use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use kube_client::{Api, Client, Resource, ResourceExt};
use kube_runtime::{
    WatchStreamExt,
    reflector::{self, ObjectRef, Store},
    utils::Backoff,
    watcher::{self, Event, watcher},
};
use tokio::{sync::Notify, task::JoinSet};

/// The first wait after a failure.
const FIRST: Duration = Duration::from_millis(200);
/// The longest: a server that is back is found within this.
const LONGEST: Duration = Duration::from_secs(5);

/// Doubling waits. Everyone's are a little different, so that a thousand agents do not come back in one moment.
#[derive(Clone, Debug)]
pub struct Patience {
    next: Duration,
    /// Thousandths that are added to each wait, up to 500.
    spread: u32,
}

impl Patience {
    /// Waits of somebody with this name.
    pub fn of(name: &str) -> Self {
        let hash = blake3::hash(name.as_bytes());
        let [low, high, ..] = *hash.as_bytes();
        Self {
            next: FIRST,
            spread: u32::from(u16::from_le_bytes([low, high])) % 500,
        }
    }
}

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        Some(wait + wait * self.spread / 1000)
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {
        self.next = FIRST;
    }
}

/// Follows one object for ever: `tell` hears what it is now, and that it is gone.
pub async fn follow<K>(
    stream: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send,
    patience: Patience,
    tell: impl Fn(Option<K>),
    trouble: impl Fn(&watcher::Error),
) {
    let stream = stream.backoff(patience);
    futures::pin_mut!(stream);
    let mut listed = None;
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed = None,
            Ok(Event::InitApply(object)) => listed = Some(object),
            Ok(Event::InitDone) => tell(listed.take()),
            Ok(Event::Apply(object)) => tell(Some(object)),
            Ok(Event::Delete(_)) => tell(None),
            Err(error) => trouble(&error),
        }
    }
}

/// Who hears of changes, under which name it waits after failures, and the tasks that follow.
pub struct Following<'a> {
    /// The API server.
    pub client: &'a Client,
    /// Whose waits.
    pub me: &'a str,
    /// Hears of every change.
    pub changed: &'a Arc<Notify>,
    /// Ends what follows when it is dropped.
    pub watches: &'a mut JoinSet<()>,
}

/// Follows all objects of a kind that `config` selects, kept in memory without what `forget` takes out of them.
pub fn store<K>(
    following: &mut Following<'_>,
    config: watcher::Config,
    forget: impl Fn(&mut K) + Send + 'static,
) -> Store<K>
where
    K: Resource<DynamicType = ()>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    let (reader, writer) = reflector::store();
    let changed = following.changed.clone();
    let stream = watcher(Api::<K>::all(following.client.clone()), config)
        .backoff(Patience::of(following.me))
        .modify(move |object| {
            object.meta_mut().managed_fields = None;
            forget(object);
        })
        .reflect(writer);
    following.watches.spawn(async move {
        futures::pin_mut!(stream);
        while stream.next().await.is_some() {
            changed.notify_one();
        }
    });
    reader
}

/// Whether a write is seen: the object at that version or a later one, or no more where there is no version.
pub fn seen<K>(store: &Store<K>, object: &ObjectRef<K>, version: Option<&String>) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let known = store.get(object);
    match (version, known) {
        (Some(wanted), Some(known)) => {
            let wanted: Option<u64> = wanted.parse().ok();
            // A version that is no number cannot be compared: what is there is taken for it.
            let known = known
                .resource_version()
                .and_then(|known| known.parse().ok());
            wanted.is_none() || known >= wanted
        }
        // Made and not seen yet, or made, seen and deleted: the next event tells.
        (Some(_), None) => false,
        // What finalizers hold back goes too.
        (None, known) => known.is_none_or(|known| known.meta().deletion_timestamp.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_begin_anew() {
        let mut patience = Patience::of("n1");
        let waits: Vec<Duration> = patience.by_ref().take(8).collect();
        assert!(waits.windows(2).all(|two| two[0] <= two[1]));
        assert!(waits[0] >= FIRST && waits[7] <= LONGEST * 3 / 2);
        patience.reset();
        assert_eq!(patience.next(), Some(waits[0]));
        assert_ne!(Patience::of("n2").next(), Some(waits[0]));
    }

    #[tokio::test]
    async fn a_list_an_event_and_a_deletion_are_told() {
        let told = std::sync::Mutex::new(Vec::new());
        let failed = std::sync::Mutex::new(0);
        let events = vec![
            Ok(Event::Init),
            Ok(Event::InitDone),
            Ok(Event::Apply(1)),
            Err(watcher::Error::NoResourceVersion),
            Ok(Event::Delete(1)),
            Ok(Event::Init),
            Ok(Event::InitApply(2)),
            Ok(Event::InitDone),
        ];
        follow(
            futures::stream::iter(events),
            Patience::of("n1"),
            |object| told.lock().unwrap().push(object),
            |_| *failed.lock().unwrap() += 1,
        )
        .await;
        assert_eq!(*told.lock().unwrap(), [None, Some(1), None, Some(2)]);
        assert_eq!(*failed.lock().unwrap(), 1);
    }
}
