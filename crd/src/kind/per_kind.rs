//! A value for each kind, made when it is first asked for.
use std::sync::OnceLock;

use super::Kind;

/// Values of functions of a kind and of nothing else. What makes them is a plain function, which can hold no value of its
/// own: asked first or last, a kind has the same one.
pub(crate) struct PerKind<T: 'static> {
    make: fn(Kind) -> T,
    cells: [OnceLock<T>; Kind::ALL.len()],
}

impl<T> PerKind<T> {
    /// Nothing is made yet.
    pub(crate) const fn new(make: fn(Kind) -> T) -> Self {
        Self {
            make,
            cells: [const { OnceLock::new() }; Kind::ALL.len()],
        }
    }

    /// The value of a kind.
    pub(crate) fn of(&self, kind: Kind) -> &T {
        self.cells[kind as usize].get_or_init(|| (self.make)(kind))
    }
}
