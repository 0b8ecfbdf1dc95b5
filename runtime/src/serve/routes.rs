//! The HTTP endpoints.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse, Response, sse};
use axum::routing::{get, post};
use futures::StreamExt;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answer::{Claim, Pending, latest};
use super::api::response::{Endpoint, Heading};
use super::api::{ApiError, Prepared, Served, StreamOptions, chat, completion};
use super::clock::Clock;
use super::connections::Connections;
use super::desk::{Desk, Mode};
use super::generation::Generation;
use super::intake::{HeldBody, Intake};
use super::metrics::Metrics;

/// A request of this size holds a prompt far beyond any context, and no more.
pub const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// A client that sends more than it may reads no answer before it has sent all: so much is taken in and thrown away.
const PATIENCE_LIMIT: usize = 256 * 1024 * 1024;

/// How long a client may go on sending what was refused before it was read.
const FAREWELL: Duration = Duration::from_secs(5);

/// Reading a body of this size takes so much memory that it is worth giving back.
const LARGE: usize = 256 * 1024;

/// What every endpoint works with.
#[derive(Debug, Clone)]
pub struct Front {
    /// What is served.
    pub served: Arc<Served>,
    /// Where requests are handed in.
    pub desk: Arc<Desk>,
    /// Where refusals are counted.
    pub metrics: Arc<Metrics>,
    /// What time it is.
    pub clock: Clock,
    /// Who is connected.
    pub connections: Arc<Connections>,
    /// When the model was loaded, in seconds since 1970.
    pub loaded: i64,
    /// How many requests are read at once.
    pub intake: Intake,
    /// The longest that a request's body may take to come.
    pub patience: Duration,
}

/// All endpoints.
pub fn router(front: Front) -> Router {
    probes()
        .route("/v1/chat/completions", post(post_chat))
        .route("/v1/completions", post(post_completion))
        .route("/v1/models", get(list_models))
        .route("/v1/models/{*id}", get(one_model))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(map_response_with_state(
            front.clone(),
            last_on_its_connection,
        ))
        .with_state(front)
}

/// What is answered where too many connections are open: how the server is, and a refusal to everything else.
pub fn spare_router(front: Front) -> Router {
    probes().fallback(no_room).with_state(front)
}

