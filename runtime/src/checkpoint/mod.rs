//! Hub-style checkpoint folders.
