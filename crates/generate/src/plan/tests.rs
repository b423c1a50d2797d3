//! Properties of every plan, on made-up mixes over several versions; the golden scenarios test the individual rules.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use clearwell_format::{EntryPath, FormatNumber, Owner, Variant};
use proptest::prelude::*;

use super::*;
use crate::inputs::{BundleInput, DebuginfoBan, PathList};
use crate::tree::Node;

/// Paths that a made-up tree may have; parents are added.
const PATHS: [&str; 12] = [
    "/boot/kernel-1",
    "/usr/bin/a",
    "/usr/bin/b",
    "/V3/usr/bin/a",
    "/V4/usr/bin/a",
    "/usr/lib/deep/er/c",
    "/usr/lib/deep/d",
    "/usr/lib/x",
    "/usr/lib/debug/a.debug",
    "/usr/share/e;vil/f",
    "/usr/share/g",
    "/usr/share/h",
];

const NAMES: [&str; 4] = ["os-core", "one", "three", "two"];

/// A version of a mix: the content of each path (0: absent), which bundles list it, and which bundles include which.
#[derive(Clone, Debug)]
struct TestMix {
    contents: [u8; PATHS.len()],
    listed: [u8; PATHS.len()],
    includes: [u8; NAMES.len()],
    with_minimum: bool,
}

fn test_mix() -> impl Strategy<Value = TestMix> {
    (prop::array::uniform12(0..3u8), prop::array::uniform12(1..16u8), prop::array::uniform4(0..16u8), 0..8u8).prop_map(
        |(mut contents, listed, includes, dice)| {
            // An optimised build needs its baseline in the same bundle; PATHS has them at 3 and 4, and that at 1.
            let mut listed = listed;
            if contents[1] == 0 {
                contents[3] = 0;
                contents[4] = 0;
            }
            (listed[3], listed[4]) = (listed[1], listed[1]);
            TestMix { contents, listed, includes, with_minimum: dice == 0 }
        },
    )
}

fn inputs(number: u32, previous: Option<Version>, test_mix: &TestMix) -> Inputs {
    let version = Version::new(number).unwrap();
    let mut nodes: BTreeMap<EntryPath, Node> = BTreeMap::new();
    let mut lists: Vec<BTreeSet<EntryPath>> = vec![BTreeSet::new(); NAMES.len()];
    let mut put = |path: &str, content: &str, bundles: u8| {
        let path: EntryPath = path.parse().unwrap();
        nodes.insert(path.clone(), Node::file(path.clone(), Owner::MANIFEST, 0, content.as_bytes().into()));
        let mut directory = path.parent();
        while let Some(path) = directory {
            let owner = Owner { permissions: 0o755, uid: 0, gid: 0 };
            nodes.insert(path.clone(), Node::directory(path.clone(), owner, 0));
            directory = path.parent();
        }
        for (place, list) in lists.iter_mut().enumerate().filter(|(place, _)| bundles >> place & 1 == 1) {
            let mut next = Some(path.clone());
            while let Some(path) = next {
                next = path.parent();
                list.insert(path);
            }
            let _ = place;
        }
    };
    put("/usr/share/clear/version", &number.to_string(), 1);
    for (place, name) in NAMES.iter().enumerate() {
        put(&format!("/usr/share/clear/bundles/{name}"), "", 1 << place);
    }
    for (place, path) in PATHS.iter().enumerate().filter(|(place, _)| test_mix.contents[*place] > 0) {
        put(path, &format!("{path}{}", test_mix.contents[place]), test_mix.listed[place]);
    }
    let tree = Tree::new(nodes.into_values().collect()).unwrap();
    let index = tree.index();
    let bundles = NAMES
        .iter()
        .zip(lists)
        .enumerate()
        .map(|(place, (name, paths))| {
            let name: BundleName = name.parse().unwrap();
            let mut list = PathList::default();
            paths.iter().for_each(|path| list.add(path.as_bytes(), path.is_within(b"/usr/bin")));
            let includes = test_mix.includes[place];
            BundleInput {
                status: BundleStatus::Active,
                includes: NAMES
                    .iter()
                    .enumerate()
                    // The base of optimised builds may not be subtracted from under them: only os-core's includes vary
                    // freely where the test_mix has none.
                    .filter(|(other, _)| includes >> other & 1 == 1 && test_mix.contents[3] + test_mix.contents[4] == 0)
                    .map(|(_, name)| name.parse().unwrap())
                    .collect(),
                also_add: Vec::new(),
                files: list.resolve(&index, &name, &mut Vec::new()),
                name,
            }
        })
        .collect();
    drop(index);
    let release = Release {
        version,
        previous,
        format: FormatNumber::new(30).unwrap(),
        min_version: test_mix.with_minimum.then_some(version),
        timestamp: i64::from(number),
    };
    Inputs {
        release,
        tree,
        bundles,
        stamps: Vec::new(),
        debuginfo: DebuginfoBan::usual(),
        upstream: None,
        warnings: Vec::new(),
    }
}

