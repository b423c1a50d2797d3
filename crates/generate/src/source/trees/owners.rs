//! Objects that belong to a user account of the build machine.
//!
//! Content keeps numeric owners. A tree that was made without root belongs to a user such as number 1000, and on each
//! endpoint its files then belong to the user with that number there.

use crate::inputs::Warning;
use crate::tree::Node;

/// One warning for all such objects.
pub(super) fn warning<'a>(nodes: impl Iterator<Item = &'a Node>) -> Option<Warning> {
    let mut theirs = nodes.filter(|node| node.owner.uid >= FIRST_PERSON || node.owner.gid >= FIRST_PERSON);
    let first = theirs.next()?;
    let more = match theirs.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = format!(
        "{}{more} will belong to user number {} and group number {} on endpoints, which may be different accounts there; set owner = \"root\" in \
         bundles.toml, or change the owner in the tree",
        first.path, first.owner.uid, first.owner.gid
    );
    Some(Warning::Source { what })
}

/// The first number that systems give to people and not to services.
const FIRST_PERSON: u32 = 1000;

#[cfg(test)]
mod tests {
    use clearwell_format::Owner;

    use super::*;

    #[test]
    fn numbers_of_services_are_content_and_those_of_people_are_told() {
        let node =
            |path: &str, uid, gid| Node::directory(path.parse().unwrap(), Owner { permissions: 0o755, uid, gid }, 0);
        assert_eq!(warning([node("/a", 0, 0), node("/b", 999, 50)].iter()), None);
        let nodes = [node("/a", 0, 0), node("/b", 1000, 1000), node("/c", 0, 1000)];
        let told = warning(nodes.iter()).unwrap().to_string();
        assert!(told.starts_with("/b and 1 more will belong to user number 1000"), "{told}");
    }
}
