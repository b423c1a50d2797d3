//! A scenario, planned version by version in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

use clearwell_format::{BundleName, EntryPath, FileHash, FormatNumber, Manifest, Owner, Version};
use clearwell_generate::inputs::{BundleInput, BundleStatus, DebuginfoBan, Inputs, PathList, Release, Warning};
use clearwell_generate::plan::packs::updates;
use clearwell_generate::plan::{Origins, PackPlan, Plan, PlanOptions, ReleaseManifests, plan};
use clearwell_generate::tree::{Body, Content, Node, Tree};

use super::content::{self, Generator, Zeros};
use super::scenario::{Command, Scenario, TreeEntry, Type, VersionInput};

/// The results of a scenario.
pub(super) struct Replay {
    /// By version.
    pub(super) releases: BTreeMap<Version, Released>,
    /// For each command that was run: version, number, and why it was refused.
    pub(super) commands: Vec<Outcome>,
    /// The newest release of each format, and of all.
    pub(super) latest: BTreeMap<FormatNumber, Version>,
    pub(super) latest_version: Option<Version>,
}

pub(super) struct Released {
    pub(super) inputs: Inputs,
    pub(super) plan: Plan,
    pub(super) manifests: Arc<ReleaseManifests>,
    /// Delta packs made by commands; they may be in the folders of other versions.
    pub(super) packs: Vec<PackPlan>,
}

pub(super) struct Outcome {
    pub(super) version: u32,
    pub(super) command: usize,
    pub(super) why: String,
    pub(super) refused_by_reference: bool,
    pub(super) refusal: Option<String>,
}

impl Replay {
    pub(super) fn run(scenario: &Scenario) -> Self {
        let mut replay =
            Self { releases: BTreeMap::new(), commands: Vec::new(), latest: BTreeMap::new(), latest_version: None };
        for input in &scenario.versions {
            for (number, command) in input.commands.iter().enumerate() {
                let refusal = replay.command(input, command).err();
                replay.commands.push(Outcome {
                    version: input.version,
                    command: number,
                    why: command.why.clone(),
                    refused_by_reference: command.exit != 0,
                    refusal,
                });
            }
        }
        replay
    }

    /// The plan of a version that was released.
    pub(super) fn plan(&self, version: u32) -> &Plan {
        &self.releases[&Version::new(version).unwrap()].plan
    }

    /// The manifest that a bundle got in a version; panics if it got none.
    pub(super) fn manifest(&self, version: u32, bundle: &str) -> &Manifest {
        self.released(version, bundle).unwrap_or_else(|| panic!("{bundle} was not released in {version}"))
    }

    pub(super) fn released(&self, version: u32, bundle: &str) -> Option<&Manifest> {
        let planned = self.plan(version).bundles.iter().find(|planned| planned.bundle.as_str() == bundle)?;
        Some(&planned.manifest)
    }

    fn command(&mut self, input: &VersionInput, command: &Command) -> Result<(), String> {
        let argv: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        match argv.as_slice() {
            ["build", "update", options @ ..] => self.build(input, options),
            ["build", "delta-packs", options @ ..] => self.update_packs(input, options),
            // Delta manifests are optional for clients; the reference refuses the same ones.
            ["build", "delta-manifests", options @ ..] => self.earlier(input, options).map(drop),
            other => panic!("no such command: {other:?}"),
        }
    }

    fn build(&mut self, input: &VersionInput, options: &[&str]) -> Result<(), String> {
        let value = |name: &str| {
            let place = options.iter().position(|option| *option == name)?;
            Some(options[place + 1].parse::<u32>().unwrap())
        };
        let release = Release {
            version: Version::new(input.version).unwrap(),
            previous: Version::new(input.previous),
            format: FormatNumber::new(input.format).unwrap(),
            min_version: value("--min-version").and_then(Version::new),
            timestamp: input.timestamp,
        };
        let inputs = inputs(input, release)?;
        let options = PlanOptions {
            fullfiles: !options.contains(&"--skip-fullfiles"),
            zero_packs: !options.contains(&"--skip-packs"),
            packs_from: Vec::new(),
            empty: false,
        };
        let previous = match inputs.release.previous {
            Some(previous) => Some(Arc::clone(&self.releases[&previous].manifests)),
            None => None,
        };
        let plan = plan(&inputs, previous.as_deref(), &options).map_err(|error| error.to_string())?;
        self.latest.insert(inputs.release.format, plan.version);
        self.latest_version = Some(plan.version);
        let manifests = Arc::new(read_back(plan.release()));
        self.releases.insert(plan.version, Released { inputs, plan, manifests, packs: Vec::new() });
        Ok(())
    }

    fn update_packs(&mut self, input: &VersionInput, options: &[&str]) -> Result<(), String> {
        let (to, from) = self.earlier(input, options)?;
        let target = &self.releases[&to];
        let origins = Origins::of(&target.inputs.tree);
        let packs: Vec<PackPlan> =
            from.iter().flat_map(|from| updates(&self.releases[from].manifests, &target.manifests, &origins)).collect();
        self.releases.get_mut(&to).unwrap().packs.extend(packs);
        Ok(())
    }