/// Everything that an endpoint with a bundle gets.
fn installed<'m>(release: &'m ReleaseManifests, bundle: &BundleName) -> HashSet<(&'m EntryPath, FileHash)> {
    let mut seen = HashSet::new();
    let mut next = vec![bundle.clone()];
    let mut entries = HashSet::new();
    while let Some(name) = next.pop() {
        if seen.insert(name.clone())
            && let Some(manifest) = release.bundles.get(&name)
        {
            entries.extend(manifest.present().map(|entry| (&entry.path, entry.hash())));
            next.extend(manifest.header.includes.iter().cloned());
        }
    }
    entries
}

/// Properties of a plan alone.
fn check_plan(inputs: &Inputs, plan: &Plan) {
    let release = plan.release();
    for planned in &plan.bundles {
        let bytes = planned.manifest.to_bytes();
        assert_eq!(Manifest::parse(&bytes).unwrap(), *planned.manifest);
        assert_eq!(FileHash::of_manifest(&bytes), planned.hash);
        assert_eq!(plan.mom.bundle(&planned.bundle).unwrap().hash, planned.hash);
        let keys: Vec<_> = planned.manifest.entries.iter().map(|entry| (entry.version, &entry.path)).collect();
        assert!(keys.is_sorted());
        assert!(planned.manifest.entries.iter().all(|entry| entry.version <= plan.version));
    }
    for bundle in &inputs.bundles {
        let got = installed(&release, &bundle.name);
        for node in bundle.files.iter().map(|listed| inputs.tree.node(listed.node)) {
            let path = node.path.as_bytes();
            let left_out = inputs.debuginfo.bans(&node.path)
                || path.contains(&b';')
                || Variant::split(path).0 != Variant::Sse
                || node.kind() == clearwell_format::FileKind::Directory;
            assert!(left_out || got.contains(&(&node.path, node.hash)), "{} of {} is lost", node.path, bundle.name);
        }
        // The parent rule of clients (manifest §3.4).
        for (path, _) in &got {
            let parent = path.parent();
            let listed = parent.is_none_or(|parent| got.iter().any(|(path, _)| **path == parent));
            assert!(listed, "the folder of {path} is in no manifest that comes with {}", bundle.name);
        }
    }
    for entry in plan.full.present() {
        assert!(!inputs.debuginfo.bans(&entry.path) && !entry.path.as_bytes().contains(&b';'));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn releases_hold_together(test_mixs in prop::collection::vec(test_mix(), 1..5)) {
        let mut previous: Option<ReleaseManifests> = None;
        // Every fullfile that was ever made.
        let mut made: BTreeSet<(Version, FileHash)> = BTreeSet::new();
        for (number, test_mix) in (1..).zip(&test_mixs) {
            let inputs = inputs(number * 10, previous.as_ref().map(ReleaseManifests::version), test_mix);
            let options = PlanOptions {
                packs_from: previous.iter().cloned().map(Arc::new).collect(),
                ..PlanOptions::default()
            };
            let plan = plan(&inputs, previous.as_ref(), &options).unwrap();
            check_plan(&inputs, &plan);
            made.extend(plan.fullfiles.iter().map(|fullfile| (plan.version, fullfile.hash)));
            let release = plan.release();
            for (name, manifest) in &release.bundles {
                for entry in manifest.present() {
                    prop_assert!(made.contains(&(entry.version, entry.hash())), "{} of {name} has no fullfile", entry.path);
                }
            }
            if let Some(previous) = &previous {
                for (name, before) in &previous.bundles {
                    let now = &release.bundles[name];
                    let pack = plan.packs.iter().find(|pack| pack.bundle == *name && pack.from.is_some());
                    let carried: HashSet<FileHash> =
                        pack.iter().flat_map(|pack| &pack.items).map(|item| item.hash).collect();
                    let held: HashSet<_> = before.present().map(|entry| (&entry.path, entry.hash())).collect();
                    for entry in now.present() {
                        let has = held.contains(&(&entry.path, entry.hash())) || carried.contains(&entry.hash());
                        prop_assert!(has, "{} of {name} comes in no pack", entry.path);
                    }
                    // What left the bundle is told to clients, or was.
                    for entry in before.present().filter(|entry| now.present().all(|now| now.path != entry.path)) {
                        let told = now.entries.iter().any(|now| now.path == entry.path && !now.is_present());
                        prop_assert!(told, "{} left {name} without a word", entry.path);
                    }
                }
            }
            previous = Some(release);
        }
    }

    #[test]
    fn the_order_of_bundles_means_nothing(test_mix in test_mix(), swap in 0..NAMES.len()) {
        let ordered = inputs(10, None, &test_mix);
        let mut shuffled = ordered.clone();
        shuffled.bundles.rotate_left(swap);
        let options = PlanOptions::default();
        let (a, b) = (plan(&ordered, None, &options).unwrap(), plan(&shuffled, None, &options).unwrap());
        prop_assert_eq!(a.mom.to_bytes(), b.mom.to_bytes());
        prop_assert_eq!(a.full.to_bytes(), b.full.to_bytes());
        prop_assert_eq!(a.packs, b.packs);
        prop_assert_eq!(a.fullfiles, b.fullfiles);
    }
}

const PLAIN: TestMix =
    TestMix { contents: [1; PATHS.len()], listed: [1; PATHS.len()], includes: [0; NAMES.len()], with_minimum: false };

fn first() -> ReleaseManifests {
    plan(&inputs(10, None, &PLAIN), None, &PlanOptions::default()).unwrap().release()
}

fn refusal(inputs: &Inputs, previous: Option<&ReleaseManifests>) -> String {
    plan(inputs, previous, &PlanOptions::default()).unwrap_err().to_string()
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    let first = first();
    let ten = Version::new(10);
    assert_eq!(
        refusal(&inputs(10, ten, &PLAIN), Some(&first)),
        "version 10 is not above 10, the previous version; choose a higher one"
    );
    assert!(
        refusal(&inputs(20, ten, &PLAIN), None).starts_with("the manifests of version 10, the previous version, are")
    );
    assert!(refusal(&inputs(20, None, &PLAIN), Some(&first)).starts_with("version 10 is already released"));
    assert_eq!(
        refusal(&inputs(30, Version::new(20), &PLAIN), Some(&first)),
        "the previous version is 20, but the manifests given are those of 10"
    );
    let mut above = inputs(20, ten, &PLAIN);
    above.release.min_version = Version::new(30);
    assert_eq!(refusal(&above, Some(&first)), "the minimum version 30 is above the version 20; it can be at most 20");
}

#[test]
fn a_release_without_any_change_is_refused_and_one_without_a_bundle_is_not() {
    let first = first();
    let mut same = inputs(20, Version::new(10), &PLAIN);
    let mut nodes = same.tree.clone().into_nodes();
    let version = nodes.iter_mut().find(|node| node.path.as_bytes() == b"/usr/share/clear/version").unwrap();
    *version = Node::file(version.path.clone(), Owner::MANIFEST, 0, (*b"10").into());
    same.tree = Tree::new(nodes).unwrap();
    assert_eq!(refusal(&same, Some(&first)), "nothing changed since version 10; there is nothing to release");

    same.bundles.retain(|bundle| bundle.name.as_str() != "two");
    let plan = plan(&same, Some(&first), &PlanOptions::default()).unwrap();
    assert!(plan.bundles.is_empty());
    assert_eq!(plan.mom.entries.len(), 3);
}

#[test]
fn an_os_core_that_was_released_with_includes_loses_them() {
    let mut first = first();
    let one: BundleName = "one".parse().unwrap();
    let os_core = first.bundles.get_mut(&BundleName::os_core()).unwrap();
    Arc::make_mut(os_core).header.includes.push(one.clone());
    let mut next = inputs(20, Version::new(10), &PLAIN);
    next.bundles[0].includes.push(one);
    let plan = plan(&next, Some(&first), &PlanOptions::default()).unwrap();
    let os_core = plan.bundles.iter().find(|planned| planned.bundle == BundleName::os_core()).unwrap();
    assert!(os_core.manifest.header.includes.is_empty());
}

#[test]
fn an_empty_bundle_and_a_missing_baseline_are_refused() {
    let mut empty = inputs(10, None, &PLAIN);
    empty.bundles[1].files.clear();
    assert!(refusal(&empty, None).starts_with("bundle one has no files"));

    let mut alone = inputs(10, None, &PLAIN);
    let base = alone.tree.find(b"/usr/bin/a").unwrap();
    alone.bundles[0].files.retain(|listed| listed.node != base);
    assert!(refusal(&alone, None).starts_with("/usr/bin/a of bundle os-core has optimised builds"));
}

#[test]
fn what_is_too_large_for_clients_is_refused() {
    struct Zeros;
    impl crate::tree::Generated for Zeros {
        fn open(&self) -> Box<dyn std::io::Read + Send> {
            Box::new(std::io::empty())
        }
    }
    let mut large = inputs(10, None, &PLAIN);
    let mut nodes = large.tree.clone().into_nodes();
    let node = nodes.iter_mut().find(|node| node.path.as_bytes() == b"/usr/lib/x").unwrap();
    let content = crate::tree::Content::Generated(Arc::new(Zeros));
    node.body = crate::tree::Body::File { size: clearwell_format::Header::MAX_CONTENT_SIZE + 1, content };
    large.tree = Tree::new(nodes).unwrap();
    assert!(refusal(&large, None).contains("clients accept at most 2000000000000"), "{}", refusal(&large, None));
}

/// A release before with flags and header lines of older generators. The expected lines follow the rules that the
/// reference generator was seen to apply to such manifests; it was not run on these.
#[test]
fn old_flags_and_headers_are_carried_as_the_reference_does() {
    const PATHS: [&str; 9] = ["/b", "/boot", "/boot/k", "/c", "/m", "/new", "/quiet", "/r", "/s"];
    let node = |path: &str| match path {
        "/boot" => Node::directory(path.parse().unwrap(), Owner { permissions: 0o755, uid: 0, gid: 0 }, 0),
        _ => Node::file(path.parse().unwrap(), Owner::MANIFEST, 0, path.as_bytes().into()),
    };
    let (zero, other) = (FileHash::ZERO, FileHash::from_bytes([0xbb; 32]));
    let line = |flags: &str, hash: FileHash, version: u32, path: &str| format!("{flags}\t{hash}\t{version}\t{path}\n");
    let of = |flags: &str, version: u32, path: &str| line(flags, node(path).hash, version, path);
    let gone = |flags: &str, version: u32, path: &str| line(flags, zero, version, path);

    let before: String = [
        "MANIFEST\t30\nversion:\t10\nfilecount:\t9\ntimestamp:\t1\nactions:\tx\nprevious:\t0\n\n".to_owned(),
        [of("F.b.", 10, "/b"), of("D...", 10, "/boot"), of("F.b.", 10, "/boot/k"), of("F.C.", 10, "/c")].concat(),
        [of("F..m", 10, "/m"), of("F..r", 10, "/r"), of("F.s.", 10, "/s")].concat(),
        [of("F.C.", 10, "/goneC"), of("F..m", 10, "/gonem"), of("F..r", 10, "/goner")].concat(),
        [gone(".dC.", 5, "/old1"), gone("Fd.r", 5, "/old2"), gone(".d.m", 5, "/old3"), gone(".g..", 5, "/old4")]
            .concat(),
        [line(".d..", other, 5, "/old5"), gone("Dds.", 5, "/old6"), line("I...", other, 5, "index")].concat(),
    ]
    .concat();
    let manifest = Manifest::parse(before.as_bytes()).unwrap();
    let mom = [
        "MANIFEST\t30\nversion:\t10\nfilecount:\t3\ntimestamp:\t1\nactions:\tx\n\n".to_owned(),
        [line("I...", other, 10, "index"), line("M..r", other, 10, "marked")].concat(),
        line("M...", FileHash::of_manifest(&manifest.to_bytes()), 10, "os-core"),
        line("M.Cm", other, 10, "quiet"),
    ]
    .concat();
    let unchanged = [
        "MANIFEST\t30\nversion:\t10\nincludes:\tos-core\nfilecount:\t1\nactions:\tx\n\n".to_owned(),
        of("F.b.", 10, "/quiet"),
    ]
    .concat();
    let unchanged = Arc::new(Manifest::parse(unchanged.as_bytes()).unwrap());
    let previous = ReleaseManifests {
        mom: Mom::parse(mom.as_bytes()).unwrap(),
        bundles: [("os-core", Arc::new(manifest)), ("marked", Arc::clone(&unchanged)), ("quiet", unchanged)]
            .map(|(name, manifest)| (name.parse().unwrap(), manifest))
            .into(),
        full: None,
    };

    let mut inputs = inputs(20, Version::new(10), &PLAIN);
    inputs.tree = Tree::new(PATHS.map(node).into()).unwrap();
    let index = inputs.tree.index();
    let bundle = |name: &str, paths: &[&str]| {
        let name: BundleName = name.parse().unwrap();
        let mut list = PathList::default();
        paths.iter().for_each(|path| list.add(path.as_bytes(), false));
        let files = list.resolve(&index, &name, &mut Vec::new());
        BundleInput { name, status: BundleStatus::Active, includes: Vec::new(), also_add: Vec::new(), files }
    };
    let os_core: Vec<&str> = PATHS.into_iter().filter(|path| *path != "/quiet").collect();
    let bundles = vec![bundle("os-core", &os_core), bundle("marked", &["/quiet"]), bundle("quiet", &["/quiet"])];
    drop(index);
    inputs.bundles = bundles;
    let plan = plan(&inputs, Some(&previous), &PlanOptions::default()).unwrap();
    let entries = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().split_once("\n\n").unwrap().1.to_owned();
    assert_eq!(
        entries(plan.bundles[0].manifest.to_bytes()),
        [
            [gone(".d..", 5, "/old1"), gone("Fd..", 5, "/old2"), gone(".d.m", 5, "/old3")].concat(),
            [line(".d..", other, 5, "/old5"), gone("Dd..", 5, "/old6")].concat(),
            [of("F...", 10, "/b"), of("D...", 10, "/boot"), of("F...", 10, "/boot/k"), of("F...", 10, "/c")].concat(),
            of("F...", 10, "/s"),
            [gone(".d..", 20, "/goneC"), gone(".d.m", 20, "/gonem"), gone(".d..", 20, "/goner")].concat(),
            [of("F...", 20, "/m"), of("F...", 20, "/new"), of("F...", 20, "/r")].concat(),
        ]
        .concat()
    );
    assert_eq!(
        entries(plan.mom.to_bytes()),
        [
            line("M...", other, 10, "marked"),
            line("M..m", other, 10, "quiet"),
            line("M...", plan.bundles[0].hash, 20, "os-core"),
        ]
        .concat()
    );
}
