//! The bundles of a mix: who includes whom, and what takes precedence.
//!
//! Includes as a manifest states them (manifest §5.2): os-core first, declared or not, then the declared ones in order,
//! each once, if they are in the mix. The index bundle may be included even if it is not in the mix (content layout
//! §7), but not named as an also-add. Includes and also-adds of os-core itself are ignored, as in the reference (golden
//! 021): every bundle includes os-core, so each of them would be a cycle.
//!
//! Bundles that include each other are installed together or not at all, so each file that several of them list needs
//! to be in one of their manifests, and one is enough. It is kept in the first by name. The reference
//! subtracts each from the other and loses the file (manifest §6 quirk 4).

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::BundleName;

use super::PlanError;
use crate::inputs::{BundleInput, Warning};

/// The bundles of a mix, with their effective includes. Bundles are named by their place in the inputs.
pub(super) struct Mix<'a> {
    pub(super) bundles: Vec<Member<'a>>,
    pub(super) os_core: usize,
}

/// One bundle of the mix.
pub(super) struct Member<'a> {
    pub(super) input: &'a BundleInput,
    /// The `includes:` of its manifest.
    pub(super) includes: Vec<BundleName>,
    /// The `also-add:` of its manifest, where the format has them.
    pub(super) also_add: Vec<BundleName>,
    /// The bundles, other than itself, whose files its manifest leaves out: all that it includes, directly or not,
    /// but of a cycle only those before it.
    pub(super) subtracts: Vec<usize>,
}

impl<'a> Mix<'a> {
    pub(super) fn new(inputs: &'a [BundleInput], warnings: &mut Vec<Warning>) -> Result<Self, PlanError> {
        let mut places = BTreeMap::new();
        for (place, input) in inputs.iter().enumerate() {
            if places.insert(&input.name, place).is_some() {
                return Err(PlanError::BundleTwice(input.name.clone()));
            }
        }
        let os_core = *places.get(&BundleName::os_core()).ok_or(PlanError::NoOsCore)?;
        let mut bundles: Vec<Member<'a>> = Vec::with_capacity(inputs.len());
        for (place, input) in inputs.iter().enumerate() {
            if place == os_core {
                warn_of_os_core(input, warnings);
                bundles.push(Member { input, includes: Vec::new(), also_add: Vec::new(), subtracts: Vec::new() });
                continue;
            }
            let mut includes = vec![BundleName::os_core()];
            for include in &input.includes {
                if !places.contains_key(include) && *include != BundleName::index() {
                    warnings.push(Warning::UnknownInclude {
                        bundle: input.name.clone(),
                        include: include.as_str().to_owned(),
                    });
                } else if !includes.contains(include) {
                    includes.push(include.clone());
                }
            }
            let mut also_add = Vec::new();
            for name in &input.also_add {
                if !places.contains_key(name) {
                    warnings.push(Warning::UnknownAlsoAdd {
                        bundle: input.name.clone(),
                        also_add: name.as_str().to_owned(),
                    });
                } else if !also_add.contains(name) {
                    also_add.push(name.clone());
                }
            }
            bundles.push(Member { input, includes, also_add, subtracts: Vec::new() });
        }
        let direct: Vec<Vec<usize>> = bundles
            .iter()
            .map(|bundle| bundle.includes.iter().filter_map(|name| places.get(name).copied()).collect())
            .collect();
        let closures: Vec<BTreeSet<usize>> = (0..bundles.len()).map(|place| reachable(&direct, place)).collect();
        warn_of_cycles(&bundles, &closures, warnings);
        for (place, closure) in closures.iter().enumerate() {
            let name = |other: usize| &inputs[other].name;
            let subtracts = closure
                .iter()
                .copied()
                .filter(|&other| other != place && (!closures[other].contains(&place) || name(other) < name(place)))
                .collect();
            bundles[place].subtracts = subtracts;
        }
        Ok(Self { bundles, os_core })
    }
}

fn warn_of_os_core(input: &BundleInput, warnings: &mut Vec<Warning>) {
    let mut bundles: BTreeSet<BundleName> = input.includes.iter().chain(&input.also_add).cloned().collect();
    bundles.remove(&BundleName::os_core());
    if !bundles.is_empty() {
        let bundles = bundles.into_iter().collect();
        warnings.push(Warning::OsCoreIncludes { bundles });
    }
}

