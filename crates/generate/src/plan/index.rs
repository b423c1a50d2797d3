//! The index bundle once it has left the mix (content layout §7).
//!
//! Clients that have `os-core-update-index` keep it, so it stays in the MoM; but all that is left in it is its tracking
//! file. Its manifest is written again while the previous one contains more, and when a minimum version releases
//! everything again. As in the reference, it includes os-core, and leaves the directories to it, only where os-core is
//! released as well.

use clearwell_format::{BundleName, EntryPath, Manifest, Owner};

use super::contents::{Contents, Selection};
use super::draft::Draft;
use super::entry_versions::OldDeletions;
use super::header::Heading;
use super::{PlanError, PlannedManifest};
use crate::inputs::{Inputs, Listed};
use crate::tree::{Node, Tree};

/// The new manifest of the index bundle, if it needs one. `before` is the one it had.
pub(super) fn manifest(
    inputs: &Inputs,
    selection: &Selection<'_>,
    before: &Manifest,
    os_core_is_released: bool,
) -> Result<Option<PlannedManifest>, PlanError> {
    let release = &inputs.release;
    if before.present().count() <= 1 && release.min_version != Some(release.version) {
        return Ok(None);
    }
    let name = BundleName::index();
    let tree = tracking_tree(&inputs.tree, selection, &name, os_core_is_released);
    let contents = Contents {
        size: tree.nodes().map(|(_, node)| node.size()).sum(),
        listed: tree.nodes().map(|(node, _)| Listed { node, exported: false }).collect(),
        uncounted: 0,
    };
    let includes = if os_core_is_released { vec![BundleName::os_core()] } else { Vec::new() };
    let heading = Heading { name: name.as_str(), includes, also_add: Vec::new() };
    Draft::new(&tree, heading, &contents, Some(before), release, OldDeletions::ObeyMinimum)?.into_bundle(name).map(Some)
}

/// The tracking file, which need not be in the tree of the release, and the directories that lead to it.
fn tracking_tree(whole: &Tree, selection: &Selection<'_>, name: &BundleName, os_core_is_released: bool) -> Tree {
    let path: EntryPath =
        format!("/usr/share/clear/bundles/{name}").parse().expect("a bundle name is a safe component");
    let mut nodes = Vec::new();
    let mut ancestor = path.parent();
    while let Some(directory) = ancestor {
        let left_out = |id| os_core_is_released && selection.is_in_os_core(id);
        if let Some(id) = whole.find(directory.as_bytes()).filter(|&id| !left_out(id)) {
            nodes.push(whole.node(id).clone());
        }
        ancestor = directory.parent();
    }
    nodes.push(match whole.find(path.as_bytes()) {
        Some(id) => whole.node(id).clone(),
        None => Node::file(path, Owner::MANIFEST, 0, [].into()),
    });
    Tree::new(nodes).expect("a path and its ancestors differ")
}
