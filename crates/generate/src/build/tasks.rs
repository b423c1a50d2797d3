//! A plan as a list of things to make.

use clearwell_format::ManifestName;
use clearwell_format::resource::Artifact;

use super::GENERATOR;
use crate::inputs::Inputs;
use crate::make::Task;
use crate::plan::{PackItem, Plan};

/// Everything in the version's folder but packs and deltas.
pub(super) fn of_release(plan: &Plan, inputs: &Inputs, mom_signature: Option<Vec<u8>>) -> Vec<Task> {
    let mut tasks = vec![
        Task::Plain(Artifact::Format, inputs.release.format.to_string().into_bytes()),
        Task::Plain(Artifact::GeneratorVersion, GENERATOR.as_bytes().to_vec()),
    ];
    if let Some(upstream) = &inputs.upstream {
        tasks.push(Task::Plain(Artifact::UpstreamUrl, upstream.url.clone().into_bytes()));
        tasks.push(Task::Plain(Artifact::UpstreamVersion, upstream.version.clone().into_bytes()));
    }
    tasks.extend(mom_signature.clone().map(|signature| Task::Plain(Artifact::MomSignature, signature)));
    tasks.push(Task::Manifest { name: ManifestName::Mom, bytes: plan.mom.to_bytes(), signature: mom_signature });
    tasks.push(Task::Manifest { name: ManifestName::Full, bytes: plan.full.to_bytes(), signature: None });
    tasks.extend(plan.bundles.iter().map(|planned| Task::Manifest {
        name: ManifestName::Bundle(planned.bundle.clone()),
        bytes: planned.manifest.to_bytes(),
        signature: None,
    }));
    let fullfiles = plan.fullfiles.iter();
    tasks.extend(fullfiles.map(|planned| Task::Fullfile(PackItem { hash: planned.hash, origin: planned.origin })));
    tasks
}
