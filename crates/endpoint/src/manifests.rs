//! Fetching manifests: the MoM with its signature, bundle manifests as deltas or whole, and the resolution of includes.
//!
//! Each manifest is compared with the hash in the MoM before it is read. Rules: client behaviour §3 and §5, delta §6,
//! content layout §5.

mod archive;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clearwell_format::archive::{LARGEST_MOM, PackRule, archive_limit, content_limit};
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, FileHash, Manifest, ManifestName, Mom, MomEntry, Owner, Resource, Version};
use clearwell_sign::Dates;

use self::archive::{Archived, unpack};
use crate::endpoint::{Endpoint, Run, Stop, blocking};
use crate::pointers::{SIGNATURE_LIMIT, fetch_problem};
use crate::problem::{Problem, reason};
use crate::{EndpointError, ExitCode};

/// A bundle's manifest with the bytes it was read from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub manifest: Manifest,
    /// The base of the next delta.
    pub bytes: Vec<u8>,
}

impl Loaded {
    /// What the packs of the bundle may contain.
    pub(crate) fn pack_rule(&self) -> Arc<PackRule> {
        Arc::new(PackRule::of(&self.manifest))
    }

    /// Most bytes that a file of the bundle has.
    pub(crate) fn content_limit(&self) -> u64 {
        content_limit(&self.manifest.header)
    }
}

/// Manifests that were fetched.
#[derive(Debug)]
pub(crate) struct Library {
    moms: BTreeMap<Version, Arc<Mom>>,
    bundles: BTreeMap<(Version, BundleName), Arc<Loaded>>,
    /// The folder that keeps them for later processes; `None` for an endpoint without a folder.
    folder: Option<PathBuf>,
}

impl Library {
    pub(crate) const fn in_memory() -> Self {
        Self { moms: BTreeMap::new(), bundles: BTreeMap::new(), folder: None }
    }

    pub(crate) const fn in_folder(folder: PathBuf) -> Self {
        Self { moms: BTreeMap::new(), bundles: BTreeMap::new(), folder: Some(folder) }
    }

    /// Most bytes that a file of the bundles has.
    pub(crate) fn content_limit(&self) -> u64 {
        self.bundles.values().map(|loaded| loaded.content_limit()).max().unwrap_or_default()
    }

    /// Removes all but the manifests of `mom`, as the client does after an update.
    pub(crate) fn keep_only(&mut self, mom: &Mom) -> Result<(), EndpointError> {
        let version = mom.header.version;
        let named: BTreeSet<_> = mom.bundles().map(|entry| (entry.version, entry.bundle.clone())).collect();
        self.moms.retain(|kept, _| *kept == version);
        self.bundles.retain(|key, _| named.contains(key));
        let Some(folder) = &self.folder else { return Ok(()) };
        let versions: BTreeSet<_> = named.iter().map(|(version, _)| *version).chain([version]).collect();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let kept = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
                .is_some_and(|version| versions.contains(&version));
            if !kept {
                fs::remove_dir_all(entry.path()).map_err(EndpointError::folder("remove", entry.path()))?;
            }
        }
        Ok(())
    }

    fn path(&self, version: Version, file: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(version.to_string()).join(file))
    }

    fn read(&self, version: Version, file: &str) -> Option<Vec<u8>> {
        fs::read(self.path(version, file)?).ok()
    }

    fn write(&self, version: Version, file: &str, bytes: &[u8]) -> Result<(), EndpointError> {
        let Some(path) = self.path(version, file) else { return Ok(()) };
        let folder = path.parent().expect("the path has a version's folder");
        fs::create_dir_all(folder).map_err(EndpointError::folder("create", folder))?;
        fs::write(&path, bytes).map_err(EndpointError::folder("write", &path))
    }
}

/// Which bundles to follow, and how.
pub(crate) struct Follow<'a> {
    pub mom: &'a Mom,
    /// The installed release, for deltas between manifests.
    pub old: Option<&'a Mom>,
    /// Bundles to begin with, in this order.
    pub roots: Vec<BundleName>,
    /// Bundles that were loaded before.
    pub known: BTreeSet<BundleName>,
    /// True to load optional includes (`also-add:`).
    pub optional: bool,
    /// The exit code if a manifest cannot be loaded.
    pub failure: ExitCode,
}

