//! The rotary part of `config.json`, in both of the ways that it is written.

use serde_json::Value;

use super::CheckpointError;
use super::object::Keys;
use crate::model::{Rope, RopeScaling};

/// The base that every family assumes where none is given.
const USUAL_THETA: f64 = 10_000.0;
const IMPLEMENTED: &str = "default, linear and llama3 are";

/// Reads `rope_theta` with `rope_scaling`, or `rope_parameters`, which newer exports write instead.
pub(super) fn rope(keys: &mut Keys) -> Result<Rope, CheckpointError> {
    let outer = keys.number("rope_theta")?;
    let scaling = keys.inner("rope_scaling")?;
    let parameters = keys.inner("rope_parameters")?;
    let (mut inner, name) = match (parameters, scaling) {
        (Some(_), Some(_)) => {
            return Err(keys.value("rope_scaling", "absent where `rope_parameters` is given"));
        }
        (Some(inner), None) => (inner, "rope_parameters"),
        (None, Some(inner)) => (inner, "rope_scaling"),
        (None, None) => {
            return Ok(Rope {
                theta: outer.unwrap_or(USUAL_THETA),
                scaling: RopeScaling::Default,
            });
        }
    };
    let theta = match (inner.number("rope_theta")?, outer) {
        (Some(inner), Some(outer)) if inner.to_bits() != outer.to_bits() => {
            return Err(keys.value("rope_theta", &format!("{inner}, as `{name}` says")));
        }
        (Some(theta), _) | (None, Some(theta)) => theta,
        (None, None) => USUAL_THETA,
    };
    inner.only("partial_rotary_factor", &["1", "1.0"])?;
    let (new, old) = (inner.take("rope_type"), inner.take("type"));
    let key = if new.is_some() { "rope_type" } else { "type" };
    let kind = match new.or(old) {
        None => "default".to_owned(),
        Some(Value::String(kind)) => kind,
        Some(_) => return Err(inner.value(key, "a name")),
    };
    let required =
        |inner: &mut Keys, key: &str| inner.number(key)?.ok_or_else(|| inner.missing(key));
    let scaling = match kind.as_str() {
        "default" => {
            inner.take("original_max_position_embeddings");
            inner.only("factor", &["1", "1.0"])?;
            RopeScaling::Default
        }
        "linear" => {
            inner.take("original_max_position_embeddings");
            RopeScaling::Linear {
                factor: required(&mut inner, "factor")?,
            }
        }
        "llama3" => {
            let scaling = RopeScaling::Llama3 {
                factor: required(&mut inner, "factor")?,
                low: required(&mut inner, "low_freq_factor")?,
                high: required(&mut inner, "high_freq_factor")?,
                original: required(&mut inner, "original_max_position_embeddings")?,
            };
            if let RopeScaling::Llama3 { low, high, .. } = scaling
                && low >= high
            {
                return Err(inner.value(
                    "high_freq_factor",
                    &format!("more than low_freq_factor, {low}"),
                ));
            }
            scaling
        }
        _ => return Err(inner.unsupported(key, IMPLEMENTED)),
    };
    inner.finish()?;
    Ok(Rope { theta, scaling })
}