fn probes() -> Router<Front> {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

async fn post_chat(State(front): State<Front>, request: Request) -> Response {
    front.answer(Endpoint::Chat, request).await
}

async fn post_completion(State(front): State<Front>, request: Request) -> Response {
    front.answer(Endpoint::Completion, request).await
}

async fn list_models(State(front): State<Front>) -> Response {
    axum::Json(json!({"object": "list", "data": [front.model()]})).into_response()
}

async fn one_model(
    State(front): State<Front>,
    uri: Uri,
    id: Result<Path<String>, PathRejection>,
) -> Response {
    // A name that is no text is nobody's.
    let Path(id) = id.unwrap_or_else(|_| Path(uri.path().to_owned()));
    if id == front.served.name {
        axum::Json(front.model()).into_response()
    } else {
        ApiError::unknown_model(&id, &front.served.name).into_response()
    }
}

/// Whoever keeps its connection would go on asking a server that leaves; told that it ends here, it asks another.
async fn last_on_its_connection(State(front): State<Front>, mut response: Response) -> Response {
    if front.desk.mode() != Mode::Open {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

async fn readyz(State(front): State<Front>) -> Response {
    match front.desk.mode() {
        Mode::Open => "ready\n".into_response(),
        Mode::Leaving => (StatusCode::SERVICE_UNAVAILABLE, "leaving\n").into_response(),
        Mode::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
        Mode::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}

async fn metrics(State(front): State<Front>) -> Response {
    const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match front
        .metrics
        .render(front.desk.load(), front.connections.count())
    {
        Ok(text) => ([(header::CONTENT_TYPE, FORMAT)], text).into_response(),
        Err(error) => ApiError::internal(format!("writing the metrics: {error}")).into_response(),
    }
}

async fn no_room(State(front): State<Front>, body: Body) -> Response {
    // A client that still sends reads no answer; what it sends is thrown away.
    drop(timeout(front.patience, forget(body)).await);
    let error = ApiError::no_room();
    front.metrics.rejected(error.reason());
    error.into_response()
}

async fn unknown_path(method: Method, uri: Uri) -> Response {
    ApiError::unknown_path(method.as_str(), uri.path()).into_response()
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    ApiError::wrong_method(method.as_str(), uri.path()).into_response()
}

/// A request's body, into `held`. One that is too large, or finds no room, is read on and forgotten: a connection that
/// is closed while the client still sends is reset, and the answer lost with it.
async fn whole(body: Body, mut held: HeldBody) -> Result<HeldBody, ApiError> {
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        let part =
            part.map_err(|error| ApiError::body(format!("reading the request body: {error}")))?;
        let taken = if held.bytes().len() + part.len() > BODY_LIMIT {
            Err(ApiError::too_large(BODY_LIMIT))
        } else {
            held.push(&part)
        };
        if let Err(error) = taken {
            drop(held);
            forget(Body::from_stream(parts)).await;
            return Err(error);
        }
    }
    Ok(held)
}

/// Takes in what a client still sends, so that it comes to read its answer, and throws it away.
async fn forget(body: Body) {
    let mut parts = body.into_data_stream();
    let mut seen = 0_usize;
    while let Some(Ok(part)) = parts.next().await {
        seen += part.len();
        if seen > PATIENCE_LIMIT {
            break;
        }
    }
}

/// Refuses what says itself that it is too large, before any of it is read.
fn declared(request: &Request) -> Result<(), ApiError> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length: Option<u64> = length.and_then(|length| length.to_str().ok()?.parse().ok());
    match length {
        Some(length) if length > BODY_LIMIT as u64 => Err(ApiError::too_large(BODY_LIMIT)),
        Some(_) | None => Ok(()),
    }
}

/// The answer to a request whose body nobody reads: the last on its connection.
fn unread(error: ApiError, request: Request) -> Response {
    // Whoever waits to be told to send is told not to; whoever sends all the same gets a moment to come to its answer.
    if !request.headers().contains_key(header::EXPECT) {
        tokio::spawn(timeout(FAREWELL, forget(request.into_body())));
    }
    let mut response = error.into_response();
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

impl Front {
    fn model(&self) -> serde_json::Value {
        json!({
            "id": self.served.name,
            "object": "model",
            "created": self.loaded,
            "owned_by": "shardplane",
            "max_model_len": self.served.limits.context,
        })
    }

    async fn answer(&self, endpoint: Endpoint, request: Request) -> Response {
        if let Err(error) = declared(&request) {
            self.metrics.rejected(error.reason());
            return unread(error, request);
        }
        match self.try_answer(endpoint, request.into_body()).await {
            Ok(response) => response,
            Err(error) => {
                self.metrics.rejected(error.reason());
                error.into_response()
            }
        }
    }

    async fn try_answer(&self, endpoint: Endpoint, body: Body) -> Result<Response, ApiError> {
        let body = timeout(self.patience, whole(body, self.intake.body()))
            .await
            .map_err(|_| ApiError::slow(self.patience))??;
        let place = self.intake.enter()?;
        let reader = self.intake.turn().await?;
        // Rendering and tokenising a long prompt takes a while, and other connections wait for this thread.
        let front = self.clone();
        let (pending, stream) = tokio::task::spawn_blocking(move || {
            // Held here: the work goes on where the client has left.
            let _held = (place, reader);
            let size = body.bytes().len();
            let handed = front.hand_in(endpoint, body);
            if size > LARGE {
                sys::give_memory_back();
            }
            handed
        })
        .await
        .map_err(|error| ApiError::internal(format!("reading the request: {error}")))??;
        match stream {
            None => Ok(axum::Json(pending.whole().await?).into_response()),
            Some(options) => Ok(sse::Sse::new(pending.stream(options))
                .keep_alive(sse::KeepAlive::default())
                .into_response()),
        }
    }

    fn hand_in(
        &self,
        endpoint: Endpoint,
        body: HeldBody,
    ) -> Result<(Pending, Option<StreamOptions>), ApiError> {
        let arrived = self.clock.now();
        let entropy = rand::random();
        let (prepared, prefix) = match endpoint {
            Endpoint::Chat => (
                chat::prepare(
                    body.bytes(),
                    &self.served,
                    entropy,
                    None,
                    self.clock.civil(),
                )?,
                "chatcmpl",
            ),
            Endpoint::Completion => (
                completion::prepare(
                    body.bytes(),
                    &self.served,
                    entropy,
                    Some(completion::DEFAULT_MOST),
                )?,
                "cmpl",
            ),
        };
        drop(body);
        let Prepared {
            wishes,
            stream,
            prompt_tokens,
            token_ids,
        } = prepared;
        // Room for everything that the sequences can say: the engine never waits for a client.
        let room: usize = wishes.iter().map(|wish| wish.most as usize + 2).sum();
        let (sender, events) = mpsc::channel(room);
        let choices = wishes.len();
        let sequences = wishes
            .into_iter()
            .enumerate()
            .map(|(index, wish)| {
                Generation::new(
                    wish,
                    Arc::clone(&self.served.text),
                    index,
                    sender.clone(),
                    arrived,
                )
                .map_err(|error| ApiError::internal(super::chain(&error)))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let until = latest(self.patience);
        let tickets = self.desk.submit(sequences)?;
        let pending = Pending {
            heading: Heading {
                endpoint,
                id: format!("{prefix}-{:032x}", rand::random::<u128>()),
                created: self.clock.unix_seconds(),
                model: self.served.name.clone(),
            },
            model: Arc::clone(&self.served.text),
            events,
            choices,
            prompt_tokens,
            token_ids,
            patience: self.patience,
            until,
            claim: Claim {
                desk: Arc::clone(&self.desk),
                tickets,
            },
        };
        Ok((pending, stream))
    }
}

impl ApiError {
    /// The whole message, for a connection on which there is nobody else to write it.
    pub(super) fn message(&self) -> Vec<u8> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = self.json().to_string();
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self.json())).into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
