//! `clearwell deltas`.

use clap::ArgGroup;
use clearwell_format::Version;
use clearwell_generate::deltas::{Added, DeltaOptions, Sources, add_deltas};
use clearwell_serve::config::ByteSize;

use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::interruptible;
use crate::names::require_release;
use crate::page::Page;
use crate::ui::{Ui, bytes_text, count, list};
use crate::values::{jobs, memory, whole_number};

/// Add delta packs and manifest deltas from earlier releases.
///
/// `build` makes them from the last few releases; this command adds more later. Released files and pointers do not change.
/// All input comes from the store.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("sources").required(true).args(["from", "last"]))]
pub(crate) struct Deltas {
    #[command(flatten)]
    store: StoreArgs,
    /// The release that endpoints update to.
    #[arg(long, value_name = "N")]
    to: Version,
    /// The releases that endpoints update from.
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    from: Vec<Version>,
    /// Update from the last K releases before it, as far as they have its format.
    #[arg(long, alias = "previous", value_name = "K", value_parser = whole_number::<usize>)]
    last: Option<usize>,
    /// Number of threads; 0 for one per processor. The result does not depend on it.
    #[arg(long, env = "CLEARWELL_JOBS", value_name = "N", value_parser = jobs)]
    jobs: Option<usize>,
    /// Memory for data that grows with file sizes, such as 2GiB. Default: half of the memory of the machine or control
    /// group.
    #[arg(long, env = "CLEARWELL_MEMORY", value_name = "SIZE", value_parser = memory)]
    memory: Option<ByteSize>,
}

impl Deltas {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        let (config, store) = self.store.open()?;
        let mut options = DeltaOptions { memory_bytes: config.memory_bytes(self.memory), ..DeltaOptions::default() };
        options.workers = config.jobs(self.jobs).unwrap_or(options.workers);
        for version in self.from.iter().chain([&self.to]) {
            require_release(&store, *version)?;
        }
        let sources = match self.last {
            Some(number) => Sources::Last(number),
            None => Sources::Releases(self.from),
        };
        let mut writer = store.writer(&format!("deltas to {}", self.to))?;
        let left = "finished packs are kept; run the same command again for the others";
        let added = interruptible(ui, left, || Ok(add_deltas(&mut writer, self.to, &sources, &options, ui)?))?;
        for warning in &added.warnings {
            ui.warn(warning);
        }
        ui.result(&added, &text(&added))?;
        Ok(Exit::Done)
    }
}

fn text(added: &Added) -> Page {
    let mut text = match added.from.is_empty() {
        true => Page::of(format_args!("no earlier release to update to {} from", added.to)),
        false => Page::of(format_args!(
            "updates to {} from {}: made {} and {}; {} existed already",
            added.to,
            list(&added.from),
            count(added.packs.len() as u64, "delta pack"),
            count(added.delta_manifests, "manifest delta"),
            count(added.packs_there, "delta pack"),
        )),
    };
    for pack in &added.packs {
        let _ = writeln!(
            text,
            "  {:32} {:>8} -> {:<8} {:>10}  {}, {}",
            pack.bundle,
            pack.from,
            pack.to,
            bytes_text(pack.bytes),
            count(pack.deltas, "delta"),
            count(pack.whole, "whole file"),
        );
    }
    text
}
