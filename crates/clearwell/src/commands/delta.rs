//! `clearwell delta`: the delta engine as a small tool, with the argument order of bsdiff and bspatch.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use clearwell_delta::{
    Block, Delta as Made, DiffOptions, Encoding, FullDownloadReason, Header, MAX_NEW_SIZE, MIN_NEW_SIZE, NewFile,
    PatchError, Patched, diff, header, patch,
};
use clearwell_serve::config::ByteSize;
use clearwell_store::regular;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::CliError;
use crate::exit::Exit;
use crate::page::Page;
use crate::ui::{Ui, bytes_text};
use crate::values::{jobs, memory};

/// Make, apply or show a binary delta of swupd.
#[derive(Debug, clap::Args)]
pub(crate) struct Delta {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write the delta from OLD to NEW.
    ///
    /// Exit code 1 if a full download is better; DELTA then contains only the marker that says so.
    Diff {
        /// The file that endpoints have.
        old: PathBuf,
        /// The file that they update to; the delta contains its mode and owner.
        new: PathBuf,
        /// The delta to write.
        delta: PathBuf,
        /// Number of threads; 0 for one per processor. The result does not depend on it.
        #[arg(long, value_name = "N", value_parser = jobs, default_value_t = 0)]
        jobs: usize,
        /// Memory to use, such as 2GiB. Default: six times the size of OLD, plus 64MiB.
        #[arg(long, value_name = "SIZE", value_parser = memory)]
        memory: Option<ByteSize>,
    },
    /// Write NEW from OLD and DELTA, with the mode and owner in the delta. NEW must not exist.
    Patch {
        /// The file the delta was made from.
        old: PathBuf,
        /// The file to write.
        new: PathBuf,
        /// The delta.
        delta: PathBuf,
    },
    /// Show the header of a delta.
    Show {
        /// The delta.
        delta: PathBuf,
    },
}

impl Delta {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, CliError> {
        match self.action {
            Action::Diff { old, new, delta, jobs, memory } => {
                let mut options = DiffOptions { memory: memory.map(ByteSize::bytes), ..DiffOptions::default() };
                if let Some(threads) = NonZeroUsize::new(jobs).or_else(|| std::thread::available_parallelism().ok()) {
                    options.threads = threads;
                }
                make(&old, &new, &delta, &options, ui)
            }
            Action::Patch { old, new, delta } => apply(&old, &new, &delta, ui),
            Action::Show { delta } => show(&delta, ui),
        }
    }
}

/// The sizes of a delta and its files.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Sizes {
    /// Size of the old file in bytes.
    old_bytes: usize,
    /// Size of the new file in bytes.
    new_bytes: usize,
    /// Size of the delta in bytes.
    delta_bytes: usize,
    /// Why a full download is better; null if the delta is.
    full_download: Option<String>,
}

fn make(old: &Path, new: &Path, delta: &Path, options: &DiffOptions, ui: &Ui) -> Result<Exit, CliError> {
    let meta = fs::metadata(new).map_err(|error| CliError::reading(new, error))?;
    let meta = NewFile { mode: meta.mode(), uid: meta.uid(), gid: meta.gid() };
    let (old_bytes, new_bytes) = (read(old)?, read(new)?);
    let made = diff(&old_bytes, &new_bytes, meta, options).map_err(|error| {
        CliError::new(Exit::Input, format!("failed to make a delta from {} to {}", old.display(), new.display()), error)
    })?;
    let reason = match &made {
        Made::FullDownload(reason) => Some(why_full(*reason)),
        Made::Bytes(_) => None,
    };
    let bytes = made.into_file();
    fs::write(delta, &bytes).map_err(|error| CliError::disk(format!("failed to write {}", delta.display()), error))?;
    let text = match &reason {
        None => {
            let (bytes, whole) = (bytes_text(bytes.len() as u64), bytes_text(new_bytes.len() as u64));
            format!("wrote a delta of {bytes} for a file of {whole}")
        }
        Some(reason) => format!("a full download is better: {reason}"),
    };
    let exit = if reason.is_some() { Exit::Findings } else { Exit::Done };
    let sizes = Sizes {
        old_bytes: old_bytes.len(),
        new_bytes: new_bytes.len(),
        delta_bytes: bytes.len(),
        full_download: reason,
    };
    ui.result(&sizes, &Page::of(text))?;
    Ok(exit)
}

