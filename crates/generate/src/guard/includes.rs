//! Who includes whom (manifest 3.4): `includes:` of the headers, and os-core for everyone.

use clearwell_format::BundleName;

use super::survey::Bundles;

/// The include graph over the numbers of [`Bundles`].
pub(super) struct Includes {
    closures: Vec<Vec<usize>>,
    /// By bundle: which others it reaches.
    reach: Vec<Vec<bool>>,
}

impl Includes {
    pub(super) fn of(bundles: &Bundles<'_>) -> Self {
        let os_core = bundles.index(&BundleName::os_core());
        let direct: Vec<Vec<usize>> = bundles
            .iter()
            .map(|bundle| bundle.manifest.header.includes.iter().filter_map(|name| bundles.index(name)).collect())
            .collect();
        let (closures, reach) = (0..direct.len()).map(|bundle| closure(bundle, os_core, &direct)).unzip();
        Self { closures, reach }
    }

    /// What is on every endpoint that has the bundle: itself first, os-core, and all it includes.
    pub(super) fn closure(&self, bundle: usize) -> &[usize] {
        &self.closures[bundle]
    }

    /// The bundles that include each other, in groups of two or more.
    pub(super) fn cycles(&self) -> Vec<Vec<usize>> {
        let mut grouped = vec![false; self.closures.len()];
        let mut cycles = Vec::new();
        for first in 0..self.closures.len() {
            if grouped[first] {
                continue;
            }
            let mut group: Vec<usize> =
                self.closures[first].iter().copied().filter(|&other| self.reach[other][first]).collect();
            group.sort_unstable();
            for &member in &group {
                grouped[member] = true;
            }
            if group.len() > 1 {
                cycles.push(group);
            }
        }
        cycles
    }
}

fn closure(bundle: usize, os_core: Option<usize>, direct: &[Vec<usize>]) -> (Vec<usize>, Vec<bool>) {
    let mut seen = vec![false; direct.len()];
    let mut found = Vec::new();
    let mut open: Vec<usize> = os_core.into_iter().chain([bundle]).collect();
    while let Some(next) = open.pop() {
        if !std::mem::replace(&mut seen[next], true) {
            found.push(next);
            open.extend(direct[next].iter().rev());
        }
    }
    (found, seen)
}
