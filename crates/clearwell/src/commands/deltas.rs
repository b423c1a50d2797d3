//! `clearwell deltas`.

use clap::ArgGroup;
use clearwell_format::Version;
use clearwell_generate::deltas::{Added, DeltaOptions, Sources, add_deltas};
use clearwell_serve::config::ByteSize;

use crate::cli::{jobs, memory};
use crate::config::StoreArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::interruptible;
use crate::names::require_release;
use crate::page::Page;
use crate::ui::{Ui, bytes_text};

/// Add packs and manifest deltas for endpoints on earlier releases.
///
/// `build` makes them for the last few releases; this adds more at any later time. What was released stays as it is, and
/// pointers do not move. Everything that is needed comes out of the store.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("sources").required(true).args(["from", "previous"]))]
pub(crate) struct Deltas {
    #[command(flatten)]
    store: StoreArgs,
    /// The release that endpoints update to.
    #[arg(long, value_name = "N")]
    to: Version,
    /// The releases that endpoints come from.
    #[arg(long, value_name = "A,…", value_delimiter = ',')]
    from: Vec<Version>,
    /// The last K releases before it, as far as they have its format.
    #[arg(long, value_name = "K")]
    previous: Option<usize>,
    /// Threads; 0 for one on each processor. The result does not depend on it.
    #[arg(long, env = "CLEARWELL_JOBS", value_name = "N", value_parser = jobs)]
    jobs: Option<usize>,
    /// Memory that grows with files, such as 2GiB. Default: half of what the machine or its control group has.
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
        let sources = match self.previous {
            Some(number) => Sources::Last(number),
            None => Sources::Releases(self.from),
        };
        let mut writer = store.writer(&format!("deltas to {}", self.to))?;
        let left = "packs that were finished stay; the same command makes the others";
        let added = interruptible(ui, left, || Ok(add_deltas(&mut writer, self.to, &sources, &options, ui)?))?;
        for warning in &added.warnings {
            ui.warn(warning);
        }
        ui.result(&added, &text(&added))?;
        Ok(Exit::Done)
    }
}

fn text(added: &Added) -> Page {
    let from: Vec<String> = added.from.iter().map(ToString::to_string).collect();
    let mut text = Page::of(format_args!(
        "to {} from {}: {} packs made, {} were there; {} manifest deltas made",
        added.to,
        if from.is_empty() { "nothing".to_owned() } else { from.join(", ") },
        added.packs.len(),
        added.packs_there,
        added.delta_manifests,
    ));
    for pack in &added.packs {
        let _ = writeln!(
            text,
            "  {:32} {:>8} -> {:<8} {:>10}  {} deltas, {} whole",
            pack.bundle,
            pack.from,
            pack.to,
            bytes_text(pack.bytes),
            pack.deltas,
            pack.whole,
        );
    }
    text
}
