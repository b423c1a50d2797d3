//! The newest version: the pointer, its signature, and the handling of bad ones (client behaviour §5, §6).

use clearwell_format::resource::Pointer;
use clearwell_format::{Resource, Version, pointer};
use clearwell_sign::Dates;

use crate::endpoint::{Endpoint, Run, Stop};
use crate::fetch::Failed;
use crate::problem::{Problem, reason};
use crate::{EndpointError, ExitCode, Report};

impl Endpoint {
    /// Checks for a newer version (`check-update`). Ends with [`ExitCode::Negative`] without one.
    ///
    /// # Errors
    /// [`EndpointError`] for faults of this machine: folders, options, certificates.
    pub async fn check_update(&mut self) -> Result<Report, EndpointError> {
        let mut run = self.begin();
        let outcome = self.ask_for_update(&mut run).await;
        self.conclude(run, outcome)
    }

    async fn ask_for_update(&self, run: &mut Run) -> Result<(), Stop> {
        let Some(installed) = self.version() else {
            return Err(Stop::Exit(ExitCode::VersionUnknown));
        };
        self.check_trust(run)?;
        let pointer = Pointer::LatestVersion;
        let resource = Resource::Pointer(pointer);
        let text = match run.fetcher.bytes(&resource, pointer::MAX_LENGTH as u64, true).await {
            Ok(text) => text,
            Err(failed) => return run.stop(fetch_problem(resource, failed), ExitCode::Server),
        };
        if let Some(signature) = pointer.signature().filter(|_| self.options.trust.is_some()) {
            // The client asks for its length first, to allocate memory for it.
            run.fetcher.head(Resource::Pointer(signature).into()).await;
            self.check_pointer(run, pointer, &text, signature).await?;
        }
        match newest(&text) {
            Ok(Some(version)) if version > installed => Ok(()),
            Ok(_) => Err(Stop::Exit(ExitCode::Negative)),
            Err(NoVersion) if text.is_empty() => Err(Stop::Exit(ExitCode::Negative)),
            Err(NoVersion) => run.stop(Problem::Pointer { resource }, ExitCode::Server),
        }
    }

    /// The newest version of the endpoint's format; `None` for the pointer "0".
    pub(crate) async fn latest(&self, run: &mut Run) -> Result<Option<Version>, Stop> {
        let pointer = Pointer::Latest(self.state.format);
        let resource = Resource::Pointer(pointer);
        let text = match run.fetcher.bytes(&resource, POINTER_LIMIT, false).await {
            Ok(text) => text,
            Err(failed) => return run.stop(fetch_problem(resource, failed), ExitCode::Server),
        };
        if let Some(signature) = pointer.signature() {
            self.check_pointer(run, pointer, &text, signature).await?;
        }
        match newest(&text) {
            Ok(version) => Ok(version),
            Err(NoVersion) => run.stop(Problem::Pointer { resource }, ExitCode::Server),
        }
    }

    async fn check_pointer(&self, run: &mut Run, signed: Pointer, text: &[u8], signature: Pointer) -> Result<(), Stop> {
        let Some(trust) = &self.options.trust else { return Ok(()) };
        let uncached = signed == Pointer::LatestVersion;
        let signature = Resource::Pointer(signature);
        let bytes = match run.fetcher.bytes(&signature, SIGNATURE_LIMIT, uncached).await {
            Ok(bytes) => bytes,
            Err(failed) => return run.stop(fetch_problem(signature, failed), ExitCode::Signature),
        };
        // Expiry is not checked here: only the signature of the MoM must be in time.
        let now = self.now();
        match trust.verify(text, &bytes, Dates::Begun(now), now) {
            Ok(_) => Ok(()),
            Err(error) => run.stop(
                Problem::Signature { resource: Resource::Pointer(signed), reason: reason(&error) },
                ExitCode::Signature,
            ),
        }
    }
}

pub(crate) fn fetch_problem(resource: Resource, failed: Failed) -> Problem {
    Problem::Fetch { resource, status: failed.status, reason: failed.reason }
}

struct NoVersion;

fn newest(text: &[u8]) -> Result<Option<Version>, NoVersion> {
    match pointer::parse(text) {
        Some(version) => Ok(Some(version)),
        None => {
            let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii();
            let is_zero = !line.is_empty() && line.iter().all(|&byte| byte == b'0');
            if is_zero { Ok(None) } else { Err(NoVersion) }
        }
    }
}

const POINTER_LIMIT: u64 = 64 << 10;
pub(crate) const SIGNATURE_LIMIT: u64 = clearwell_sign::MAX_SIGNATURE_BYTES as u64;
