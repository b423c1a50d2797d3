//! Every kind of file in a store × missing, empty, cut off, one bit flipped, replaced by another valid one.
//!
//! | File | `check` says | `check --repair` | the server | the stock client |
//! |---|---|---|---|---|
//! | MoM archive | missing, size, digest | same bytes, from the plain files | 503 | retries, then exit 4; the old version stays |
//! | plain MoM, its signature | missing, size, digest | same bytes, from the archive | 503 | updates: it takes the archive |
//! | bundle manifest archive | missing, size, digest | same bytes, from the plain file | 503 | updates, if the delta manifest is sound; os-install retries, then exit 14 |
//! | plain manifest, full manifest | missing, size, digest | same bytes, from the archive | 503 | does not ask |
//! | delta manifest | missing, size, digest | same bytes, made again | 503 | retries, then fetches the manifest |
//! | fullfile | missing, size, digest | same bytes, out of a pack | 503 | retries, then exit 17, if no pack had it |
//! | zero pack, delta pack | missing, size, digest | same bytes, or with `--equivalent` the same contents | 503 | retries, then fetches file by file |
//! | loose delta | missing, size, digest | same bytes, out of a pack | 503 | does not ask |
//! | format, mixer-src-version | missing, size, digest | same bytes | 503 | does not ask |
//! | index | index | made from the content | 503 for all of the version | retries, then as for what it asked |
//! | record | record, record-missing | made from the content | serves on; a missing one hides the release | – |
//! | a pointer, a signature of one | missing, digest, … | from its signature, or another generation | the last pointers it read; does not start | – |
//! | `content/version` | pointers | a new generation | the same | – |
//! | sums of pointers | pointer-sums (note) | – | serves on | – |
//!
//! All are found and none is served; that endpoints get 503 and never wrong bytes is tested here. What the stock client
//! does was observed with stock swupd for the first seven rows, an install and an update for each damage (but no replaced
//! delta manifest): wherever it ended with 0, it had the newest version and diagnose found nothing. The rest is from
//! client behaviour §5. The layout stamp is not in the list: without it nothing opens the store (exit code 7) but
//! `check --repair`, which writes it again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearwell_format::archive::{ArchiveError, read_members};
use clearwell_format::pack::PackMember;
use clearwell_format::resource::Artifact;
use clearwell_format::{FileKind, Resource};
use clearwell_generate::deltas::DeltaOptions;
use clearwell_generate::progress::Silent;
use clearwell_generate::remake::remake_packs;
use clearwell_serve::{Connection, ServeConfig, ServeError, Site};
use clearwell_store::repair::{How, RepairOptions, repair};
use clearwell_store::{Store, StoreError};
use clearwell_testkit::copy_store;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};

use super::mix::version;
use super::setup::{check_options, checked, endpoints, say, scratch, store_with};

/// How a file is damaged. `other` is a valid file of the same kind.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    Missing,
    Empty,
    CutOff,
    Flipped,
    Replaced,
}

impl Damage {
    const ALL: [Self; 5] = [Self::Missing, Self::Empty, Self::CutOff, Self::Flipped, Self::Replaced];

    fn apply(self, path: &Path, other: &[u8]) {
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        match self {
            Self::Missing => {}
            Self::Empty => fs::write(path, b"").unwrap(),
            Self::CutOff => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
            Self::Flipped => {
                let mut bytes = bytes;
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs::write(path, bytes).unwrap();
            }
            Self::Replaced => fs::write(path, other).unwrap(),
        }
    }
}

/// A file of each kind that a store has.
struct FileCase {
    name: &'static str,
    /// Below the store's folder.
    path: PathBuf,
    /// A valid file of the same kind, below the store's folder.
    other: PathBuf,
}

/// Releases 10 and 20, with a loose delta as mixer leaves them.
fn sound_store(root: &Path) -> Store {
    let store = store_with(root, &[10, 20]);
    let pack = Resource::of(version(20), Artifact::Pack { bundle: "editor".parse().unwrap(), from: Some(version(10)) });
    let mut loose = None;
    read_members::<ArchiveError>(&store.read(&pack).unwrap()[..], |mut member| {
        if let Some(PackMember::Delta(name)) = PackMember::parse(&member.header.name) {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut member.body, &mut bytes).map_err(ArchiveError::Read)?;
            loose = Some((name, bytes));
        }
        Ok(())
    })
    .unwrap();
    let (name, bytes) = loose.expect("the editor changes a little");
    let mut writer = store.writer("test").unwrap();
    let record = store.record(version(20)).unwrap();
    let draft = writer.extend(version(20)).unwrap();
    draft.put(&Artifact::Delta(name), &bytes).unwrap();
    draft.prepare(record).unwrap().release().unwrap();
    drop(writer);
    store
}