    /// The release and the earlier ones that a request for deltas names.
    fn earlier(&self, input: &VersionInput, options: &[&str]) -> Result<(Version, Vec<Version>), String> {
        let latest = Version::new(input.version).unwrap();
        let (mut to, mut from, mut count) = (latest, None, None);
        for pair in options.chunks(2) {
            let number: u32 = pair[1].parse().unwrap();
            match pair[0] {
                "--from" => from = Version::new(number),
                "--to" => to = Version::new(number).unwrap(),
                "--previous-versions" => count = Some(number),
                other => panic!("no such option: {other}"),
            }
        }
        if to > latest {
            return Err(format!("{to} is above {latest}"));
        }
        match (from, count) {
            (Some(from), None) if from > to => Err(format!("{from} is above {to}")),
            (Some(from), None) if from == to => Ok((to, Vec::new())),
            (Some(from), None) if !self.releases.contains_key(&from) => Err(format!("{from} was never released")),
            (Some(from), None) => Ok((to, vec![from])),
            (None, Some(count)) => Ok((to, self.ancestors(to, count))),
            _ => Err("one of --from and --previous-versions, and not both".into()),
        }
    }

    /// Up to `count` releases before `of`, as long as the format is the same.
    fn ancestors(&self, of: Version, count: u32) -> Vec<Version> {
        let header = |version: Version| &self.releases[&version].plan.mom.header;
        let mut found = Vec::new();
        let mut next = header(of).previous;
        while let Some(version) = next {
            if found.len() == count as usize || header(version).format != header(of).format {
                break;
            }
            found.push(version);
            next = header(version).previous;
        }
        found
    }
}

/// A later build reads what was written, not what was in memory.
fn read_back(mut release: ReleaseManifests) -> ReleaseManifests {
    release.mom = clearwell_format::Mom::parse(&release.mom.to_bytes()).unwrap();
    let again = |manifest: &Arc<Manifest>| Arc::new(Manifest::parse(&manifest.to_bytes()).unwrap());
    release.bundles = release.bundles.iter().map(|(name, manifest)| (name.clone(), again(manifest))).collect();
    release.full = release.full.as_ref().map(again);
    release
}

/// The inputs of one version.
pub(super) fn inputs(input: &VersionInput, release: Release) -> Result<Inputs, String> {
    let nodes = input.tree.iter().filter(|entry| entry.r#type != Type::Fifo).map(node).collect();
    let tree = Tree::new(nodes).unwrap();
    let index = tree.index();
    let mut warnings = Vec::new();
    let mut bundles = Vec::new();
    let groups: Vec<&str> = match &input.groups {
        Some(groups) => groups.iter().map(String::as_str).collect(),
        None => input.bundles.iter().map(|bundle| bundle.name.as_str()).collect(),
    };
    for group in groups {
        let Some(bundle) = input.bundles.iter().find(|bundle| bundle.name == group) else {
            return Err(format!("{group} has neither -info nor a folder"));
        };
        let name: BundleName = bundle.name.parse().unwrap();
        let mut list = PathList::default();
        for (path, exported) in &bundle.files {
            list.add(path.as_bytes(), *exported);
        }
        for path in &bundle.extra_files {
            list.add(path.as_bytes(), false);
        }
        let files = list.resolve(&index, &name, &mut warnings);
        bundles.push(BundleInput {
            name,
            status: BundleStatus::from_text(&bundle.status),
            includes: bundle.includes.iter().map(|name| name.parse().unwrap()).collect(),
            also_add: bundle.also_add.iter().map(|name| name.parse().unwrap()).collect(),
            files,
        });
    }
    drop(index);
    let debuginfo = match &input.debuginfo {
        None => DebuginfoBan::usual(),
        Some(debuginfo) if !debuginfo.banned => DebuginfoBan::default(),
        Some(debuginfo) => DebuginfoBan {
            prefixes: [&debuginfo.lib, &debuginfo.src].map(|prefix| prefix.clone().into_bytes()).to_vec(),
        },
    };
    let fifos = input.tree.iter().filter(|entry| entry.r#type == Type::Fifo);
    warnings.extend(fifos.map(|entry| Warning::SpecialFile { path: entry.path.clone(), kind: "FIFO" }));
    Ok(Inputs { release, tree, bundles, stamps: Vec::new(), debuginfo, upstream: None, warnings })
}

fn node(entry: &TreeEntry) -> Node {
    let path: EntryPath = entry.path.parse().unwrap();
    let owner = Owner { permissions: u32::from_str_radix(&entry.mode, 8).unwrap(), uid: entry.uid, gid: entry.gid };
    match entry.r#type {
        Type::Dir => Node::directory(path, owner, 0),
        Type::Symlink => Node::link(path, owner, 0, entry.target.as_ref().unwrap().as_bytes()),
        Type::File => match &entry.content_gen {
            Some(Generator::Zeros { size }) => {
                let content = Content::Generated(Arc::new(Zeros(*size)));
                Node {
                    path,
                    owner,
                    mtime: 0,
                    hash: hash_of_zeros(*size, owner),
                    body: Body::File { size: *size, content },
                }
            }
            generator => Node::file(path, owner, 0, content::shared(entry.content.as_deref(), generator.as_ref())),
        },
        Type::Fifo => unreachable!("left out before"),
    }
}

/// Several versions contain the same gigabytes, which are hashed once.
fn hash_of_zeros(size: u64, owner: Owner) -> FileHash {
    static KNOWN: OnceLock<Mutex<HashMap<(u64, Owner), FileHash>>> = OnceLock::new();
    *KNOWN.get_or_init(Mutex::default).lock().unwrap().entry((size, owner)).or_insert_with(|| {
        let path = "/zeros".parse().unwrap();
        Node::generated(path, owner, 0, size, Arc::new(Zeros(size))).unwrap().hash
    })
}
