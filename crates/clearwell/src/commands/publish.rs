//! `clearwell publish`.

use clearwell_format::Version;
use clearwell_generate::publish::{PublishOptions, publish};

use crate::commands::build::{Allowed, conclusion};
use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::names::require_release;
use crate::page::Page;
use crate::signing::{SigningArgs, unix_now};
use crate::ui::Ui;

/// Publish a staged release: the pointers move to it, and endpoints see it.
///
/// If the pointers already name the release, they are signed again.
#[derive(Debug, clap::Args)]
pub(crate) struct Publish {
    /// The release to publish.
    version: Version,
    #[command(flatten)]
    store: StoreArgs,
    /// Publish a retracted release again.
    #[arg(long)]
    again: bool,
    /// Move only version/formatstaging/latest, which clients with `-F staging` follow.
    #[arg(long)]
    staging: bool,
    #[command(flatten)]
    signing: SigningArgs,
    #[command(flatten)]
    allowed: Allowed,
}

impl Publish {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let (config, store) = self.store.open()?;
        require_release(&store, self.version)?;
        let signer = self.signing.signer(&config, None)?;
        let writer = store.writer(&format!("publish {}", self.version))?;
        let options =
            PublishOptions { again: self.again, staging: self.staging, allowed: self.allowed.rules(), now: unix_now() };
        let published = publish(self.version, &writer, signer.as_ref(), &options, ui)?;
        for warning in &published.warnings {
            ui.warn(warning);
        }
        for text in &published.overruled {
            ui.warn(&format!("allowed: {text}"));
        }
        let text = match self.staging {
            true => format!("release {} published on the staging channel only", published.version),
            false => format!("release {} {}", published.version, conclusion(Some(published.generation))),
        };
        ui.result(&published, &Page::of(text))?;
        Ok(Exit::Done)
    }
}
