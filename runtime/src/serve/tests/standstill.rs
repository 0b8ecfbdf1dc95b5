//! A rank that stands still keeps the model in its step: whoever waits is told in time, and whoever stops the server sees it end.

use std::time::Duration;

use super::endings::{LONG, is_told_to_be_late, stream, told_to_drain};
use super::script::Script;
use super::{DEADLINES, Deadlines, Ending, Running};

/// Whoever waits is told all the same, in line too.
#[tokio::test]
async fn a_request_is_answered_in_time_while_the_model_stands_still() {
    let deadlines = Deadlines {
        request: Duration::from_millis(10),
        ..DEADLINES
    };
    let running = Running::start(Script::gated(LONG, 1), deadlines).await;
    let open = stream(&running).await;
    for _ in 0..3 {
        is_told_to_be_late(&running).await;
    }
    let events = open.events().await;
    let last = events.last().unwrap();
    assert!(last.contains(r#""code":"deadline_exceeded""#), "{events:?}");
    // Until here no further step was let through.
    running.script.allow(usize::MAX);
}

#[tokio::test]
async fn a_server_that_is_told_to_end_does() {
    let deadlines = Deadlines {
        step: Duration::from_millis(1),
        goodbye: Duration::from_millis(1),
        ..DEADLINES
    };
    let (running, open) = told_to_drain(deadlines).await;
    let script = running.script.clone();
    assert!(matches!(running.ended().await, Ok(Ending::StoodStill)));
    drop(open);
    // Until here no further step was let through.
    script.allow(usize::MAX);
}
