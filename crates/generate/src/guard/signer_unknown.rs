//! Endpoints can verify what the pointers lead them to: the pointer itself, and the release.
//!
//! Source: client behaviour §6. They trust the certificates in *their* content; if none verifies, they are stranded on
//! the release they are on. An endpoint that missed the release in which certificates changed is stranded by the
//! first one that the new key signs: `latest` is one pointer, with one signature, and an additional signer is refused.
//! No endpoint is left behind where the format changes together with the key, as the pointers of the old format stay
//! (docs/keys.md).

use std::collections::BTreeSet;

use clearwell_format::{Mom, Version};
use clearwell_sign::{Dates, Trust, TrustAnchor, VerifyError};

use super::earlier_entries::endpoints_on;
use super::survey::Survey;
use super::trust::{Carried, Certificates, verify_mom};
use super::{Artifacts, Context, Finding, Object, PointerMove, Rule, Signing, content};

pub(super) fn check(survey: &Survey<'_>) -> Vec<Finding> {
    stranded(survey, |check| check.refused())
}

/// For pointers that lead to nothing new: endpoints above never look at the release that they name.
pub(super) fn of_moved_pointers(survey: &Survey<'_>) -> Vec<Finding> {
    stranded(survey, |check| check.pointer_refused())
}

fn stranded(survey: &Survey<'_>, refused: impl Fn(&TrustCheck<'_>) -> Option<VerifyError>) -> Vec<Finding> {
    let context = survey.context;
    let (Some(store), Signing::On { anchor, now }) = (context.store, context.signing) else {
        return Vec::new();
    };
    let certificates = Certificates::new(store.artifacts);
    let mut stranded = BTreeSet::new();
    let mut reason = None;
    let mut way_out = BTreeSet::new();
    for (trust, releases) in by_trust(context, &certificates, releases(survey, store.artifacts)) {
        let check = TrustCheck { context, artifacts: store.artifacts, trust: &trust, now };
        let Some(problem) = refused(&check).filter(|_| !check.was_stranded()) else { continue };
        let news = survey.news(releases, |previous| check.mom_refused(&previous.release.mom).is_some());
        if !news.is_empty() {
            way_out.extend(check.way_out(&certificates, anchor));
            stranded.extend(news);
            reason = Some(problem);
        }
    }
    let finding = |problem: VerifyError| {
        Finding::refusal(
            Rule::SignerUnknown,
            Object::Certificate(anchor.first().subject()),
            format!("{} trust another certificate and would be stranded: {problem}", endpoints_on(&stranded)),
            remedy(&way_out),
        )
    };
    reason.map(finding).into_iter().collect()
}

fn remedy(way_out: &BTreeSet<Version>) -> String {
    let left_behind = match way_out.last() {
        Some(version) => {
            format!("they then need \"swupd update --nosigcheck-latest -V {version}\" once, manually")
        }
        None => "they then need the new certificate as Swupd_Root.pem.alt, installed manually".to_owned(),
    };
    format!(
        "sign with the key that they trust and ship the new certificate with the old one; change keys together with the \
         format, which strands no endpoint, or once \"clearwell rotation\" shows that all kept releases trust the new one \
         (docs/keys.md). Allow the rule to leave them behind: {left_behind}"
    )
}

/// The releases that endpoints may be on, and that continue in the format of this one.
fn releases(survey: &Survey<'_>, artifacts: &dyn Artifacts) -> BTreeSet<Version> {
    let context = survey.context;
    let release = &context.release.mom.header;
    let earlier = survey.earlier_entries.bundles().flat_map(|(_, releases)| releases);
    let pointed = |(&version, mom): (&Version, &&Mom)| {
        let (pointers, format) = (context.pointers.as_ref()?, mom.header.format);
        let may_be_on = pointers.latest_before(format).is_some_and(|latest| version <= latest);
        (pointers.moves_latest(format) && may_be_on).then_some(version)
    };
    let mut releases: BTreeSet<Version> = earlier.chain(context.kept.iter().filter_map(pointed)).collect();
    // The first half of a format bump is in one format and makes its endpoints continue in another.
    releases.retain(|version| {
        let next_format = |mom: &&Mom| {
            let said = content::of_kept(artifacts, mom, content::FORMAT).and_then(|text| content::format(&text));
            said.unwrap_or(mom.header.format)
        };
        context.kept.get(version).map(next_format) == Some(release.format)
    });
    releases
}

/// Releases with the same certificates together. Of those that carry none, nothing is known.
fn by_trust(
    context: &Context<'_>,
    certificates: &Certificates<'_>,
    releases: BTreeSet<Version>,
) -> Vec<(Trust, BTreeSet<Version>)> {
    let mut groups: Vec<(Trust, BTreeSet<Version>)> = Vec::new();
    for version in releases {
        let Some(Carried::Trust(trust)) = context.kept.get(&version).map(|mom| certificates.of(mom)) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == *trust) {
            Some((_, releases)) => drop(releases.insert(version)),
            None => groups.push((*trust, BTreeSet::from([version]))),
        }
    }
    groups
}

/// Endpoints that trust something.
struct TrustCheck<'j> {
    context: &'j Context<'j>,
    artifacts: &'j dyn Artifacts,
    trust: &'j Trust,
    now: i64,
}

impl TrustCheck<'_> {
    /// Why they refuse the pointer or the release.
    fn refused(&self) -> Option<VerifyError> {
        self.pointer_refused().or_else(|| self.mom_refused(&self.context.release.mom))
    }

    fn pointer_refused(&self) -> Option<VerifyError> {
        self.context.pointer_refused(self.trust)
    }

    /// Whether they refuse the pointer as it is: nothing is lost for them any more.
    fn was_stranded(&self) -> bool {
        let format = self.context.release.mom.header.format;
        let pointers = self.context.pointers.as_ref();
        pointers.is_some_and(|pointers| {
            PointerMove::latest_refused(&pointers.before, format, self.trust, self.now).is_some()
        })
    }

    fn mom_refused(&self, mom: &Mom) -> Option<VerifyError> {
        verify_mom(self.artifacts, mom, self.trust, Dates::Valid(self.now), self.now)?.err()
    }

    /// The newest release that they verify, and whose certificates take what is signed now.
    fn way_out(&self, certificates: &Certificates<'_>, signer: &TrustAnchor) -> Option<Version> {
        let leads_on = |mom: &Mom| {
            let carried = certificates.of(mom);
            carried.trust().is_some_and(|trust| trust.accepts(signer, self.now).is_ok())
        };
        let verified = |mom: &Mom| {
            let verdict = verify_mom(self.artifacts, mom, self.trust, Dates::Valid(self.now), self.now);
            verdict.is_some_and(|verdict| verdict.is_ok())
        };
        let kept = self.context.kept.iter().rev();
        kept.filter(|(_, mom)| verified(mom) && leads_on(mom)).map(|(&version, _)| version).next()
    }
}
