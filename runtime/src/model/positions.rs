//! Rotary angles, with the roundings of the reference: frequencies and angles in f32.

use super::{Rope, RopeScaling};

/// The frequencies of a head's pairs.
#[derive(Debug, Clone)]
pub struct Frequencies(Vec<f32>);

impl Frequencies {
    /// Frequencies for heads of `width`.
    pub fn new(rope: &Rope, width: usize) -> Self {
        let plain = (0..width / 2).map(|pair| {
            let power = (2 * pair) as f32 / width as f32;
            1.0 / rope.theta.powf(f64::from(power)) as f32
        });
        Self(
            plain
                .map(|frequency| scale(frequency, &rope.scaling))
                .collect(),
        )
    }

    /// Pairs of a head.
    pub fn pairs(&self) -> usize {
        self.0.len()
    }

    /// Cosines and sines of the angles at `position`.
    pub fn angles(&self, position: u32, cosines: &mut [f32], sines: &mut [f32]) {
        for ((frequency, cosine), sine) in self.0.iter().zip(cosines).zip(sines) {
            let angle = f64::from(position as f32 * frequency);
            (*cosine, *sine) = (angle.cos() as f32, angle.sin() as f32);
        }
    }
}

fn scale(frequency: f32, scaling: &RopeScaling) -> f32 {
    match *scaling {
        RopeScaling::Default => frequency,
        RopeScaling::Linear { factor } => frequency / factor as f32,
        RopeScaling::Llama3 {
            factor,
            low,
            high,
            original,
        } => {
            let wide = f64::from(frequency);
            let wavelength = std::f64::consts::TAU / wide;
            if wavelength > original / low {
                (wide / factor) as f32
            } else if wavelength < original / high {
                frequency
            } else {
                let smooth = (original / wavelength - low) / (high - low);
                ((1.0 - smooth) * wide / factor + smooth * wide) as f32
            }
        }
    }
}
