//! SIMD kernels of the CPU target behind one table, chosen once at start.

/// The kernels of one instruction set.
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    name: &'static str,
}

impl Kernels {
    /// The best kernels that this machine runs.
    pub fn detect() -> &'static Self {
        &Self { name: "portable" }
    }

    /// Name of the instruction set.
    pub fn name(&self) -> &'static str {
        self.name
    }
}
