//! `clearwell build`.

mod numbers;
mod source;
mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use clearwell_format::{BundleName, FormatNumber, Version};
use clearwell_generate::build::{
    BuildError, BuildOptions, BuildOutcome, Method, Profile, build, continues, unfinished,
};
use clearwell_generate::bump::{Destination, FirstHalf, FormatBump, settle};
use clearwell_generate::guard::{InvalidRule, Rule};
use clearwell_generate::inputs::{AttributePolicy, Inputs, LostAttributes, Release};
use clearwell_generate::progress::{Merged, Phase};
use clearwell_generate::rotation::carried;
use clearwell_generate::source::SourceError;
use clearwell_generate::source::trees::OsContent;
use clearwell_generate::tree::known::KnownHashes;
use clearwell_serve::config::ByteSize;
use clearwell_sign::Signer;
use clearwell_store::{OtherKeys, PhaseTime, Store, StoreError};

use crate::config::{MixConfig, StoreArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::fresh::Fresh;
use crate::interrupt::interruptible;
use crate::signing::{self, SigningArgs, unix_now};
use crate::ui::Ui;
use crate::values::{base_url, jobs, memory, timestamp, version_or_none, whole_number};

use self::source::Source;
pub(crate) use self::summary::conclusion;
use self::summary::summary;

/// Build a release and publish it.
///
/// Makes manifests, fullfiles, zero packs, delta packs and manifest deltas from earlier releases, and signatures. Options
/// that are not given come from clearwell.toml, then from the mixer workspace, then from the store. A missing store is
/// created.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Build {
    /// Build from a mixer workspace: builder.conf, mixer.state, update/image/….
    #[arg(long, env = "CLEARWELL_MIX", value_name = "DIR")]
    pub(crate) mix: Option<PathBuf>,
    /// Build from bundle trees: one folder per bundle, and bundles.toml.
    #[arg(long, env = "CLEARWELL_TREES", value_name = "DIR")]
    pub(crate) trees: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The version to build. Default: that of the workspace, or the last release plus 10.
    #[arg(long, value_name = "N")]
    pub(crate) version: Option<Version>,
    /// The previous version, on which the release builds; 0 for none, which only the first release of a store may have.
    /// Default: that of the workspace, or the last release.
    #[arg(long, value_name = "N", value_parser = version_or_none)]
    pub(crate) previous: Option<u32>,
    /// The format of the release. Default: that of the workspace, or of the previous release, or 30.
    #[arg(long, value_name = "F")]
    pub(crate) format: Option<FormatNumber>,
    /// Minversion: bundles and files last released before this version are released again.
    #[arg(long, value_name = "N")]
    pub(crate) min_version: Option<Version>,
    /// Build one half of a format bump: `old` is the last release in the old format, `new` the first in the new format.
    /// The second half takes version, format and content from the first.
    #[arg(long, value_name = "HALF")]
    pub(crate) format_bump: Option<Half>,
    /// With `--format-bump old`: the format of the second half. Default: the format in the content of the workspace, or
    /// the next number.
    #[arg(long, value_name = "F", requires = "format_bump")]
    pub(crate) next_format: Option<FormatNumber>,
    /// Number of earlier releases to make delta packs and manifest deltas from. Default: 3.
    #[arg(long, value_name = "K", value_parser = whole_number::<usize>)]
    pub(crate) deltas: Option<usize>,
    /// Build without publishing: endpoints do not see the release until `clearwell publish`.
    #[arg(long)]
    pub(crate) stage: bool,
    /// After the build, prepare the mixer workspace for the next version.
    #[arg(long, requires = "mix")]
    pub(crate) increment: bool,
    /// Release even if nothing but the version changed.
    #[arg(long)]
    pub(crate) empty: bool,
    /// Read and hash every file, even if its size, times and inode have not changed since the last build.
    #[arg(long)]
    pub(crate) paranoid: bool,
    /// What to do about file capabilities and other extended attributes, which swupd content cannot carry: `warn`,
    /// `refuse` or `ignore`. Default: warn.
    #[arg(long, env = "CLEARWELL_XATTRS", value_name = "POLICY")]
    pub(crate) xattrs: Option<AttributePolicy>,
    /// Do not make fullfiles. Endpoints then cannot repair files.
    #[arg(long)]
    pub(crate) skip_fullfiles: bool,
    /// Do not make zero packs. New installations then fetch every file individually.
    #[arg(long)]
    pub(crate) skip_packs: bool,
    /// Timestamp of the manifests, in seconds since the epoch. Default: that of the interrupted build that is continued,
    /// or the current time.
    #[arg(long, env = "SOURCE_DATE_EPOCH", value_name = "UNIX", value_parser = timestamp)]
    pub(crate) timestamp: Option<i64>,
    /// The next signing certificate, PEM. When building from trees, os-core carries it in addition to the current one.
    #[arg(long = "next-cert", alias = "next-certificate", env = "CLEARWELL_NEXT_CERTIFICATE", value_name = "PEM")]
    pub(crate) next_certificate: Option<PathBuf>,
    /// URL from which endpoints fetch content. When building from trees, os-core carries it.
    #[arg(long, env = "CLEARWELL_CONTENT_URL", value_name = "URL", value_parser = base_url)]
    pub(crate) content_url: Option<String>,
    /// URL from which endpoints fetch pointers. When building from trees, os-core carries it.
    #[arg(long, env = "CLEARWELL_VERSION_URL", value_name = "URL", value_parser = base_url)]
    pub(crate) version_url: Option<String>,
    /// Compression effort: `small` for releases, `balanced`, or `fast` for test mixes. Default: small.
    #[arg(long, env = "CLEARWELL_PROFILE", value_name = "PROFILE")]
    pub(crate) profile: Option<Profile>,
    /// Number of threads; 0 for one per processor. The result does not depend on it.
    #[arg(long, env = "CLEARWELL_JOBS", value_name = "N", value_parser = jobs)]
    pub(crate) jobs: Option<usize>,
    /// Memory for data that grows with file sizes, such as 2GiB. Default: half of the memory of the machine or control
    /// group.
    #[arg(long, env = "CLEARWELL_MEMORY", value_name = "SIZE", value_parser = memory)]
    pub(crate) memory: Option<ByteSize>,
    #[command(flatten)]
    pub(crate) signing: SigningArgs,
    #[command(flatten)]
    pub(crate) allowed: Allowed,
}

