//! A full disk: on a small file system, where one can be mounted, and by a limit on file sizes.

use std::process::Command;

use crate::mix::Mix;
use crate::run::{Ended, isolated, shell};

/// A file that does not compress.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    });
    next.take(length).collect()
}

/// Runs a script in the mix, with `clearwell` as `$0`.
pub(crate) fn script(mix: &Mix, wrapper: &[&str], script: &str) -> Ended {
    let shell = shell(mix.dir(), script);
    let mut command = match wrapper {
        [] => shell,
        [program, args @ ..] => {
            let mut command = isolated(program, mix.dir());
            command.args(args).arg(shell.get_program()).args(shell.get_args());
            command
        }
    };
    Ended::of(command.env("CLEARWELL_PROGRESS", "none"))
}

/// What makes a namespace in which file systems can be mounted; where there is none, the test is skipped.
pub(crate) fn namespace() -> Option<&'static [&'static str]> {
    let namespaces: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "--user", "--map-root-user", "--mount"]];
    let probe = "mount -t tmpfs -o size=1m tmpfs /tmp";
    let found = namespaces.into_iter().find(|wrapper| {
        Command::new(wrapper[0])
            .args(&wrapper[1..])
            .args(["/bin/sh", "-c", probe])
            .output()
            .is_ok_and(|done| done.status.success())
    });
    if found.is_none() {
        clearwell_testkit::skipped("no file system may be mounted here: a full disk is not tried");
    }
    found
}

#[test]
fn a_full_disk_stops_the_build_and_nothing_is_lost() {
    let Some(namespace) = namespace() else { return };
    let mix = Mix::new();
    mix.put("noise", noise(1 << 20));
    // The mount ends with the script, which is alone in its namespace.
    let ended = script(
        &mix,
        namespace,
        r#"mkdir room
        mount -t tmpfs -o size=1m tmpfs room
        "$0" build --store room/store --version 10
        "$0" releases --store room/store --json > before
        ls -lR room/store/content > tree-before
        mkdir -p trees/editor/usr/share
        cp noise trees/editor/usr/share/noise
        code=0; "$0" build --store room/store --version 20 2> full || code=$?
        [ "$code" = 9 ]
        "$0" releases --store room/store --json | cmp - before
        ls -lR room/store/content | cmp - tree-before
        "$0" verify --store room/store --cert Swupd_Root.pem
        mount -o remount,size=64m room
        "$0" build --store room/store --version 20
        "$0" verify --store room/store --cert Swupd_Root.pem --from 10
        cat full >&2"#,
    );
    let ended = ended.expect(0).says(&[
        "no space left to",
        "room/store/",
        "free some space and try again",
        "nothing was released",
    ]);
    ended.error();
}

#[test]
fn a_disk_error_names_the_file() {
    let mix = Mix::released();
    mix.put("trees/editor/usr/share/noise", noise(600_000));
    let before = mix.kept();
    // Ignored, the signal lets the write fail as a disk would.
    let limited = r#"trap "" XFSZ; ulimit -f 1024; exec "$0" build"#;
    script(&mix, &[], limited).expect(9).says(&["failed to write", "store/meta/staging/", "File too large"]);
    before.assert_same(&mix.kept());
    mix.verify("");
    mix.build(&[]).expect(0);
    mix.verify("10");
}
