//! A delta pack is smaller than the zero pack of its bundle.
//!
//! Source: packs (delta selection). Endpoints use the delta pack if it exists and do not compare sizes.

use clearwell_format::Resource;
use clearwell_format::resource::Artifact;

use super::survey::Survey;
use super::{Finding, Object, Rule};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let Some(store) = survey.context.store else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for resource in store.made {
        let Resource::Artifact { version, artifact: Artifact::Pack { bundle, from: Some(_) } } = resource else {
            continue;
        };
        let zero = Resource::of(*version, Artifact::Pack { bundle: bundle.clone(), from: None });
        let (Some(delta), Some(zero)) = (store.artifacts.size(resource), store.artifacts.size(&zero)) else {
            continue;
        };
        if delta > zero {
            findings.push(Finding::warning(
                Rule::UselessPack,
                Object::Artifact(resource.clone()),
                format!("it has {delta} bytes, but the zero pack only {zero}"),
                "remove it, or build it with deltas",
            ));
        }
    }
    findings
}
