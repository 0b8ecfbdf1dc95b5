//! Which vector instructions ranks compute with.

use kernels::Kernels;

use super::RankError;

/// The instruction set of all ranks of a program: logits are the same bits on one, and differ in the last ones
/// between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstructionSet {
    /// The fastest that this machine has.
    Best,
    /// 512-bit vectors.
    Avx512,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// Plain arithmetic, on any machine.
    Portable,
}

impl InstructionSet {
    /// Its kernels; [`RankError::Option`] where this machine lacks the instructions.
    pub fn kernels(self) -> Result<&'static Kernels, RankError> {
        let name = match self {
            Self::Best => return Ok(Kernels::detect()),
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        };
        Kernels::named(name).ok_or_else(|| {
            let here: Vec<&str> = Kernels::available()
                .into_iter()
                .map(Kernels::name)
                .collect();
            RankError::Option {
                what: format!(
                    "the {name} instructions were asked for, and this machine has {}; ask for one of those, or the best",
                    here.join(" and ")
                ),
            }
        })
    }
}
