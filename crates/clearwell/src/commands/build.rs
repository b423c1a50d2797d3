//! `clearwell build`.

mod numbers;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use clearwell_format::{BundleName, FormatNumber, Version};
use clearwell_generate::build::{
    BuildError, BuildOptions, BuildOutcome, Method, Profile, build, continues, unfinished,
};
use clearwell_generate::bump::{Destination, FirstHalf, FormatBump, settle};
use clearwell_generate::guard::{InvalidRule, Rule};
use clearwell_generate::inputs::{AttributePolicy, Inputs, Release};
use clearwell_generate::progress::{Merged, Phase};
use clearwell_generate::rotation::carried;
use clearwell_generate::source::SourceError;
use clearwell_generate::source::mix::Workspace;
use clearwell_generate::source::trees::{OsContent, Trees};
use clearwell_generate::tree::known::KnownHashes;
use clearwell_serve::config::ByteSize;
use clearwell_sign::Signer;
use clearwell_store::{OtherKeys, PhaseTime, SourceRecord, Store, StoreError};

use crate::cli::{base_url, is_of_environment, jobs, memory};
use crate::config::{MixConfig, StoreArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::fresh::Fresh;
use crate::interrupt::interruptible;
use crate::page::Page;
use crate::signing::{self, SigningArgs, unix_now};
use crate::ui::{Ui, bytes_text};

/// Build a release and publish it.
///
/// Makes everything a release has: manifests, fullfiles, packs for new installations, packs and manifest deltas for
/// endpoints on earlier releases, signatures. What is not said here comes from clearwell.toml, then from the mixer
/// workspace, then from the store, which is made if it is missing.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Build {
    /// A mixer workspace: builder.conf, mixer.state, update/image/….
    #[arg(long, env = "CLEARWELL_MIX", value_name = "DIR")]
    pub(crate) mix: Option<PathBuf>,
    /// Bundle trees: a folder for each bundle, and bundles.toml.
    #[arg(long, env = "CLEARWELL_TREES", value_name = "DIR")]
    pub(crate) trees: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The version to build. Default: that of the workspace, or ten above the last release.
    #[arg(long, value_name = "N")]
    pub(crate) version: Option<Version>,
    /// The version before; 0 for none, which a store takes only for its first release. Default: that of the workspace,
    /// or the last release.
    #[arg(long, value_name = "N")]
    pub(crate) previous: Option<u32>,
    /// The format of the release. Default: that of the workspace, or of the last release, or 30.
    #[arg(long, value_name = "F")]
    pub(crate) format: Option<FormatNumber>,
    /// Release everything older than this version again.
    #[arg(long, value_name = "N")]
    pub(crate) min_version: Option<Version>,
    /// One half of a format bump: `old` is the last release in the old format, `new` the first in the new one. The
    /// second half has the version, the format and the content that the first one leads to.
    #[arg(long, value_name = "HALF")]
    pub(crate) format_bump: Option<Half>,
    /// With `--format-bump old`: the format that the second half will have. Default: what the content of the workspace
    /// says, or one above.
    #[arg(long, value_name = "F", requires = "format_bump")]
    pub(crate) next_format: Option<FormatNumber>,
    /// From how many earlier releases endpoints get packs made for them. Default 3.
    #[arg(long, value_name = "K")]
    pub(crate) deltas: Option<usize>,
    /// Stop before the pointers move; `clearwell publish` moves them.
    #[arg(long)]
    pub(crate) stage: bool,
    /// Afterwards prepare the mixer workspace for the next version.
    #[arg(long, requires = "mix")]
    pub(crate) increment: bool,
    /// Release also if nothing changed but the version.
    #[arg(long)]
    pub(crate) empty: bool,
    /// Read every file again, also those that did not change since the last build by all that the disk says.
    #[arg(long)]
    pub(crate) paranoid: bool,
    /// What to do about file capabilities and other extended attributes, which endpoints do not get: `warn`, `refuse` or
    /// `ignore`. Default warn.
    #[arg(long, env = "CLEARWELL_XATTRS", value_name = "POLICY")]
    pub(crate) xattrs: Option<AttributePolicy>,
    /// Make no fullfiles. Endpoints cannot repair themselves then.
    #[arg(long)]
    pub(crate) skip_fullfiles: bool,
    /// Make no packs for new installations.
    #[arg(long)]
    pub(crate) skip_packs: bool,
    /// Seconds since the epoch for the manifests. Default: those of an interrupted build that is continued, or the clock.
    #[arg(long, env = "SOURCE_DATE_EPOCH", value_name = "UNIX", value_parser = clap::value_parser!(i64).range(0..=253_402_300_799))]
    pub(crate) timestamp: Option<i64>,
    /// The certificate that signs next, PEM; written into os-core beside the first when building from trees.
    #[arg(long = "next-cert", alias = "next-certificate", env = "CLEARWELL_NEXT_CERTIFICATE", value_name = "PEM")]
    pub(crate) next_certificate: Option<PathBuf>,
    /// Where endpoints will fetch content from; written into os-core when building from trees.
    #[arg(long, env = "CLEARWELL_CONTENT_URL", value_name = "URL", value_parser = base_url)]
    pub(crate) content_url: Option<String>,
    /// Where endpoints will fetch pointers from; written into os-core when building from trees.
    #[arg(long, env = "CLEARWELL_VERSION_URL", value_name = "URL", value_parser = base_url)]
    pub(crate) version_url: Option<String>,
    /// Time against bytes: `small` for releases, `balanced`, or `fast` for test mixes. Default small.
    #[arg(long, env = "CLEARWELL_PROFILE", value_name = "PROFILE")]
    pub(crate) profile: Option<Profile>,
    /// Threads; 0 for one on each processor. The result does not depend on it.
    #[arg(long, env = "CLEARWELL_JOBS", value_name = "N", value_parser = jobs)]
    pub(crate) jobs: Option<usize>,
    /// Memory that grows with files, such as 2GiB. Default: half of what the machine or its control group has.
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
    /// Overrule a rule of the publish guard; it is kept in the release record. May be repeated.
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
    /// Old format, content of the new one.
    Old,
    /// New format, everything released again.
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
        let left = "nothing was released; the same command goes on with what was finished";
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
        // The scan uses the global pool; a second call in one process (the demo) finds it made.
        if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(options.workers.get()).build_global()
            && error.source().is_some()
        {
            return Err(CliError::new(Exit::Memory, "failed to start threads; let fewer workers run", error));
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
        attributes.apply(&mut inputs).map_err(|error| CliError::transparent(Exit::Input, error))?;
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
                    format!("{released} is released, but not written down in the workspace"),
                    error,
                )
            })?;
        }
        outcome.warnings.extend(no_url);
        if bump == Some(FormatBump::New) && !self.stage {
            outcome.warnings.extend(Self::not_led_across(writer.store())?);
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

    /// What a system that is built from trees says about itself. Both halves of a format bump say what the second is
    /// (manifest §5.12).
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
                    // Whoever signs it: endpoints on the first half never get what the second has of its own.
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

    /// The certificate that signs next, unless it signs already.
    fn next_certificate(&self, config: &MixConfig, signer: &Signer) -> Result<Option<Vec<u8>>, CliError> {
        let Some(path) = self.next_certificate.as_deref().or(config.next_certificate.as_deref()) else {
            return Ok(None);
        };
        let next = signing::usable_anchor(path)?;
        Ok((next.first() != signer.certificate()).then(|| next.pem().into_bytes()))
    }

    /// What the release record keeps of the command line.
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

/// What is built from.
enum Source {
    Mix(Box<Workspace>),
    Trees(Trees),
}

impl Source {
    fn open(build: &Build, config: &MixConfig) -> Result<Self, CliError> {
        let (mix, trees) = match (build.mix.as_deref(), build.trees.as_deref()) {
            (None, None) => (config.mix.as_deref(), config.trees.as_deref()),
            (Some(mix), Some(_)) if is_of_environment("CLEARWELL_MIX", mix) => (None, build.trees.as_deref()),
            (Some(_), Some(trees)) if is_of_environment("CLEARWELL_TREES", trees) => (build.mix.as_deref(), None),
            (Some(_), Some(_)) => {
                return Err(CliError::usage("--mix and --trees exclude each other: a release has one source"));
            }
            named => named,
        };
        match (mix, trees) {
            (Some(dir), None) => Ok(Self::Mix(Box::new(Workspace::open(dir, None)?))),
            (None, Some(dir)) => Ok(Self::Trees(Trees::open(dir)?)),
            (Some(_), Some(_)) => Err(CliError::usage("the configuration names both mix and trees: name one of them")),
            (None, None) => {
                Err(CliError::usage("what to build? give --mix DIR (a mixer workspace) or --trees DIR (bundle trees)"))
            }
        }
    }

    fn certificate(&self) -> Option<&Path> {
        match self {
            Self::Mix(workspace) => Some(&workspace.conf.certificate),
            Self::Trees(_) => None,
        }
    }

    /// The warning for content that does not tell endpoints where to fetch from.
    fn lacks_content_url(&self, inputs: &Inputs) -> Result<Option<String>, CliError> {
        let mut url = String::new();
        if let Some(node) = inputs.tree.find(CONTENT_URL).map(|place| inputs.tree.node(place)) {
            node.open()
                .map_err(io::Error::from)
                .and_then(|file| file.take(4096).read_to_string(&mut url))
                .map_err(|error| CliError::reading(&node.location(), error))?;
        }
        if base_url(url.trim()).is_ok() {
            return Ok(None);
        }
        let what = match url.trim() {
            "" => "the release does not tell endpoints where to fetch content".to_owned(),
            other => format!("the release tells endpoints to fetch content from \"{other}\", which is not a URL"),
        };
        let remedy = match self {
            Self::Mix(_) => "set CONTENTURL and VERSIONURL in builder.conf, and build the bundles again",
            Self::Trees(_) => "set content-url in clearwell.toml, or give --content-url",
        };
        Ok(Some(format!("{what}: each swupd command needs -u URL; {remedy}")))
    }

    fn record(&self) -> SourceRecord {
        let (kind, path) = match self {
            Self::Mix(workspace) => ("mix", workspace.dir()),
            Self::Trees(trees) => ("trees", trees.dir()),
        };
        SourceRecord { kind: kind.to_owned(), path: path.display().to_string(), other: OtherKeys::new() }
    }
}

impl From<BuildError> for CliError {
    fn from(error: BuildError) -> Self {
        let exit = error.fault().into();
        if let BuildError::Refused { findings, .. } = &error {
            let lines = findings.iter().map(ToString::to_string);
            return Self::plain(exit, format!("{error}, nothing was published:")).with_lines(lines);
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

/// What was read of the source.
struct Scanned {
    inputs: Inputs,
    /// Where the content leads endpoints.
    said: Option<Destination>,
    /// Bundles that leave the mix with this release.
    leaving: Vec<BundleName>,
}

/// The inputs at the time at which an unfinished build of the very same began, or else at that of `release`.
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

/// What a build did, for a person.
pub(crate) fn summary(outcome: &BuildOutcome) -> Page {
    let conclusion = conclusion(outcome.generation);
    let mut text = Page::of(format_args!("release {} (format {}), {conclusion}", outcome.version, outcome.format));
    for (kind, made) in &outcome.made {
        let reused = if made.reused > 0 {
            format!(", {} of them from an interrupted build", made.reused)
        } else {
            String::new()
        };
        let _ = writeln!(text, "  {kind:16} {:>8}  {:>10}{reused}", made.number, bytes_text(made.bytes));
    }
    text.gap();
    let _ = writeln!(text, "  {:32} {:>10} {:>10}  to update", "bundle", "version", "to install");
    for bundle in &outcome.bundles {
        let install = bundle.zero_pack_bytes.map_or_else(|| "-".to_owned(), bytes_text);
        let updates: Vec<String> =
            bundle.update_bytes.iter().map(|(from, bytes)| format!("{from}: {}", bytes_text(*bytes))).collect();
        let _ = writeln!(text, "  {:32} {:>10} {install:>10}  {}", bundle.bundle, bundle.version, updates.join(", "));
    }
    text.append(&times(outcome));
    text
}

/// Where the time went, for a person: phases of a tenth of a second or more, and the slowest files.
fn times(outcome: &BuildOutcome) -> Page {
    let seconds = |milliseconds: u64| Duration::from_millis(milliseconds).as_secs_f64();
    let phases = outcome.phases.iter().filter(|phase| phase.milliseconds >= 100);
    let phases: Vec<String> =
        phases.map(|phase| format!("{} {:.1} s", phase.phase, seconds(phase.milliseconds))).collect();
    let slowest = outcome.slowest.iter().filter(|slow| slow.milliseconds >= 1000);
    let slowest: Vec<String> =
        slowest.map(|slow| format!("{} {:.1} s", slow.object, seconds(slow.milliseconds))).collect();
    let mut text = Page::default();
    for (name, list) in [("time", phases), ("slowest", slowest)] {
        if !list.is_empty() {
            text.gap();
            let _ = writeln!(text, "  {name:8} {}", list.join(", "));
        }
    }
    text
}

/// Whether endpoints see the release.
pub(crate) fn conclusion(generation: Option<u64>) -> String {
    match generation {
        Some(generation) => format!("endpoints see it (pointer generation {generation})"),
        None => "staged: \"clearwell publish\" shows it to endpoints".to_owned(),
    }
}

/// Where stock clients look for the URL of the content (client behaviour §2).
const CONTENT_URL: &[u8] = b"/usr/share/defaults/swupd/contenturl";
