//! A tied output head that is stored all the same must be the embedding.

use super::{Checkpoint, CheckpointError};

const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";
/// Numbers compared at once: 4 MiB of floats.
const CHUNK: usize = 1 << 20;

impl Checkpoint {
    /// Compares the two, where the model ties them and both are stored. Readers of such checkpoints disagree about
    /// which one counts, so there is no right answer where they differ. Reads both matrices whole; `false` where `stop`
    /// said so first.
    pub fn check_tied(&self, stop: &dyn Fn() -> bool) -> Result<bool, CheckpointError> {
        if !self.shape.tied {
            return Ok(true);
        }
        let Some((path, tensor)) = self.tensors.find(HEAD) else {
            return Ok(true);
        };
        let path = path.to_path_buf();
        let expected = vec![u64::from(self.shape.vocab), u64::from(self.shape.hidden)];
        if tensor.shape != expected {
            return Err(CheckpointError::Shape {
                path,
                tensor: HEAD.to_owned(),
                found: tensor.shape.clone(),
                expected,
            });
        }
        let (rows, width) = (self.shape.vocab as usize, self.shape.hidden as usize);
        let step = (CHUNK / width).max(1);
        let (mut head, mut embedding, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        for row in (0..rows).step_by(step) {
            if stop() {
                return Ok(false);
            }
            let count = step.min(rows - row) * width;
            head.resize(count, 0.0_f32);
            embedding.resize(count, 0.0_f32);
            self.tensors
                .read_rows(HEAD, row as u64, &mut head, &mut bytes)?;
            self.tensors
                .read_rows(EMBEDDING, row as u64, &mut embedding, &mut bytes)?;
            let differs = |(ours, theirs): (&f32, &f32)| (ours - theirs) != 0.0;
            if let Some(at) = head.iter().zip(&embedding).position(differs) {
                return Err(CheckpointError::Untied {
                    path,
                    row: (row + at / width) as u64,
                });
            }
        }
        Ok(true)
    }
}
