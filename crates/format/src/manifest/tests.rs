use proptest::prelude::*;

use super::parse::ParseErrorKind as Kind;
use super::*;
use crate::{EntryPath, FileHash, FileKind, Misc, Modifier, Mom, MomFlags};

const SAMPLE: &str = "MANIFEST\t30\nversion:\t20\nprevious:\t10\nminversion:\t10\nfilecount:\t2\ntimestamp:\t1700000000\n\
    contentsize:\t6\nincludes:\tos-core\nalso-add:\tdocs\n\n\
    D...\t6c27df6efcd6fc401ff1bc67c970b83eef115f6473db4fb9d57e5de317eba96e\t10\t/usr/bin\n\
    F..x\t06300d704cf7b304582acb7cd4456e4a812bb02b01efeeb5edd5c198c25bd7e6\t20\t/usr/bin/hello\n";

fn kind(text: &str) -> Kind {
    Manifest::parse(text.as_bytes()).unwrap_err().kind
}

#[test]
fn a_manifest_comes_back_byte_for_byte() {
    let manifest = Manifest::parse(SAMPLE.as_bytes()).unwrap();
    assert_eq!(manifest.to_bytes(), SAMPLE.as_bytes());
    assert_eq!(manifest.entries[1].misc, Misc::Exported);
    assert_eq!(manifest.header.also_add.len(), 1);
}

#[test]
fn headers_follow_the_format() {
    let mut manifest = Manifest::parse(SAMPLE.as_bytes()).unwrap();
    let lines = |manifest: &Manifest| {
        let text = String::from_utf8(manifest.to_bytes()).unwrap();
        (text.contains("minversion:"), text.contains("also-add:"))
    };
    for (format, expected) in [(25, (false, false)), (26, (true, false)), (28, (true, false)), (29, (true, true))] {
        manifest.header.format = FormatNumber::new(format).unwrap();
        assert_eq!(lines(&manifest), expected, "format {format}");
    }
}

/// Each case that the stock client rejects (manifest §3.1).
#[test]
fn what_a_client_rejects_is_rejected() {
    let entry = "F...\t06300d704cf7b304582acb7cd4456e4a812bb02b01efeeb5edd5c198c25bd7e6\t20\t/a\n";
    let with = |line: &str| format!("{SAMPLE}{line}");
    assert_eq!(kind(""), Kind::NoMagic);
    assert_eq!(kind("MANIFESTO\t30\n"), Kind::NoMagic);
    for format in ["0", "-30", "x", "2147483648", ""] {
        assert!(matches!(kind(&SAMPLE.replace("MANIFEST\t30", &format!("MANIFEST\t{format}"))), Kind::Format(_)));
    }
    assert_eq!(kind(&SAMPLE.replace("version:\t20\n", "")), Kind::MissingKey("version:"));
    assert_eq!(kind(&SAMPLE.replace("version:\t20", "version: 20")), Kind::HeaderLine);
    assert_eq!(kind(&SAMPLE.replace("filecount:\t2", "filecount:\t4000001")), Kind::Number("filecount:"));
    assert_eq!(kind(&SAMPLE.replace("contentsize:\t6", "contentsize:\t2000000000001")), Kind::Number("contentsize:"));
    assert_eq!(kind(&SAMPLE.replace("contentsize:\t6", "contentsize:\t-1")), Kind::Number("contentsize:"));
    assert_eq!(kind(SAMPLE.trim_end()), Kind::Truncated);
    assert_eq!(kind(&SAMPLE.replace('\n', "\r\n")), Kind::HeaderLine);
    assert_eq!(kind(&with("\n")), Kind::BlankLine);
    assert_eq!(kind(&with("F...\tabc\t10\n")), Kind::EntryLine);
    for version in ["0", "2147483648", "x", "-1", ""] {
        assert!(matches!(kind(&with(&entry.replace("\t20\t", &format!("\t{version}\t")))), Kind::Version(_)));
    }
    assert_eq!(kind(&with(&entry.replace("/a", &format!("/{}", "a/".repeat(5000))))), Kind::LineTooLong);
    assert_eq!(kind(&with(&entry.replace("/a", "/a\0"))), Kind::Nul);
}

