//! The memory that this process may use: by the machine, its control groups and its resource limits.
//!
//! ```text
//! /proc/meminfo                                   MemTotal
//! /sys/fs/cgroup/<group>/memory.max               control groups, version 2: the group and all above it
//! /sys/fs/cgroup/memory/<group>/memory.limit_in_bytes     the same, version 1
//! RLIMIT_AS, RLIMIT_DATA                          ulimit -v, ulimit -d
//! ```
//!
//! The smallest limit applies. In a container the path of the group may be that of the machine outside, while what is
//! mounted begins at the container's own group: then only that is found, and it is the one that applies.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

/// In bytes; `None` where nothing says.
pub fn allowed_bytes() -> Option<u64> {
    let limits = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    [allowed_below(Path::new("/"))].into_iter().chain(limits).flatten().min()
}

/// What the files below `root` say.
fn allowed_below(root: &Path) -> Option<u64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let machine = read("proc/meminfo").and_then(|text| total_of_meminfo(&text));
    let groups = read("proc/self/cgroup").unwrap_or_default();
    let groups = groups.lines().filter_map(|line| {
        // number:controllers:path
        let mut fields = line.splitn(3, ':');
        let (number, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
        let file = match (number, controllers) {
            ("0", "") => ("sys/fs/cgroup", "memory.max"),
            (_, list) if list.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        Some((group, file))
    });
    let limits = groups.flat_map(|(group, (mounted, file))| {
        // "max", and files that do not exist, mean that there is no limit.
        let limit = |above: &str| read(&format!("{mounted}{above}/{file}"))?.trim().parse::<u64>().ok();
        with_ancestors(group).filter_map(limit).collect::<Vec<_>>()
    });
    limits.chain(machine).min()
}

/// A group and all above it, the root as "": a limit of each binds.
fn with_ancestors(group: &str) -> impl Iterator<Item = &str> {
    let group = group.trim_end_matches('/');
    // A group outside of what is mounted has no path here.
    let group = if group.split('/').any(|name| name == "..") { "" } else { group };
    group.match_indices('/').map(|(at, _)| &group[..at]).chain([group])
}

/// `MemTotal` in bytes.
fn total_of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths below the root with what is in them.
    type Files<'f> = &'f [(&'f str, &'f str)];

    #[test]
    fn the_smallest_limit_binds_wherever_it_stands() {
        const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
        const ALL: u64 = 16 << 20;
        let second = |group: &'static str| ("proc/self/cgroup", group);
        let table: &[(Files<'_>, Option<u64>)] = &[
            (&[], None),
            (&[("proc/meminfo", "MemFree: 1 kB\n")], None),
            (&[MACHINE], Some(ALL)),
            (&[MACHINE, second("0::/\n")], Some(ALL)),
            (&[MACHINE, second("0::/\n"), ("sys/fs/cgroup/memory.max", "4096\n")], Some(4096)),
            (&[MACHINE, second("0::/a/b\n"), ("sys/fs/cgroup/a/b/memory.max", "4096\n")], Some(4096)),
            (
                &[
                    MACHINE,
                    second("0::/a/b\n"),
                    ("sys/fs/cgroup/a/b/memory.max", "max\n"),
                    ("sys/fs/cgroup/a/memory.max", "8192\n"),
                    ("sys/fs/cgroup/memory.max", "max\n"),
                ],
                Some(8192),
            ),
            (
                &[
                    MACHINE,
                    second("0::/a/b\n"),
                    ("sys/fs/cgroup/a/b/memory.max", "999999999999\n"),
                    ("sys/fs/cgroup/a/memory.max", "max\n"),
                ],
                Some(ALL),
            ),
            (
                &[MACHINE, second("0::/../x\n"), ("sys/fs/cgroup/memory.max", "5\n"), ("sys/fs/x/memory.max", "1\n")],
                Some(5),
            ),
            // Version 1, and both at once.
            (
                &[
                    MACHINE,
                    second("11:cpu,cpuacct:/z\n9:memory:/a/b\n0::/c\n"),
                    ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n"),
                    ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "12288\n"),
                ],
                Some(12288),
            ),
            (
                &[
                    MACHINE,
                    second("4:hugetlb,memory:/docker/0123\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "20480\n"),
                ],
                Some(20480),
            ),
            (&[MACHINE, second("9:cpu:/a\n"), ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1\n")], Some(ALL)),
            (&[MACHINE, second("nonsense\n0:\n0::/a:b\n"), ("sys/fs/cgroup/a:b/memory.max", "7\n")], Some(7)),
        ];
        for (files, expected) in table {
            let root = tempfile::tempdir().unwrap();
            for (path, text) in *files {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            assert_eq!(allowed_below(root.path()), *expected, "{files:?}");
        }
        assert!(allowed_bytes() > Some(1 << 20));
    }
}
