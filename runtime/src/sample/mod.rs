//! From logits to the next token: parameters, penalties, the draw, log-probabilities, stop strings.
//!
//! Everything here is a function of its arguments: the same logits, parameters and seed give the
//! same tokens, whatever else is being generated beside them.

mod draw;
mod logprobs;
mod params;
mod sampler;
mod stop;

pub use logprobs::{Logprob, TokenLogprobs};
pub use params::{SamplingDefaults, SamplingParams};
pub use sampler::{Sampled, Sampler, SamplingError};
pub use stop::{Scanned, StopScanner};
