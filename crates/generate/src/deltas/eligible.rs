//! Which old files may be the base of a delta in a pack.
//!
//! A pack's name contains only the old version of its bundle:
//!
//! ```text
//! release   10    20    30    40
//! os-core   10    20    20    40
//! editor    10    10    10    40        40/pack-editor-from-10.tar is asked for by endpoints on 10, 20 and 30
//! ```
//!
//! An endpoint looks for a base by its hash among the files of all its installed bundles, and warns if it has none
//! (delta §5). So a file is a base only if every endpoint that may ask for the pack has it:
//!
//! - It is in the bundle, in a bundle that is installed with it (its includes, transitively), or in os-core, which
//!   every endpoint has; outside the bundle itself in **each** release in which the bundle has the old version.
//! - It is installed on every processor. Of a path with optimised builds an endpoint has one, and the server cannot know
//!   which.
//! - Only updates change it: `/etc`, `/var` and other paths that belong to the endpoint are not touched by an update
//!   (manifest §3.4), so their content is unknown.
//!
//! If a release in which the bundle had the old version is no longer in the store, what its endpoints have is unknown:
//! then only files of the bundle itself are bases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clearwell_format::{BundleName, Entry, EntryPath, FileHash, Manifest, Modifier, Version};

use crate::plan::ReleaseManifests;

/// An old file that every endpoint has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its hash, by which endpoints find it.
    pub hash: FileHash,
    /// A path that has it.
    pub path: EntryPath,
    /// The bundle that has the path.
    pub bundle: BundleName,
    /// The folder of its fullfile.
    pub version: Version,
}

/// The bases of a pack, by hash. A file that is at several paths is listed with one of them: the bundle's own come
/// first, then those of the oldest release, by bundle and path.
pub type Bases = BTreeMap<FileHash, Base>;

/// The bases of a pack of `bundle` from its version `from`. `releases` are all that the store has, of any format: also
/// endpoints that come over a format boundary ask for the pack. Of each only the bundles that come with `bundle` need
/// have their manifests.
///
/// Empty if no release has the bundle in that version.
pub fn eligible(bundle: &BundleName, from: Version, releases: &[Arc<ReleaseManifests>]) -> Bases {
    let stands =
        |release: &&Arc<ReleaseManifests>| release.mom.bundle(bundle).is_some_and(|entry| entry.version == from);
    let mut standing: Vec<&ReleaseManifests> = releases.iter().filter(stands).map(Arc::as_ref).collect();
    standing.sort_unstable_by_key(|release| release.version());
    let Some(own) = standing.iter().find_map(|release| release.bundles.get(bundle)) else {
        return Bases::new();
    };
    let mut bases = Bases::new();
    add(&mut bases, bundle, own);
    if !is_seamless(&standing, from) {
        return bases;
    }
    let mut outside = standing.iter().map(|release| around(bundle, release));
    let mut everywhere = outside.next().unwrap_or_default();
    for held in outside {
        everywhere.retain(|hash, _| held.contains_key(hash));
    }
    for (hash, base) in everywhere {
        bases.entry(hash).or_insert(base);
    }
    bases
}

/// True if no release is missing among those in which a bundle has version `from`: the first is `from` itself, and each
/// other follows one of them.
fn is_seamless(standing: &[&ReleaseManifests], from: Version) -> bool {
    let versions: BTreeSet<Version> = standing.iter().map(|release| release.version()).collect();
    let follows = |release: &&ReleaseManifests| {
        release.version() == from || release.mom.header.previous.is_some_and(|before| versions.contains(&before))
    };
    versions.contains(&from) && standing.iter().all(follows)
}

/// What endpoints of a release have in addition to a bundle: the files of os-core and of everything the bundle includes,
/// directly or not.
fn around(bundle: &BundleName, release: &ReleaseManifests) -> Bases {
    let mut reached = BTreeSet::from([BundleName::os_core()]);
    let mut open = vec![bundle.clone(), BundleName::os_core()];
    while let Some(name) = open.pop() {
        let includes = release.bundles.get(&name).map(|manifest| manifest.header.includes.as_slice());
        for include in includes.unwrap_or_default() {
            if reached.insert(include.clone()) {
                open.push(include.clone());
            }
        }
    }
    reached.remove(bundle);
    let mut bases = Bases::new();
    for name in reached {
        if let Some(manifest) = release.bundles.get(&name) {
            add(&mut bases, &name, manifest);
        }
    }
    bases
}

