//! Comparing the installed files with their manifests, and repairing them: `diagnose` and `repair`.

use crate::disk::{Found, WhenFull};
use crate::endpoint::{Endpoint, Run, Stop};
use crate::files::{FileList, Listed};
use crate::report::{FaultyFile, FileFault};
use crate::{EndpointError, ExitCode, Report};

impl Endpoint {
    /// Compares every installed file. Ends with [`ExitCode::Negative`] if one is not as it should be.
    ///
    /// # Errors
    /// [`EndpointError`] for faults of this machine: folders, options, certificates. Everything else is in the report.
    pub async fn diagnose(&mut self) -> Result<Report, EndpointError> {
        let mut run = self.begin();
        let outcome = match self.inspect(&mut run).await {
            Ok(_) if run.report.faulty.is_empty() => Ok(()),
            Ok(_) => Err(Stop::Exit(ExitCode::Negative)),
            Err(stop) => Err(stop),
        };
        self.conclude(run, outcome)
    }

    /// Compares every installed file and mends what is wrong, with fullfiles. The report lists what was wrong.
    ///
    /// # Errors
    /// [`EndpointError`] for faults of this machine: folders, options, certificates. Everything else is in the report.
    pub async fn repair(&mut self) -> Result<Report, EndpointError> {
        let mut run = self.begin();
        let outcome = self.repair_run(&mut run).await;
        self.conclude(run, outcome)
    }

    async fn repair_run(&mut self, run: &mut Run) -> Result<(), Stop> {
        let list = self.inspect(run).await?;
        let (extraneous, broken): (Vec<_>, Vec<_>) =
            run.report.faulty.iter().cloned().partition(|faulty| faulty.fault == FileFault::Extraneous);
        let files: Vec<Listed> = broken.iter().filter_map(|faulty| list.find(&faulty.path)).cloned().collect();
        self.fullfiles(run, &files).await?;
        let placement = self.place(run, &files, &list).await?;
        self.remove_all(run, extraneous.iter().map(|faulty| &faulty.path), WhenFull::Keep)?;
        if placement.failed > 0 { Err(Stop::Exit(ExitCode::Verify)) } else { Ok(()) }
    }

    /// Fills the report's list of faulty files. Missing files are looked for even where the endpoint leaves files
    /// alone; changed ones are not (manifest §3.4).
    async fn inspect(&mut self, run: &mut Run) -> Result<FileList, Stop> {
        let version = self.installed_version()?;
        self.check_trust(run)?;
        let mom = self.mom(run, version).await?;
        self.check_format(run, &mom).await?;
        let manifests = self.load_installed(run, &mom, ExitCode::Manifest).await?;
        let list = self.list(&manifests, run);
        for file in &list.files {
            let path = &file.entry.path;
            let fault = if file.entry.is_present() {
                run.report.checked += 1;
                match self.disk.look(path)? {
                    Found::Missing => Some(FileFault::Missing),
                    found if found.is(file.entry.hash()) || path.class().is_not_updated() => None,
                    _ => Some(FileFault::Mismatch),
                }
            } else {
                let should_be_gone = file.entry.is_deleted() && !path.class().is_never_removed();
                (should_be_gone && self.disk.look(path)? != Found::Missing).then_some(FileFault::Extraneous)
            };
            run.report.faulty.extend(fault.map(|fault| FaultyFile { path: path.clone(), fault }));
        }
        Ok(list)
    }
}
