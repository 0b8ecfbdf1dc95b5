//! OpenAI-compatible serving.

mod accept;
pub mod answer;
pub mod api;
pub mod batch;
pub mod clock;
pub mod connections;
pub mod desk;
pub mod engine;
pub mod generation;
pub mod intake;
pub mod metrics;
pub mod routes;
pub mod server;
mod wire;

/// An error with its causes in one line, as people and API clients read it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
