//! Archives with members that do not belong in them, or with headers that would exhaust memory: `adopt`, `check` and
//! `verify` refuse them and name the defect, with bounded memory.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use clearwell_format::archive::{Codec, TarWriter};
use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, Owner};
use clearwell_testkit::{sample_store, sample_www, signer};

use crate::run::{Ended, clearwell};
use crate::upstream::{Answer, Upstream};

const FILE: Owner = Owner { permissions: 0o644, uid: 0, gid: 0 };
const FOLDER: Owner = Owner { permissions: 0o700, uid: 0, gid: 0 };

type Tar = TarWriter<Vec<u8>>;

fn tar(write: impl FnOnce(&mut Tar)) -> Vec<u8> {
    let mut tar = Tar::new(Vec::new());
    write(&mut tar);
    tar.finish().unwrap()
}

fn file(tar: &mut Tar, name: &str, content: &[u8]) {
    tar.file(name.as_bytes(), FILE, 0, content.len() as u64, &mut &content[..]).unwrap();
}

/// Packs with one defect each, and the expected message.
fn packs() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let hash = FileHash::of_file(b"evil", FILE);
    let staged = format!("staged/{hash}");
    let unknown_delta = format!("delta/10-20-{hash}-{hash}");
    let zeros = |codec: Codec| {
        let mut encoder = codec.encoder(Vec::new(), None).unwrap();
        let mut head = Tar::new(Vec::new());
        head.file_header(staged.as_bytes(), FILE, 0, 256 << 20).unwrap();
        encoder.write_all(head.get_mut()).unwrap();
        for _ in 0..256 {
            encoder.write_all(&[0; 1 << 20]).unwrap();
        }
        encoder.write_all(&[0; 1024]).unwrap();
        encoder.finish().unwrap()
    };
    let device = |kind: u8| {
        let mut bytes = tar(|tar| file(tar, &staged, b""));
        bytes[156] = kind;
        bytes[148..156].fill(b' ');
        let sum: u32 = bytes[..512].iter().map(|&byte| u32::from(byte)).sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes
    };
    vec![
        ("climbs", tar(|tar| file(tar, "../../x", b"evil")), "is not allowed"),
        ("absolute", tar(|tar| file(tar, "/tmp/x", b"evil")), "is not allowed"),
        ("dot", tar(|tar| tar.directory(b"./", FOLDER, 0).unwrap()), "is not allowed"),
        ("link", tar(|tar| tar.link(b"staged", FOLDER, 0, b"/tmp").unwrap()), "is not a directory"),
        ("file", tar(|tar| file(tar, "delta", b"")), "is not a directory"),
        (
            "write through",
            tar(|tar| {
                tar.link(b"staged/x", FOLDER, 0, b"/tmp").unwrap();
                file(tar, "staged/x/y", b"evil");
            }),
            "is not allowed",
        ),
        (
            "setuid folder",
            tar(|tar| {
                tar.directory(b"staged/", Owner { permissions: 0o4700, ..FOLDER }, 0).unwrap();
            }),
            "mode",
        ),
        ("unnamed", tar(|tar| file(tar, &staged, b"evil")), "is not a file of the bundle"),
        ("unknown delta", tar(|tar| file(tar, &unknown_delta, b"evil")), "is not a file of the bundle"),
        ("zeros", zeros(Codec::Zstd { level: 1 }), "staged/"),
        ("hard link", device(b'1'), "not a file, a directory or a link"),
        ("device", device(b'3'), "not a file, a directory or a link"),
        ("FIFO", device(b'6'), "not a file, a directory or a link"),
        ("sparse", device(b'S'), "not a file, a directory or a link"),
        ("hidden", [tar(|_| ()), tar(|tar| file(tar, "../../x", b"evil"))].concat(), "follows the end"),
    ]
}

/// With a memory limit that legitimate archives stay far below.
fn limited(dir: &Path, args: &[&str]) -> Ended {
    limited_to(2_000_000, dir, args)
}

fn limited_to(kibibytes: u32, dir: &Path, args: &[&str]) -> Ended {
    let direct = clearwell(dir, args);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -v {kibibytes}; exec \"$0\" \"$@\"")])
        .arg(direct.get_program())
        .args(direct.get_args());
    command.current_dir(dir).env("MALLOC_ARENA_MAX", "2");
    for (name, value) in direct.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Ended::of(&mut command)
}

#[track_caller]
fn says(ended: &Ended, about: &str, path: &str, what: &str) {
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(matches!(ended.code, Some(1)), "{about}: {ended:?}");
    assert!(said.lines().any(|line| line.contains(path) && line.contains(what)), "{about}: {said}");
}

