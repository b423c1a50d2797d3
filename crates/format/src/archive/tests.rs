use proptest::prelude::*;

use super::*;
use crate::{FileHash, FileKind, Owner};

const OWNER: Owner = Owner { permissions: 0o4755, uid: 4_294_967_294, gid: 3_000_000 };

fn tar() -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    tar.directory(b"staged/", Owner { permissions: 0o700, uid: 0, gid: 0 }, 0).unwrap();
    tar.file("n".repeat(150).as_bytes(), OWNER, 1_700_000_000, 6, &mut &b"hello\n"[..]).unwrap();
    tar.link(b"link", OWNER, 5, "é".repeat(80).as_bytes()).unwrap();
    tar.link(b"short", OWNER, 5, "é".as_bytes()).unwrap();
    tar.finish().unwrap()
}

type Seen = Vec<(MemberHeader, FileHash)>;

fn members(bytes: &[u8]) -> Result<Seen, ArchiveError> {
    let mut seen = Vec::new();
    read_members::<ArchiveError>(bytes, |mut member| {
        let hash = member.hash(&mut std::io::sink())?;
        seen.push((member.header, hash));
        Ok(())
    })?;
    Ok(seen)
}

#[test]
fn members_come_back_through_every_codec() {
    let plain = members(&tar()).unwrap();
    assert_eq!(plain.len(), 4);
    assert_eq!(plain[1].0.name.len(), 150);
    assert_eq!(plain[1].0.owner, OWNER);
    assert_eq!(plain[1].1, FileHash::of_file(b"hello\n", OWNER));
    assert_eq!(plain[2].0.target, "é".repeat(80).as_bytes());
    assert_eq!(plain[2].1, FileHash::of_link("é".repeat(80).as_bytes(), OWNER));
    assert!(plain.iter().all(|(header, _)| !header.names_owner && !header.pax_target));
    for codec in [
        Codec::Gzip { level: 9 },
        Codec::Bzip2 { level: 9 },
        Codec::Xz { preset: 6, x86: false },
        Codec::Xz { preset: 9, x86: true },
        Codec::OwnXz { dict_size: DictSize::MIB_8, nice_length: NiceLength::new(64).unwrap(), x86: false },
        Codec::OwnXz { dict_size: DictSize::MAX, nice_length: NiceLength::MAX, x86: true },
        Codec::Zstd { level: 19 },
        Codec::ZstdWide { level: 9 },
    ] {
        let packed = codec.compress(&tar()).unwrap();
        assert_eq!(members(&packed).unwrap(), plain, "{codec:?}");
        assert_eq!(codec.compress(&tar()).unwrap(), packed, "{codec:?} gives the same bytes again");
        let nested = Codec::Gzip { level: 1 }.compress(&packed).unwrap();
        assert_eq!(members(&nested).unwrap(), plain, "gzip of {codec:?}");
    }
}

#[test]
fn concatenated_streams_are_one() {
    let (front, back) = (&tar()[..700], &tar()[700..]);
    for codec in [
        Codec::Gzip { level: 6 },
        Codec::Xz { preset: 1, x86: false },
        Codec::Zstd { level: 3 },
        Codec::Bzip2 { level: 1 },
    ] {
        let both = [codec.compress(front).unwrap(), codec.compress(back).unwrap()].concat();
        assert_eq!(members(&both).unwrap().len(), 4, "{codec:?}");
    }
}

#[test]
fn compression_does_not_depend_on_the_pieces() {
    use std::io::Write;

    let bytes: Vec<u8> = (0..300_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
    for codec in [
        Codec::None,
        Codec::Gzip { level: 9 },
        Codec::Bzip2 { level: 9 },
        Codec::Xz { preset: 1, x86: true },
        Codec::OwnXz {
            dict_size: DictSize::new(1 << 20).unwrap(),
            nice_length: NiceLength::new(64).unwrap(),
            x86: false,
        },
        Codec::OwnXz { dict_size: DictSize::MIN, nice_length: NiceLength::MAX, x86: true },
        Codec::Zstd { level: 19 },
        Codec::ZstdWide { level: 3 },
    ] {
        let mut encoder = codec.encoder(Vec::new(), Some(bytes.len() as u64)).unwrap();
        for piece in bytes.chunks(777) {
            encoder.write_all(piece).unwrap();
            encoder.flush().unwrap();
        }
        let pieces = encoder.finish().unwrap();
        assert_eq!(pieces, codec.compress(&bytes).unwrap(), "{codec:?}");
    }
}

#[test]
fn an_archive_that_is_cut_off_is_an_error() {
    let mut tar = TarWriter::new(Vec::new());
    tar.file(b"f", OWNER, 0, 3000, &mut &[7; 3000][..]).unwrap();
    let whole = tar.finish().unwrap();
    assert!(members(&whole[..1500]).is_err());
    let xz = Codec::Xz { preset: 6, x86: false }.compress(&whole).unwrap();
    assert!(members(&xz[..xz.len() / 2]).is_err());
}

#[test]
fn a_file_of_another_size_is_refused() {
    for size in [5, 7] {
        let mut tar = TarWriter::new(Vec::new());
        let error = tar.file(b"f", OWNER, 0, size, &mut &b"hello\n"[..]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    }
}

#[test]
fn one_member_is_the_rule_for_fullfiles() {
    assert!(matches!(single_member(&tar(), 100), Err(ArchiveError::MemberCount(4))));
    assert!(matches!(single_member(&[0; 1024], 100), Err(ArchiveError::MemberCount(0))));
    let mut one = TarWriter::new(Vec::new());
    one.file(b"f", OWNER, 0, 6, &mut &b"hello\n"[..]).unwrap();
    let one = one.finish().unwrap();
    assert_eq!(single_member(&one, 6).unwrap().1, b"hello\n");
    assert!(matches!(single_member(&one, 5), Err(ArchiveError::TooLarge(6))));
    assert_eq!(single_member(&one, 6).unwrap().0.kind, FileKind::File);
}

proptest! {
    #[test]
    fn damage_never_panics(at in 0usize..3000, byte: u8, codec in 0usize..3) {
        let codec = [Codec::None, Codec::Xz { preset: 1, x86: false }, Codec::Zstd { level: 1 }][codec];
        let mut bytes = codec.compress(&tar()).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = members(&bytes);
    }
}
