//! A problem found in what somebody wrote: a stable id, the place, one sentence and what to do.
pub mod catalog;
mod render;

use serde::{Serialize, Serializer};

pub use catalog::Explanation;
pub use render::{Style, render};

use crate::declaration::Span;

/// How bad it is. Only an error keeps a document from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document cannot be used.
    Error,
    /// It can be used, and will surprise somebody.
    Warning,
    /// Nothing is wrong; a file was recognised as no declaration.
    Note,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// Which problem; written as its id, `SP-V0007`.
    #[serde(rename = "id", serialize_with = "as_id")]
    pub explanation: &'static Explanation,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence, lower case, without a full stop.
    pub message: String,
    /// The key or value it is about; absent when it is about no place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// The field it is about, `spec.members[1].address`, as the API server names it; absent when it is about no field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// A few words beside the caret; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// What to do; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub help: String,
    /// Another place that belongs to it, such as the first of two equal names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related: Option<Related>,
}

/// Where a problem is: in the text, and in the object that the text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The characters.
    pub span: Span,
    /// The field, `spec.members[1].address`; absent where the place is no field's.
    pub field: Option<String>,
}

impl From<Span> for Site {
    fn from(span: Span) -> Self {
        Self { span, field: None }
    }
}

/// Another place that belongs to a problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    /// Where.
    pub span: Span,
    /// A few words beside the line.
    pub label: String,
}

impl Diagnostic {
    /// An error.
    pub fn error(explanation: &'static Explanation, message: impl Into<String>) -> Self {
        Self::new(explanation, Severity::Error, message)
    }

    /// A warning.
    pub fn warning(explanation: &'static Explanation, message: impl Into<String>) -> Self {
        Self::new(explanation, Severity::Warning, message)
    }

    /// A note.
    pub fn note(explanation: &'static Explanation, message: impl Into<String>) -> Self {
        Self::new(explanation, Severity::Note, message)
    }

    fn new(
        explanation: &'static Explanation,
        severity: Severity,
        message: impl Into<String>,
    ) -> Self {
        Self {
            explanation,
            severity,
            message: message.into(),
            span: None,
            field: None,
            label: String::new(),
            help: String::new(),
            related: None,
        }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(mut self, site: impl Into<Site>) -> Self {
        let Site { span, field } = site.into();
        self.span = Some(span);
        self.field = field;
        self
    }

    /// The same with words beside the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same with what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// The same with another place.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related = Some(Related {
            span,
            label: label.into(),
        });
        self
    }

    /// The stable id, `SP-V0007`.
    pub fn id(&self) -> &'static str {
        self.explanation.id
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference to the field"
)]
fn as_id<S: Serializer>(
    explanation: &&'static Explanation,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(explanation.id)
}
