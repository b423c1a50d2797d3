//! Every written manifest can be parsed again and is unchanged.
//!
//! Source: manifest §3.1 and §3.3, must-keep §7. The parser of `clearwell-format` refuses what the client refuses:
//! lines of
//! 8192 bytes, counts and sizes above the limits, a missing last line feed, a second blank line.

use std::error::Error;

use clearwell_format::manifest::ParseError;
use clearwell_format::{Manifest, Mom};

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let release = &survey.context.release;
    let mom = problem(Mom::parse(&release.mom.to_bytes()), &release.mom)
        .map(|problem| finding(Object::Release(release.version()), &problem));
    let bundles = survey.bundles.iter().filter_map(|bundle| {
        let problem = problem(Manifest::parse(&bundle.manifest.to_bytes()), bundle.manifest)?;
        Some(finding(Object::Bundle(bundle.name.clone()), &problem))
    });
    mom.into_iter().chain(bundles).collect()
}

fn problem<T: PartialEq>(read: Result<T, ParseError>, written: &T) -> Option<String> {
    match read {
        Ok(read) if read == *written => None,
        Ok(_) => Some("the parsed manifest differs from the written one".to_owned()),
        Err(error) => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            Some(format!("{error}{cause}"))
        }
    }
}

fn finding(object: Object, problem: &str) -> Finding {
    Finding::refusal(
        Rule::UnreadableManifest,
        object,
        format!("its manifest cannot be read back: {problem}"),
        "split the bundle or shorten what is too long, then build again",
    )
}