impl Endpoint {
    /// The MoM of a version, with its signature checked.
    pub(crate) async fn mom(&mut self, run: &mut Run, version: Version) -> Result<Arc<Mom>, Stop> {
        if let Some(mom) = self.library.moms.get(&version) {
            return Ok(mom.clone());
        }
        if let Some(mom) = self.kept_mom(version) {
            self.library.moms.insert(version, mom.clone());
            return Ok(mom);
        }
        let resource = Resource::of(version, Artifact::ManifestTar(ManifestName::Mom));
        // A bad signature or text is fetched a second time, with nothing kept (content layout §5).
        let mut last = None;
        for _ in 0..2 {
            let archive = match run.fetcher.spool(&resource, archive_limit(LARGEST_MOM, 2)).await {
                Ok(archive) => archive,
                Err(failed) => return run.stop(fetch_problem(resource, failed), ExitCode::Mom),
            };
            let Archived { text, signature } = match blocking(move || unpack(archive, &ManifestName::Mom, None)).await?
            {
                Ok(archived) => archived,
                Err(reason) => return run.stop(manifest_problem(&resource, reason), ExitCode::Mom),
            };
            let checked = self.signed_mom(run, version, &text, signature).await;
            match checked.and_then(|signature| Ok((parse_mom(&resource, version, &text)?, signature))) {
                Ok((mom, signature)) => {
                    let mom = Arc::new(mom);
                    self.library.write(version, "Manifest.MoM", &text)?;
                    if let Some(signature) = signature {
                        self.library.write(version, "Manifest.MoM.sig", &signature)?;
                    }
                    self.library.moms.insert(version, mom.clone());
                    return Ok(mom);
                }
                Err(problem) => last = Some(problem),
            }
        }
        let problem = last.expect("both tries left a problem");
        run.stop(problem, ExitCode::Mom)
    }

    /// Checks the signature in the archive of a MoM, else `Manifest.MoM.sig`.
    async fn signed_mom(
        &self,
        run: &Run,
        version: Version,
        text: &[u8],
        included: Option<Vec<u8>>,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let Some(trust) = &self.options.trust else { return Ok(None) };
        let verified = |signature: &[u8]| trust.verify(text, signature, Dates::Valid(self.now()), self.now());
        if let Some(signature) = included.filter(|signature| verified(signature).is_ok()) {
            return Ok(Some(signature));
        }
        let resource = Resource::of(version, Artifact::MomSignature);
        let signature = run.fetcher.bytes(&resource, SIGNATURE_LIMIT, false).await;
        let signature = signature.map_err(|failed| fetch_problem(resource, failed))?;
        match verified(&signature) {
            Ok(_) => Ok(Some(signature)),
            Err(error) => Err(Problem::Signature {
                resource: Resource::of(version, Artifact::Manifest(ManifestName::Mom)),
                reason: reason(&error),
            }),
        }
    }

    /// Checks `Manifest.MoM.sig` of a fetched MoM. A missing one is not a problem: the archive contains one.
    pub(crate) async fn signature_beside(&self, run: &Run, version: Version) -> Result<(), Problem> {
        let (Some(trust), Some(text)) = (&self.options.trust, self.library.read(version, "Manifest.MoM")) else {
            return Ok(());
        };
        let resource = Resource::of(version, Artifact::MomSignature);
        match run.fetcher.bytes(&resource, SIGNATURE_LIMIT, false).await {
            Ok(signature) => match trust.verify(&text, &signature, Dates::Valid(self.now()), self.now()) {
                Ok(_) => Ok(()),
                Err(error) => Err(Problem::Signature { resource, reason: reason(&error) }),
            },
            Err(failed) if matches!(failed.status, Some(403 | 404)) => Ok(()),
            Err(failed) => Err(fetch_problem(resource, failed)),
        }
    }

