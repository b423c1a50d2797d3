//! What the guard found: rule, object, problem and remedy.

use std::borrow::Cow;
use std::fmt;

use clearwell_format::resource::Pointer;
use clearwell_format::{BundleName, EntryPath, Resource, Version};

use super::Rule;

/// One thing that is wrong with a release. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The rule that is broken.
    pub rule: Rule,
    /// Whether the release may be published all the same.
    pub severity: Severity,
    /// What is wrong.
    pub object: Object,
    /// What is wrong with it, and what endpoints would do.
    pub problem: String,
    /// What a maintainer can do about it.
    pub remedy: Cow<'static, str>,
}

/// Does a finding stop a publication?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Endpoints would be harmed: nothing is published, unless the rule is allowable and was allowed.
    Refusal,
    /// Endpoints continue to work; a maintainer should look.
    Warning,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// The release as a whole.
    Release(Version),
    /// A bundle.
    Bundle(BundleName),
    /// A path, in whichever bundles.
    Path(EntryPath),
    /// A path as one bundle lists it.
    Entry(BundleName, EntryPath),
    /// A file of the public tree.
    Artifact(Resource),
    /// A pointer.
    Pointer(Pointer),
    /// The certificate with this subject.
    Certificate(String),
}

impl Finding {
    /// True if the rule says that it has findings of this severity.
    pub(super) fn is_of_its_rule(&self) -> bool {
        self.rule.facts().severities.have(self.severity)
    }

    pub(super) fn refusal(
        rule: Rule,
        object: Object,
        problem: impl Into<String>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { rule, severity: Severity::Refusal, object, problem: problem.into(), remedy: remedy.into() }
    }

    pub(super) fn warning(
        rule: Rule,
        object: Object,
        problem: impl Into<String>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { rule, severity: Severity::Warning, object, problem: problem.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}; {}", self.rule, self.object, self.problem, self.remedy)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(version) => write!(f, "release {version}"),
            Self::Bundle(bundle) => write!(f, "bundle {bundle}"),
            Self::Path(path) => path.fmt(f),
            Self::Entry(bundle, path) => write!(f, "{path} in bundle {bundle}"),
            Self::Artifact(resource) => resource.fmt(f),
            Self::Pointer(pointer) => pointer.fmt(f),
            Self::Certificate(subject) => write!(f, "certificate \"{subject}\""),
        }
    }
}