fn why_full(reason: FullDownloadReason) -> String {
    match reason {
        FullDownloadReason::OldEmpty => "clients apply no delta to an empty file".to_owned(),
        FullDownloadReason::NewSmall => format!("the new file has fewer than {MIN_NEW_SIZE} bytes"),
        FullDownloadReason::NewTooLarge => format!("the new file has more than {MAX_NEW_SIZE} bytes"),
        FullDownloadReason::NotSmaller(bytes) => format!("a delta would have {bytes} bytes"),
    }
}

fn apply(old: &Path, new: &Path, delta: &Path, ui: &Ui) -> Result<Exit, CliError> {
    let (old_bytes, delta_bytes) = (read(old)?, read(delta)?);
    let patched = match patch(&old_bytes, &delta_bytes) {
        Ok(patched) => patched,
        Err(error @ PatchError::FullDownload) => {
            return Err(CliError::new(Exit::Findings, delta.display().to_string(), error));
        }
        Err(error) => return Err(CliError::new(Exit::Input, format!("{} cannot be applied", delta.display()), error)),
    };
    if let Err(error) = write_patched(new, &patched) {
        if error.kind() == io::ErrorKind::AlreadyExists {
            let text = format!("{} exists; remove it, or choose another name", new.display());
            return Err(CliError::plain(Exit::Disk, text));
        }
        // An incomplete file must not be taken for a result.
        let _ = fs::remove_file(new);
        return Err(CliError::disk(format!("failed to write {}", new.display()), error));
    }
    let sizes = Sizes {
        old_bytes: old_bytes.len(),
        new_bytes: patched.bytes.len(),
        delta_bytes: delta_bytes.len(),
        full_download: None,
    };
    ui.result(&sizes, &Page::of(format_args!("wrote {}", bytes_text(patched.bytes.len() as u64))))?;
    Ok(Exit::Done)
}

fn write_patched(path: &Path, patched: &Patched) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&patched.bytes)?;
    // The owner first: changing the owner clears set-user-id.
    fchown(&file, Some(patched.meta.uid), Some(patched.meta.gid))?;
    file.set_permissions(fs::Permissions::from_mode(patched.meta.mode & 0o7777))?;
    file.sync_all()
}

/// The header of a delta.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Shown {
    /// The magic of the file, which has the version of its layout.
    version: String,
    /// Size of the old file in bytes.
    old_bytes: u64,
    /// Size of the new file in bytes.
    new_bytes: u64,
    /// Mode of the new file, octal.
    mode: String,
    /// User number of the new file.
    uid: u32,
    /// Group number of the new file.
    gid: u32,
    /// The three blocks, in order.
    blocks: Vec<ShownBlock>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Block")]
struct ShownBlock {
    /// The block.
    #[schemars(extend("enum" = Block::ALL.map(|block| block.to_string())))]
    block: String,
    /// How it is compressed.
    #[schemars(extend("enum" = Encoding::ALL.map(Encoding::name)))]
    encoding: &'static str,
    /// Its size in the file, in bytes.
    bytes: u64,
}

fn show(delta: &Path, ui: &Ui) -> Result<Exit, CliError> {
    let header: Header = match header(&read(delta)?) {
        Ok(header) => header,
        Err(error @ PatchError::FullDownload) => {
            return Err(CliError::new(Exit::Findings, delta.display().to_string(), error));
        }
        Err(error) => return Err(CliError::new(Exit::Input, delta.display().to_string(), error)),
    };
    let lengths = [header.control_len, header.diff_len, header.extra_len];
    let encodings = [header.encodings.control, header.encodings.diff, header.encodings.extra];
    let blocks: Vec<ShownBlock> = Block::ALL
        .iter()
        .zip(lengths)
        .zip(encodings)
        .map(|((block, bytes), encoding)| ShownBlock { block: block.to_string(), encoding: encoding.name(), bytes })
        .collect();
    let shown = Shown {
        version: String::from_utf8_lossy(header.version.magic()).into_owned(),
        old_bytes: header.old_size,
        new_bytes: header.new_size,
        mode: format!("{:o}", header.new_file.mode),
        uid: header.new_file.uid,
        gid: header.new_file.gid,
        blocks,
    };
    let mut text = Page::of(format_args!(
        "{}: {} -> {} bytes, mode {}, owner {}:{}",
        shown.version, shown.old_bytes, shown.new_bytes, shown.mode, shown.uid, shown.gid
    ));
    for block in &shown.blocks {
        let _ = writeln!(text, "  {:8} {:6} {:>10} bytes", block.block, block.encoding, block.bytes);
    }
    ui.result(&shown, &text)?;
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    regular::read_named(path, u64::MAX).map_err(|error| CliError::reading(path, error))
}
