//! Which SoCs form which group, and which model runs where.
mod automatic;
mod explicit;
mod groups;
mod models;

pub use groups::{Obstacle, PlacedGroup, Placement, place};
pub use models::{House, Placed, Seat, build_request, place_models, worker_id};