/// Rules of the publish guard that the maintainer overrules.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Publish guard")]
pub(crate) struct Allowed {
    /// Overrule a rule of the publish guard; this is stored in the release record. May be repeated.
    #[arg(long = "allow", value_name = "RULE", value_parser = parse_rule)]
    allow: Vec<Rule>,
}

impl Allowed {
    pub(crate) fn rules(&self) -> BTreeSet<Rule> {
        self.allow.iter().copied().collect()
    }
}

fn parse_rule(name: &str) -> Result<Rule, InvalidRule> {
    Rule::parse_allowed(name)
}

/// The halves of a format bump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Half {
    /// The last release in the old format.
    Old,
    /// The first release in the new format: everything is released again.
    New,
}

impl From<Half> for FormatBump {
    fn from(half: Half) -> Self {
        match half {
            Half::Old => Self::Old,
            Half::New => Self::New,
        }
    }
}

impl Build {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let config = self.store.config.load()?;
        let left = "nothing was released; run the same command again to continue";
        let outcome = interruptible(ui, left, || self.release(&config, ui))?;
        ui.result(&outcome, &summary(&outcome))?;
        Ok(Exit::Done)
    }

    /// Builds as the options say, and `config` where they say nothing.
    pub(crate) fn release(&self, config: &MixConfig, ui: &Ui) -> Result<BuildOutcome, CliError> {
        let source = Source::open(self, config)?;
        // Before the store: a key that cannot sign leaves no empty store behind.
        let signer = self.signing.signer(config, source.certificate())?;
        let mut fresh = Fresh::default();
        let store = self.open_store(config, &source, &mut fresh)?;
        let release = self.numbers(config, &source, &store)?;
        let mut options = self.options(config, &source)?;
        let mut next = self.increment.then(|| numbers::next_version(release.version)).transpose()?;
        // The scan uses the global pool; the demo builds several times in one process and finds it started.
        if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(options.workers.get()).build_global()
            && error.source().is_some()
        {
            return Err(CliError::new(Exit::Memory, "failed to start threads; use fewer with --jobs", error));
        }
        let bump = self.bump();
        let begun = Instant::now();
        let hashes = store.layout().cache().join("hashes");
        let known = if self.paranoid { KnownHashes::forget(hashes) } else { KnownHashes::read(hashes) };
        let scan = |timestamp: i64| -> Result<Scanned, CliError> {
            let release = Release { timestamp, ..release.clone() };
            let scanning = Merged::begin(ui, Phase::Scan);
            let mut inputs = match &source {
                Source::Mix(workspace) => workspace.inputs(release, bump, &known, &scanning)?,
                Source::Trees(trees) => {
                    let content = self.os_content(config, &release, signer.as_ref(), &store)?;
                    trees.inputs(release, &content, &known, &scanning)?
                }
            };
            scanning.finish();
            let said = Destination::of_inputs(&inputs);
            let leaving = settle(&mut inputs, bump, &store)?;
            Ok(Scanned { inputs, said, leaving })
        };
        let Scanned { mut inputs, said, leaving } = match self.timestamp {
            Some(timestamp) => scan(timestamp)?,
            None => unfinished_or_new(&store, &release, &options, scan)?,
        };
        let attributes = self.xattrs.or(config.xattrs).unwrap_or_default();
        attributes.apply(&mut inputs)?;
        if bump == Some(FormatBump::Old) {
            let (format, version) = self.destination(&inputs.release, said, &store)?;
            options.typed.insert(FormatBump::NEXT_FORMAT.to_owned(), format.to_string());
            next = next.map(|_| version);
        }
        let scan = PhaseTime {
            phase: "scan".to_owned(),
            milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            other: OtherKeys::new(),
        };
        let options = BuildOptions { phases: vec![scan], ..options };
        let no_url = source.lacks_content_url(&inputs)?;
        let mut writer = store.writer(&format!("build {}", inputs.release.version))?;
        known.keep(store.disk());
        let built = build(&inputs, &mut writer, signer.as_ref(), &options, ui);
        let mut outcome =
            built.inspect_err(|_| inputs.warnings.iter().for_each(|warning| ui.warn(&warning.to_string())))?;
        fresh.keep();
        if let Source::Mix(workspace) = &source {
            workspace.write_down(&inputs.release, bump, &leaving, next).map_err(|error| {
                let released = inputs.release.version;
                CliError::new(
                    Exit::Disk,
                    format!("{released} is released, but the workspace could not be updated"),
                    error,
                )
            })?;
        }
        outcome.warnings.extend(no_url);
        if bump == Some(FormatBump::New) && !self.stage {
            outcome.warnings.extend(Self::endpoints_left_behind(writer.store())?);
        }
        for text in &outcome.warnings {
            ui.warn(text);
        }
        for text in &outcome.overruled {
            ui.warn(&format!("allowed: {text}"));
        }
        Ok(outcome)
    }

    fn open_store(&self, config: &MixConfig, source: &Source, fresh: &mut Fresh) -> Result<Store, CliError> {
        let path = config.store(self.store.store.as_deref())?;
        match Store::open(path) {
            Err(StoreError::NotAStore { .. }) => {
                if self.bump() == Some(FormatBump::New) {
                    return Err(CliError::plain(Exit::Version, numbers::no_first_half()));
                }
                if let Source::Mix(workspace) = source
                    && self.previous.is_none()
                {
                    let version = self.version.unwrap_or(workspace.version);
                    numbers::check_adopted(workspace, version, path, |_| false, true)?;
                }
                fresh.create_store(path)
            }
            opened => Ok(opened?),
        }
    }

    fn options(&self, config: &MixConfig, source: &Source) -> Result<BuildOptions, CliError> {
        let mut options = BuildOptions::new(unix_now());
        options.deltas = self.deltas.or(config.deltas).unwrap_or(options.deltas);
        options.stage = self.stage;
        options.empty = self.empty;
        options.profile = self.profile.or(config.profile).unwrap_or_default();
        options.fullfiles = !self.skip_fullfiles;
        options.zero_packs = !self.skip_packs;
        options.allowed = self.allowed.rules();
        options.workers = config.jobs(self.jobs).unwrap_or(options.workers);
        options.memory_bytes = config.memory_bytes(self.memory);
        if let Source::Mix(workspace) = source {
            let methods: Vec<Method> =
                workspace.conf.compression.iter().filter_map(|name| Method::from_mixer(name)).collect();
            if !methods.is_empty() {
                options.compression = methods;
            }
        }
        options.sources = vec![source.record()];
        options.typed = self.typed();
        Ok(options)
    }

    /// Version files, certificates and URLs of a system that is built from trees. Both halves of a format bump have the
    /// version and format of the second (manifest §5.12).
    fn os_content(
        &self,
        config: &MixConfig,
        release: &Release,
        signer: Option<&Signer>,
        store: &Store,
    ) -> Result<OsContent, CliError> {
        let mut content = OsContent::new(release.version, release.format);
        if let Some(signer) = signer {
            content.certificate = Some(signer.anchor().pem().into_bytes());
            content.next_certificate = self.next_certificate(config, signer)?;
        }
        match self.bump() {
            Some(FormatBump::Old) => {
                content.format = self.next_format(release)?;
                content.version = numbers::next_version(release.version)?;
            }
            Some(FormatBump::New) => {
                if let Some(first) = FirstHalf::to_follow(store)? {
                    content.stamp = first.version_stamp(store)?;
                    // Not the signer's: endpoints on the first half never get files that only the second half has.
                    if let Some(files) = carried(store, first.version)? {
                        (content.certificate, content.next_certificate) = (Some(files.main), files.alternative);
                    }
                }
            }
            None => {}
        }
        content.content_url = self.content_url.clone().or_else(|| config.content_url.clone());
        content.version_url = self.version_url.clone().or_else(|| config.version_url.clone());
        Ok(content)
    }

    /// The next signing certificate, unless it signs already.
    fn next_certificate(&self, config: &MixConfig, signer: &Signer) -> Result<Option<Vec<u8>>, CliError> {
        let Some(path) = self.next_certificate.as_deref().or(config.next_certificate.as_deref()) else {
            return Ok(None);
        };
        let next = signing::usable_anchor(path)?;
        Ok((next.first() != signer.certificate()).then(|| next.pem().into_bytes()))
    }

    /// The options that the release record keeps.
    fn typed(&self) -> BTreeMap<String, String> {
        let mut typed = BTreeMap::new();
        let mut keep = |option: &str, value: Option<String>| {
            if let Some(value) = value {
                typed.insert(option.to_owned(), value);
            }
        };
        keep("min-version", self.min_version.map(|version| version.to_string()));
        keep("deltas", self.deltas.map(|number| number.to_string()));
        keep(FormatBump::OPTION, self.bump().map(|half| half.as_str().to_owned()));
        keep("skip-fullfiles", self.skip_fullfiles.then(|| "true".to_owned()));
        keep("skip-packs", self.skip_packs.then(|| "true".to_owned()));
        keep("no-signing", self.signing.no_signing.then(|| "true".to_owned()));
        typed
    }
}

