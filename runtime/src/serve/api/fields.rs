//! Takes parameters out of a JSON object one by one, so that what is left over is unknown.

use serde_json::{Map, Value};

use super::ApiError;

/// A request body that is being read.
#[derive(Debug)]
pub(super) struct Fields {
    map: Map<String, Value>,
    /// Where the object lies in the request, as a prefix of parameter names.
    place: String,
}

impl Fields {
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self {
                map,
                place: String::new(),
            }),
            Ok(other) => Err(ApiError::body(format!(
                "the request body is {}, not a JSON object",
                kind(&other)
            ))),
            Err(error) => Err(ApiError::body(format!(
                "the request body is not JSON: {error}"
            ))),
        }
    }

    /// An object inside the request; absent and null are the same.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self {
                map,
                place: format!("{}.", self.full(name)),
            })),
            Some(other) => Err(self.wrong(name, "an object", &other)),
        }
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.place)
    }

    /// Null means absent, as client libraries send it.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn wrong(&self, name: &str, expected: &str, found: &Value) -> ApiError {
        let full = self.full(name);
        ApiError::bad(
            &full,
            format!("{full} must be {expected}, not {}", kind(found)),
        )
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.wrong(name, "true or false", &other)),
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a string", &other)),
        }
    }

    pub(super) fn required_text(&mut self, name: &str) -> Result<String, ApiError> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    pub(super) fn missing(&self, name: &str) -> ApiError {
        let full = self.full(name);
        let message = format!("{full} is missing, and every such request needs it");
        ApiError {
            code: Some("missing_required_parameter"),
            ..ApiError::bad(&full, message)
        }
    }

    /// A number from `low` to `high`.
    pub(super) fn number(
        &mut self,
        name: &str,
        low: f64,
        high: f64,
    ) -> Result<Option<f32>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let expected = || format!("a number from {low} to {high}");
        match value.as_f64() {
            None => Err(self.wrong(name, &expected(), &value)),
            Some(number) if (low..=high).contains(&number) => Ok(Some(number as f32)),
            Some(number) => Err(self.outside(name, &expected(), &number.to_string())),
        }
    }

    /// A whole number from `low` to `high`.
    pub(super) fn integer(
        &mut self,
        name: &str,
        low: i64,
        high: i64,
    ) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let expected = || format!("a whole number from {low} to {high}");
        match value.as_i64() {
            Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
            Some(number) => Err(self.outside(name, &expected(), &number.to_string())),
            None if value.is_number() => Err(self.outside(name, &expected(), &value.to_string())),
            None => Err(self.wrong(name, &expected(), &value)),
        }
    }

    pub(super) fn outside(&self, name: &str, expected: &str, found: &str) -> ApiError {
        let full = self.full(name);
        ApiError::bad(&full, format!("{full} must be {expected}, not {found}"))
    }

    /// Everything must have been taken by now, but for what changes nothing.
    pub(super) fn finish(self, ignored: &[&str]) -> Result<(), ApiError> {
        let unknown = self
            .map
            .iter()
            .find(|(name, value)| !value.is_null() && !ignored.contains(&name.as_str()));
        match unknown {
            Some((name, _)) => Err(ApiError::unknown(&self.full(name))),
            None => Ok(()),
        }
    }
}

/// What a value is, for people.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
