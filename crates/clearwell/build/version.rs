//! Versions from tags, in order of their commits, also for dpkg and rpm.
//!
//! ```text
//! tag v0.2.0                       0.2.0
//! five commits after it            0.2.0+5.gabc1234
//! tag v0.3.0-rc.1                  0.3.0-rc.1                         as a package 0.3.0~rc.1
//! no tag yet, Cargo.toml 0.1.0     0.1.0-dev.20260131123000.gabc1234  as a package 0.1.0~dev.2026…
//! ```

/// The version of what `git describe --long` says, such as `v0.2.0-5-gabc1234`; `None` if it is something else.
pub(crate) fn of_tag(described: &str) -> Option<String> {
    let mut parts = described.rsplitn(3, '-');
    let (commit, commits, tag) = (parts.next()?, parts.next()?, parts.next()?);
    let tag = tag.strip_prefix('v')?;
    // A tag may already have a "+".
    let separator = if tag.contains('+') { '.' } else { '+' };
    match commits.parse::<u32>().ok()? {
        0 => Some(tag.to_owned()),
        commits => Some(format!("{tag}{separator}{commits}.{commit}")),
    }
}

/// The version before the first tag, which sorts before the release: `cargo` is the version to come, `time` the UTC of the commit as digits.
pub(crate) fn untagged(cargo: &str, time: &str, commit: &str) -> String {
    format!("{cargo}-dev.{time}.g{commit}")
}
