//! Text for people: plans, reports, machines, diagnoses. Nothing here decides or reads anything.
mod block;
pub mod boot;
pub mod difference;
pub mod doctor;
pub mod inline;
pub mod machine;
pub mod plan;
pub mod program;
mod reasons;
pub mod replica;
pub mod report;
pub mod status;
mod turns;
pub mod window;
pub mod words;
