//! The table of kernels of one instruction set, and the choice between them.

use crate::generic::{self, Bf16, F32, Int4, Int8, Product};
use crate::matrix::{BLOCK, Matrix, Weights};
use crate::portable::Portable;

/// One query head over one key/value head.
#[derive(Debug)]
pub struct Attention<'a> {
    /// The query, its width padded with zeros to a multiple of 32.
    pub query: &'a [f32],
    /// One row of that width a position, oldest first; at least one.
    pub keys: &'a [f32],
    /// As `keys`.
    pub values: &'a [f32],
    /// Factor of every score.
    pub scale: f32,
    /// Scratch: one a position and 16 more.
    pub scores: &'a mut [f32],
    /// As wide as the query.
    pub out: &'a mut [f32],
}

type Dot = unsafe fn(&Matrix<'_>, &[f32], &mut [f32]);
type DotFixed = unsafe fn(&Matrix<'_>, usize, &[f32], &mut [i64], &mut [bool]);

/// The kernels of one instruction set.
pub struct Kernels {
    name: &'static str,
    dot: Dot,
    dot_fixed: DotFixed,
    silu_multiply: unsafe fn(&mut [f32], &[f32]),
    attend: unsafe fn(Attention<'_>),
}

/// Instantiates the generic kernels for one kind of lanes under its instruction set.
macro_rules! kernels {
    ($table:ident, $name:literal, $lanes:ty $(, $feature:literal)?) => {
        static $table: Kernels = {
            /// # Safety
            /// The instruction set is present; sizes were checked by the table's methods.
            $(#[target_feature(enable = $feature)])?
            unsafe fn dot(matrix: &Matrix<'_>, x: &[f32], out: &mut [f32]) {
                let (rows, columns) = (matrix.rows(), matrix.columns());
                let (x, tokens) = (x.as_ptr(), x.len() / columns);
                // SAFETY: the caller's; the pointers are of the matrix's own slices.
                unsafe {
                    match matrix.weights() {
                        Weights::F32(w) => {
                            Product { format: F32(w.as_ptr(), columns), rows, columns, tokens, x }.dot::<$lanes>(out);
                        }
                        Weights::Bf16(w) => {
                            Product { format: Bf16(w.as_ptr(), columns), rows, columns, tokens, x }.dot::<$lanes>(out);
                        }
                        Weights::Int8 { quants, scales } => {
                            let format = Int8(quants.as_ptr(), scales.as_ptr(), columns);
                            Product { format, rows, columns, tokens, x }.dot::<$lanes>(out);
                        }
                        Weights::Int4 { quants, scales } => {
                            let format = Int4(quants.as_ptr(), scales.as_ptr(), columns);
                            Product { format, rows, columns, tokens, x }.dot::<$lanes>(out);
                        }
                    }
                }
            }
            /// # Safety
            /// As `dot`.
            $(#[target_feature(enable = $feature)])?
            unsafe fn dot_fixed(matrix: &Matrix<'_>, block: usize, x: &[f32], out: &mut [i64], good: &mut [bool]) {
                let (rows, columns) = (matrix.rows(), matrix.columns());
                let (x, tokens) = (x.as_ptr(), x.len() / columns);
                // SAFETY: as in `dot`.
                unsafe {
                    match matrix.weights() {
                        Weights::F32(w) => {
                            let format = F32(w.as_ptr(), columns);
                            Product { format, rows, columns, tokens, x }.dot_fixed::<$lanes>(block, out, good);
                        }
                        Weights::Bf16(w) => {
                            let format = Bf16(w.as_ptr(), columns);
                            Product { format, rows, columns, tokens, x }.dot_fixed::<$lanes>(block, out, good);
                        }
                        Weights::Int8 { quants, scales } => {
                            let format = Int8(quants.as_ptr(), scales.as_ptr(), columns);
                            Product { format, rows, columns, tokens, x }.dot_fixed::<$lanes>(block, out, good);
                        }
                        Weights::Int4 { quants, scales } => {
                            let format = Int4(quants.as_ptr(), scales.as_ptr(), columns);
                            Product { format, rows, columns, tokens, x }.dot_fixed::<$lanes>(block, out, good);
                        }
                    }
                }
            }
            /// # Safety
            /// As `dot`.
            $(#[target_feature(enable = $feature)])?
            unsafe fn silu_multiply(gate: &mut [f32], up: &[f32]) {
                // SAFETY: the caller's.
                unsafe { generic::silu_multiply::<$lanes>(gate, up) }
            }
            /// # Safety
            /// As `dot`.
            $(#[target_feature(enable = $feature)])?
            unsafe fn attend(attention: Attention<'_>) {
                // SAFETY: the caller's.
                unsafe { generic::attend::<$lanes>(attention) }
            }
            Kernels { name: $name, dot, dot_fixed, silu_multiply, attend }
        };
    };
}

kernels!(PORTABLE, "portable", Portable);
#[cfg(target_arch = "x86_64")]
kernels!(AVX2, "avx2", crate::avx2::Avx2, "avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(AVX512, "avx512", crate::avx512::Avx512, "avx512f,avx2,fma");

impl Kernels {
    /// The kernels that this machine runs, best first; never empty.
    pub fn available() -> Vec<&'static Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 && is_x86_feature_detected!("avx512f") {
                all.push(&AVX512);
            }
            if avx2 {
                all.push(&AVX2);
            }
        }
        all.push(&PORTABLE);
        all
    }

    /// The best kernels that this machine runs.
    pub fn detect() -> &'static Self {
        Self::available().first().copied().unwrap_or(&PORTABLE)
    }

    /// The kernels of that name, if this machine runs them.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::available()
            .into_iter()
            .find(|kernels| kernels.name == name)
    }

    /// Name of the instruction set: `avx512`, `avx2` or `portable`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// `out[token][row] = matrix[row] · x[token]`, where `x` holds whole rows of `matrix.columns()`.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn dot(&self, matrix: &Matrix<'_>, x: &[f32], out: &mut [f32]) {
        let tokens = tokens(matrix, x);
        assert_eq!(
            out.len(),
            tokens * matrix.rows(),
            "a result for each row and token"
        );
        // SAFETY: a table is only handed out where its instruction set is, and the sizes fit.
        unsafe { (self.dot)(matrix, x, out) }
    }

    /// As [`Kernels::dot`], but every `block` columns are summed alone, converted to fixed point and added there.
    /// `good[token]` is cleared, never set, when a block leaves [`crate::FIXED_LIMIT`]; `out[token]` is then of no use.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn dot_fixed(
        &self,
        matrix: &Matrix<'_>,
        block: usize,
        x: &[f32],
        out: &mut [i64],
        good: &mut [bool],
    ) {
        let tokens = tokens(matrix, x);
        assert!(
            block > 0 && block.is_multiple_of(BLOCK),
            "a block of {block} columns"
        );
        assert_eq!(
            out.len(),
            tokens * matrix.rows(),
            "a result for each row and token"
        );
        assert_eq!(good.len(), tokens, "a flag for each token");
        // SAFETY: as in `dot`.
        unsafe { (self.dot_fixed)(matrix, block, x, out, good) }
    }

    /// `gate = silu(gate) · up`, element by element.
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of 32.
    pub fn silu_multiply(&self, gate: &mut [f32], up: &[f32]) {
        assert!(
            gate.len() == up.len() && gate.len().is_multiple_of(BLOCK),
            "{} and {}",
            gate.len(),
            up.len()
        );
        // SAFETY: as in `dot`.
        unsafe { (self.silu_multiply)(gate, up) }
    }

    /// Softmax attention of one query head.
    ///
    /// # Panics
    /// If the sizes are not as [`Attention`] says.
    pub fn attend(&self, attention: Attention<'_>) {
        let Attention {
            query,
            keys,
            values,
            scale: _,
            scores,
            out,
        } = &attention;
        let width = query.len();
        assert!(
            width > 0 && width.is_multiple_of(BLOCK),
            "a head of {width}"
        );
        assert!(
            !keys.is_empty() && keys.len().is_multiple_of(width),
            "{} keys of {width}",
            keys.len()
        );
        assert!(
            values.len() == keys.len() && out.len() == width,
            "values and result"
        );
        assert!(
            scores.len() >= keys.len() / width + 16,
            "scratch for the scores"
        );
        // SAFETY: as in `dot`.
        unsafe { (self.attend)(attention) }
    }
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kernels").field(&self.name).finish()
    }
}

fn tokens(matrix: &Matrix<'_>, x: &[f32]) -> usize {
    assert!(
        x.len().is_multiple_of(matrix.columns()),
        "{} activations for {} columns",
        x.len(),
        matrix.columns()
    );
    x.len() / matrix.columns()
}
