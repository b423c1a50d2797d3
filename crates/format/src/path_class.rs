//! How stock clients classify paths: what an update installs, replaces and removes (manifest §3.4).

use crate::EntryPath;

/// The class of a path. It follows from the path alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathClass {
    /// Installed, replaced and removed by the manifests.
    Managed,
    /// Kernels and boot files: installed and replaced by updates, but removed by another program.
    Boot,
    /// `/etc/` and below. Installations and repairs add what is missing. Updates and `bundle-add` neither install nor
    /// replace nor remove it.
    Config,
    /// Runtime state below `/var/`, `/home/` and others. Treated like [`PathClass::Config`].
    State,
}

impl PathClass {
    /// True for configuration and state: updates neither install nor replace nor remove it.
    pub const fn is_not_updated(self) -> bool {
        matches!(self, Self::Config | Self::State)
    }

    /// True for everything that an update never removes.
    pub const fn is_never_removed(self) -> bool {
        !matches!(self, Self::Managed)
    }
}

impl EntryPath {
    /// The class of the path. Top directories such as `/etc` and `/var` are managed.
    pub fn class(&self) -> PathClass {
        let path = self.as_bytes();
        let below = |prefixes: &[&[u8]]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        if path.starts_with(b"/etc/") {
            PathClass::Config
        } else if below(STATE) || path.strip_prefix(b"/usr/src/").is_some_and(is_state_of_sources) {
            PathClass::State
        } else if below(BOOT) {
            PathClass::Boot
        } else {
            PathClass::Managed
        }
    }

    /// True for a managed directory whose content is configuration or state, such as `/etc` and `/home`.
    pub fn holds_local_data(&self) -> bool {
        let inside = Self::parse(&[self.as_bytes(), b"/x"].concat());
        !self.class().is_not_updated() && inside.is_ok_and(|inside| inside.class().is_not_updated())
    }
}

fn is_state_of_sources(below: &[u8]) -> bool {
    !(below == b"debug" || below == b"kernel" || below.starts_with(b"kernel/"))
}

/// Prefixes as the client compares them, some without a slash: `/database` is state because `/data` is.
const STATE: &[&[u8]] =
    &[b"/data", b"/dev/", b"/home/", b"/lost+found", b"/proc/", b"/root/", b"/run/", b"/sys/", b"/tmp/", b"/var/"];

const BOOT: &[&[u8]] = &[b"/boot/", b"/usr/lib/modules/", b"/usr/lib/kernel/", b"/usr/lib/systemd/boot"];

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        text.parse().unwrap()
    }

    #[test]
    fn prefixes_have_a_slash_only_where_the_client_has_one() {
        for state in
            ["/data", "/database", "/var/lib/x", "/usr/src/linux", "/usr/src/debug/x", "/lost+found", "/root/.x"]
        {
            assert_eq!(path(state).class(), PathClass::State, "{state}");
        }
        for managed in
            ["/etc", "/var", "/root", "/usr/src", "/usr/src/debug", "/usr/src/kernel", "/usr/src/kernel/a", "/usr/bin"]
        {
            assert_eq!(path(managed).class(), PathClass::Managed, "{managed}");
        }
        for boot in ["/boot/a", "/usr/lib/systemd/boot.efi", "/usr/lib/modules/5"] {
            assert_eq!(path(boot).class(), PathClass::Boot, "{boot}");
        }
        assert_eq!(path("/etc/a").class(), PathClass::Config);
        assert_eq!(path("/boot").class(), PathClass::Managed);
    }

    #[test]
    fn directories_that_hold_local_data() {
        for directory in ["/etc", "/home", "/var", "/root", "/usr/src", "/usr/src/debug"] {
            assert!(path(directory).holds_local_data(), "{directory}");
        }
        // A directory that is state itself is never removed.
        for other in ["/usr", "/var/lib", "/data", "/database", "/usr/src/kernel", "/boot", "/etc/ssl"] {
            assert!(!path(other).holds_local_data(), "{other}");
        }
    }
}