fn add(bases: &mut Bases, bundle: &BundleName, manifest: &Manifest) {
    for entry in manifest.entries.iter().filter(|entry| is_certain(entry)) {
        bases.entry(entry.hash()).or_insert_with(|| Base {
            hash: entry.hash(),
            path: entry.path.clone(),
            bundle: bundle.clone(),
            version: entry.version,
        });
    }
}

/// True for a regular file that is on the disk of every endpoint with the bundle, as the manifest has it.
fn is_certain(entry: &Entry) -> bool {
    entry.is_file() && entry.modifier == Modifier::NONE && !belongs_to_endpoint(&entry.path)
}

/// True for paths that an update leaves alone (manifest §3.4).
fn belongs_to_endpoint(path: &EntryPath) -> bool {
    const PREFIXES: [&[u8]; 12] = [
        b"/etc/",
        b"/data",
        b"/dev/",
        b"/home/",
        b"/lost+found",
        b"/proc/",
        b"/root/",
        b"/run/",
        b"/sys/",
        b"/tmp/",
        b"/usr/src/",
        b"/var/",
    ];
    PREFIXES.iter().any(|prefix| path.as_bytes().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use clearwell_format::{FileKind, FormatNumber, Header, Mom, MomEntry, Owner};

    use super::*;

    fn version(number: u32) -> Version {
        Version::new(number).unwrap()
    }

    fn hash(content: &str) -> FileHash {
        FileHash::of_file(content.as_bytes(), Owner::MANIFEST)
    }

    fn header(number: u32, previous: u32, includes: &[&str]) -> Header {
        Header {
            format: FormatNumber::new(30).unwrap(),
            version: version(number),
            previous: Version::new(previous),
            min_version: None,
            file_count: 0,
            timestamp: 0,
            content_size: 0,
            includes: includes.iter().map(|name| name.parse().unwrap()).collect(),
            also_add: Vec::new(),
        }
    }

    /// A bundle: name, version, includes, files as path and content.
    type TestBundle<'a> = (&'a str, u32, &'a [&'a str], &'a [(&'a str, &'a str)]);

    fn release(number: u32, previous: u32, bundles: &[TestBundle<'_>]) -> Arc<ReleaseManifests> {
        let mut release = ReleaseManifests {
            mom: Mom::new(header(number, previous, &[]), Vec::new()),
            bundles: BTreeMap::new(),
            full: None,
        };
        for (name, at, includes, files) in bundles {
            let name: BundleName = name.parse().unwrap();
            let entry = |(path, content): &(&str, &str)| {
                Entry::present(path.parse().unwrap(), version(*at), FileKind::File, hash(content))
            };
            let manifest = Manifest::new(header(*at, 0, includes), files.iter().map(entry).collect());
            release.mom.entries.push(MomEntry::new(name.clone(), version(*at), FileHash::ZERO, false));
            release.bundles.insert(name, Arc::new(manifest));
        }
        Arc::new(release)
    }

    fn bases(bundle: &str, from: u32, releases: &[Arc<ReleaseManifests>]) -> Vec<String> {
        let bases = eligible(&bundle.parse().unwrap(), version(from), releases);
        let mut paths: Vec<String> = bases
            .values()
            .map(|base| format!("{} {}", base.bundle, String::from_utf8_lossy(base.path.as_bytes())))
            .collect();
        paths.sort();
        paths
    }

    const LIBRARIES: TestBundle<'_> = ("lib", 10, &["os-core"], &[("/usr/lib/a", "a")]);
    const EDITOR: TestBundle<'_> = ("editor", 10, &["os-core", "lib"], &[("/usr/bin/edit", "edit")]);
    const OTHER: TestBundle<'_> = ("other", 10, &["os-core"], &[("/usr/bin/other", "other")]);

    #[test]
    fn a_bundle_that_pauses_shares_only_what_os_core_kept_all_the_time() {
        let core = |number, tool| ("os-core", number, &[][..], [("/usr/bin/kept", "kept"), ("/usr/bin/tool", tool)]);
        let releases: Vec<_> = [(10, 0, "tool 1"), (20, 10, "tool 2"), (30, 20, "tool 3")]
            .into_iter()
            .map(|(number, previous, tool)| {
                let (name, at, includes, files) = core(number, tool);
                release(number, previous, &[(name, at, includes, &files), LIBRARIES, EDITOR, OTHER])
            })
            .collect();
        // Endpoints on 10, 20 and 30 all ask for pack-editor-from-10: only one version of the tool would be a base for
        // some of them, and none is for all.
        let expected = ["editor /usr/bin/edit", "lib /usr/lib/a", "os-core /usr/bin/kept"];
        assert_eq!(bases("editor", 10, &releases), expected);
        // With one release there is only one tool to have.
        let expected = ["editor /usr/bin/edit", "lib /usr/lib/a", "os-core /usr/bin/kept", "os-core /usr/bin/tool"];
        assert_eq!(bases("editor", 10, &releases[..1]), expected);
        // os-core itself moved: its pack from 20 is asked for by endpoints on 20.
        assert_eq!(bases("os-core", 20, &releases), ["os-core /usr/bin/kept", "os-core /usr/bin/tool"]);
        assert_eq!(bases("editor", 20, &releases), [""; 0]);
    }

    #[test]
    fn a_file_that_moved_between_bundles_that_come_along_still_counts() {
        let shared: &[(&str, &str)] = &[("/usr/lib/shared", "shared")];
        let releases = [
            release(
                10,
                0,
                &[("os-core", 10, &[], shared), ("editor", 10, &["os-core", "lib"], &[]), ("lib", 10, &[], &[])],
            ),
            release(
                20,
                10,
                &[("os-core", 20, &[], &[]), ("editor", 10, &["os-core", "lib"], &[]), ("lib", 20, &[], shared)],
            ),
        ];
        assert_eq!(bases("editor", 10, &releases), ["os-core /usr/lib/shared"]);
    }

    #[test]
    fn a_release_that_is_gone_leaves_only_the_bundle_itself() {
        let core: TestBundle<'_> = ("os-core", 10, &[], &[("/usr/bin/kept", "kept")]);
        let releases = [10, 20, 30].map(|number| release(number, number - 10, &[core, EDITOR]));
        assert_eq!(bases("editor", 10, &releases), ["editor /usr/bin/edit", "os-core /usr/bin/kept"]);
        let gap = [Arc::clone(&releases[0]), Arc::clone(&releases[2])];
        assert_eq!(bases("editor", 10, &gap), ["editor /usr/bin/edit"]);
        assert_eq!(bases("editor", 10, &releases[1..]), ["editor /usr/bin/edit"]);
    }

    #[test]
    fn what_an_endpoint_may_lack_or_change_is_no_base() {
        let mut with_variant = release(
            10,
            0,
            &[(
                "os-core",
                10,
                &[],
                &[
                    ("/etc/passwd", "root"),
                    ("/usr/lib/fast", "sse"),
                    ("/usr/lib/plain", "plain"),
                    ("/var/lib/db", "db"),
                ],
            )],
        );
        let previous = Arc::get_mut(&mut with_variant).unwrap();
        let manifest = Arc::get_mut(previous.bundles.get_mut(&BundleName::os_core()).unwrap()).unwrap();
        manifest.entries[1].modifier = Modifier::parse(b'a');
        let path = "/usr/lib/link".parse().unwrap();
        let version = manifest.entries[2].version;
        manifest.entries.push(Entry::present(path, version, FileKind::Link, hash("link")));
        assert_eq!(bases("os-core", 10, &[with_variant]), ["os-core /usr/lib/plain"]);
    }
}
