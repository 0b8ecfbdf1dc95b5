//! How much is taken in at once: requests that are read, parsed, rendered and tokenised before the desk sees them, and
//! the bytes of their bodies.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::api::ApiError;
use super::batch::Limits;

/// Requests whose prompts are taken apart at once: each can take a core, and memory many times its own size.
const READERS: usize = 2;

/// Bytes of bodies that are held at once, of all requests together: eight of the largest, thousands of the usual.
pub const BODIES: usize = 64 * 1024 * 1024;

/// Three bounds: on bytes of bodies, on requests that have come and wait for one of the readers, and on the readers.
#[derive(Debug, Clone)]
pub struct Intake {
    bodies: Arc<Semaphore>,
    places: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

impl Intake {
    /// As many places as the server holds sequences: more would be refused by the desk.
    pub fn new(limits: Limits) -> Self {
        Self {
            bodies: Arc::new(Semaphore::new(BODIES)),
            places: Arc::new(Semaphore::new(limits.queue + limits.slots as usize)),
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// A body that nothing has come of yet.
    pub fn body(&self) -> HeldBody {
        HeldBody {
            bytes: Vec::new(),
            room: Arc::clone(&self.bodies),
            taken: None,
        }
    }

    /// A place for a request that has come, until dropped.
    pub fn enter(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| ApiError::crowded())
    }

    /// Waits for a reader, who is free again when this is dropped.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let readers = Arc::clone(&self.readers);
        // They are never closed; if they were, nobody could be read.
        readers
            .acquire_owned()
            .await
            .map_err(|_| ApiError::crowded())
    }
}

/// A body as it comes. Its bytes count until it is dropped.
#[derive(Debug)]
pub struct HeldBody {
    bytes: Vec<u8>,
    room: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl HeldBody {
    /// Takes in some more, where there is room for it.
    pub fn push(&mut self, part: &[u8]) -> Result<(), ApiError> {
        let count = u32::try_from(part.len()).map_err(|_| ApiError::no_memory())?;
        let more = Arc::clone(&self.room)
            .try_acquire_many_owned(count)
            .map_err(|_| ApiError::no_memory())?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    /// What has come.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intake(queue: usize) -> Intake {
        Intake::new(Limits {
            slots: 1,
            context: 64,
            queue,
            chunk: 16,
            burst: 16,
        })
    }

    #[test]
    fn whoever_finds_no_place_is_told_when_to_come_back() {
        let intake = intake(1);
        let (first, _second) = (intake.enter().unwrap(), intake.enter().unwrap());
        let refused = intake.enter().unwrap_err();
        assert_eq!((refused.status, refused.retry_after), (429, Some(1)));
        drop(first);
        assert!(intake.enter().is_ok());
    }

    #[test]
    fn bodies_are_bounded_together() {
        let intake = intake(1);
        let half = vec![b'x'; BODIES / 2];
        let (mut first, mut second) = (intake.body(), intake.body());
        first.push(&half).unwrap();
        second.push(&half[1..]).unwrap();
        second.push(b"x").unwrap();
        let refused = first.push(b"x").unwrap_err();
        assert_eq!((refused.status, refused.retry_after), (503, Some(1)));
        assert_eq!(second.bytes().len(), BODIES / 2);
        drop(second);
        assert!(first.push(b"x").is_ok());
    }

    #[tokio::test]
    async fn no_more_than_the_readers_read() {
        let intake = intake(9);
        let _first = intake.turn().await.unwrap();
        let second = intake.turn().await.unwrap();
        let third = tokio::spawn({
            let intake = intake.clone();
            async move { intake.turn().await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        drop(second);
        assert!(third.await.unwrap());
    }
}
