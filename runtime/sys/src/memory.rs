//! How much memory may still be used: the machine's and the control groups'.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// Bytes that this process could still take: `MemAvailable`, cut by the limit of every control group above it.
/// `None` where the kernel says neither.
pub fn available_memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .as_deref()
        .and_then(parse_available);
    control_groups()
        .iter()
        .filter_map(|group| group_room(group))
        .chain(machine)
        .min()
}

/// Gives freed memory back to the system. The C library keeps what many small pieces were freed from, in each thread's
/// arena, until somebody asks; where it is another library, nothing happens.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and may be called from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Directories of this process's control groups, from its own to the root. With the first version of control
/// groups that is the memory controller's chain.
pub(crate) fn control_groups() -> Vec<PathBuf> {
    let Ok(text) = fs::read_to_string("/proc/self/cgroup") else {
        return Vec::new();
    };
    text.lines()
        .filter_map(group_directory)
        .flat_map(|(root, path)| chain(&root, &path))
        .collect()
}

/// The mount and the path of one line of `/proc/self/cgroup`, if it is the unified or the memory hierarchy.
fn group_directory(line: &str) -> Option<(PathBuf, PathBuf)> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let path = PathBuf::from(path.trim_start_matches('/'));
    if controllers.is_empty() {
        Some((PathBuf::from(ROOT), path))
    } else if controllers.split(',').any(|name| name == "memory") {
        Some((Path::new(ROOT).join("memory"), path))
    } else {
        None
    }
}

fn chain(root: &Path, path: &Path) -> Vec<PathBuf> {
    // In a container the path may name directories of the host that are not mounted here: those simply do not read.
    path.ancestors()
        .map(|ancestor| root.join(ancestor))
        .collect()
}

/// Bytes left under the limit of one group; page cache counts as left, as it does for `MemAvailable`.
fn group_room(group: &Path) -> Option<u64> {
    let number = |name: &str| {
        fs::read_to_string(group.join(name))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current")
        .or_else(|| number("memory.usage_in_bytes"))
        .unwrap_or(0);
    let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let cache = statistics
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(key, _)| *key == "inactive_file" || *key == "active_file")
        .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
        .sum::<u64>();
    Some(limit.saturating_sub(used.saturating_sub(cache)))
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn parse_available(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_is_parsed_with_its_unit() {
        for (text, expected) in [
            (
                "MemTotal: 10 kB\nMemAvailable:    2048 kB\n",
                Some(2048 * 1024),
            ),
            ("MemTotal: 10 kB\n", None),
            ("MemAvailable: many kB", None),
            ("MemAvailable: 12", None),
        ] {
            assert_eq!(parse_available(text), expected, "{text:?}");
        }
    }

    #[test]
    fn group_lines() {
        let unified = Some((PathBuf::from("/sys/fs/cgroup"), PathBuf::from("a/b")));
        let memory = Some((PathBuf::from("/sys/fs/cgroup/memory"), PathBuf::from("c")));
        for (line, expected) in [
            ("0::/a/b", unified),
            ("4:memory:/c", memory),
            ("5:cpu,cpuacct:/c", None),
            ("nonsense", None),
        ] {
            assert_eq!(group_directory(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_group_with_a_limit_cuts() {
        let group = tempfile_free_directory();
        let write = |name: &str, text: &str| fs::write(group.join(name), text).expect("write");
        write("memory.max", "1000\n");
        write("memory.current", "700\n");
        write(
            "memory.stat",
            "anon 500\ninactive_file 150\nactive_file 50\n",
        );
        assert_eq!(group_room(&group), Some(500));
        write("memory.max", "max\n");
        assert_eq!(group_room(&group), None);
        fs::remove_dir_all(&group).expect("remove");
    }

    fn tempfile_free_directory() -> PathBuf {
        let path = std::env::temp_dir().join(format!("shardplane-group-{}", std::process::id()));
        fs::create_dir_all(&path).expect("create");
        path
    }
}
