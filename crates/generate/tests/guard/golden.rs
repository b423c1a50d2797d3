//! The guard over what the reference generator made: nothing that a client can live with is refused, and of the mistakes
//! of scenarios 901 to 906 those that harm endpoints are found.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clearwell_format::{BundleName, Manifest, Mom, MomEntry, Version};
use clearwell_generate::guard::{Context, EarlierEntries, Finding, Rule, Severity, check};
use clearwell_generate::plan::ReleaseManifests;

#[test]
fn golden_scenarios_are_refused_only_for_what_harms_endpoints() {
    let mut refused = BTreeMap::new();
    let mut seen = 0;
    for scenario in scenarios() {
        let releases = releases(&scenario);
        seen += releases.len();
        for (version, release) in &releases {
            let mut context = Context::new(release.release_manifests());
            let previous = release.mom.header.previous.and_then(|previous| releases.get(&previous));
            context.previous = previous.map(Release::release_manifests);
            context.kept = releases.range(..version).map(|(version, release)| (*version, &release.mom)).collect();
            let moms = context.kept.values().copied().filter(|mom| mom.header.format == release.mom.header.format);
            let manifest = |entry: &MomEntry| {
                fs::read(scenario.join(format!("expected/{}/Manifest.{}", entry.version, entry.bundle))).ok()
            };
            context.earlier_entries = EarlierEntries::read(&context.release, moms, manifest).into();
            let findings = check(&context);
            let name = scenario.file_name().unwrap().to_str().unwrap()[..3].to_owned();
            for Finding { rule, .. } in findings.into_iter().filter(|finding| finding.severity == Severity::Refusal) {
                refused.entry((name.clone(), version.number(), rule)).and_modify(|count| *count += 1).or_insert(1);
            }
        }
    }
    assert!(seen > 50, "{seen} releases");
    let expected: BTreeMap<(String, u32, Rule), i32> =
        EXPECTED.iter().map(|&(name, version, rule, count)| ((name.to_owned(), version, rule), count)).collect();
    assert_eq!(refused, expected);
}

/// Scenario, version, rule, findings.
const EXPECTED: &[(&str, u32, Rule, i32)] = &[
    // Their inputs name a file and not the directory it is in.
    ("002", 10, Rule::MissingParent, 1),
    ("002", 20, Rule::MissingParent, 1),
    ("013", 10, Rule::MissingParent, 1),
    // What the reference does not mind, and mistakes that our own plan does not repeat.
    ("901", 10, Rule::IncludeCycle, 1),
    ("903", 10, Rule::MissingParent, 1),
    ("903", 10, Rule::IllegalName, 1),
    ("906", 20, Rule::DirectoryReplaced, 1),
];

struct Release {
    mom: Mom,
    manifests: BTreeMap<BundleName, Manifest>,
    full: Manifest,
}

impl Release {
    fn release_manifests(&self) -> ReleaseManifests {
        let bundles = self.manifests.iter().map(|(name, manifest)| (name.clone(), manifest.clone().into())).collect();
        ReleaseManifests { mom: self.mom.clone(), bundles, full: Some(self.full.clone().into()) }
    }
}

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/golden");
    let mut scenarios: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    scenarios.sort();
    scenarios
}

fn releases(scenario: &Path) -> BTreeMap<Version, Release> {
    let expected = scenario.join("expected");
    let folders = fs::read_dir(&expected).unwrap().map(|entry| entry.unwrap().path());
    folders
        .filter_map(|folder| {
            let version: Version = folder.file_name()?.to_str()?.parse().ok()?;
            let mom = Mom::parse(&fs::read(folder.join("Manifest.MoM")).ok()?).unwrap();
            let read = |of: Version, name: &str| {
                let file = expected.join(format!("{of}/Manifest.{name}"));
                Manifest::parse(&fs::read(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"))).unwrap()
            };
            let manifests =
                mom.bundles().map(|entry| (entry.bundle.clone(), read(entry.version, entry.bundle.as_str()))).collect();
            let full = read(version, "full");
            Some((version, Release { mom, manifests, full }))
        })
        .collect()
}