    /// A MoM kept from an earlier process.
    fn kept_mom(&self, version: Version) -> Option<Arc<Mom>> {
        let text = self.library.read(version, "Manifest.MoM")?;
        if let Some(trust) = &self.options.trust {
            let signature = self.library.read(version, "Manifest.MoM.sig")?;
            trust.verify(&text, &signature, Dates::Valid(self.now()), self.now()).ok()?;
        }
        let resource = Resource::of(version, Artifact::ManifestTar(ManifestName::Mom));
        parse_mom(&resource, version, &text).ok().map(Arc::new)
    }

    /// The manifest of a bundle: kept, as a delta to the installed one, or whole.
    pub(crate) async fn manifest(
        &mut self,
        run: &mut Run,
        entry: &MomEntry,
        old: Option<&Mom>,
        failure: ExitCode,
    ) -> Result<Arc<Loaded>, Stop> {
        let key = (entry.version, entry.bundle.clone());
        if let Some(loaded) = self.library.bundles.get(&key) {
            return Ok(loaded.clone());
        }
        let file = format!("Manifest.{}", entry.bundle);
        let whole = Resource::of(entry.version, Artifact::ManifestTar(ManifestName::Bundle(entry.bundle.clone())));
        let kept = self.library.read(entry.version, &file).filter(|bytes| FileHash::of_manifest(bytes) == entry.hash);
        let bytes = match kept {
            Some(bytes) => bytes,
            None => match self.delta_manifest(run, entry, old).await {
                Some(bytes) => bytes,
                None => self.whole_manifest(run, entry, &whole, failure).await?,
            },
        };
        let shared = self.options.pool.as_ref().and_then(|pool| pool.manifest(&entry.hash));
        if let Some(shared) = shared.filter(|shared| shared.manifest.header.version == entry.version) {
            // The same bytes, as the hash says, and read before.
            self.library.write(entry.version, &file, &bytes)?;
            self.library.bundles.insert(key, shared.clone());
            return Ok(shared);
        }
        let loaded = blocking(move || Manifest::parse(&bytes).map(|manifest| Loaded { manifest, bytes })).await?;
        let problem = match loaded {
            Ok(loaded) if loaded.manifest.header.version == entry.version => {
                self.library.write(entry.version, &file, &loaded.bytes)?;
                let unusable = &loaded.manifest.ignored().entries;
                if let Some(first) = unusable.first().map(|error| reason(error)) {
                    run.note(Problem::UnusableEntry { resource: whole.clone(), entries: unusable.len(), first });
                }
                let loaded = Arc::new(loaded);
                if let Some(pool) = &self.options.pool {
                    pool.add_manifest(entry.hash, &loaded);
                }
                self.library.bundles.insert(key, loaded.clone());
                return Ok(loaded);
            }
            Ok(loaded) => format!("its version is {}", loaded.manifest.header.version),
            Err(error) => reason(&error),
        };
        // Its hash is the MoM's: another copy would be no better, but the client asks for one.
        let _ = run.fetcher.spool(&whole, ARCHIVE_LIMIT).await;
        run.stop(manifest_problem(&whole, problem), failure)
    }

    /// Tries the delta from the installed manifest; after any failure the whole manifest is fetched.
    async fn delta_manifest(&self, run: &mut Run, entry: &MomEntry, old: Option<&Mom>) -> Option<Vec<u8>> {
        let from = old?.bundle(&entry.bundle)?.version;
        if from >= entry.version {
            return None;
        }
        let base = self.library.bundles.get(&(from, entry.bundle.clone()))?.clone();
        let resource = Resource::of(entry.version, Artifact::DeltaManifest { bundle: entry.bundle.clone(), from });
        let failed = |reason: String| Problem::DeltaManifest { resource: resource.clone(), reason };
        let delta = match run.fetcher.bytes(&resource, DELTA_LIMIT, false).await {
            Ok(delta) => delta,
            Err(missing) if matches!(missing.status, Some(403 | 404)) => return None,
            Err(error) => {
                run.note(failed(error.reason));
                return None;
            }
        };
        // The result is in memory before it can be compared.
        let limit = (base.bytes.len() as u64).saturating_mul(MOST_GROWTH).saturating_add(DELTA_LIMIT);
        let patched = blocking(move || clearwell_delta::patch_within(&base.bytes, &delta, limit)).await.ok()?;
        match patched {
            Ok(patched) => {
                let meta = patched.meta;
                let owner = Owner { permissions: meta.mode & 0o7777, uid: meta.uid, gid: meta.gid };
                if FileHash::of_file(&patched.bytes, owner) == entry.hash {
                    run.report.delta_manifests_applied += 1;
                    return Some(patched.bytes);
                }
                run.note(failed("the result has a different hash".into()));
            }
            Err(error) => run.note(failed(reason(&error))),
        }
        None
    }

