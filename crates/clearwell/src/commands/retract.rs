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

/// Retract a published release: the pointers move back to an earlier one.
///
/// Endpoints that have not updated yet no longer see the release. Those that have updated stay on it, because swupd
/// does not downgrade: for them, build a higher version on the retracted one (with --min-version, every file is
/// released again). The content stays until gc. To drop a staged release, use discard.
#[derive(Debug, clap::Args)]
pub(crate) struct Retract {
    /// The release to retract.
    version: Version,
    #[command(flatten)]
    store: StoreArgs,
    /// The release to move the pointers back to: an earlier published one of the same format that is not retracted. Default:
    /// the newest of these.
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
            Some(version) => format!("retracted {}: the pointers name {version}", retracted.version),
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
    let mut page = Page::of(format_args!(
        "endpoints already on {version} stay on it until a higher version is published; correct the content, then run"
    ));
    let _ = writeln!(page, "  clearwell build --version {next} --previous {version}");
    let _ = writeln!(page, "or, to replace every file of {version},");
    let _ = writeln!(page, "  clearwell build --version {next} --previous {version} --min-version {next}");
    page
}

fn advice_on_first_half(first: &FirstHalf) -> Page {
    let FirstHalf { version, next_version, next_format, .. } = first;
    let mut page = Page::of(format_args!(
        "endpoints already on {version} report version {next_version} and look for updates in format {next_format}; build \
         the second half for them with"
    ));
    let _ = writeln!(page, "  clearwell build --format-bump new");
    page
}
