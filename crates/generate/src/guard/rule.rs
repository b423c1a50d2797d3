//! The rules by name.

use std::fmt;
use std::str::FromStr;

use super::Severity;

/// Declares the rules once: the enum, the list of all, and the facts about each.
macro_rules! rules {
    ($($variant:ident = $name:literal {
        finds: $finds:literal,
        harm: $harm:literal,
        remedy: $remedy:literal,
        severity: $severity:expr,
        $(allow: $allow:literal,)?
        source: $source:literal,
    })+) => {
        /// A rule of the guard. Its name is what `--allow` takes and what a release record keeps; names never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = concat!($finds, " (", $source, ")")] $variant),+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }

            /// The facts about the rule, for people.
            pub const fn facts(self) -> $crate::guard::RuleFacts {
                match self {
                    $(Self::$variant => $crate::guard::RuleFacts {
                        finds: $finds,
                        harm: $harm,
                        remedy: $remedy,
                        severities: $severity,
                        allow: [$($allow,)? ""][0],
                        source: $source,
                    }),+
                }
            }
        }
    };
}

mod table;

pub use table::Rule;

/// The facts about a rule. Texts are Markdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleFacts {
    /// What the rule finds.
    pub finds: &'static str,
    /// What endpoints would suffer.
    pub harm: &'static str,
    /// What a maintainer can do.
    pub remedy: &'static str,
    /// Which findings it has.
    pub severities: Severities,
    /// In which case a maintainer may overrule the rule, because the harm depends on the fleet or no alternative exists;
    /// empty for a rule that cannot be overruled.
    pub allow: &'static str,
    /// Where the protocol says so.
    pub source: &'static str,
}

/// The severities of the findings of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severities {
    /// Only refusals.
    Refusal,
    /// Only warnings.
    Warning,
    /// Refusals, and warnings for what is less severe.
    Both,
}

impl Severities {
    /// True if a finding of the rule may have this severity.
    pub fn have(self, severity: Severity) -> bool {
        match self {
            Self::Refusal => severity == Severity::Refusal,
            Self::Warning => severity == Severity::Warning,
            Self::Both => true,
        }
    }
}

impl Rule {
    /// True if a maintainer may overrule the refusal.
    pub const fn allowable(self) -> bool {
        !self.facts().allow.is_empty()
    }

    /// Reads what a maintainer wants to overrule.
    ///
    /// # Errors
    /// For a name that is not a rule, and for a rule that cannot be overruled.
    pub fn parse_allowed(name: &str) -> Result<Self, InvalidRule> {
        let rule: Self = name.parse()?;
        if rule.allowable() { Ok(rule) } else { Err(InvalidRule::NotAllowable(rule)) }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(name: &str) -> Result<Self, InvalidRule> {
        let found = Self::ALL.iter().find(|rule| rule.name() == name);
        found.copied().ok_or_else(|| InvalidRule::Unknown(name.to_owned()))
    }
}

/// Not a rule that can be overruled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// No rule has the name.
    #[error("\"{0}\" is not a rule that can be overruled; these are: {list}", list = allowable_names())]
    Unknown(String),
    /// The rule has no exceptions.
    #[error("the rule {0} cannot be overruled, because endpoints would be harmed; fix the finding")]
    NotAllowable(Rule),
}

fn allowable_names() -> String {
    let names: Vec<&str> = Rule::ALL.iter().filter(|rule| rule.allowable()).map(|rule| rule.name()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_kebab_case_and_come_back() {
        for &rule in Rule::ALL {
            assert_eq!(rule.name().parse::<Rule>(), Ok(rule));
            assert!(rule.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{rule}");
        }
        let allowable: Vec<_> = Rule::ALL.iter().filter(|rule| rule.allowable()).collect();
        assert_eq!(allowable.len(), 20);
    }

    #[test]
    fn the_facts_are_sentences_and_only_refusals_are_overruled() {
        for &rule in Rule::ALL {
            let RuleFacts { finds, harm, remedy, severities, allow, source } = rule.facts();
            assert!([finds, harm, remedy].iter().all(|text| text.ends_with('.')), "{rule}");
            assert!(allow.is_empty() || severities.have(Severity::Refusal), "{rule} has nothing to overrule");
            assert!(source.contains('\u{a7}'), "{rule}: {source}");
        }
    }

    #[test]
    fn only_few_rules_may_be_allowed() {
        assert_eq!(Rule::parse_allowed("directory-replaced"), Ok(Rule::DirectoryReplaced));
        assert_eq!(
            Rule::parse_allowed("conflicting-entries"),
            Err(InvalidRule::NotAllowable(Rule::ConflictingEntries))
        );
        let unknown = Rule::parse_allowed("everything").unwrap_err().to_string();
        assert!(unknown.contains("\"everything\"") && unknown.contains("directory-replaced"), "{unknown}");
    }
}