/// What the stock client takes though no generator should write it (manifest §3.2): it comes back byte for byte, and
/// nothing that is not understood becomes an entry.
#[test]
fn what_a_client_takes_is_read_and_comes_back() {
    let hash = "06300d704cf7b304582acb7cd4456e4a812bb02b01efeeb5edd5c198c25bd7e6";
    let entry = format!("F...\t{hash}\t20\t/a\n");
    let with = |line: &str| format!("{SAMPLE}{line}");
    let field = |from: &str, to: &str| SAMPLE.replace(from, to);
    for (text, entries, ignored) in [
        // Header lines.
        (field("includes:", "actions:\tupdate\nincludes:"), 2, 1),
        (field("previous:\t10\n", ""), 2, 0),
        (field("timestamp:\t1700000000\n", ""), 2, 0),
        (field("filecount:\t2\n", ""), 2, 0),
        (field("contentsize:\t6\n", ""), 2, 0),
        (field("filecount:\t2", "filecount:\t+017 files"), 2, 0),
        (field("previous:\t10", "previous:\tnone"), 2, 1),
        (field("timestamp:\t17", "timestamp:\tat 17"), 2, 1),
        (field("previous:\t10\n", "previous:\t10\nprevious:\t5\n"), 2, 1),
        (field("version:\t20", "version:\t 020 "), 2, 0),
        (field("MANIFEST\t30", "MANIFEST\t70000"), 2, 0),
        (field("MANIFEST\t30", "MANIFEST\t25"), 2, 0),
        (field("includes:\tos-core\nalso-add:\tdocs\n", "also-add:\tdocs\nincludes:\tos-core\n"), 2, 0),
        (field("includes:\tos-core", "includes:\ta b"), 2, 1),
        ("MANIFEST\t30\nversion:\t1\n".to_owned(), 0, 0),
        ("MANIFEST\t30\nversion:\t1\n\n".to_owned(), 0, 0),
        // Flags.
        (with(&entry.replace("F...", "F.C.")), 3, 0),
        (with(&entry.replace("F...", "F.s.")), 3, 0),
        (with(&entry.replace("F...", "F.b.")), 3, 0),
        (with(&entry.replace("F...", "F.%.")), 3, 0),
        (with(&entry.replace("F...", "F..r")), 3, 0),
        (with(&entry.replace("F...", "F..?")), 3, 0),
        (with(&entry.replace("F...", "Fz..")), 3, 0),
        (with(&entry.replace("F...", "F..")), 3, 0),
        (with(&entry.replace("F...", "F...x")), 3, 0),
        (with(&entry.replace("F...", "Xd..")), 3, 0),
        (with(&entry.replace("F...", "X...")), 2, 1),
        (with(&entry.replace("F...", "....")), 2, 1),
        (with(&entry.replace("F...", "M...")), 2, 1),
        (with(&entry.replace("F...", "I...")), 2, 1),
        // Hashes, versions, paths.
        (with(&entry.replace(hash, &hash.to_uppercase())), 2, 1),
        (with(&entry.replace(hash, &hash[1..])), 2, 1),
        (with(&entry.replace(hash, &format!("{hash}00"))), 3, 0),
        (with(&entry.replace(hash, "?").replace("F...", ".d..")), 3, 0),
        (with(&entry.replace("\t20\t", "\t+099\t")), 3, 0),
        (with(&entry.replace("/a", "")), 2, 1),
        (with(&entry.replace("/a", "a")), 2, 1),
        (with(&entry.replace("/a", "/a\tb")), 2, 1),
        (with(&entry.replace("/a", "/../a")), 2, 1),
        (with(&entry.replace("/a", "/a b")), 3, 0),
        (format!("{SAMPLE}{entry}{entry}"), 4, 0),
    ] {
        let manifest = Manifest::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}{error:?}"));
        assert_eq!(String::from_utf8(manifest.to_bytes()).unwrap(), text);
        let Ignored { header, entries: lines } = manifest.ignored();
        assert_eq!((manifest.entries.len(), header.len() + lines.len()), (entries, ignored), "{text}");
    }
    let latin_1 = [SAMPLE.as_bytes(), b"F..x\t", hash.as_bytes(), b"\t20\t/\xe9\n"].concat();
    assert_eq!(Manifest::parse(&latin_1).unwrap().to_bytes(), latin_1);
}

