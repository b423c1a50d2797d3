//! The include graph (manifest §3.4): `includes:` of the headers, os-core for every bundle, and `also-add:`.

use clearwell_format::BundleName;

use super::survey::Bundles;

/// The include graph over the numbers of [`Bundles`].
pub(super) struct Includes {
    closures: Vec<Vec<usize>>,
    cycles: Vec<Vec<usize>>,
    circles: Vec<Vec<usize>>,
}

impl Includes {
    pub(super) fn of(bundles: &Bundles<'_>) -> Self {
        let numbers =
            |names: &[BundleName]| -> Vec<usize> { names.iter().filter_map(|name| bundles.index(name)).collect() };
        let headers = || bundles.iter().map(|bundle| &bundle.manifest.header);
        let includes: Vec<Vec<usize>> = headers().map(|header| numbers(&header.includes)).collect();
        let also: Vec<Vec<usize>> =
            headers().map(|header| [numbers(&header.includes), numbers(&header.also_add)].concat()).collect();

        let os_core = bundles.index(&BundleName::os_core());
        let closures: Vec<Vec<usize>> = (0..includes.len())
            .map(|bundle| reachable(os_core.into_iter().chain([bundle]).collect(), &includes))
            .collect();
        let mut cycles = mutual(&closures);
        cycles.retain(|cycle| cycle.len() > 1);
        let reached: Vec<Vec<usize>> = (0..also.len()).map(|bundle| reachable(vec![bundle], &also)).collect();
        let mut circles = mutual(&reached);
        circles.retain(|circle| circle.len() > 1 || also[circle[0]].contains(&circle[0]));
        Self { closures, cycles, circles }
    }

    /// The bundles that are installed with a bundle: itself first, os-core, and its includes, recursively.
    pub(super) fn closure(&self, bundle: usize) -> &[usize] {
        &self.closures[bundle]
    }

    /// The bundles that include each other, in groups of two or more.
    pub(super) fn cycles(&self) -> &[Vec<usize>] {
        &self.cycles
    }

    /// As [`Self::cycles`], over `includes:` and `also-add:` together; also bundles that name themselves.
    pub(super) fn circles(&self) -> &[Vec<usize>] {
        &self.circles
    }
}

/// Depth-first search from all of `open`, the last of them first.
fn reachable(mut open: Vec<usize>, edges: &[Vec<usize>]) -> Vec<usize> {
    let mut seen = vec![false; edges.len()];
    let mut found = Vec::new();
    while let Some(next) = open.pop() {
        if !std::mem::replace(&mut seen[next], true) {
            found.push(next);
            open.extend(edges[next].iter().rev());
        }
    }
    found
}

/// The strongly connected components.
fn mutual(reached: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let reaches: Vec<Vec<bool>> = reached
        .iter()
        .map(|found| {
            let mut row = vec![false; reached.len()];
            found.iter().for_each(|&other| row[other] = true);
            row
        })
        .collect();
    let mut grouped = vec![false; reached.len()];
    let mut groups = Vec::new();
    for first in 0..reached.len() {
        if grouped[first] {
            continue;
        }
        let mut group = reached[first].clone();
        group.retain(|&other| reaches[other][first]);
        group.sort_unstable();
        for &member in &group {
            grouped[member] = true;
        }
        groups.push(group);
    }
    groups
}
