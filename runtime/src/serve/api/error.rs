//! Errors as the OpenAI API spells them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::serve::desk::Refusal;
use crate::serve::generation::Failure;
use crate::text::TextError;

/// One refused or failed request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Class of error, as client libraries read it.
    pub kind: &'static str,
    /// A sentence for people.
    pub message: String,
    /// The parameter at fault.
    pub param: Option<String>,
    /// A stable word for programs.
    pub code: Option<&'static str>,
    /// Seconds after which trying again makes sense.
    pub retry_after: Option<u32>,
}

const INVALID: &str = "invalid_request_error";

impl ApiError {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            param: None,
            code: None,
            retry_after: None,
        }
    }

    /// A parameter has a value that it cannot have.
    pub fn bad(param: &str, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.to_owned()),
            code: Some("invalid_value"),
            ..Self::new(400, INVALID, message)
        }
    }

    /// The body is not a JSON object.
    pub fn body(message: impl Into<String>) -> Self {
        Self {
            code: Some("invalid_json"),
            ..Self::new(400, INVALID, message)
        }
    }

    /// A parameter that would change the answer and is not implemented.
    pub fn unsupported(param: &str, why: &str) -> Self {
        Self {
            code: Some("unsupported_parameter"),
            ..Self::bad(param, format!("{param} is not supported: {why}"))
        }
    }

    /// A parameter that nobody knows.
    pub fn unknown(param: &str) -> Self {
        Self {
            code: Some("unknown_parameter"),
            ..Self::bad(
                param,
                format!("unrecognised request argument: {param}; remove it"),
            )
        }
    }

    /// A model that is not served here.
    pub fn unknown_model(name: &str, served: &str) -> Self {
        Self {
            param: Some("model".to_owned()),
            code: Some("model_not_found"),
            ..Self::new(
                404,
                INVALID,
                format!("the model {name:?} is not served here; ask for {served:?}"),
            )
        }
    }

    /// No such path.
    pub fn unknown_path(method: &str, path: &str) -> Self {
        Self {
            code: Some("unknown_url"),
            ..Self::new(404, INVALID, format!("nothing answers {method} {path}"))
        }
    }

    /// The path answers other methods.
    pub fn wrong_method(method: &str, path: &str) -> Self {
        Self {
            code: Some("method_not_allowed"),
            ..Self::new(405, INVALID, format!("{path} does not answer {method}"))
        }
    }

    /// Prompt and answer do not fit the context.
    pub fn context(param: &str, prompt: usize, most: Option<u32>, context: u32) -> Self {
        let message = match most {
            Some(most) => format!(
                "this server's context is {context} tokens, and the request needs {}: {prompt} in the prompt and \
                 {most} to generate; shorten the prompt or lower max_tokens",
                prompt as u64 + u64::from(most)
            ),
            None => format!(
                "this server's context is {context} tokens, and the prompt alone has {prompt}, which leaves no room \
                 for an answer; shorten it"
            ),
        };
        Self {
            param: Some(param.to_owned()),
            code: Some("context_length_exceeded"),
            ..Self::new(400, INVALID, message)
        }
    }

    /// The prompt is certain not to fit, and was not counted further.
    pub fn beyond(param: &str, context: u32) -> Self {
        Self {
            param: Some(param.to_owned()),
            code: Some("context_length_exceeded"),
            ..Self::new(
                400,
                INVALID,
                format!(
                    "this server's context is {context} tokens, and the prompt alone has more, which leaves no room \
                     for an answer; shorten it"
                ),
            )
        }
    }

    /// The body is larger than a request may be.
    pub fn too_large(limit: usize) -> Self {
        Self {
            code: Some("request_too_large"),
            ..Self::new(
                413,
                INVALID,
                format!("the request body is larger than the {limit} bytes that it may have"),
            )
        }
    }

    /// Bodies of other requests take all the room that there is.
    pub fn no_memory() -> Self {
        Self {
            code: Some("too_much_to_read"),
            retry_after: Some(1),
            ..Self::new(
                503,
                "service_unavailable_error",
                "the bodies of requests that are being read take all the room that this server has for them; try again \
                 later",
            )
        }
    }

    /// The body did not come in time.
    pub fn slow(patience: Duration) -> Self {
        Self {
            code: Some("request_timeout"),
            ..Self::new(
                408,
                "timeout_error",
                format!(
                    "the request body was not there after {} s, the longest that a request may take; send it faster",
                    patience.as_secs_f64()
                ),
            )
        }
    }

    /// The request's head did not come in time.
    pub fn slow_head(patience: Duration) -> Self {
        Self {
            code: Some("request_timeout"),
            ..Self::new(
                408,
                "timeout_error",
                format!(
                    "the request's head was not there after {} s; send it faster",
                    patience.as_secs_f64()
                ),
            )
        }
    }

    /// What came is no request.
    pub fn malformed(status: u16, why: &str) -> Self {
        Self {
            code: Some("malformed_request"),
            ..Self::new(
                status,
                INVALID,
                format!("this is no request of HTTP/1.1: {why}; speak plain HTTP/1.1 to this port"),
            )
        }
    }

    /// As many connections as may be open are at work.
    pub fn no_room() -> Self {
        Self {
            code: Some("too_many_connections"),
            retry_after: Some(1),
            ..Self::new(
                503,
                "service_unavailable_error",
                "as many connections as this server may have open are at work; try again later",
            )
        }
    }

    /// More requests are being read than the server could hold.
    pub fn crowded() -> Self {
        Self {
            code: Some("queue_full"),
            retry_after: Some(1),
            ..Self::new(
                429,
                "rate_limit_error",
                "the server reads as many requests as it can hold; try again later",
            )
        }
    }

    /// Something that is our fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "server_error", message)
    }

    /// The shape that client libraries parse.
    pub fn json(&self) -> Value {
        let Self {
            status: _,
            kind,
            message,
            param,
            code,
            retry_after: _,
        } = self;
        json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
    }

    /// A stable word for the metrics.
    pub fn reason(&self) -> &'static str {
        self.code.unwrap_or(self.kind)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Full(_) => Self {
                code: Some("queue_full"),
                retry_after: Some(1),
                ..Self::new(429, "rate_limit_error", message)
            },
            Refusal::Closed => Self {
                code: Some("draining"),
                retry_after: Some(5),
                ..Self::new(503, "service_unavailable_error", message)
            },
        }
    }
}

