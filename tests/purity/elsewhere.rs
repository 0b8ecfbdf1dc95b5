//! A source that lies in no pure crate; planted leaks reach for it.
