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

/// Move the pointers to a staged release, so that endpoints see it.
///
/// With a release that the pointers name already, their signatures are renewed.
#[derive(Debug, clap::Args)]
pub(crate) struct Publish {
    /// The release.
    version: Version,
    #[command(flatten)]
    store: StoreArgs,
    /// Publish a release that was retracted.
    #[arg(long)]
    again: bool,
    /// Move version/formatstaging/latest alone, which clients with `-F staging` take.
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
        let text = format!("published {}: {}", published.version, conclusion(Some(published.generation)));
        ui.result(&published, &Page::of(text))?;
        Ok(Exit::Done)
    }
}
