//! Which paths an endpoint leaves alone, whatever the manifests say (manifest 3.4).

use clearwell_format::EntryPath;

/// True for configuration and run-time state, which belong to the machine.
pub(crate) fn is_left_alone(path: &EntryPath) -> bool {
    let path = path.as_bytes();
    path.starts_with(b"/etc/") || is_state(path)
}

/// True for what an update never removes: the above, and kernels, which another program collects.
pub(crate) fn is_never_removed(path: &EntryPath) -> bool {
    let kept = KERNELS.iter().any(|prefix| path.as_bytes().starts_with(prefix));
    kept || is_left_alone(path)
}

/// The tests have no slash where the client has none: `/database` is state because `/data` is.
fn is_state(path: &[u8]) -> bool {
    if let Some(below) = path.strip_prefix(b"/usr/src/") {
        return !(below == b"debug" || below == b"kernel" || below.starts_with(b"kernel/"));
    }
    STATE.iter().any(|prefix| path.starts_with(prefix))
}

const STATE: [&[u8]; 10] =
    [b"/data", b"/dev/", b"/home/", b"/lost+found", b"/proc/", b"/root/", b"/run/", b"/sys/", b"/tmp/", b"/var/"];

const KERNELS: [&[u8]; 4] = [b"/boot/", b"/usr/lib/modules/", b"/usr/lib/kernel/", b"/usr/lib/systemd/boot"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_a_slash_only_where_the_client_has_one() {
        let path = |text: &str| text.parse::<EntryPath>().unwrap();
        for alone in ["/etc/a", "/data", "/database", "/var/lib/x", "/usr/src/linux", "/usr/src/debug/x", "/lost+found"]
        {
            assert!(is_left_alone(&path(alone)), "{alone}");
        }
        for managed in [
            "/etc",
            "/var",
            "/usr/src",
            "/usr/src/debug",
            "/usr/src/kernel",
            "/usr/src/kernel/a",
            "/usr/bin",
            "/boot/a",
        ] {
            assert!(!is_left_alone(&path(managed)), "{managed}");
        }
        assert!(is_never_removed(&path("/boot/a")) && is_never_removed(&path("/usr/lib/systemd/boot.efi")));
        assert!(!is_never_removed(&path("/boot")) && !is_never_removed(&path("/usr/lib/modules")));
    }
}
