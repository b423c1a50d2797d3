//! `clearwell retract`.

use clearwell_format::Version;
use clearwell_generate::bump::FirstHalf;
use clearwell_generate::retract::{RetractOptions, retract};

use crate::commands::build::Allowed;
use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::names::require_release;
use crate::page::Page;
use crate::signing::{SigningArgs, unix_now};
use crate::ui::Ui;

/// Retract a release: the pointers move back to the one before, and the release is marked.
///
/// Endpoints that have not updated yet no longer hear of it. Those that have updated stay on it, as swupd never goes
/// back: for them, release a higher version with the old content, built on the one that was retracted (--min-version
/// releases every file again). Content stays until gc. A staged release has nothing to retract: discard drops it.
#[derive(Debug, clap::Args)]
pub(crate) struct Retract {
    /// The release.
    version: Version,
    #[command(flatten)]
    store: StoreArgs,
    /// The release to move the pointers back to: an earlier one of its format that was published and not retracted.
    /// Default: the newest of these.
    #[arg(long, value_name = "N")]
    to: Option<Version>,
    #[command(flatten)]
    signing: SigningArgs,
    #[command(flatten)]
    allowed: Allowed,
}

impl Retract {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let (config, store) = self.store.open()?;
        for version in [self.version].into_iter().chain(self.to) {
            require_release(&store, version)?;
        }
        let signer = self.signing.signer(&config, None)?;
        let mut writer = store.writer(&format!("retract {}", self.version))?;
        let options = RetractOptions { to: self.to, allowed: self.allowed.rules(), now: unix_now() };
        let retracted = retract(self.version, &options, &mut writer, signer.as_ref())?;
        let mut text = Page::of(match retracted.pointers_at {
            Some(version) => format!("retracted {}: pointers name {version}", retracted.version),
            None => format!("retracted {}: no pointer names it", retracted.version),
        });
        text.append(&match FirstHalf::pending(&store)?.filter(|first| first.version == self.version) {
            Some(first) => advice_on_first_half(&first),
            None => advice(&retracted, self.version),
        });
        ui.result(&retracted, &text)?;
        Ok(Exit::Done)
    }
}

fn advice(retracted: &clearwell_generate::retract::Retracted, version: Version) -> Page {
    let next = retracted.next_version;
    let why = "stay on it until there is a higher release";
    let mut page = Page::of(format_args!("endpoints that took {version} {why}: put the trees right, then"));
    let _ = writeln!(page, "  clearwell build --version {next} --previous {version}");
    let _ = writeln!(page, "or, if files of {version} must not stay in use,");
    let _ = writeln!(page, "  clearwell build --version {next} --previous {version} --min-version {next}");
    page
}

fn advice_on_first_half(first: &FirstHalf) -> Page {
    let FirstHalf { version, next_version, next_format, .. } = first;
    let mut page = Page::of(format_args!(
        "endpoints that took {version} take themselves for {next_version} and look for updates in format {next_format}: \
         carry them on with"
    ));
    let _ = writeln!(page, "  clearwell build --format-bump new");
    page
}
