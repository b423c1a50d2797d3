//! Hostile archives: excessive sizes, misleading headers, members that do not belong there.

use ::tar as tar_crate;
use proptest::prelude::*;

use super::tar::EXTENSION_BYTES;
use super::*;
use crate::pack::DeltaName;
use crate::{FileHash, FileKind, Manifest, ManifestName, Owner};

const ROOT: Owner = Owner { permissions: 0o644, uid: 0, gid: 0 };

/// A header with any values.
fn header(kind: u8, name: &[u8], size: &[u8]) -> Vec<u8> {
    let mut header = tar_crate::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(tar_crate::EntryType::new(kind));
    for (field, value) in [(100..107, 0o644u32), (108..115, 0), (116..123, 0)] {
        header.as_mut_bytes()[field].copy_from_slice(format!("{value:07o}").as_bytes());
    }
    header.as_old_mut().size[..size.len()].copy_from_slice(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// With a size in octal.
fn sized(kind: u8, name: &[u8], size: u64) -> Vec<u8> {
    header(kind, name, format!("{size:011o}").as_bytes())
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn extension(kind: u8, content: &[u8]) -> Vec<u8> {
    [sized(kind, b"extension", content.len() as u64), padded(content.to_vec())].concat()
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let record = |(key, value): &(&str, &str)| {
        let bare = key.len() + value.len() + 3;
        let length = (bare..).find(|length| length - length.to_string().len() == bare).unwrap();
        format!("{length} {key}={value}\n")
    };
    extension(b'x', records.iter().map(record).collect::<String>().as_bytes())
}

fn end() -> Vec<u8> {
    vec![0; 1024]
}

fn read(parts: &[Vec<u8>]) -> Result<Vec<MemberHeader>, ArchiveError> {
    let mut headers = Vec::new();
    read_members::<ArchiveError>(&parts.concat()[..], |member| {
        headers.push(member.header);
        Ok(())
    })?;
    Ok(headers)
}

#[track_caller]
fn refused(parts: &[Vec<u8>], says: &str) {
    let error = read(parts).expect_err(says).to_string();
    assert!(error.contains(says), "{error}");
}

#[test]
fn extensions_are_bounded_by_what_a_path_can_be() {
    let file = || sized(b'0', b"f", 0);
    for kind in [b'L', b'K', b'x'] {
        for size in [EXTENSION_BYTES + 1, 6 << 30, (8 << 30) - 1] {
            refused(&[sized(kind, b"x", size)], "are enough for the longest path");
        }
        // As large as a field can say.
        let mut most = [0xff; 12];
        most[0] = 0x80;
        refused(&[header(kind, b"x", &most)], "size is not a number");
        refused(&[extension(kind, b"a"), extension(kind, b"a"), file()], "");
        refused(&[extension(kind, b"")], "cut off");
        refused(&[extension(kind, b""), end()], if kind == b'x' { "without a member" } else { "" });
    }
    let longest = vec![b'n'; 4095];
    let headers = read(&[extension(b'L', &longest), file(), end()]).unwrap();
    assert_eq!(headers[0].name, longest);
    refused(&[extension(b'L', b"a"), pax(&[("path", "b")]), file()], "say the same");
}

#[test]
fn pax_records_say_what_headers_say_and_nothing_else() {
    let link = || sized(b'2', b"l", 0);
    let records = [("path", "name"), ("linkpath", "to"), ("uid", "7"), ("gid", "8"), ("mtime", "1.5"), ("size", "0")];
    let headers = read(&[pax(&records), link(), end()]).unwrap();
    assert_eq!((&headers[0].name[..], &headers[0].target[..]), (&b"name"[..], &b"to"[..]));
    assert_eq!((headers[0].owner.uid, headers[0].owner.gid, headers[0].pax_target), (7, 8, true));
    for key in [
        "SCHILY.xattr.security.capability",
        "LIBARCHIVE.xattr.user.x",
        "SCHILY.acl.access",
        "SCHILY.fflags",
        "GNU.sparse.major",
        "GNU.sparse.size",
    ] {
        refused(&[pax(&[(key, "1")]), link()], &format!("the PAX record {key} is not allowed"));
    }
    for (key, value) in [("uid", "-1"), ("uid", "4294967296"), ("gid", ""), ("size", "18446744073709551616")] {
        assert!(read(&[pax(&[(key, value)]), link()]).is_err(), "{key}={value}");
    }
    for bad in ["9", "4 a\n", "99 path=x\n", "0 path=x\n", "18446744073709551615 path=x\n", "8 path=x ", "-8 path=x\n"]
    {
        refused(&[extension(b'x', bad.as_bytes()), link()], "PAX record");
    }
}

#[test]
fn what_clients_read_in_more_than_one_way_is_refused() {
    for kind in [b'1', b'3', b'4', b'6', b'S', b'V', b'M', b'D', b'N', b'g', b'A', b'?'] {
        refused(&[sized(kind, b"f", 0)], "not a file, a directory or a link");
    }
    refused(&[sized(b'0', b"f/", 0)], "not a file, a directory or a link");
    refused(&[sized(b'5', b"d/", 1)], "with content");
    refused(&[sized(b'2', b"l", 512)], "with content");
    refused(&[pax(&[("path", "a\0b")]), sized(b'0', b"f", 0)], "NUL");
    let one = || sized(b'0', b"f", 0);
    refused(&[one(), end(), one()], "follows the end");
    refused(&[one(), vec![0; 512], one()], "follows the end");
    refused(&[one(), end(), vec![0; 2 << 20]], "follows the end");
    refused(&[one(), end(), b"x".to_vec()], "follows the end");
    assert_eq!(read(&[one(), end(), vec![0; 10_240]]).unwrap().len(), 1, "a whole record of GNU tar");
    let whole = [one(), end()].concat();
    for codec in [
        Codec::Gzip { level: 1 },
        Codec::Bzip2 { level: 1 },
        Codec::Xz { preset: 0, x86: false },
        Codec::Zstd { level: 1 },
    ] {
        let packed = codec.compress(&whole).unwrap();
        assert!(read(&[packed.clone(), packed.clone()]).is_err(), "two archives, {codec:?}");
        assert!(read(&[packed.clone(), b"junk behind".to_vec()]).is_err(), "junk, {codec:?}");
        assert_eq!(read(&[packed, codec.compress(&[]).unwrap()]).unwrap().len(), 1, "an empty stream, {codec:?}");
    }
    let mut sum = one();
    sum[0] = b'g';
    refused(&[sum, end()], "checksum");
}

#[test]
fn numbers_of_every_width() {
    let size = |field: &[u8]| read(&[header(b'0', b"f", field)]).map(|headers| headers[0].size);
    // The members themselves are not there.
    assert!(matches!(size(b"77777777777"), Err(ArchiveError::Truncated)));
    assert!(matches!(size(b"777777777777"), Err(ArchiveError::Truncated)));
    for field in [&b"8"[..], b"-1", b"0x1", b"1 2x3", &[0xff; 12], &[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        match size(field) {
            Err(ArchiveError::Header(_) | ArchiveError::Truncated) => {}
            other => panic!("{field:?}: {other:?}"),
        }
    }
    let most = [0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert!(matches!(size(&most), Err(ArchiveError::Truncated)), "the largest number, and nothing behind it");
    assert!(matches!(
        read(&[pax(&[("size", &u64::MAX.to_string())]), sized(b'0', b"f", 0)]),
        Err(ArchiveError::Truncated)
    ));
}

fn manifest(content_size: u64, hashes: &[FileHash]) -> Manifest {
    let entry = |(at, hash): (usize, &FileHash)| format!("F...\t{hash}\t10\t/{at}\n");
    let entries: String = hashes.iter().enumerate().map(entry).collect();
    let count = hashes.len();
    let text = format!(
        "MANIFEST\t30\nversion:\t10\nprevious:\t0\nfilecount:\t{count}\ntimestamp:\t1\ncontentsize:\t{content_size}\n\n{entries}"
    );
    Manifest::parse(text.as_bytes()).unwrap()
}

fn member(name: &str, kind: FileKind, permissions: u32, size: u64) -> MemberHeader {
    MemberHeader {
        name: name.as_bytes().to_vec(),
        kind,
        owner: Owner { permissions, uid: 0, gid: 0 },
        mtime: 0,
        size,
        target: Vec::new(),
        names_owner: false,
        pax_target: false,
    }
}

#[test]
fn packs_hold_what_their_bundle_names() {
    use FileKind::{Directory, File, Link};

    let [here, there, nowhere] = [1, 2, 3].map(|byte| FileHash::from_bytes([byte; 32]));
    let rule = PackRule::of(&manifest(1000, &[here, there]));
    let admit = |zero: bool, headers: &[MemberHeader]| {
        let mut shape = if zero { Shape::zero_pack(Some(&rule)) } else { Shape::delta_pack(Some(&rule)) };
        headers.iter().map(|header| shape.admit(header)).collect::<Vec<_>>().pop().unwrap()
    };
    let staged = |hash| member(&format!("staged/{hash}"), File, 0o644, 10);
    let delta = |from, to| member(&format!("delta/{}", DeltaName { from, to }), File, 0o644, 10);
    assert!(matches!(admit(true, &[member("staged/", Directory, 0o700, 0)]), Ok(Slot::Folder)));
    assert!(matches!(admit(true, &[member("delta", Directory, 0o700, 0)]), Ok(Slot::Folder)));
    assert!(matches!(admit(true, &[staged(here)]), Ok(Slot::Object(hash)) if hash == here));
    assert!(matches!(admit(true, &[staged(here), staged(there)]), Ok(Slot::Object(hash)) if hash == there));
    assert!(matches!(admit(false, &[delta(nowhere, here)]), Ok(Slot::Delta(_))), "any base may be the client's");

    assert!(matches!(admit(true, &[staged(nowhere)]), Err(MemberError::Unnamed(_))));
    assert!(matches!(admit(false, &[delta(here, nowhere)]), Err(MemberError::Unnamed(_))));
    assert!(matches!(admit(true, &[delta(nowhere, here)]), Err(MemberError::Unknown(_))), "a zero pack has no deltas");
    assert!(matches!(admit(true, &[staged(here), staged(here)]), Err(MemberError::Twice(_))));
    assert!(matches!(
        admit(true, &[staged(here), member(&format!("staged/{here}/"), Directory, 0o755, 0)]),
        Err(MemberError::Twice(_))
    ));
    for permissions in [0o755, 0o4700, 0o1700, 0o2700, 0] {
        assert!(matches!(admit(true, &[member("staged/", Directory, permissions, 0)]), Err(MemberError::Folder(_))));
    }
    for kind in [Link, File] {
        assert!(matches!(admit(true, &[member("staged", kind, 0o700, 0)]), Err(MemberError::NotAFolder(_))));
    }
    for name in
        ["../../x", "/tmp/x", "./", ".", "", "/", "x", "staged/x", "staged//", "staged/../x", "delta/x", "staged/./"]
    {
        assert!(matches!(admit(false, &[member(name, File, 0o644, 0)]), Err(MemberError::Unknown(_))), "{name}");
    }
    for name in
        [format!("./staged/{here}"), format!("/staged/{here}"), format!("staged/{here}/x"), format!("staged/{here}//")]
    {
        assert!(matches!(admit(false, &[member(&name, File, 0o644, 0)]), Err(MemberError::Unknown(_))), "{name}");
    }
    let plain = format!("delta/{}", DeltaName { from: nowhere, to: here });
    for (kind, permissions) in [(File, 0o4755), (File, 0o2644), (Link, 0o777), (Directory, 0o755)] {
        assert!(matches!(admit(false, &[member(&plain, kind, permissions, 0)]), Err(MemberError::NotPlain(_))));
    }
}

#[test]
fn large_packs_may_have_some_dead_weight() {
    let [here, old] = [1, 2].map(|byte| FileHash::from_bytes([byte; 32]));
    let rule = PackRule::of(&manifest(16 << 20, &[here]));
    let staged = |hash, size| member(&format!("staged/{hash}"), FileKind::File, 0o644, size);
    let mut shape = Shape::zero_pack(Some(&rule));
    assert!(shape.admit(&staged(here, 100)).is_ok());
    assert!(shape.admit(&staged(old, 500 << 10)).is_ok(), "of an earlier pack");
    assert!(shape.admit(&staged(here, 100 << 10)).is_ok(), "in two segments");
    assert!(matches!(shape.admit(&staged(old, 500 << 10)), Err(MemberError::Twice(_))), "a sixteenth is the most");
    let link = member(&format!("staged/{old}"), FileKind::Link, 0o777, 0);
    assert!(matches!(Shape::zero_pack(Some(&rule)).admit(&link), Err(MemberError::Unnamed(_))), "segments hold files");
    let delta = member(&format!("delta/{}", DeltaName { from: here, to: old }), FileKind::File, 0o644, 1);
    assert!(matches!(Shape::delta_pack(Some(&rule)).admit(&delta), Err(MemberError::Unnamed(_))));
}

#[test]
fn content_is_bounded_by_the_manifest() {
    let [here, there] = [1, 2].map(|byte| FileHash::from_bytes([byte; 32]));
    let rule = PackRule::of(&manifest(1 << 20, &[here, there]));
    let large = |hash, size| member(&format!("staged/{hash}"), FileKind::File, 0o644, size);
    let mut shape = Shape::zero_pack(Some(&rule));
    assert!(matches!(shape.admit(&large(here, 6 << 30)), Err(MemberError::TooLarge { .. })));
    let mut shape = Shape::zero_pack(Some(&rule));
    assert!(shape.admit(&large(here, 1 << 20)).is_ok());
    assert!(matches!(shape.admit(&large(there, u64::MAX)), Err(MemberError::TooLarge { .. })), "the sum counts");
    assert_eq!(PackRule::of(&manifest(1_999_999_999, &[])).content_bytes(), crate::manifest::Header::MAX_CONTENT_SIZE);
    let mut shape = Shape::manifest(&ManifestName::Mom);
    assert!(matches!(
        shape.admit(&member("Manifest.MoM", FileKind::File, 0o644, 1 << 30)),
        Err(MemberError::TooLarge { .. })
    ));
}

#[test]
fn manifests_and_fullfiles_are_alone() {
    let manifest = |name: &str| member(name, FileKind::File, 0o644, 9);
    let (mom, bundle) = (ManifestName::Mom, ManifestName::Bundle("editor".parse().unwrap()));
    let mut shape = Shape::manifest(&mom);
    assert!(shape.finish().is_err());
    assert_eq!(shape.admit(&manifest("Manifest.MoM.sig")).unwrap(), Slot::Signature);
    assert_eq!(shape.admit(&manifest("Manifest.MoM")).unwrap(), Slot::Manifest);
    assert!(shape.finish().is_ok());
    assert!(matches!(shape.admit(&manifest("Manifest.MoM")), Err(MemberError::Twice(_))));
    for name in ["Manifest.editor.sig", "Manifest.MoM", "./Manifest.editor", "Manifest.editor/", "x"] {
        assert!(matches!(Shape::manifest(&bundle).admit(&manifest(name)), Err(MemberError::Unknown(_))), "{name}");
    }
    assert!(matches!(
        Shape::manifest(&bundle).admit(&member("Manifest.editor", FileKind::Link, 0o777, 0)),
        Err(MemberError::NotPlain(_))
    ));
    let hash = FileHash::from_bytes([7; 32]);
    let one = || member(&hash.to_string(), FileKind::File, 0o755, 100);
    let mut shape = Shape::fullfile(hash, 100);
    assert!(matches!(shape.finish(), Err(MemberError::Missing(_))));
    assert_eq!(shape.admit(&one()).unwrap(), Slot::Object(hash));
    assert!(matches!(shape.admit(&one()), Err(MemberError::Twice(_))));
    assert!(matches!(Shape::fullfile(hash, 99).admit(&one()), Err(MemberError::TooLarge { .. })));
}

#[test]
fn an_object_is_what_a_member_of_the_name_hashes_to() {
    let hash = FileHash::of_file(b"x", ROOT);
    let mut tar = TarWriter::new(Vec::new());
    tar.file(&hash.to_hex(), ROOT, 0, 1, &mut &b"x"[..]).unwrap();
    let archive = tar.finish().unwrap();
    let mut seen = Vec::new();
    read_shaped::<ArchiveError>(&archive[..], Shape::fullfile(hash, 1), |slot, mut member| {
        seen.push((slot, member.hash(&mut std::io::sink())?));
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, [(Slot::Object(hash), hash)]);
}

proptest! {
    /// Memory grows with the data that is there, for any declared size.
    #[test]
    fn no_header_panics(kind: u8, field in any::<[u8; 12]>(), mode in any::<[u8; 8]>(), rest in prop::collection::vec(any::<u8>(), 0..1500)) {
        let mut block = header(kind, b"name", &field);
        block[100..108].copy_from_slice(&mode);
        let mut header = tar_crate::Header::new_old();
        header.as_mut_bytes().copy_from_slice(&block);
        header.set_cksum();
        let _ = read(&[header.as_bytes().to_vec(), rest]);
    }

    #[test]
    fn no_pax_record_panics(content in prop::collection::vec(any::<u8>(), 0..200), length: u64, key in "[a-z]{0,9}") {
        let _ = read(&[extension(b'x', &content), sized(b'0', b"f", 0)]);
        let _ = read(&[extension(b'x', format!("{length} {key}={length}\n").as_bytes()), sized(b'0', b"f", 0)]);
    }

    #[test]
    fn limits_never_overflow(content: u64, members: u64, sizes in prop::collection::vec(any::<u64>(), 0..4)) {
        prop_assert!(archive_limit(content, members) >= content);
        let [hash, other] = [1, 2].map(|byte| FileHash::from_bytes([byte; 32]));
        let rule = PackRule::of(&manifest(content % (2_000_000_000_000 + 1), &[hash, other]));
        let mut shape = Shape::zero_pack(Some(&rule));
        for (size, hash) in sizes.into_iter().zip([hash, other]) {
            let _ = shape.admit(&member(&format!("staged/{hash}"), FileKind::File, 0o644, size));
        }
    }
}
