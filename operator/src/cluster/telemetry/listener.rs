//! Where a program is asked whether it lives, whether it is ready, and for its numbers.
use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    http::{StatusCode, header},
    routing::get,
};
use tokio::net::TcpListener;

use crate::{
    exit::Exit,
    failure::{self, Failure},
};

/// What a program answers with.
pub trait Told: Send + Sync + 'static {
    /// Its numbers as Prometheus reads them.
    fn numbers(&self) -> String;
    /// Why it should be started again, where it should.
    fn stuck(&self) -> Option<String>;
    /// Why it does not do its work now, where it does not.
    fn unready(&self) -> Option<String>;
}

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers at an address until the runtime ends: `/metrics`, `/healthz` and `/readyz`. Returns where it listens.
pub async fn listen(address: SocketAddr, told: Arc<dyn Told>) -> Result<SocketAddr, Failure> {
    let failed = |error: std::io::Error| {
        Failure::said(
            Exit::Unavailable,
            format!("listening on {address} for those who ask for metrics: {error}"),
            failure::cure(&error),
        )
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    let serving = axum::serve(listener, routes(told)).into_future();
    tokio::spawn(serving);
    Ok(at)
}

fn routes(told: Arc<dyn Told>) -> Router {
    let (numbers, lives, ready) = (told.clone(), told.clone(), told);
    Router::new()
        .route(
            "/metrics",
            get(move || async move { ([(header::CONTENT_TYPE, TEXT)], numbers.numbers()) }),
        )
        .route(
            "/healthz",
            get(move || async move { answer(lives.stuck()) }),
        )
        .route(
            "/readyz",
            get(move || async move { answer(ready.unready()) }),
        )
}

fn answer(why_not: Option<String>) -> (StatusCode, String) {
    match why_not {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
