//! Signatures of the MoM and of the pointers that move: three rules.
//!
//! - `missing-signature`: a signed release has `Manifest.MoM.sig`, in the MoM's archive and next to it, and a signature for
//!   each pointer. Source: must-keep §3, client behaviour §5.
//! - `invalid-signature`: each verifies with the signer's certificate, as clients verify it. Source: client behaviour §6.
//! - `stale-signature`: an unsigned release has no signatures. Source: manifest §6 quirk 18.

use std::error::Error;

use clearwell_format::resource::Artifact;
use clearwell_format::{ManifestName, Resource};
use clearwell_sign::{Dates, TrustAnchor, verify};

use super::survey::Survey;
use super::trust::mom_signatures;
use super::{Artifacts, Finding, Object, PointerMove, Rule, Signing};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    let context = survey.context;
    let of_mom = context.store.into_iter().flat_map(|store| of_mom(survey, store.artifacts));
    let of_mom = of_mom.filter_map(|signed| signed.finding(context.signing));
    of_mom.chain(of_moved_pointers(survey)).collect()
}

pub(super) fn of_moved_pointers(survey: &Survey<'_>) -> Vec<Finding> {
    let context = survey.context;
    let signed = context.pointers.iter().flat_map(of_pointers);
    signed.filter_map(|signed| signed.finding(context.signing)).collect()
}

/// Something signed, and its signature.
struct Signed {
    object: Object,
    content: Vec<u8>,
    signature: Option<Vec<u8>>,
    /// The end of certificates counts for the MoM, and does not for pointers.
    dated: bool,
}

impl Signed {
    fn finding(self, signing: Signing<'_>) -> Option<Finding> {
        match (signing, &self.signature) {
            (Signing::Off, None) => None,
            (Signing::Off, Some(_)) => Some(Finding::refusal(
                Rule::StaleSignature,
                self.object,
                "it is a stale signature: this release is not signed",
                "sign the release, or remove the signature",
            )),
            (Signing::On { .. }, None) => Some(Finding::refusal(
                Rule::MissingSignature,
                self.object,
                "the release is signed, but this signature is missing; endpoints refuse the release",
                "sign again with the key that matches the certificate",
            )),
            (Signing::On { anchor, now }, Some(signature)) => {
                let problem = self.refused(signature, anchor, now)?;
                Some(Finding::refusal(
                    Rule::InvalidSignature,
                    self.object,
                    problem,
                    "sign again with the key that matches the certificate",
                ))
            }
        }
    }

    fn refused(&self, signature: &[u8], anchor: &TrustAnchor, now: i64) -> Option<String> {
        let dates = if self.dated { Dates::Valid(now) } else { Dates::Begun(now) };
        let error = verify(&self.content, signature, anchor, dates).err()?;
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Some(format!("endpoints refuse it: {error}{cause}"))
    }
}

/// The signature next to the MoM, and the one in its archive.
fn of_mom(survey: &Survey<'_>, artifacts: &dyn Artifacts) -> [Signed; 2] {
    let mom = &survey.context.release.mom;
    let separate = Resource::of(mom.header.version, Artifact::MomSignature);
    let archive = Resource::of(mom.header.version, Artifact::ManifestTar(ManifestName::Mom));
    let signed = |resource, signature| Signed {
        object: Object::Artifact(resource),
        content: mom.to_bytes(),
        signature,
        dated: true,
    };
    let [in_archive, in_file] = mom_signatures(artifacts, mom.header.version);
    [signed(separate, in_file), signed(archive, in_archive)]
}

/// The pointers that this publication moves or signs again. Others keep their signatures.
fn of_pointers(pointers: &PointerMove) -> Vec<Signed> {
    let PointerMove { before, after } = pointers;
    let signed = after.iter().filter_map(|(&pointer, text)| {
        let signature = pointer.signature()?;
        let is_news = before.get(&pointer) != Some(text) || before.get(&signature) != after.get(&signature);
        is_news.then(|| Signed {
            object: Object::Pointer(signature),
            content: text.clone(),
            signature: after.get(&signature).cloned(),
            dated: false,
        })
    });
    signed.collect()
}
