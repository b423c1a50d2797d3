//! All problems of a source, reported together.

use std::fmt;

use clearwell_format::printable;
use clearwell_format::printable::chain;

use super::SourceError;
use crate::tree::scan::ScanError;

/// Problems in the order in which they are reported.
#[derive(Debug, Default)]
pub struct Problems(Vec<SourceError>);

impl Problems {
    pub(super) fn add(&mut self, problem: impl Into<SourceError>) {
        self.0.push(problem.into());
    }

    pub(super) fn extend(&mut self, problems: impl IntoIterator<Item = impl Into<SourceError>>) {
        self.0.extend(problems.into_iter().map(Into::into));
    }

    /// The value, or nothing and one problem more.
    pub(super) fn of<T>(&mut self, result: Result<T, impl Into<SourceError>>) -> Option<T> {
        result.map_err(|problem| self.add(problem)).ok()
    }

    /// # Errors
    /// The problem if there is one; [`SourceError::Several`] for more. For a cancelled scan only [`ScanError::Cancelled`].
    pub(super) fn into_result(mut self) -> Result<(), SourceError> {
        if self.0.iter().any(|problem| matches!(problem, SourceError::Scan(ScanError::Cancelled))) {
            return Err(ScanError::Cancelled.into());
        }
        match self.0.len() {
            0 => Ok(()),
            1 => self.0.pop().map_or(Ok(()), Err),
            _ => Err(SourceError::Several(self)),
        }
    }
}

impl Problems {
    /// The heading of the list: `3 problems; fix all of them:`.
    pub fn summary(&self) -> String {
        format!("{} problems; fix all of them:", self.0.len())
    }

    /// Each problem with its causes. A long list ends with the number of those that it does not show.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.0.iter().take(SHOWN).map(|problem| chain(problem)).collect();
        match self.0.len().saturating_sub(SHOWN) {
            0 => {}
            more => lines.push(format!("and {more} more")),
        }
        lines
    }
}

/// The summary, and a line for each problem.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        self.lines().iter().try_for_each(|line| write!(f, "\n  {}", printable(line)))
    }
}

/// Problems that are shown: about a screen.
const SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::tree::scan::ScanError;

    fn sockets(number: usize) -> Problems {
        let mut problems = Problems::default();
        problems.extend((0..number).map(|number| ScanError::Socket(PathBuf::from(format!("/{number}\n")))));
        problems
    }

    #[test]
    fn one_problem_is_itself_and_more_are_a_list() {
        assert!(sockets(0).into_result().is_ok());
        assert!(matches!(sockets(1).into_result(), Err(SourceError::Scan(ScanError::Socket(_)))));
        let told = sockets(2).into_result().unwrap_err().to_string();
        assert!(told.starts_with("2 problems") && told.lines().count() == 3, "{told}");
        let told = sockets(1000).into_result().unwrap_err().to_string();
        assert!(told.ends_with("\n  and 960 more") && told.lines().count() == 42, "{told}");
    }
}