fn kinds(store: &Store) -> Vec<FileCase> {
    let index = store.index(version(20)).unwrap().to_map().unwrap();
    let first = |matches: &dyn Fn(&Artifact) -> bool| {
        let (artifact, _) = index.iter().find(|(artifact, _)| matches(artifact)).unwrap();
        format!("content/20/{artifact}")
    };
    let fullfile = |version_number: u32, kind: FileKind| {
        let index = store.index(version(version_number)).unwrap().to_map().unwrap();
        let is_kind = |artifact: &Artifact| {
            let Artifact::Fullfile(_) = artifact else { return false };
            let bytes = store.read(&Resource::of(version(version_number), artifact.clone())).unwrap();
            let mut found = false;
            read_members::<ArchiveError>(&bytes[..], |member| {
                found = member.header.kind == kind && (kind != FileKind::File || member.header.size > 1000);
                Ok(())
            })
            .unwrap();
            found
        };
        let (artifact, _) = index.iter().find(|(artifact, _)| is_kind(artifact)).unwrap();
        format!("content/{version_number}/{artifact}")
    };
    let pointers = format!("content/{}", fs::read_link(store.layout().pointers_link()).unwrap().display());
    let before = "content/.pointers/00000001";
    let kind = |name, path: &str, other: &str| FileCase { name, path: path.into(), other: other.into() };
    vec![
        kind("MoM", "content/20/Manifest.MoM", "content/10/Manifest.MoM"),
        kind("MoM archive", "content/20/Manifest.MoM.tar", "content/10/Manifest.MoM.tar"),
        kind("MoM signature", "content/20/Manifest.MoM.sig", "content/10/Manifest.MoM.sig"),
        kind("manifest", "content/20/Manifest.editor", "content/10/Manifest.editor"),
        kind("manifest archive", "content/20/Manifest.editor.tar", "content/20/Manifest.os-core.tar"),
        kind("full manifest", "content/20/Manifest.full.tar", "content/10/Manifest.full.tar"),
        kind("delta manifest", "content/20/Manifest-editor-delta-from-10", "content/20/Manifest-os-core-delta-from-10"),
        kind("fullfile of a file", &fullfile(20, FileKind::File), &fullfile(10, FileKind::File)),
        kind("fullfile of a folder", &fullfile(10, FileKind::Directory), &fullfile(10, FileKind::Link)),
        kind("fullfile of a link", &fullfile(10, FileKind::Link), &fullfile(10, FileKind::Directory)),
        kind("zero pack", "content/20/pack-editor-from-0.tar", "content/10/pack-editor-from-0.tar"),
        kind("delta pack", "content/20/pack-editor-from-10.tar", "content/20/pack-os-core-from-10.tar"),
        kind(
            "loose delta",
            &first(&|artifact| matches!(artifact, Artifact::Delta(_))),
            "content/20/Manifest-os-core-delta-from-10",
        ),
        kind("format", "content/20/format", "content/20/mixer-src-version"),
        kind("index", "meta/index/20", "meta/index/10"),
        kind("record", "meta/releases/20.json", "meta/releases/10.json"),
        kind("latest", &format!("{pointers}/format30/latest"), &format!("{before}/format30/latest")),
        kind("latest.sig", &format!("{pointers}/format30/latest.sig"), &format!("{before}/format30/latest.sig")),
        kind("latest_version", &format!("{pointers}/latest_version"), &format!("{before}/latest_version")),
        kind("latest_version.sig", &format!("{pointers}/latest_version.sig"), &format!("{before}/latest_version.sig")),
        kind("first", &format!("{pointers}/format30/first"), "content/20/format"),
    ]
}

#[test]
fn all_damage_is_found_and_repaired_and_none_is_served() {
    let folder = scratch();
    let sound = folder.path().join("sound");
    let kinds = kinds(&sound_store(&sound));
    let mut cases = 0;
    for kind in &kinds {
        for damage in Damage::ALL {
            let root = folder.path().join("store");
            copy_store(&sound, &root);
            let path = root.join(&kind.path);
            let released = fs::read(&path).unwrap();
            let other = fs::read(root.join(&kind.other)).unwrap();
            if damage == Damage::Replaced && other == released {
                panic!("{}: the other file is the same", kind.name);
            }
            damage.apply(&path, &other);
            one_case(&format!("{} {damage:?}", kind.name), kind, &root, &released);
            fs::remove_dir_all(&root).unwrap();
            cases += 1;
        }
    }
    say(&format!("damage matrix: {cases} cases, all found, all repaired, none served"));
}