/// What can be reached over one include or more; contains `from` itself only in a cycle.
fn reachable(direct: &[Vec<usize>], from: usize) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut next = direct[from].clone();
    while let Some(bundle) = next.pop() {
        if seen.insert(bundle) {
            next.extend(&direct[bundle]);
        }
    }
    seen
}

fn warn_of_cycles(bundles: &[Member<'_>], closures: &[BTreeSet<usize>], warnings: &mut Vec<Warning>) {
    let mut told: BTreeSet<usize> = BTreeSet::new();
    for (place, closure) in closures.iter().enumerate() {
        if !closure.contains(&place) || told.contains(&place) {
            continue;
        }
        let mut cycle: Vec<usize> = closure.iter().copied().filter(|&other| closures[other].contains(&place)).collect();
        told.extend(&cycle);
        // A bundle that includes itself only loses nothing.
        if cycle.len() > 1 {
            cycle.sort_by_key(|&other| &bundles[other].input.name);
            let bundles = cycle.iter().map(|&other| bundles[other].input.name.clone()).collect();
            warnings.push(Warning::IncludeCycle { bundles });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::BundleStatus;

    fn bundle(name: &str, includes: &[&str]) -> BundleInput {
        BundleInput {
            name: name.parse().unwrap(),
            status: BundleStatus::Active,
            includes: includes.iter().map(|name| name.parse().unwrap()).collect(),
            also_add: Vec::new(),
            files: Vec::new(),
        }
    }

    #[test]
    fn includes_are_closed_and_a_cycle_is_ordered() {
        let inputs =
            [bundle("os-core", &[]), bundle("b", &["a", "a", "gone"]), bundle("a", &["b", "c"]), bundle("c", &[])];
        let mut warnings = Vec::new();
        let mix = Mix::new(&inputs, &mut warnings).unwrap();
        let subtracts: Vec<_> = mix.bundles.iter().map(|bundle| bundle.subtracts.clone()).collect();
        assert_eq!(subtracts, [vec![], vec![0, 2, 3], vec![0, 3], vec![0]]);
        assert_eq!(mix.bundles[1].includes.len(), 2);
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "bundle b includes gone, which is not in the mix: the include is dropped",
                "the bundles a, b include each other: paths that several of them list are kept in the first"
            ]
        );
    }

    #[test]
    fn os_core_includes_nothing() {
        let mut os_core = bundle("os-core", &["a", "os-core", "absent"]);
        os_core.also_add = vec!["a".parse().unwrap()];
        let mut warnings = Vec::new();
        let inputs = [bundle("a", &[]), os_core];
        let mix = Mix::new(&inputs, &mut warnings).unwrap();
        assert_eq!(mix.bundles[0].subtracts, [1]);
        assert!(mix.bundles[1].subtracts.is_empty());
        assert!(mix.bundles[1].includes.is_empty() && mix.bundles[1].also_add.is_empty());
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["os-core declares a, absent as includes or also-adds: ignored, as every bundle includes os-core"]
        );
    }

    #[test]
    fn also_adds_name_bundles_of_the_mix_each_once() {
        let mut input = bundle("a", &[]);
        input.also_add =
            ["os-core", "a", "os-core", "os-core-update-index"].iter().map(|name| name.parse().unwrap()).collect();
        let mut warnings = Vec::new();
        let inputs = [bundle("os-core", &[]), input];
        let mix = Mix::new(&inputs, &mut warnings).unwrap();
        assert_eq!(mix.bundles[1].also_add, ["os-core", "a"].map(|name| name.parse().unwrap()));
        assert!(matches!(&warnings[..], [Warning::UnknownAlsoAdd { .. }]), "{warnings:?}");
    }

    #[test]
    fn os_core_must_be_there_and_names_differ() {
        let error = |inputs: &[BundleInput]| Mix::new(inputs, &mut Vec::new()).err().unwrap();
        assert_eq!(error(&[bundle("a", &[])]), PlanError::NoOsCore);
        let twice = [bundle("os-core", &[]), bundle("a", &[]), bundle("a", &[])];
        assert_eq!(error(&twice), PlanError::BundleTwice("a".parse().unwrap()));
    }
}
