//! What a vector unit must do for the kernels: two widths, three implementations.

/// A vector of f32 lanes of one instruction set.
///
/// # Safety
/// Every function may be called only where the instruction set is present, and pointers must be readable (or
/// writable) for the lanes named.
pub(crate) trait Lanes: Copy {
    /// Lanes in a vector; divides 32.
    const COUNT: usize;
    /// The same value in every lane.
    unsafe fn splat(value: f32) -> Self;
    /// `COUNT` values.
    unsafe fn load(from: *const f32) -> Self;
    /// `COUNT` bfloat16 values.
    unsafe fn load_bf16(from: *const u16) -> Self;
    /// `COUNT` signed bytes.
    unsafe fn load_i8(from: *const i8) -> Self;
    /// Vector `part` of the 32 four-bit integers in 16 bytes: element `i` is the low half of byte `i`, element
    /// `16 + i` its high half, both offset by eight.
    unsafe fn load_i4(from: *const u8, part: usize) -> Self;
    /// Writes `COUNT` values.
    unsafe fn store(self, to: *mut f32);
    /// `self * by + to` with one rounding (the portable lanes: two).
    unsafe fn multiply_add(self, by: Self, to: Self) -> Self;
    /// Lane by lane.
    unsafe fn add(self, other: Self) -> Self;
    /// Lane by lane.
    unsafe fn multiply(self, other: Self) -> Self;
    /// Lane by lane.
    unsafe fn divide(self, other: Self) -> Self;
    /// Lane by lane; `other` where `self` is not a number.
    unsafe fn maximum(self, other: Self) -> Self;
    /// Lane by lane; `other` where `self` is not a number.
    unsafe fn minimum(self, other: Self) -> Self;
    /// `self · 2ⁿ`, where `n` is the integer in the low bits of each lane of `shifted`.
    unsafe fn times_power(self, shifted: Self) -> Self;
    /// The sums over the lanes of four vectors, in one fixed order.
    unsafe fn sums(of: [Self; 4]) -> [f32; 4];
}

/// eˣ to about 2 units in the last place; below -87 and above 88 it stays at its value there.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
pub(crate) unsafe fn exponential<L: Lanes>(x: L) -> L {
    // SAFETY: the caller's.
    unsafe {
        // 1.5·2²³: leaves the nearest integer in the low bits.
        let magic = L::splat(12_582_912.0);
        let x = x.maximum(L::splat(-87.0)).minimum(L::splat(88.0));
        let shifted = x.multiply_add(L::splat(std::f32::consts::LOG2_E), magic);
        let whole = shifted.add(L::splat(-12_582_912.0));
        // ln 2 in two parts, the first exact in few bits (Cody and Waite).
        let rest = whole.multiply_add(L::splat(-0.693_359_4), x);
        let rest = whole.multiply_add(L::splat(2.121_944_4e-4), rest);
        // Minimax polynomial of eʳ on ±ln2/2 (Cephes, expf).
        let mut value = L::splat(1.987_569_1e-4);
        for coefficient in [
            1.398_199_9e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            1.666_666_5e-1,
            0.5,
        ] {
            value = value.multiply_add(rest, L::splat(coefficient));
        }
        let value = value
            .multiply_add(rest.multiply(rest), rest)
            .add(L::splat(1.0));
        value.times_power(shifted)
    }
}
