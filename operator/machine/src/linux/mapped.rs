//! Who has a SoC's node mapped, though the file that was mapped is closed: the mapping keeps the device open all the same.
//!
//! Format: documented (`maps` and `map_files`, proc(5)); seen as files alone.
use super::holders::{Gone, Search, present};

impl Search<'_> {
    pub(super) fn mappings(&mut self, pid: u32) {
        if self.mappings_of(pid, &format!("/proc/{pid}")) == Some(0) {
            for thread in self.threads(pid) {
                self.mappings_of(pid, &thread);
            }
        }
    }

    /// What one thread has mapped, and how much that is, where it can be seen.
    fn mappings_of(&mut self, pid: u32, thread: &str) -> Option<usize> {
        let linux = self.linux;
        let (mut count, mut last) = (0, String::new());
        // A process may have millions: what a model is read by is mapped piece by piece.
        let read = linux.lines(&format!("{thread}/maps"), |line| {
            count += 1;
            // One file is mapped in many pieces, one after another.
            if let Some((range, path)) = mapping(line).filter(|(_, path)| *path != last) {
                path.clone_into(&mut last);
                self.file(pid, path, || format!("/proc/{pid}/map_files/{range}"));
            }
        });
        present(read, &mut self.seen.unseen, Gone::Ended)?;
        Some(count)
    }
}

/// The range and the path of a line of `maps` (proc(5)) that maps a file.
fn mapping(line: &str) -> Option<(String, &str)> {
    let (range, rest) = line.split_once(' ')?;
    let path = &rest[rest.find('/')?..];
    let (from, to) = range.split_once('-')?;
    // The names in `map_files` are not filled up with zeroes.
    let plain = |end: &str| end.trim_start_matches('0').to_owned();
    Some((format!("{}-{}", plain(from), plain(to)), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_of_files_count() {
        for (line, expected) in [
            (
                "7f10a0000000-7f10a0100000 rw-s 100000000 00:06 612                        /dev/accel/accel4",
                Some(("7f10a0000000-7f10a0100000", "/dev/accel/accel4")),
            ),
            (
                "00400000-00452000 rw-s 0 00:06 9 /dev/accel/a b (deleted)",
                Some(("400000-452000", "/dev/accel/a b (deleted)")),
            ),
            (
                "00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/dbus",
                Some(("400000-452000", "/usr/bin/dbus")),
            ),
            ("7f10a0000000-7f10a0100000 rw-s 00000000 00:01 5", None),
            ("7ffd1000-7ffd2000 rw-p 00000000 00:00 0 [stack]", None),
            ("garbage", None),
            ("", None),
        ] {
            let found = mapping(line);
            let found = found.as_ref().map(|(range, path)| (range.as_str(), *path));
            assert_eq!(found, expected, "{line}");
        }
    }
}
