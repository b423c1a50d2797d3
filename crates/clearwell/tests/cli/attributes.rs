//! Extended attributes, which swupd content cannot store.

use std::io::Write as _;
use std::path::Path;

use rustix::fs::{XattrFlags, lsetxattr};

use clearwell_testkit::skipped;

use crate::mix::Mix;

/// A capability set of version 2: `cap_net_raw=ep`.
const NET_RAW: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Returns false, with a message, if the machine does not let the test set it.
fn set(path: &Path, name: &str, value: &[u8]) -> bool {
    match lsetxattr(path, name, value, XattrFlags::empty()) {
        Ok(()) => true,
        Err(error) => {
            skipped(format!("{name} cannot be set on {}: {error}", path.display()));
            false
        }
    }
}

#[test]
fn extended_attributes_are_warned_about_refused_or_ignored() {
    let mix = Mix::on_disk();
    mix.build(&[]).expect(0);
    mix.change("changed");
    if !set(&mix.path("trees/editor/usr/bin/edit"), "user.origin", b"here") {
        return;
    }
    assert!(set(&mix.path("trees/libs/usr/lib"), "user.origin", b"here"));
    let told = "warning: endpoints get /usr/bin/edit, /usr/lib without extended attribute user.origin";
    mix.refuses(&["build", "--xattrs", "refuse"], 3, &["build with --xattrs warn:\n  endpoints get /usr/bin/edit"]);
    mix.refuses(&["build", "--xattrs", "keep"], 2, &["use warn, refuse or ignore"]);
    let config = std::fs::read_to_string(mix.path("clearwell.toml")).unwrap();
    mix.put("strict.toml", format!("{config}xattrs = \"refuse\"\n"));
    mix.refuses(&["build", "--config", "strict.toml"], 3, &["user.origin"]);
    mix.build(&["--config", "strict.toml", "--xattrs", "warn"]).expect(0).says(&[told]);
    mix.put("bad.toml", format!("{config}xattrs = \"keep\"\n"));
    mix.refuses(&["build", "--config", "bad.toml"], 2, &["xattrs", "use warn, refuse or ignore"]);
    // The file is known now and not read again; its attributes are still read.
    mix.change("again");
    mix.build(&[]).expect(0).says(&[told]);
    mix.change("and again");
    let ended = mix.build(&["--xattrs", "ignore"]).expect(0);
    assert!(!ended.stderr.contains("user.origin"), "{}", ended.stderr);
    mix.verify("10");
}

#[test]
fn warnings_name_file_capabilities() {
    let mix = Mix::on_disk();
    for number in 0..12 {
        mix.put(format!("trees/os-core/usr/bin/ping-{number:02}"), "ping");
        let path = mix.path(format!("trees/os-core/usr/bin/ping-{number:02}"));
        if !set(&path, "security.capability", NET_RAW) {
            return;
        }
    }
    let _ = set(&mix.path("trees/os-core/usr/bin/hello"), "user.origin", b"here");
    let ended =
        mix.build(&[]).expect(0).says(&["/usr/bin/ping-09 and 2 more without file capabilities", "set-user-ID"]);
    let place = |text: &str| ended.stderr.find(text).unwrap_or(usize::MAX);
    assert!(place("security.capability") < place("user.origin"), "{}", ended.stderr);
    let _ = std::io::stderr().flush();
    mix.verify("");
}
