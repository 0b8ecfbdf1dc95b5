//! Which SoCs form which group, and which model runs where.
mod automatic;
mod bars;
mod explicit;
mod groups;
mod models;
mod numbers;
mod orders;
mod preference;
mod served;
mod shortage;
mod strangers;
mod surplus;

pub(crate) use bars::{GIVE_ROOM, LOOK_AGAIN};
pub use groups::{Obstacle, PlacedGroup, Placement, place};
pub use models::{House, Placed, Seat, is_of, place_models, surplus_id, worker_id};
pub use numbers::numbers;
pub use served::{build_request, program as served_program};
pub use strangers::allows_neighbours;
pub use surplus::place_surplus;
