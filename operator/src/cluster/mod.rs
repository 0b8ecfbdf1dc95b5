//! Kubernetes: the controller that decides for all nodes, the agent that works on one, and what both must agree on.
//!
//! `names` (labels, taints, field owners), `packed` (plans and snapshots as objects carry them), `condition` (what is
//! said of an object, and since when), `read` (objects of newer definitions), [`connection`] (the way to an API server),
//! [`telemetry`] (what is told to those who watch), `term` (whether a leader leads, and the rhythm of its turns); then [`controller`] (of
//! which `models` is the part without cards), [`agent`], [`approve`] and [`installed`].
//!
//! Decisions are functions of what was read: `controller::decide` takes the cluster as it is and returns what is to be
//! written, `models::decide` does so for builds and models, `agent::admit` takes a grant and says whether it may be
//! carried out. Effects stand at the rim.
pub mod agent;
pub mod approve;
mod condition;
pub mod connection;
pub mod controller;
pub mod installed;
mod models;
pub mod names;
pub mod packed;
mod read;
pub mod telemetry;
mod term;
mod watching;