    /// Fetches the archive; content with another hash is fetched a second time.
    async fn whole_manifest(
        &self,
        run: &mut Run,
        entry: &MomEntry,
        resource: &Resource,
        failure: ExitCode,
    ) -> Result<Vec<u8>, Stop> {
        let (name, expected) = (ManifestName::Bundle(entry.bundle.clone()), entry.hash);
        let mut wrong = String::new();
        for _ in 0..2 {
            let archive = match run.fetcher.spool(resource, ARCHIVE_LIMIT).await {
                Ok(archive) => archive,
                Err(failed) => return run.stop(fetch_problem(resource.clone(), failed), failure),
            };
            let name = name.clone();
            match blocking(move || unpack(archive, &name, Some(expected))).await? {
                Ok(archived) => return Ok(archived.text),
                Err(reason) => wrong = reason,
            }
        }
        run.stop(manifest_problem(resource, wrong), failure)
    }

    /// Loads bundles and everything they include, in the order of the client: each bundle before its includes,
    /// optional ones first, both from the end of their list.
    ///
    /// Returns the bundles in the order they were met. Unknown includes are skipped.
    pub(crate) async fn follow(
        &mut self,
        run: &mut Run,
        follow: Follow<'_>,
    ) -> Result<Vec<(BundleName, Arc<Loaded>)>, Stop> {
        let mut seen = follow.known;
        let mut found = Vec::new();
        let mut waiting: Vec<(BundleName, Option<BundleName>)> =
            follow.roots.into_iter().rev().map(|root| (root, None)).collect();
        while let Some((bundle, included_by)) = waiting.pop() {
            if seen.contains(&bundle) {
                continue;
            }
            let Some(entry) = self.entry(follow.mom, &bundle) else {
                if let Some(including) = included_by {
                    let version = follow.mom.header.version;
                    run.note(Problem::UnknownInclude { bundle: including, missing: bundle, version });
                }
                continue;
            };
            seen.insert(bundle.clone());
            let loaded = self.manifest(run, &entry, follow.old, follow.failure).await?;
            let header = &loaded.manifest.header;
            // What is pushed last is processed first.
            let further = header.includes.iter().chain(header.also_add.iter().filter(|_| follow.optional));
            waiting.extend(further.map(|further| (further.clone(), Some(bundle.clone()))));
            found.push((bundle, loaded));
        }
        Ok(found)
    }

    /// The entry of a bundle, as an endpoint of this level sees it: the modifiers of the MoM count as well.
    pub(crate) fn entry(&self, mom: &Mom, bundle: &BundleName) -> Option<MomEntry> {
        let entry = mom.bundle(bundle)?;
        (self.options.level.keeps(entry.flags.modifier) == Some(true)).then(|| entry.clone())
    }
}

fn parse_mom(resource: &Resource, version: Version, text: &[u8]) -> Result<Mom, Problem> {
    let mom = Mom::parse(text).map_err(|error| manifest_problem(resource, reason(&error)))?;
    if mom.header.version != version {
        return Err(manifest_problem(resource, format!("its version is {}", mom.header.version)));
    }
    Ok(mom)
}

fn manifest_problem(resource: &Resource, reason: String) -> Problem {
    Problem::Manifest { resource: resource.clone(), reason }
}

/// Above the compressed size of four million entries, the most that a client accepts.
const ARCHIVE_LIMIT: u64 = 256 << 20;
/// Larger deltas do not pay.
const DELTA_LIMIT: u64 = 32 << 20;
/// The largest growth of a manifest by a delta, as a factor.
const MOST_GROWTH: u64 = 16;
