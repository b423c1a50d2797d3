//! What a build does with extended attributes of its tree.

use std::str::FromStr;

use super::{Inputs, Warning};

/// What a build does with extended attributes of its tree. Endpoints never get them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttributePolicy {
    /// It warns.
    #[default]
    Warn,
    /// It ends, unless all of them are labels of SELinux: a machine that has it puts them on every file.
    Refuse,
    /// No report.
    Ignore,
}

impl AttributePolicy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Warn, Self::Refuse, Self::Ignore];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Refuse => "refuse",
            Self::Ignore => "ignore",
        }
    }

    /// Leaves the warnings of lost attributes in the inputs, takes them out, or makes an error of them.
    ///
    /// # Errors
    /// By [`AttributePolicy::Refuse`].
    pub fn apply(self, inputs: &mut Inputs) -> Result<(), LostAttributes> {
        match self {
            Self::Warn => {}
            Self::Ignore => inputs.warnings.retain(|warning| !matches!(warning, Warning::LostAttribute { .. })),
            Self::Refuse => {
                let refused = |warning: &&Warning| matches!(warning, Warning::LostAttribute { name, .. } if name != "security.selinux");
                let lost: Vec<Warning> = inputs.warnings.iter().filter(refused).cloned().collect();
                if !lost.is_empty() {
                    return Err(LostAttributes(lost));
                }
            }
        }
        Ok(())
    }
}

impl FromStr for AttributePolicy {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text).ok_or_else(|| InvalidPolicy(text.to_owned()))
    }
}

/// A text that names no [`AttributePolicy`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a policy for extended attributes; use warn, refuse or ignore")]
pub struct InvalidPolicy(String);

/// A tree has extended attributes, and they are not to be lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tree has extended attributes; remove them, or build with --xattrs warn:")]
pub struct LostAttributes(Vec<Warning>);

impl LostAttributes {
    /// One for each attribute: what endpoints get without it.
    pub fn warnings(&self) -> &[Warning] {
        &self.0
    }
}