impl From<&Failure> for ApiError {
    fn from(failure: &Failure) -> Self {
        let message = failure.to_string();
        match failure {
            Failure::Deadline { .. } => Self {
                code: Some("deadline_exceeded"),
                ..Self::new(504, "timeout_error", message)
            },
            Failure::Stopping => Self {
                code: Some("stopping"),
                ..Self::new(503, "service_unavailable_error", message)
            },
            Failure::Model { .. } => Self {
                code: Some("model_failed"),
                ..Self::new(503, "server_error", message)
            },
            Failure::Sequence { .. } => Self {
                code: Some("generation_failed"),
                ..Self::internal(message)
            },
        }
    }
}

/// Text that the client sent and that cannot become tokens.
pub(super) fn text_error(param: &str, context: u32, error: &TextError) -> ApiError {
    let message = crate::serve::chain(error);
    match error {
        TextError::Beyond => ApiError::beyond(param, context),
        TextError::Refused { .. } | TextError::Render { .. } | TextError::Encode { .. } => {
            ApiError::bad(param, message)
        }
        TextError::NoTokenizer { .. }
        | TextError::Read { .. }
        | TextError::TooLarge { .. }
        | TextError::Json { .. }
        | TextError::Tokenizer { .. }
        | TextError::Rows { .. }
        | TextError::Decode { .. }
        | TextError::TemplateSyntax { .. }
        | TextError::TemplateText { .. }
        | TextError::TemplateShape { .. }
        | TextError::Tokenizing { .. }
        | TextError::Decoding { .. } => ApiError::internal(message),
    }
}
