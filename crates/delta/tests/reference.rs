//! The reference decoder applies our deltas, and we apply the reference encoder's: run against `bspatch` and `bsdiff`
//! of the stock system if they are on `PATH`, else skipped.

use std::fs;
use std::path::Path;
use std::process::Command;

use clearwell_delta::{Delta, DiffOptions, NewFile, diff, patch};
use clearwell_testkit::program;

/// Pairs whose deltas use every encoding, both header versions and the x86 filter.
fn pairs() -> Vec<(Vec<u8>, Vec<u8>)> {
    let text: Vec<u8> =
        (0..60_000u32).flat_map(|line| format!("line {} of {}\n", line, line % 977).into_bytes()).collect();
    let mut moved = text[400_000..].to_vec();
    moved.extend(&text[..300_000]);
    for at in (0..moved.len()).step_by(1013) {
        moved[at] = moved[at].wrapping_add(1);
    }
    // Calls to one address: what the x86 filter is for.
    let call = |at: u32| {
        [&[0xe8][..], &(0x40_0000u32.wrapping_sub(at * 9)).to_le_bytes(), &(at * at % 65_521).to_le_bytes()].concat()
    };
    let code: Vec<u8> = (0..50_000).flat_map(call).collect();
    let mut pairs = vec![
        (text.clone(), moved),
        (text[..5000].to_vec(), text[100..9000].to_vec()),
        (text[..5000].to_vec(), text[..300].to_vec()),
        (text.clone(), text.clone()),
        (text[..100_000].to_vec(), code.clone()),
        (code.clone(), code[900..].to_vec()),
        (vec![1], vec![0; 70_000]),
    ];
    let mut changed = code;
    for at in (0..changed.len()).step_by(45) {
        changed[at] ^= 0x11;
    }
    pairs.push((pairs[5].0.clone(), changed));
    pairs
}

#[test]
fn the_reference_applies_our_deltas() {
    let Some(bspatch) = program("bspatch", "the reference does not apply our deltas") else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    for (number, (old, new)) in pairs().into_iter().enumerate() {
        let Delta::Bytes(delta) = diff(&old, &new, meta(folder.path()), &DiffOptions::default()).unwrap() else {
            panic!("no delta for pair {number}");
        };
        let result = format!("{number}.new");
        fs::write(file("old"), &old).unwrap();
        fs::write(file("delta"), &delta).unwrap();
        let status = Command::new(&bspatch).args([file("old"), file(&result), file("delta")]).output().unwrap().status;
        assert!(status.success(), "bspatch refuses the delta of pair {number}: {status}");
        assert!(fs::read(file(&result)).unwrap() == new, "bspatch makes other bytes of the delta of pair {number}");
    }
}

#[test]
fn we_apply_the_deltas_of_the_reference() {
    let Some(bsdiff) = program("bsdiff", "we apply no deltas of the reference") else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    for (number, (old, new)) in pairs().into_iter().enumerate() {
        for encoding in ["any", "raw", "gzip", "bzip2", "xz"] {
            let delta = format!("{number}.{encoding}");
            fs::write(file("old"), &old).unwrap();
            fs::write(file("new"), &new).unwrap();
            let made =
                Command::new(&bsdiff).args([file("old"), file("new"), file(&delta)]).arg(encoding).output().unwrap();
            match patch(&old, &fs::read(file(&delta)).unwrap()) {
                Ok(patched) => assert!(patched.bytes == new, "pair {number}, {encoding}: other bytes"),
                Err(error) => assert!(
                    error.means_full_download() && made.status.code() == Some(1),
                    "pair {number}, {encoding}: {error}"
                ),
            }
        }
    }
}

/// Attributes that an unprivileged user may give to a file.
fn meta(folder: &Path) -> NewFile {
    use std::os::unix::fs::MetadataExt;
    let own = fs::metadata(folder).expect("the folder was just made");
    NewFile { mode: 0o100_644, uid: own.uid(), gid: own.gid() }
}
