//! Which connections are open, and which one goes when there are too many: a plain state machine behind a lock.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// How many connections may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections that may ask for anything.
    pub open: usize,
    /// Connections beside those, once all of them are at work: each is answered once, and only probes get more than a
    /// refusal.
    pub spare: usize,
}

/// What a connection may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Anything, as often as it likes.
    Regular,
    /// How the server is, once.
    Spare,
}

/// All connections of one server.
#[derive(Debug)]
pub struct Connections {
    bounds: Bounds,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Counts whatever happens, so that the longest idle is the least.
    moment: u64,
    regular: BTreeMap<u64, Entry>,
    idle: BTreeSet<(u64, u64)>,
    spare: BTreeMap<u64, oneshot::Sender<Infallible>>,
}

#[derive(Debug)]
struct Entry {
    idle: Option<u64>,
    /// Dropped to turn the connection out.
    _held: oneshot::Sender<Infallible>,
}

/// A connection's place. Dropping it gives it up.
#[derive(Debug)]
pub(super) struct Seat {
    connections: Arc<Connections>,
    id: u64,
    pub(super) standing: Standing,
}

/// A connection that was let in.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) seat: Arc<Seat>,
    /// Ends when the connection has to go.
    pub(super) turned_out: oneshot::Receiver<Infallible>,
    /// Whether another one went for it.
    pub(super) instead: bool,
}

impl Connections {
    /// None open.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            inner: Mutex::default(),
        }
    }

    /// How many may be open.
    pub(super) fn most(&self) -> usize {
        self.bounds.open + self.bounds.spare
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        let inner = self.lock();
        inner.regular.len() + inner.spare.len()
    }

    /// Lets a connection in. Where all places are taken the one goes that has asked for nothing longest; where all are
    /// at work the newcomer is a spare one, and takes the place of the oldest of those.
    pub(super) fn admit(self: &Arc<Self>) -> Admitted {
        let (held, turned_out) = oneshot::channel();
        let mut inner = self.lock();
        let id = inner.tick();
        let full = inner.regular.len() >= self.bounds.open;
        let mut instead = full && inner.shed();
        let standing = if full && !instead {
            if inner.spare.len() >= self.bounds.spare {
                instead = inner.spare.pop_first().is_some();
            }
            inner.spare.insert(id, held);
            Standing::Spare
        } else {
            let idle = Some(id);
            inner.idle.insert((id, id));
            inner.regular.insert(id, Entry { idle, _held: held });
            Standing::Regular
        };
        drop(inner);
        Admitted {
            seat: Arc::new(Seat {
                connections: Arc::clone(self),
                id,
                standing,
            }),
            turned_out,
            instead,
        }
    }

    /// Turns the longest idle connection out; false where none is idle.
    pub(super) fn shed(&self) -> bool {
        self.lock().shed()
    }

    /// What a panicking thread left behind are plain values.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn tick(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    fn shed(&mut self) -> bool {
        let Some((_, id)) = self.idle.pop_first() else {
            return false;
        };
        self.regular.remove(&id).is_some()
    }
}

impl Seat {
    /// The connection has asked for something.
    pub(super) fn busy(&self) {
        let mut inner = self.connections.lock();
        let since = inner
            .regular
            .get_mut(&self.id)
            .and_then(|entry| entry.idle.take());
        if let Some(since) = since {
            inner.idle.remove(&(since, self.id));
        }
    }

    /// The connection has its answer.
    pub(super) fn idle(&self) {
        let mut inner = self.connections.lock();
        let now = inner.tick();
        if let Some(entry) = inner.regular.get_mut(&self.id)
            && entry.idle.is_none()
        {
            entry.idle = Some(now);
            inner.idle.insert((now, self.id));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.connections.lock();
        inner.spare.remove(&self.id);
        if let Some(Entry {
            idle: Some(since),
            _held: _,
        }) = inner.regular.remove(&self.id)
        {
            inner.idle.remove(&(since, self.id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(open: usize, spare: usize) -> Arc<Connections> {
        Arc::new(Connections::new(Bounds { open, spare }))
    }

    /// Whether each is still let be.
    fn open(admitted: &mut [Admitted]) -> Vec<bool> {
        admitted
            .iter_mut()
            .map(|one| one.turned_out.try_recv() == Err(oneshot::error::TryRecvError::Empty))
            .collect()
    }

    #[test]
    fn the_longest_idle_goes_first() {
        let all = connections(3, 1);
        let mut admitted: Vec<Admitted> = (0..3).map(|_| all.admit()).collect();
        // The first asks and is answered: now the second has been idle longest.
        admitted[0].seat.busy();
        admitted[0].seat.idle();
        let mut expected = vec![true; 3];
        for goes in [1, 2, 0] {
            let next = all.admit();
            assert_eq!(
                (next.seat.standing, next.instead),
                (Standing::Regular, true)
            );
            // At work, so that it is not the next to go.
            next.seat.busy();
            expected[goes] = false;
            expected.push(true);
            admitted.push(next);
            assert_eq!(open(&mut admitted), expected);
            assert_eq!(all.count(), 3);
        }
    }

    #[test]
    fn who_works_is_never_turned_out_and_whoever_comes_then_is_spare() {
        let all = connections(2, 2);
        let mut admitted: Vec<Admitted> = (0..5)
            .map(|_| {
                let one = all.admit();
                one.seat.busy();
                one
            })
            .collect();
        let standings: Vec<Standing> = admitted.iter().map(|one| one.seat.standing).collect();
        let (regular, spare) = (Standing::Regular, Standing::Spare);
        assert_eq!(standings, [regular, regular, spare, spare, spare]);
        // The oldest spare one made room for the newest.
        assert_eq!(open(&mut admitted), [true, true, false, true, true]);
        assert_eq!(all.count(), 4);
        // One that ends makes room for another of its kind.
        admitted.remove(0);
        assert_eq!(all.admit().seat.standing, regular);
    }

    #[test]
    fn a_connection_that_was_turned_out_leaves_nothing_behind() {
        let all = connections(1, 1);
        let first = all.admit();
        let second = all.admit();
        first.seat.busy();
        first.seat.idle();
        drop(first);
        assert!(all.shed());
        assert!(!all.shed());
        drop(second);
        assert_eq!(all.count(), 0);
        assert!(all.lock().idle.is_empty());
    }
}