#[test]
fn adopt_leaves_out_packs_with_foreign_members() {
    for (about, pack, what) in packs() {
        let folder = tempfile::tempdir().unwrap();
        let www = sample_www(&folder.path().join("www"));
        fs::write(www.path(20, "pack-editor-from-10.tar"), pack).unwrap();
        let ended = limited(folder.path(), &["adopt", "www", "--store", "store"]);
        says(&ended, about, "20/pack-editor-from-10.tar", what);
        assert!(!folder.path().join("store/content/20/pack-editor-from-10.tar").exists(), "{about}");
    }
}

#[test]
fn check_finds_packs_with_foreign_members() {
    for (about, pack, what) in packs() {
        let folder = tempfile::tempdir().unwrap();
        let sample = sample_store(&folder.path().join("store"));
        let release = &sample.releases[1];
        let mut writer = sample.store.writer("test").unwrap();
        let draft = writer.extend(release.version).unwrap();
        draft.put(&Artifact::from_path("pack-editor-from-5.tar").unwrap(), &pack[..]).unwrap();
        draft.prepare(release.record()).unwrap().release().unwrap();
        drop(writer);
        let ended = limited(folder.path(), &["check", "--store", "store"]);
        says(&ended, about, "20/pack-editor-from-5.tar", what);
    }
}

#[test]
fn verify_names_packs_with_foreign_members() {
    for (about, pack, what) in packs() {
        let folder = tempfile::tempdir().unwrap();
        let www = sample_www(&folder.path().join("www"));
        fs::write(www.path(20, "pack-editor-from-10.tar"), pack).unwrap();
        let args = ["verify", "--www", "www", "--nosigcheck", "--version", "20", "--from", "10"];
        says(&limited(folder.path(), &args), about, "20/pack-editor-from-10.tar", what);
    }
}

/// An archive whose first header declares four gigabytes, which follow.
fn endless_extension(kind: u8) -> Vec<u8> {
    let size = 4u64 << 30;
    let mut head = tar(|tar| tar.file_header(b"././@LongLink", FILE, 0, size).unwrap());
    head.truncate(512);
    head[156] = kind;
    head[148..156].fill(b' ');
    let sum: u32 = head.iter().map(|&byte| u32::from(byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut encoder = Codec::Zstd { level: 1 }.encoder(Vec::new(), None).unwrap();
    encoder.write_all(&head).unwrap();
    let block = vec![0; 8 << 20];
    for _ in 0..size / block.len() as u64 {
        encoder.write_all(&block).unwrap();
    }
    encoder.write_all(&tar(|tar| file(tar, "Manifest.MoM", b"x"))).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn extension_headers_take_no_memory() {
    for kind in [b'L', b'x'] {
        let bomb = endless_extension(kind);
        assert!(bomb.len() < 1 << 20);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cert.pem"), signer().anchor().pem()).unwrap();
        let www = sample_www(&folder.path().join("www"));
        let archive = bomb.clone();
        let upstream = Upstream::start(&www.root, move |path| match path {
            "/20/Manifest.MoM.tar" => Answer::Bytes(archive.clone()),
            _ => Answer::File,
        });
        let url = upstream.url();
        let args = ["verify", "--cert", "cert.pem", "--retry-seconds", "0", "--version", "20", "--url", &url];
        says(&limited(folder.path(), &args), "verify", "20/Manifest.MoM.tar", "longest path");
        for name in ["Manifest.MoM.tar", "Manifest.editor.tar", "pack-editor-from-10.tar"] {
            fs::write(www.path(20, name), &bomb).unwrap();
        }
        let ended = limited(folder.path(), &["adopt", "www", "--store", "store", "--cert", "cert.pem"]);
        says(&ended, "adopt", "20/Manifest.MoM.tar", "longest path");
    }
}

/// A manifest other than the one that the MoM names is recognised by its hash, whatever its size.
#[test]
fn a_manifest_is_hashed_before_it_is_read_into_memory() {
    const SIZE: u64 = 1 << 30;
    let folder = tempfile::tempdir().unwrap();
    let www = sample_www(&folder.path().join("www"));
    let mut encoder = Codec::Zstd { level: 1 }.encoder(Vec::new(), None).unwrap();
    let mut head = tar(|tar| tar.file_header(b"Manifest.editor", FILE, 0, SIZE).unwrap());
    head.truncate(512);
    encoder.write_all(&head).unwrap();
    let block = vec![0; 8 << 20];
    (0..SIZE / block.len() as u64).for_each(|_| encoder.write_all(&block).unwrap());
    encoder.write_all(&[0; 1024]).unwrap();
    fs::write(www.path(20, "Manifest.editor.tar"), encoder.finish().unwrap()).unwrap();
    fs::File::create(www.path(20, "Manifest.editor")).unwrap().set_len(SIZE).unwrap();
    let ended = limited_to(600_000, folder.path(), &["adopt", "www", "--store", "store"]);
    for path in ["20/Manifest.editor.tar", "20/Manifest.editor"] {
        says(&ended, "adopt", &format!("{path}: "), "but the MoM of");
    }
}
