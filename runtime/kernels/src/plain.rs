//! Elementwise work that is too small to be worth vector code of its own.

/// `out = x / rms(x) · weight`, over the first `weight.len()` elements; the padding behind them is cleared.
/// The mean is taken in eight lanes and one fixed order.
pub fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let count = weight.len();
    let mut lanes = [0.0_f32; 8];
    let mut chunks = x[..count].chunks_exact(8);
    for chunk in &mut chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value * value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += value * value;
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    let mean = (((a + b) + (c + d)) + ((e + f) + (g + h))) / count as f32;
    let scale = 1.0 / (mean + epsilon).sqrt();
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * scale * weight;
    }
    out[count..].fill(0.0);
}

/// Rotates a head in place: element `i` of the first half with element `i` of the second, by the angle whose cosine
/// and sine are `cosines[i]` and `sines[i]`.
pub fn rotate(head: &mut [f32], cosines: &[f32], sines: &[f32]) {
    let (first, rest) = head.split_at_mut(cosines.len());
    for (((a, b), cosine), sine) in first.iter_mut().zip(rest).zip(cosines).zip(sines) {
        (*a, *b) = (*a * cosine - *b * sine, *b * cosine + *a * sine);
    }
}

/// Adds `bias` to each of the rows in `rows`, which are `bias.len()` long.
pub fn add_rows(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len().max(1)) {
        for (value, bias) in row.iter_mut().zip(bias) {
            *value += bias;
        }
    }
}
