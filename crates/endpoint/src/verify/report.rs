//! The checks of a verification and their outcomes.

use std::fmt;

use clearwell_format::Version;
use clearwell_store::progress::Phase;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::problem::Problem;
use crate::report::shown;
use crate::{Report, SingleFile, Traffic};

/// One check of a release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The pointers and their signatures.
    Pointers,
    /// An installation of all bundles.
    Install {
        /// The release.
        version: Version,
    },
    /// `Manifest.MoM.sig`: clients request it if the signature in the archive does not verify (content layout §5).
    Signature {
        /// The release.
        version: Version,
    },
    /// An update of all bundles.
    Update {
        /// The installed release.
        from: Version,
        /// The release.
        to: Version,
    },
    /// Each bundle with its includes only.
    Alone {
        /// The release.
        version: Version,
    },
    /// Every fullfile.
    Fullfiles {
        /// The release.
        version: Version,
    },
}

impl Check {
    /// The phase of progress, and its object.
    pub(super) fn phase(&self) -> (Phase, Option<String>) {
        match self {
            Self::Pointers => (Phase::Pointers, None),
            Self::Install { version } => (Phase::Install, Some(version.to_string())),
            Self::Signature { version } => (Phase::Signature, Some(version.to_string())),
            Self::Update { from, to } => (Phase::Update, Some(format!("{from} to {to}"))),
            Self::Alone { version } => (Phase::Bundles, Some(version.to_string())),
            Self::Fullfiles { version } => (Phase::Fullfiles, Some(version.to_string())),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pointers => f.write_str("pointers"),
            Self::Install { version } => write!(f, "install {version}"),
            Self::Signature { version } => write!(f, "signature of {version}"),
            Self::Update { from, to } => write!(f, "update {from} to {to}"),
            Self::Alone { version } => write!(f, "bundles of {version}, each alone"),
            Self::Fullfiles { version } => write!(f, "fullfiles of {version}"),
        }
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        shown(self, serializer)
    }
}

/// The outcome of one check.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CheckOutcome {
    /// The check, such as `install 20`, `update 10 to 20` or `fullfiles of 20`.
    #[schemars(with = "String")]
    pub check: Check,
    /// The report of the endpoint. If the check is `fullfiles of …`, `checked` counts fullfiles.
    pub report: Report,
}

/// The checks that an endpoint made, and their outcomes.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct VerifyReport {
    /// All checks, in order.
    pub checks: Vec<CheckOutcome>,
    /// Requests and bytes of all checks.
    pub traffic: Traffic,
}

impl VerifyReport {
    /// True if no check has a problem and every endpoint succeeded. Files that were fetched individually are not a
    /// problem.
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(|outcome| outcome.report.is_clean())
    }

    /// True if no request was answered with content.
    pub fn is_unanswered(&self) -> bool {
        let gets = self.checks.iter().flat_map(|outcome| &outcome.report.traffic.gets);
        gets.into_iter().all(|((_, status), _)| !matches!(status, 200 | 206))
    }

    /// True if a request got no answer, also after its retries.
    pub fn lost_the_server(&self) -> bool {
        self.problems().iter().any(|(_, problem)| matches!(problem, Problem::Fetch { status: None, .. }))
    }

    /// All problems, each once, with the first check that has it. Empty only if the report is clean.
    pub fn problems(&self) -> Vec<(&Check, &Problem)> {
        let mut problems: Vec<(&Check, &Problem)> = Vec::new();
        for outcome in &self.checks {
            for problem in &outcome.report.problems {
                if problems.iter().all(|(_, known)| *known != problem) {
                    problems.push((&outcome.check, problem));
                }
            }
        }
        problems
    }

    /// The files that endpoints have to fetch individually, by check.
    pub fn fetched_individually(&self) -> impl Iterator<Item = (&Check, &SingleFile)> {
        self.checks
            .iter()
            .flat_map(|outcome| outcome.report.fetched_individually.iter().map(|file| (&outcome.check, file)))
    }

    pub(super) fn add(&mut self, check: Check, mut report: Report) {
        report.problems.extend(report.faulty.iter().cloned().map(Problem::Faulty));
        if !report.exit_code.is_success() && report.problems.is_empty() {
            report.problems.push(Problem::Ended(report.exit_code));
        }
        self.traffic.add(&report.traffic);
        self.checks.push(CheckOutcome { check, report });
    }
}
