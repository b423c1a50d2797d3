//! What a release is built from: a mixer workspace, or bundle trees.

use std::io::{self, Read as _};
use std::path::Path;

use clearwell_generate::inputs::Inputs;
use clearwell_generate::source::mix::Workspace;
use clearwell_generate::source::trees::Trees;
use clearwell_store::{OtherKeys, SourceRecord};

use super::Build;
use crate::cli::is_of_environment;
use crate::config::MixConfig;
use crate::error::CliError;
use crate::values::base_url;

/// The source of a release.
pub(super) enum Source {
    Mix(Box<Workspace>),
    Trees(Trees),
}

impl Source {
    pub(super) fn open(build: &Build, config: &MixConfig) -> Result<Self, CliError> {
        let (mix, trees) = match (build.mix.as_deref(), build.trees.as_deref()) {
            (None, None) => (config.mix.as_deref(), config.trees.as_deref()),
            (Some(mix), Some(_)) if is_of_environment("CLEARWELL_MIX", mix) => (None, build.trees.as_deref()),
            (Some(_), Some(trees)) if is_of_environment("CLEARWELL_TREES", trees) => (build.mix.as_deref(), None),
            (Some(_), Some(_)) => {
                return Err(CliError::usage("--mix and --trees exclude each other; a release has one source"));
            }
            named => named,
        };
        match (mix, trees) {
            (Some(dir), None) => Ok(Self::Mix(Box::new(Workspace::open(dir, None)?))),
            (None, Some(dir)) => Ok(Self::Trees(Trees::open(dir)?)),
            (Some(_), Some(_)) => Err(CliError::usage("the configuration has both mix and trees; keep one of them")),
            (None, None) => Err(CliError::usage(
                "no source given; use --mix DIR (a mixer workspace) or --trees DIR (bundle trees), or run in a mix folder",
            )),
        }
    }

    pub(super) fn certificate(&self) -> Option<&Path> {
        match self {
            Self::Mix(workspace) => Some(&workspace.conf.certificate),
            Self::Trees(_) => None,
        }
    }

    /// The warning for content without a usable content URL.
    pub(super) fn lacks_content_url(&self, inputs: &Inputs) -> Result<Option<String>, CliError> {
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
            "" => "the release has no content URL".to_owned(),
            other => format!("the content URL of the release, \"{other}\", is not a URL"),
        };
        let remedy = match self {
            Self::Mix(_) => "set CONTENTURL and VERSIONURL in builder.conf, and build the bundles again",
            Self::Trees(_) => "set content-url in clearwell.toml, or use --content-url",
        };
        Ok(Some(format!("{what}, so endpoints must run each swupd command with -u URL; {remedy}")))
    }

    pub(super) fn record(&self) -> SourceRecord {
        let (kind, path) = match self {
            Self::Mix(workspace) => ("mix", workspace.dir()),
            Self::Trees(trees) => ("trees", trees.dir()),
        };
        SourceRecord { kind: kind.to_owned(), path: path.display().to_string(), other: OtherKeys::new() }
    }
}

/// Where stock clients look for the URL of the content (client behaviour §2).
const CONTENT_URL: &[u8] = b"/usr/share/defaults/swupd/contenturl";
