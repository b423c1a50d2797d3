//! What endpoints do with a path beyond installing it (manifest 3.4).

use crate::EntryPath;

/// How endpoints keep a path. It depends on nothing but the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Upkeep {
    /// As the manifests say: installed, replaced, removed.
    Managed,
    /// Kernels and what boots them: installed and replaced; another program removes them.
    Boot,
    /// `/etc/` and below. Put there by an installation or a repair where it is missing, and otherwise left alone: no
    /// update and no added bundle brings, replaces or removes it.
    Configuration,
    /// What the machine writes while it runs. Left alone like configuration.
    State,
}

impl Upkeep {
    /// True for configuration and state: what an update does not touch.
    pub const fn is_left_alone(self) -> bool {
        matches!(self, Self::Configuration | Self::State)
    }

    /// True for all that an update never removes.
    pub const fn is_never_removed(self) -> bool {
        !matches!(self, Self::Managed)
    }
}

impl EntryPath {
    /// How endpoints keep the path. The directories at the top, such as `/etc` and `/var`, are managed.
    pub fn upkeep(&self) -> Upkeep {
        let path = self.as_bytes();
        let below = |prefixes: &[&[u8]]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        if path.starts_with(b"/etc/") {
            Upkeep::Configuration
        } else if below(STATE) || path.strip_prefix(b"/usr/src/").is_some_and(is_state_of_sources) {
            Upkeep::State
        } else if below(BOOT) {
            Upkeep::Boot
        } else {
            Upkeep::Managed
        }
    }

    /// True for a managed directory in which endpoints keep things of their own: what lies in it is left alone.
    pub fn holds_left_alone(&self) -> bool {
        let inside = Self::parse(&[self.as_bytes(), b"/x"].concat());
        !self.upkeep().is_left_alone() && inside.is_ok_and(|inside| inside.upkeep().is_left_alone())
    }
}

fn is_state_of_sources(below: &[u8]) -> bool {
    !(below == b"debug" || below == b"kernel" || below.starts_with(b"kernel/"))
}

/// Prefixes of text, as the client compares them: `/database` is state because `/data` is.
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
            assert_eq!(path(state).upkeep(), Upkeep::State, "{state}");
        }
        for managed in
            ["/etc", "/var", "/root", "/usr/src", "/usr/src/debug", "/usr/src/kernel", "/usr/src/kernel/a", "/usr/bin"]
        {
            assert_eq!(path(managed).upkeep(), Upkeep::Managed, "{managed}");
        }
        for boot in ["/boot/a", "/usr/lib/systemd/boot.efi", "/usr/lib/modules/5"] {
            assert_eq!(path(boot).upkeep(), Upkeep::Boot, "{boot}");
        }
        assert_eq!(path("/etc/a").upkeep(), Upkeep::Configuration);
        assert_eq!(path("/boot").upkeep(), Upkeep::Managed);
    }

    #[test]
    fn directories_that_hold_what_is_left_alone() {
        for directory in ["/etc", "/home", "/var", "/root", "/usr/src", "/usr/src/debug"] {
            assert!(path(directory).holds_left_alone(), "{directory}");
        }
        // Below them a directory is left alone itself, and never taken away.
        for other in ["/usr", "/var/lib", "/data", "/database", "/usr/src/kernel", "/boot", "/etc/ssl"] {
            assert!(!path(other).holds_left_alone(), "{other}");
        }
    }
}
