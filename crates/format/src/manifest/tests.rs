use proptest::prelude::*;

use super::parse::ParseErrorKind as Kind;
use super::*;
use crate::flags::Modifier;
use crate::{Misc, Mom};

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
    assert_eq!(manifest.entries[1].flags.misc, Misc::Exported);
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
    assert!(matches!(kind(&SAMPLE.replace("\t30\n", "\t28\n")), Kind::NotInFormat("also-add:", _)));
    assert!(matches!(kind(&SAMPLE.replace("\t30\n", "\t25\n")), Kind::NotInFormat("minversion:", _)));
}

/// What the stock client rejects (manifest 3.1), one by one, and what only a careless generator writes.
#[test]
fn what_a_client_rejects_is_rejected() {
    let entry = "F...\t06300d704cf7b304582acb7cd4456e4a812bb02b01efeeb5edd5c198c25bd7e6\t20\t/a\n";
    let with = |line: &str| format!("{SAMPLE}{line}");
    assert_eq!(kind(""), Kind::NoMagic);
    assert_eq!(kind("MANIFESTO\t30\n"), Kind::NoMagic);
    assert!(matches!(kind(&SAMPLE.replace("MANIFEST\t30", "MANIFEST\t0")), Kind::Format(_)));
    assert_eq!(kind(&SAMPLE.replace("version:\t20\n", "")), Kind::MissingKey("version:"));
    assert_eq!(kind(&SAMPLE.replace("version:\t20", "version: 20")), Kind::HeaderLine);
    assert_eq!(kind(&SAMPLE.replace("filecount:\t2", "filecount:\t4000001")), Kind::Number("filecount:"));
    assert_eq!(kind(&SAMPLE.replace("contentsize:\t6", "contentsize:\t2000000000001")), Kind::Number("contentsize:"));
    assert_eq!(kind(&SAMPLE.replace("contentsize:\t6", "contentsize:\t-1")), Kind::Number("contentsize:"));
    assert_eq!(kind(SAMPLE.trim_end()), Kind::Truncated);
    assert!(matches!(kind(&SAMPLE.replace('\n', "\r\n")), Kind::Format(_)));
    assert_eq!(kind(&with("\n")), Kind::BlankLine);
    assert_eq!(kind(&with("F...\tabc\t10\n")), Kind::EntryLine);
    for version in ["0", "2147483648", "x", "-1", ""] {
        assert!(matches!(kind(&with(&entry.replace("\t20\t", &format!("\t{version}\t")))), Kind::Version(_)));
    }
    assert_eq!(kind(&with(&entry.replace("/a", &format!("/{}", "a/".repeat(5000))))), Kind::LineTooLong);
    assert!(matches!(kind(&with(&entry.replace("/a", "/a\0"))), Kind::Path(_)));
    assert!(matches!(kind(&with(&entry.replace("/a", "/../a"))), Kind::Path(_)));
    assert!(matches!(
        kind(&with(&entry.replace("063", "063".to_uppercase().as_str()).replace('b', "B"))),
        Kind::Hash(_)
    ));
    for flags in ["Fz..", "X...", "F...x", "F..", "M...", "I...", "....", "F.b."] {
        assert!(matches!(kind(&with(&entry.replace("F...", flags))), Kind::Flags(_)), "{flags}");
    }
    assert_eq!(
        kind(&SAMPLE.replace("previous:\t10\n", "previous:\t10\nprevious:\t10\n")),
        Kind::RepeatedKey("previous:")
    );
    assert_eq!(kind("MANIFEST\t30\nversion:\t1\n"), Kind::NoBlankLine);
}

#[test]
fn a_mom_names_bundles() {
    let text = "MANIFEST\t30\nversion:\t20\nprevious:\t0\nfilecount:\t2\ntimestamp:\t1\ncontentsize:\t0\n\n\
        Me..\t06300d704cf7b304582acb7cd4456e4a812bb02b01efeeb5edd5c198c25bd7e6\t10\tos-core\n\
        I...\t06300d704cf7b304582acb7cd4456e4a812bb02b01efeeb5edd5c198c25bd7e6\t10\told\n";
    let mom = Mom::parse(text.as_bytes()).unwrap();
    assert_eq!(mom.to_bytes(), text.as_bytes());
    assert_eq!(mom.bundles().count(), 1);
    assert!(Mom::parse(text.replace("os-core", "/os-core").as_bytes()).is_err());
    assert!(Mom::parse(text.replace("Me..", "F...").as_bytes()).is_err());
}

prop_compose! {
    fn any_entry()(
        kind in prop::sample::select(vec![b'F', b'D', b'L']),
        status in prop::sample::select(vec![b'.', b'd', b'g']),
        modifier in prop::sample::select(b".acdefghijklmnopqrtu".to_vec()),
        misc in prop::sample::select(vec![b'.', b'x', b'm', b'r']),
        hash in any::<[u8; 32]>(),
        version in 1..=Version::MAX,
        path in "/[a-zA-Z0-9 é;_-]{1,40}",
    ) -> Entry {
        Entry {
            flags: Flags { modifier: Modifier::parse(modifier).unwrap(), ..Flags::parse([kind, status, b'.', misc]).unwrap() },
            hash: FileHash::from_bytes(hash),
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
    fn damage_never_panics_and_what_is_accepted_comes_back(at in 0..SAMPLE.len(), byte: u8) {
        let mut text = SAMPLE.as_bytes().to_vec();
        text[at] = byte;
        if let Ok(manifest) = Manifest::parse(&text) {
            prop_assert_eq!(manifest.to_bytes(), text);
        }
    }
}
