//! The time stamp in the content is a number and not in the future.
//!
//! Source: client behaviour §6 (time). Before it verifies anything, a client compares its clock with
//! `/usr/share/clear/versionstamp`: without a stamp, or with none that is a number, it ends with exit code 22; with one
//! more than a day ahead it sets the clock of the machine to it.

use super::survey::Survey;
use super::{Finding, Object, Rule, Signing, content};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let context = survey.context;
    let (Some(store), Signing::On { now, .. }) = (context.store, context.signing) else {
        return Vec::new();
    };
    let path = content::VERSION_STAMP;
    if survey.listed.at(path.as_bytes()).is_empty() {
        return vec![Finding::warning(
            Rule::VersionStamp,
            Object::Release(context.release.version()),
            format!(
                "it is signed but does not contain {path}; clients on it cannot verify anything without --ignore-time"
            ),
            "add the file to os-core, with the seconds since the epoch in decimal",
        )];
    }
    let Some(text) = content::of_release(store, &survey.listed, path) else {
        return Vec::new();
    };
    let problem = match seconds(&text) {
        None => "endpoints cannot read a time from it and refuse every update".to_owned(),
        Some(stamp) if stamp.saturating_sub(DAY_SECONDS) > now => {
            format!("it is {} seconds ahead; endpoints would set their clocks to that time", stamp.saturating_sub(now))
        }
        Some(_) => return Vec::new(),
    };
    vec![Finding::refusal(
        Rule::VersionStamp,
        Object::Path(path.parse().expect("a path of the protocol")),
        problem,
        "write the time of the build there, in seconds since the epoch",
    )]
}

/// The client reads at most ten characters.
fn seconds(text: &[u8]) -> Option<i64> {
    let digits = text.trim_ascii();
    let is_decimal = (1..=10).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let seconds: i64 = std::str::from_utf8(digits).ok().filter(|_| is_decimal)?.parse().ok()?;
    (seconds > 0).then_some(seconds)
}

const DAY_SECONDS: i64 = 86_400;
