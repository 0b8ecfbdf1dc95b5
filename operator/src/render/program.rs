//! Programs of the store as text.
use std::fmt::Write as _;

use crd::id::ProgramKey;
use reconcile::program::Use;

use super::words::counted;
use crate::state::programs::Stored;

/// How keys are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// As far as people need them.
    Short,
    /// As folders are named after them.
    Whole,
}

/// Every program, and what could go.
pub fn list(programs: &[(Stored, Use)], keys: Keys) -> String {
    if programs.is_empty() {
        return "No programs.\n".to_owned();
    }
    let mut rows = vec![["PROGRAM", "TARGET", "SIZE", "LAST USED", "USED BY"].map(str::to_owned)];
    rows.extend(programs.iter().map(|(stored, by)| row(stored, by, keys)));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    let mut out = String::new();
    for [program, target, size, used, by] in &rows {
        let [one, two, three, four] = widths;
        let _ = writeln!(
            out,
            "{program:one$}  {target:two$}  {size:>three$}  {used:four$}  {by}"
        );
    }
    let (unused, bytes) = sum(programs.iter().filter(|(_, by)| *by == Use::Nobody));
    let (_, all) = sum(programs.iter());
    let _ = write!(out, "{}, {}", counted(programs.len(), "program"), size(all));
    let _ = match unused {
        0 => writeln!(out, "; every one is used"),
        _ => writeln!(
            out,
            "; `shardplane program prune` removes {unused} of them, {}",
            size(bytes)
        ),
    };
    out
}

/// What was removed, or would be.
pub fn removed(programs: &[(Stored, Use)], dry_run: bool) -> String {
    let (count, bytes) = sum(programs.iter());
    let mut out = String::new();
    for (stored, _) in programs {
        let _ = writeln!(out, "{}  {}", short(&stored.key), size(stored.bytes));
    }
    let _ = match (count, dry_run) {
        (0, _) => writeln!(out, "Every program is used; nothing to remove."),
        (_, true) => writeln!(
            out,
            "Would remove {}, {}.",
            counted(count, "program"),
            size(bytes)
        ),
        (_, false) => writeln!(
            out,
            "Removed {}, {}.",
            counted(count, "program"),
            size(bytes)
        ),
    };
    out
}

fn row(stored: &Stored, by: &Use, keys: Keys) -> [String; 5] {
    let key = match keys {
        Keys::Short => short(&stored.key),
        Keys::Whole => stored.key.to_string(),
    };
    let target = stored.program.as_ref().map_or_else(
        || "not whole".to_owned(),
        |program| format!("{:?}", program.target),
    );
    let used = stored
        .used
        .map_or_else(|| "-".to_owned(), machine::Timestamp::minute);
    let by = match by {
        Use::Served(worker) => format!("worker {worker}"),
        Use::Declared(object) => object.to_string(),
        Use::Untold(object) => {
            format!("not known: which program {object} needs shows when its model is read")
        }
        Use::Nobody => "nobody".to_owned(),
    };
    [key, target, size(stored.bytes), used, by]
}

/// The kind of hash and 16 digits: enough to tell any two.
fn short(key: &ProgramKey) -> String {
    key.as_str().chars().take(19).collect()
}

fn sum<'a>(programs: impl Iterator<Item = &'a (Stored, Use)>) -> (usize, u64) {
    programs.fold((0, 0), |(count, bytes), (stored, _)| {
        (count + 1, bytes + stored.bytes)
    })
}

/// Bytes in the largest unit of which there is one, to a tenth.
fn size(bytes: u64) -> String {
    const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (shift, unit) in UNITS {
        if bytes >> shift > 0 {
            let tenths = ((bytes >> (shift - 10)) * 10) >> 10;
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_read_at_a_glance() {
        for (bytes, said) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (5 << 20, "5.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }
}
