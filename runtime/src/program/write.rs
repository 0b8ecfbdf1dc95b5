//! Streaming a checkpoint's tensors into slice files, a few megabytes at a time.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::build::{BuildError, BuildProgress, Watch};
use super::layout::{Layout, MAGIC, Part, Section, Storage};
use super::pack::Packed;
use super::slicing::padded;
use crate::checkpoint::Checkpoint;

/// Floats read from the checkpoint at once: 8 MiB of them.
const CHUNK: usize = 2 << 20;
/// Bytes of a slice after which they go to the disk: a disk that writes 100 MiB a second keeps a stop waiting for a third
/// of one, and never for gigabytes at the end.
const FLUSH: usize = 32 << 20;

struct SliceFile {
    path: PathBuf,
    file: File,
    /// Bytes written since they last went to the disk.
    held: Cell<usize>,
}

impl SliceFile {
    fn write(&self, bytes: &[u8], offset: u64) -> Result<(), BuildError> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|source| self.failed(source))?;
        self.held.set(self.held.get() + bytes.len());
        if self.held.get() >= FLUSH {
            self.held.set(0);
            self.file
                .sync_data()
                .map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    fn failed(&self, source: std::io::Error) -> BuildError {
        BuildError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

/// Buffers that live through the whole build.
#[derive(Default)]
struct Buffers {
    bytes: Vec<u8>,
    floats: Vec<f32>,
    row: Vec<f32>,
    packed: Packed,
}

/// A slice's name is its rank between these.
const SLICE: &str = "slice-";
const SLICE_ENDS: &str = ".bin";

/// Whether a file's name is a slice's.
pub(super) fn is_slice(name: &str) -> bool {
    let rank = name
        .strip_prefix(SLICE)
        .and_then(|rest| rest.strip_suffix(SLICE_ENDS));
    rank.is_some_and(|rank| rank.parse::<u32>().is_ok())
}

/// Writes one slice file a rank into `directory` and returns their names, in rank order.
pub(super) fn write_slices(
    checkpoint: &Checkpoint,
    layouts: &[Layout],
    directory: &Path,
    watch: &Watch<'_>,
) -> Result<Vec<String>, BuildError> {
    let names: Vec<String> = (0..layouts.len())
        .map(|rank| format!("{SLICE}{rank}{SLICE_ENDS}"))
        .collect();
    let mut files = Vec::new();
    for (name, layout) in names.iter().zip(layouts) {
        let path = directory.join(name);
        let file = File::create_new(&path).map_err(|source| BuildError::Write {
            path: path.clone(),
            source,
        })?;
        let slice = SliceFile {
            path,
            file,
            held: Cell::new(0),
        };
        slice
            .file
            .set_len(layout.bytes)
            .map_err(|source| slice.failed(source))?;
        slice.write(MAGIC, 0)?;
        files.push(slice);
    }
    let total = layouts.iter().map(|layout| layout.bytes).sum();
    let mut done = 0;
    let mut buffers = Buffers::default();
    let sections = layouts.first().map_or(0, |layout| layout.sections.len());
    for index in 0..sections {
        let parts: Vec<(&Section, &SliceFile)> = layouts
            .iter()
            .map(|layout| &layout.sections[index])
            .zip(&files)
            .collect();
        if parts
            .first()
            .is_some_and(|(first, _)| matches!(first.part, Part::Output | Part::Down))
        {
            // Every rank takes some columns of every row: the rows are read once for all of them.
            stream(checkpoint, &parts, &mut buffers, watch)?;
        } else {
            parts.iter().try_for_each(|part| {
                stream(checkpoint, std::slice::from_ref(part), &mut buffers, watch)
            })?;
        }
        done += parts
            .iter()
            .map(|(section, _)| section.end - section.offset)
            .sum::<u64>();
        watch.tell(BuildProgress { done, total });
    }
    for slice in &files {
        watch.goes_on()?;
        slice
            .file
            .sync_all()
            .map_err(|source| slice.failed(source))?;
    }
    Ok(names)
}

/// Writes one tensor's sections, which share their source rows.
fn stream(
    checkpoint: &Checkpoint,
    parts: &[(&Section, &SliceFile)],
    buffers: &mut Buffers,
    watch: &Watch<'_>,
) -> Result<(), BuildError> {
    let Some((first, _)) = parts.first() else {
        return Ok(());
    };
    let width = if first.part == Part::Output {
        checkpoint.shape.heads * checkpoint.shape.head_dim
    } else if first.part == Part::Down {
        checkpoint.shape.intermediate
    } else {
        first.columns.source.end
    } as usize;
    let step = (CHUNK / width).max(1);
    let mut row = first.source.start as usize;
    while row < first.source.end as usize {
        watch.goes_on()?;
        let count = step.min(first.source.end as usize - row);
        buffers.floats.resize(count * width, 0.0);
        checkpoint.tensors.read_rows(
            &first.tensor,
            row as u64,
            &mut buffers.floats,
            &mut buffers.bytes,
        )?;
        for (section, slice) in parts {
            pack(section, width, buffers);
            let stored = (row - first.source.start as usize) as u64;
            slice.write(
                &buffers.packed.values,
                section.offset + stored * section.row_bytes(),
            )?;
            slice.write(
                &buffers.packed.scales,
                section.scales + stored * section.row_scales(),
            )?;
        }
        row += count;
    }
    Ok(())
}

/// Packs a section's part of the rows just read.
fn pack(section: &Section, width: usize, buffers: &mut Buffers) {
    let Buffers {
        bytes: _,
        floats,
        row,
        packed,
    } = buffers;
    packed.clear();
    let precision = match section.storage {
        Storage::Vector => return packed.push_floats(floats),
        Storage::Packed(precision) => precision,
    };
    let columns = &section.columns;
    row.clear();
    row.resize(columns.packed(), 0.0);
    for source in floats.chunks_exact(width) {
        let mine = &source[columns.source.start as usize..columns.source.end as usize];
        for (to, from) in row
            .chunks_exact_mut(padded(columns.run))
            .zip(mine.chunks(columns.run as usize))
        {
            to[..from.len()].copy_from_slice(from);
        }
        packed.push(row, precision);
    }
}