impl From<BuildError> for CliError {
    fn from(error: BuildError) -> Self {
        let exit = error.fault().into();
        if let BuildError::Refused { findings, .. } = &error {
            let lines = findings.iter().map(ToString::to_string);
            return Self::plain(exit, format!("{error}; nothing was published:")).with_lines(lines);
        }
        Self::transparent(exit, error)
    }
}

impl From<SourceError> for CliError {
    fn from(error: SourceError) -> Self {
        let exit = error.fault().into();
        if let SourceError::Several(problems) = &error {
            return Self::plain(exit, problems.summary()).with_lines(problems.lines());
        }
        Self::transparent(exit, error)
    }
}

impl From<LostAttributes> for CliError {
    fn from(error: LostAttributes) -> Self {
        let lines: Vec<String> = error.warnings().iter().map(ToString::to_string).collect();
        Self::transparent(Exit::Input, error).with_lines(lines)
    }
}

/// The scanned source.
struct Scanned {
    inputs: Inputs,
    /// The format and version that the content announces to endpoints.
    said: Option<Destination>,
    /// Bundles that the mix drops with this release.
    leaving: Vec<BundleName>,
}

/// Scans with the timestamp of an unfinished build of the same inputs, else with that of `release`.
fn unfinished_or_new(
    store: &Store,
    release: &Release,
    options: &BuildOptions,
    scan: impl Fn(i64) -> Result<Scanned, CliError>,
) -> Result<Scanned, CliError> {
    for begun in unfinished(store, release.version, release.timestamp)? {
        let Some(timestamp) = begun.timestamp else { continue };
        let scanned = scan(timestamp)?;
        if continues(&scanned.inputs, options, &begun) {
            return Ok(scanned);
        }
    }
    scan(release.timestamp)
}