#[test]
fn old_flags_have_the_meaning_that_clients_give_them() {
    let text = SAMPLE.replace("F..x", "F.C.").replace("D...", "D..r");
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    assert_eq!(manifest.entries[1].flags(), *b"F...");
    assert!(manifest.entries[1].is_file());
    assert_eq!(manifest.entries[0].misc, Misc::Renamed);
}

/// A deletion of an older generator may keep its type and its hash. Both come back, also from a manifest that is
/// rewritten.
#[test]
fn deletions_keep_the_type_and_hash_they_were_read_with() {
    let hash = "06300d704cf7b304582acb7cd4456e4a812bb02b01efeeb5edd5c198c25bd7e6";
    let zeros = "0".repeat(64);
    for (flags, hash, written) in [
        (".d..", zeros.as_str(), ".d.."),
        (".g..", &zeros, ".g.."),
        (".d.x", &zeros, ".d.x"),
        ("Fd..", &zeros, "Fd.."),
        ("Dg..", &zeros, "Dg.."),
        ("LdC.", &zeros, "Ld.."),
        ("Xd..", &zeros, ".d.."),
        (".d..", hash, ".d.."),
        ("Fdar", hash, "Fdar"),
        ("F...", &zeros, "F..."),
        ("Fe..", hash, "F..."),
    ] {
        let text = format!("{SAMPLE}{flags}\t{hash}\t20\t/x\n");
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.to_bytes(), text.as_bytes());
        let entry = &manifest.entries[2];
        assert_eq!(
            (entry.is_present(), entry.hash().to_string().as_str()),
            (&flags[..1] == "F" && flags.as_bytes()[1] != b'd', hash)
        );
        let rewritten = Manifest::new(manifest.header.clone(), manifest.entries.clone());
        let expected = format!("{SAMPLE}{written}\t{hash}\t20\t/x\n");
        assert_eq!(String::from_utf8(rewritten.to_bytes()).unwrap(), expected);
    }
}

#[test]
fn entries_are_made_without_a_type_or_hash_where_the_protocol_has_none() {
    let (path, version) = (|| "/boot/k".parse::<EntryPath>().unwrap(), Version::new(20).unwrap());
    let gone = [(Entry::deleted(path(), version), *b".d.."), (Entry::ghosted(path(), version), *b".g..")];
    for (entry, flags) in gone {
        assert_eq!((entry.flags(), entry.hash(), entry.kind()), (flags, FileHash::ZERO, None));
    }
}

#[test]
fn a_manifest_that_was_changed_is_written_as_the_reference_writes_it() {
    let text = SAMPLE.replace("F..x", "F.Cr").replace("includes:", "actions:\tupdate\nincludes:");
    let mut manifest = Manifest::parse(text.as_bytes()).unwrap();
    manifest.header.timestamp = 1;
    let expected = SAMPLE.replace("F..x", "F..r").replace("1700000000", "1");
    assert_eq!(String::from_utf8(manifest.to_bytes()).unwrap(), expected);
    let copy = Manifest::new(manifest.header.clone(), manifest.entries.clone());
    assert_eq!(copy.to_bytes(), expected.as_bytes());
}

#[test]
fn ignored_lines_are_told_with_their_numbers() {
    let text = SAMPLE.replace("includes:", "actions:\tupdate\nincludes:").replace("/usr/bin\n", "usr/bin\n");
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    let told = |lines: &[ParseError]| (lines[0].line, lines[0].kind.to_string());
    assert_eq!(told(&manifest.ignored().header), (8, "unknown header key \"actions:\"".to_owned()));
    let (line, what) = told(&manifest.ignored().entries);
    assert_eq!(line, 12);
    assert!(what.starts_with("the path \"usr/bin\" cannot be released"), "{what}");
}

