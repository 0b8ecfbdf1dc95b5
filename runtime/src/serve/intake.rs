//! How many requests are taken in at once: read, parsed, rendered and tokenised, before the desk sees them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::api::ApiError;
use super::batch::Limits;

/// Requests whose prompts are taken apart at once: each can take a core, and memory many times its own size.
const READERS: usize = 2;

/// Two bounds: on requests that have come and wait for one of the readers, and on the readers.
#[derive(Debug, Clone)]
pub struct Intake {
    places: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

impl Intake {
    /// As many places as the server holds sequences: more would be refused by the desk.
    pub fn new(limits: Limits) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.queue + limits.slots as usize)),
            readers: Arc::new(Semaphore::new(READERS)),
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
