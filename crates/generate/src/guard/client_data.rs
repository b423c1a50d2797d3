//! No content in the directories where the client keeps its own data.
//!
//! Source: client behaviour §7 and content layout §8. `/opt/3rd-party` contains third-party bundles and `repo.ini`, the
//! list of repositories that a user added: a `repo.ini` in the content overwrites that list with each update that
//! changes it and with each repair (observed). `/var/lib/swupd` contains the tracking of explicitly installed bundles and
//! the cache, `/var/tmp/swupd` a copy of the MoM. In content they come from the machine that the tree was copied from.

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in FOLDERS {
        let mut inside = survey
            .listed
            .by_path()
            .map(|items| &items[0].entry.path)
            .filter(|path| path.is_within(folder.as_bytes()) && path.as_bytes() != folder.as_bytes());
        let Some(first) = inside.next() else { continue };
        findings.push(Finding::refusal(
            Rule::ClientData,
            Object::Path(folder.parse().expect("a path of the protocol")),
            format!("it contains {first} and {} more entries, and clients keep their own data there", inside.count()),
            "remove its content from the tree, or allow the rule if endpoints are meant to start with that data",
        ));
    }
    findings
}

const FOLDERS: [&str; 3] = ["/opt/3rd-party", "/var/lib/swupd", "/var/tmp/swupd"];