fn one_case(context: &str, kind: &FileCase, root: &Path, released: &[u8]) {
    let store = Store::open(root).unwrap();
    assert_not_served(context, kind, &store, released);

    let report = checked(&store);
    assert!(!report.is_sound(), "{context}: nothing was found");
    let shown = Path::new(&kind.path);
    let public = shown.strip_prefix("content/.pointers").ok().map(|path| {
        let below: PathBuf = path.iter().skip(1).collect();
        Path::new("content/version").join(below)
    });
    let is_named = report.findings.iter().any(|finding| finding.defect.path == public.as_deref().unwrap_or(shown));
    assert!(is_named, "{context}: {:#?}", report.findings);
    for finding in report.findings.iter().filter(|finding| finding.defect.path == shown) {
        let asked_for = matches!(kind.name, "MoM archive" | "manifest archive" | "zero pack" | "fullfile of a file");
        assert!(!asked_for || finding.affected.versions.contains(&version(20)), "{context}: {:?}", finding.affected);
    }

    let how = repair_it(&store, kind);
    let report = checked(&store);
    assert!(report.is_sound(), "{context}: {:#?}", report.findings);
    let is_pointer = public.is_some();
    let back = fs::read(store.layout().content().join("version")).is_err() && is_pointer;
    match how {
        Some(How::SameBytes) if !is_pointer => {
            assert!(fs::read(root.join(&kind.path)).unwrap() == released, "{context}")
        }
        None => assert!(back || is_pointer, "{context}: not repaired"),
        _ => {}
    }
    let update = endpoints(&store, &[10]);
    assert!(update.is_clean(), "{context}: {:?}", update.problems());
}

/// Repairs the store and returns how the file was restored.
fn repair_it(store: &Store, kind: &FileCase) -> Option<How> {
    let mut how = None;
    // Twice: more findings become visible once an index or a record is repaired.
    for _ in 0..2 {
        let findings = checked(store).findings;
        let mut writer = store.writer("check --repair").unwrap();
        let options = RepairOptions { equivalent: true, check: check_options() };
        let report = repair(&mut writer, &findings, &options).unwrap();
        let packs =
            remake_packs(&mut writer, &report.left(&findings), true, &DeltaOptions::default(), &Silent).unwrap();
        let of_packs = packs.iter().map(|(resource, how)| (Path::new("content").join(resource.to_string()), *how));
        let repaired = report.repaired.iter().map(|repaired| (repaired.path.clone(), repaired.how));
        how = how.or(repaired.chain(of_packs).find(|(path, _)| *path == kind.path).map(|(_, how)| how));
    }
    how
}

/// The server answers with the released bytes, or with 503.
fn assert_not_served(context: &str, kind: &FileCase, store: &Store, released: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = ServeConfig::default();
        let site = match Site::open(config, store.clone()) {
            Ok(site) => site,
            Err(ServeError::Store(StoreError::PointersDamaged { .. }))
                if kind.path.starts_with("content/.pointers") =>
            {
                return;
            }
            Err(error) => panic!("{context}: {error}"),
        };
        assert!(!kind.path.starts_with("content/.pointers"), "{context}: the server took damaged pointers");
        let Ok(path) = kind.path.strip_prefix("content") else {
            return assert_release_is_whole_or_hidden(context, &site, released).await;
        };
        let (status, body) = get(&site, &format!("/{}", path.display())).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{context}: {} bytes", body.len());
        assert_eq!(site.metrics().objects.damaged.get(), 1, "{context}");
        // HEAD answers from the index until the file was read once, and with 503 from then on.
        let (status, _) = get(&site, &format!("/{}", path.display())).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{context}: once more");
    });
}

/// Of a release whose index or record is damaged, the server sends the released bytes or nothing.
async fn assert_release_is_whole_or_hidden(context: &str, site: &Site, _released: &[u8]) {
    for path in ["/20/Manifest.MoM.tar", "/20/Manifest.editor.tar", "/20/pack-editor-from-10.tar"] {
        let (status, _) = get(site, path).await;
        assert!([200, 404, 503].contains(&status.as_u16()), "{context}: {status} for {path}");
        assert!(!context.starts_with("index") || status == 503, "{context}: {status} for {path}");
    }
}

async fn get(site: &Site, path: &str) -> (StatusCode, Vec<u8>) {
    let connection = Arc::new(Connection::new(None));
    let request = Request::get(path).body(Empty::<bytes::Bytes>::new()).unwrap();
    let response = site.answer(&connection, &request).await;
    let status = response.status();
    (status, response.into_body().collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default())
}
