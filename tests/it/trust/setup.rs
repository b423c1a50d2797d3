//! Stores to damage, and endpoints that read them.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clearwell_endpoint::source::StoreSource;
use clearwell_endpoint::{EndpointOptions, Retry, VerifyOptions, VerifyReport, verify};
use clearwell_format::FormatNumber;
use clearwell_store::Store;
use clearwell_store::check::{CheckOptions, CheckReport, check};
use clearwell_store::gc::Retention;
use clearwell_store::progress::Silent;
use clearwell_testkit::signer;
use tempfile::TempDir;

use super::mix::{Mix, machine_code, text, version};

/// A folder on a tmpfs, where syncs cost nothing.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Prints a line; the test harness would discard the output of a test that passes.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A mix of a few files, some of which change in each release.
pub(crate) fn mix_at(number: u32) -> Mix {
    let mut mix = Mix::default();
    mix.format = 30;
    mix.file("os-core", "/usr/bin/tool", &machine_code(12_000, 1));
    mix.file("os-core", "/usr/share/text", &text(3_000, number));
    mix.file("os-core", "/usr/share/clear/update-ca/Swupd_Root.pem", signer().anchor().pem().as_bytes());
    mix.link("os-core", "/usr/lib64", "lib");
    mix.file("editor", "/usr/bin/editor", &machine_code(9_000, 1 + number % 20));
    mix.file("editor", "/usr/share/editor/help", &text(2_000, 5));
    mix
}

/// Builds and publishes `numbers` on top of each other in a new store.
pub(crate) fn store_with(root: &Path, numbers: &[u32]) -> Store {
    let store = Store::create(root).unwrap();
    let mut previous = None;
    for number in numbers {
        mix_at(*number).build(*number, previous, &store);
        previous = Some(*number);
    }
    store
}

/// Options of the endpoints of these tests: they trust the test key and retry immediately.
pub(crate) fn endpoint_options() -> EndpointOptions {
    let mut options = EndpointOptions::new(FormatNumber::new(30).unwrap());
    options.trust = Some(signer().anchor().clone().into());
    options.retry = Retry { delay: Duration::ZERO, ..options.retry };
    options
}

/// The report of endpoints that install the newest release and update to it from `from`.
pub(crate) fn endpoints(store: &Store, from: &[u32]) -> VerifyReport {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut options = VerifyOptions::new(endpoint_options());
    options.from = from.iter().map(|number| version(*number)).collect();
    options.scratch = Some("/dev/shm".into()).filter(|path: &std::path::PathBuf| path.is_dir());
    let source = Arc::new(StoreSource::new(store.clone()));
    runtime.block_on(verify(source, &options, &Silent)).unwrap()
}

/// Everything that a check finds.
pub(crate) fn checked(store: &Store) -> CheckReport {
    check(store, &check_options(), &Silent).unwrap()
}

pub(crate) fn check_options() -> CheckOptions {
    let mut options = CheckOptions::new(now());
    options.jobs = std::num::NonZeroUsize::MIN;
    options
}

pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_secs().try_into().unwrap()
}

/// Keeps the last `number` releases, with a grace time of zero.
pub(crate) fn keep(number: usize) -> Retention {
    Retention { grace: Duration::ZERO, ..Retention::new(number, SystemTime::now()) }
}
