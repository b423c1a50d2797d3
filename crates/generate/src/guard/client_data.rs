//! Nothing lies in the folders where the client keeps its own data.
//!
//! Source: client behaviour 7 and content layout 8. `/opt/3rd-party` holds what a user installed from third-party
//! repositories, and their list: a listed `/opt/3rd-party/repo.ini` replaces it with every update that changes the file
//! and with every repair (observed). `/var/lib/swupd` says which bundles a user asked for, and holds a cache;
//! `/var/tmp/swupd` holds a copy of a MoM: in content they are those of the machine that it was copied from.

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
            format!("it holds {first} and {} more, and clients keep their own data there", inside.count()),
            "leave out what is in it, or allow the rule if endpoints are to begin with that data",
        ));
    }
    findings
}

const FOLDERS: [&str; 3] = ["/opt/3rd-party", "/var/lib/swupd", "/var/tmp/swupd"];
