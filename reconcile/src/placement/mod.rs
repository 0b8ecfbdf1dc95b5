//! Which SoCs form which group, and which model runs where.
mod automatic;
mod bars;
mod explicit;
mod groups;
mod models;
mod served;
mod strangers;

pub(crate) use bars::{GIVE_ROOM, LOOK_AGAIN};
pub use groups::{Obstacle, PlacedGroup, Placement, place};
pub use models::{House, Placed, Seat, is_of, place_models, place_surplus, surplus_id, worker_id};
pub use served::{build_request, program as served_program};
pub use strangers::allows_neighbours;
