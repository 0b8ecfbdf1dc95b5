//! What the controller and an agent tell whoever runs them: lines (`log`), and numbers and health (`listener`). Which
//! numbers there are stands beside those who count.
pub mod listener;
pub mod log;