#[test]
fn a_mom_names_bundles() {
    let text = "MANIFEST\t30\nversion:\t20\nprevious:\t0\nfilecount:\t2\ntimestamp:\t1\ncontentsize:\t0\n\n\
        Me..\t06300d704cf7b304582acb7cd4456e4a812bb02b01efeeb5edd5c198c25bd7e6\t10\tos-core\n\
        I...\t06300d704cf7b304582acb7cd4456e4a812bb02b01efeeb5edd5c198c25bd7e6\t10\told\n";
    let mom = Mom::parse(text.as_bytes()).unwrap();
    assert_eq!(mom.to_bytes(), text.as_bytes());
    assert_eq!(mom.bundles().count(), 1);
    for (odd, bundles, ignored) in [
        (text.replace("os-core", "/os-core"), 0, 1),
        (text.replace("Me..", "F..."), 0, 0),
        (text.replace("Me..", "Md.."), 0, 0),
        (text.replace("Me..", "X..."), 0, 0),
        (text.replace("Me..", "M.C"), 1, 0),
        (text.replace("Me..", "M..m"), 1, 0),
        (text.replace("previous:\t0\n", "actions:\t0\n"), 1, 1),
    ] {
        let mom = Mom::parse(odd.as_bytes()).unwrap();
        let Ignored { header, entries } = mom.ignored();
        assert_eq!((mom.bundles().count(), header.len() + entries.len()), (bundles, ignored), "{odd}");
        assert_eq!(mom.to_bytes(), odd.as_bytes());
    }
    assert!(Mom::parse(text.replace("MANIFEST\t30", "MANIFEST\t70000").as_bytes()).is_err());
}

#[test]
fn flags_of_a_mom_have_the_meaning_that_clients_give_them() {
    for (read, written) in
        [("M...", "M..."), ("Me..", "Me.."), ("MdCm", "Md.m"), ("Mzar", "M.ar"), ("I...", "I..."), ("F..?", "....")]
    {
        let flags = MomFlags::parse(read.as_bytes().try_into().unwrap());
        assert_eq!(flags.to_bytes().escape_ascii().to_string(), written);
        assert_eq!(flags.carried().misc, flags.misc.carried());
    }
}

prop_compose! {
    fn any_entry()(
        kind in prop::sample::select(vec![FileKind::File, FileKind::Directory, FileKind::Link]),
        gone in prop::option::of((any::<bool>(), any::<bool>())),
        modifier in prop::sample::select(b".acdefghijklmnopqrtu".to_vec()),
        misc in prop::sample::select(vec![b'.', b'x', b'm', b'r']),
        hash in any::<[u8; 32]>(),
        version in 1..=Version::MAX,
        path in "/[a-zA-Z0-9 é;_-]{1,40}",
    ) -> Entry {
        let hash = FileHash::from_bytes(hash);
        let legacy = |kept| if kept { Legacy::new(Some(kind), hash) } else { Legacy::default() };
        Entry {
            state: match gone {
                None => State::Present { kind, hash },
                Some((true, kept)) => State::Deleted(legacy(kept)),
                Some((false, kept)) => State::Ghosted(legacy(kept)),
            },
            modifier: Modifier::parse(modifier),
            misc: Misc::parse(misc),
            version: Version::new(version).unwrap(),
            path: EntryPath::parse(path.as_bytes()).unwrap(),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(entries in prop::collection::vec(any_entry(), 0..20), timestamp in -999_999_999_999_999_999i64..=999_999_999_999_999_999) {
        let mut manifest = Manifest::parse(SAMPLE.as_bytes()).unwrap();
        manifest.entries = entries;
        manifest.header.timestamp = timestamp;
        prop_assert_eq!(Manifest::parse(&manifest.to_bytes()).unwrap(), manifest);
    }

    #[test]
    fn damage_never_panics_and_what_is_accepted_comes_back(
        damage in prop::collection::vec((0..SAMPLE.len(), any::<u8>()), 1..4)
    ) {
        let mut text = SAMPLE.as_bytes().to_vec();
        for (at, byte) in damage {
            text[at] = byte;
        }
        if let Ok(manifest) = Manifest::parse(&text) {
            prop_assert_eq!(manifest.to_bytes(), text.as_slice());
        }
        if let Ok(mom) = Mom::parse(&text) {
            prop_assert_eq!(mom.to_bytes(), text);
        }
    }

    #[test]
    fn header_lines_come_back_in_their_order(
        lines in Just([
            "version:\t20", "previous:\t10", "minversion:\t5", "filecount:\t2", "timestamp:\t17", "contentsize:\t6",
            "includes:\tos-core", "also-add:\tdocs", "actions:\tnone",
        ].to_vec()).prop_shuffle()
    ) {
        let text = format!("MANIFEST\t30\n{}\n\nD...\t{}\t20\t/usr\n", lines.join("\n"), "0".repeat(64));
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(manifest.header.version.number(), 20);
        prop_assert_eq!(manifest.header.includes.len() + manifest.header.also_add.len(), 2);
        prop_assert_eq!(manifest.to_bytes(), text.as_bytes());
    }
}
