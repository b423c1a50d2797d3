//! The state of a fleet while its signing key changes: which endpoints can verify what they are pointed to, and the next
//! step.
//!
//! Single endpoints are unknown. Known is which certificates the content of each release makes its endpoints trust
//! (client behaviour §6), and so what happens to endpoints that are still on it. The steps are in docs/keys.md.

use std::collections::{BTreeMap, BTreeSet};

use clearwell_format::resource::Pointer;
use clearwell_format::{FormatNumber, Mom, Version, pointer};
use clearwell_sign::{Certificate, Dates, Severity, Trust, TrustAnchor, VerifyError, fitness};
use clearwell_store::{Store, StoreError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::build::inspect::{self, StoredArtifacts};
use crate::guard::content::{self, FORMAT, OS_RELEASE};
use crate::guard::trust::{Carried, Certificates, verify_mom};
use crate::guard::{CertificateFiles, PointerMove};

/// What [`rotation`] is asked with.
#[derive(Clone, Debug)]
pub struct RotationOptions {
    /// The certificate that is to sign next. Without it, one that the newest release carries and that does not sign.
    pub next: Option<TrustAnchor>,
    /// The time at which certificates must be valid, Unix seconds.
    pub now: i64,
}

/// The progress of a change of the signing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Rotation {
    /// The certificates that releases carry or were signed with, in the order in which they appear.
    pub certificates: Vec<KnownCertificate>,
    /// The releases that endpoints may be on, ascending.
    pub releases: Vec<ReleaseStanding>,
    /// Name of the certificate that signed the newest `latest`; null if it is not signed, or by an unknown certificate.
    pub signer: Option<String>,
    /// Name of the next signing certificate; null if there is none.
    pub next: Option<String>,
    /// The releases whose endpoints cannot update.
    pub stranded: Vec<u32>,
    /// The releases whose endpoints refuse `latest_version`: `swupd check-update` fails there, an update may still work.
    pub check_update_fails: Vec<u32>,
    /// The next step.
    pub step: String,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct KnownCertificate {
    /// Its name in this document: `A`, `B` and so on.
    pub name: String,
    /// Subject in the notation of RFC 4514.
    pub subject: String,
    /// Serial number, hexadecimal pairs.
    pub serial: String,
    /// Algorithm and size of its key.
    pub key: String,
    /// SHA-256, hexadecimal.
    pub fingerprint: String,
    /// Begin of validity, in seconds since the epoch.
    pub not_before: i64,
    /// End of validity, in seconds since the epoch.
    pub not_after: i64,
}

/// A release and its endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ReleaseStanding {
    /// The release.
    pub version: u32,
    /// Its format.
    pub format: u16,
    /// Names of the certificates that its endpoints trust; a `+` marks those tried second. Empty if it carries none.
    pub trusts: Vec<String>,
    /// Name of the certificate that signed its MoM; null if it is not signed, or by an unknown certificate.
    pub signed_by: Option<String>,
    /// True if its endpoints accept signatures of the next certificate; null if there is none, or if the release carries
    /// no certificate.
    pub takes_next: Option<bool>,
    /// What happens to its endpoints.
    #[serde(flatten)]
    pub endpoints: Standing,
}

/// What happens to endpoints on a release that update now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "endpoints")]
pub enum Standing {
    /// The endpoints are on the newest release of their format.
    Newest,
    /// The endpoints can verify the pointer and the release that it names.
    Update {
        /// The release that the pointer names.
        to: u32,
    },
    /// The release carries no certificate, so it is unknown which one the endpoints trust.
    Unknown,
    /// The endpoints cannot update.
    Stranded {
        /// Why they cannot update.
        reason: String,
        /// How to help them.
        remedy: String,
    },
}

/// The certificates that a release carries; `None` if it carries none.
///
/// # Errors
/// [`StoreError`] if a record or manifest of the store is missing or cannot be read.
pub fn carried(store: &Store, version: Version) -> Result<Option<CertificateFiles>, StoreError> {
    let mom = store.mom(version)?;
    Ok(Certificates::new(&StoredArtifacts(store)).files_of(&mom))
}

/// Looks at every release that endpoints may be on.
///
/// # Errors
/// [`StoreError`] if pointers, MoMs or records cannot be read. Content that cannot be read counts as content without a
/// certificate.
pub fn rotation(store: &Store, options: &RotationOptions) -> Result<Rotation, StoreError> {
    let artifacts = StoredArtifacts(store);
    let certificates = Certificates::new(&artifacts);
    let current = store.pointers()?;
    let pointers = current.files.iter().map(|(&pointer, bytes)| (pointer, bytes.to_vec())).collect();
    let moms = inspect::kept(store)?;
    let mut carried = BTreeMap::new();
    for (&version, mom) in &moms {
        let is_staged = current.latest(mom.header.format).is_none_or(|latest| version > latest)
            && store.record(version)?.retracted.is_none();
        if !is_staged {
            carried.insert(version, certificates.of(mom));
        }
    }
    let fleet = Fleet { artifacts: &artifacts, pointers, moms: &moms, carried, now: options.now };
    Ok(fleet.report(options.next.as_ref()))
}

struct Fleet<'f> {
    artifacts: &'f StoredArtifacts<'f>,
    pointers: BTreeMap<Pointer, Vec<u8>>,
    moms: &'f BTreeMap<Version, Mom>,
    /// Of every release that endpoints may be on.
    carried: BTreeMap<Version, Carried>,
    now: i64,
}

impl Fleet<'_> {
    fn report(&self, next: Option<&TrustAnchor>) -> Rotation {
        let mut names = Names::default();
        let newest = self.carried.keys().next_back().copied();
        let signer = newest.and_then(|newest| self.signer_of_latest(self.moms[&newest].header.format));
        let next = next.cloned().or_else(|| self.carried_next(newest?, signer.as_ref()?));
        let takes_next = |carried: &Carried| Some(carried.trust()?.accepts(next.as_ref()?, self.now).is_ok());
        let mut releases: Vec<ReleaseStanding> = Vec::new();
        for (version, carried) in &self.carried {
            releases.push(ReleaseStanding {
                version: version.number(),
                format: self.moms[version].header.format.number(),
                trusts: names.trusted(carried),
                signed_by: self.signer_of_mom(*version).map(|signer| names.of(&signer)),
                takes_next: takes_next(carried),
                endpoints: self.standing(*version),
            });
        }
        let is_stranded = |release: &&ReleaseStanding| matches!(release.endpoints, Standing::Stranded { .. });
        let mut report = Rotation {
            signer: signer.as_ref().map(|signer| names.of(signer)),
            next: next.as_ref().map(|next| names.of(next.first())),
            stranded: releases.iter().filter(is_stranded).map(|release| release.version).collect(),
            check_update_fails: self.check_update_fails(),
            certificates: names.0.iter().enumerate().map(|(index, certificate)| known(index, certificate)).collect(),
            releases,
            step: String::new(),
        };
        report.step = next_step(&report, next.as_ref(), self.now);
        report
    }

    fn trusts(&self) -> impl Iterator<Item = &Trust> {
        self.carried.values().rev().filter_map(Carried::trust)
    }

    /// Who signed a MoM, as far as some release of the store trusts it.
    fn signer_of_mom(&self, version: Version) -> Option<Certificate> {
        let own = self.carried.get(&version).and_then(Carried::trust);
        own.into_iter()
            .chain(self.trusts())
            .find_map(|trust| verify_mom(self.artifacts, &self.moms[&version], trust, Dates::Ignored, self.now)?.ok())
    }

    fn signer_of_latest(&self, format: FormatNumber) -> Option<Certificate> {
        let (text, signature) = self.signed(Pointer::Latest(format))?;
        self.trusts().find_map(|trust| trust.verify(text, signature, Dates::Ignored, self.now).ok())
    }

    /// A certificate that a release carries and that does not sign.
    fn carried_next(&self, release: Version, signer: &Certificate) -> Option<TrustAnchor> {
        let trust = self.carried.get(&release)?.trust()?;
        let second = trust.alternative.as_ref().map(TrustAnchor::first);
        let signs = |certificate: &&Certificate| certificate.key_is_of(signer) || !certificate.is_self_signed();
        let mut others = trust.main.certificates().iter().chain(second).filter(|certificate| !signs(certificate));
        others.next().cloned().map(TrustAnchor::from)
    }

    /// A pointer and its signature, if it has one.
    fn signed(&self, pointer: Pointer) -> Option<(&[u8], &[u8])> {
        Some((self.pointers.get(&pointer)?, self.pointers.get(&pointer.signature()?)?))
    }

    fn check_update_fails(&self) -> Vec<u32> {
        let Some((text, signature)) = self.signed(Pointer::LatestVersion) else { return Vec::new() };
        let refuse = |carried: &Carried| match carried {
            Carried::Trust(trust) => trust.verify(text, signature, Dates::Begun(self.now), self.now).is_err(),
            Carried::Nothing => false,
            Carried::Unusable(_) => true,
        };
        let refusing = self.carried.iter().filter(|(_, carried)| refuse(carried));
        refusing.map(|(version, _)| version.number()).collect()
    }

    /// What happens to endpoints on a release.
    fn standing(&self, version: Version) -> Standing {
        let stranded = |reason: String| Standing::Stranded { reason, remedy: self.remedy(version) };
        let trust = match &self.carried[&version] {
            Carried::Nothing => return Standing::Unknown,
            Carried::Unusable(reason) => return stranded(format!("their client does not start: {reason}")),
            Carried::Trust(trust) => trust,
        };
        if let Some(problem) = trust.refusals(self.now).first() {
            return stranded(format!("their client does not start: {problem}"));
        }
        // The first half of a format bump makes its endpoints take themselves for the second (manifest §5.12).
        let mom = &self.moms[&version];
        let said = |path| content::of_kept(self.artifacts, mom, path);
        let format = said(FORMAT).and_then(|text| content::format(&text));
        let format = format.unwrap_or(mom.header.format);
        let own = said(OS_RELEASE).and_then(|text| content::version_id(&text)).unwrap_or(version);
        if let Some(refused) = PointerMove::latest_refused(&self.pointers, format, trust, self.now) {
            return stranded(refusal(&format!("{}", Pointer::Latest(format)), &refused));
        }
        let latest = self.pointers.get(&Pointer::Latest(format)).and_then(|text| pointer::parse(text));
        let Some(latest) = latest.filter(|latest| *latest > own) else { return Standing::Newest };
        for needed in [own, latest] {
            let verdict = self
                .moms
                .get(&needed)
                .and_then(|mom| verify_mom(self.artifacts, mom, trust, Dates::Valid(self.now), self.now));
            if let Some(Err(refused)) = verdict {
                return stranded(refusal(&format!("Manifest.MoM of {needed}"), &refused));
            }
        }
        Standing::Update { to: latest.number() }
    }

    /// How to help endpoints on a release that cannot verify the pointers.
    fn remedy(&self, version: Version) -> String {
        let by_hand = "install the signing certificate there manually, as Swupd_Root.pem.alt, or instead of Swupd_Root.pem if \
                       that has expired";
        let starts = self.carried[&version].trust().filter(|trust| trust.refusals(self.now).is_empty());
        let Some(trust) = starts else { return by_hand.to_owned() };
        let leads_on = |later: &Version| {
            let mom = &self.moms[later];
            let verdict = verify_mom(self.artifacts, mom, trust, Dates::Valid(self.now), self.now);
            let Some(next) = self.carried[later].trust() else { return false };
            verdict.is_some_and(|verdict| verdict.is_ok())
                && PointerMove::latest_refused(&self.pointers, mom.header.format, next, self.now).is_none()
        };
        let later: BTreeSet<Version> = self.carried.keys().copied().filter(|later| *later > version).collect();
        match later.into_iter().rev().find(leads_on) {
            Some(later) => {
                format!(
                    "\"swupd update --nosigcheck-latest -V {later}\" once, manually; from {later} on they update automatically"
                )
            }
            None => by_hand.to_owned(),
        }
    }
}

fn refusal(object: &str, error: &VerifyError) -> String {
    format!("they refuse {object}: {error}")
}

/// The certificates seen so far. Their letters are their places.
#[derive(Default)]
struct Names(Vec<Certificate>);

impl Names {
    fn of(&mut self, certificate: &Certificate) -> String {
        let known = self.0.iter().position(|known| known == certificate);
        letter(known.unwrap_or_else(|| {
            self.0.push(certificate.clone());
            self.0.len() - 1
        }))
    }

    fn trusted(&mut self, carried: &Carried) -> Vec<String> {
        let Some(trust) = carried.trust() else { return Vec::new() };
        let mut names: Vec<_> = trust.main.certificates().iter().map(|certificate| self.of(certificate)).collect();
        let second = trust.alternative.iter().flat_map(TrustAnchor::certificates);
        names.extend(second.map(|certificate| format!("+{}", self.of(certificate))));
        names
    }
}

/// `A` to `Z`, then `A1`, …
fn letter(index: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(index % 26).unwrap_or_default());
    if index < 26 { letter.to_string() } else { format!("{letter}{}", index / 26) }
}

fn known(index: usize, certificate: &Certificate) -> KnownCertificate {
    KnownCertificate {
        name: letter(index),
        subject: certificate.subject(),
        serial: certificate.serial(),
        key: certificate.key(),
        fingerprint: certificate.fingerprint(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
    }
}

/// What the maintainer does next.
fn next_step(report: &Rotation, next: Option<&TrustAnchor>, now: i64) -> String {
    let Rotation { signer, next: name, releases, stranded, .. } = report;
    let (Some(signer), Some(newest)) = (signer, releases.last()) else {
        return "no release contains the certificate that signs the pointers: there is nothing to rotate".to_owned();
    };
    let (Some(next), Some(name)) = (next, name) else {
        return format!("no key rotation is under way: {signer} signs, and no release contains another certificate");
    };
    let unfit = fitness(next, now).into_iter().find(|problem| problem.severity() == Severity::Refusal);
    if let Some(problem) = unfit {
        return format!("{name} cannot sign: {problem}");
    }
    if signer == name {
        return match newest.trusts.iter().any(|trusted| trusted.trim_start_matches('+') != name) {
            true => format!("{name} signs: build the next release with {name} alone"),
            false if stranded.is_empty() => {
                format!("the rotation is complete: {name} signs, and release {} contains it", newest.version)
            }
            false => format!("{name} signs: update the stranded endpoints manually, or give them up"),
        };
    }
    let left: Vec<String> = releases
        .iter()
        .filter(|release| release.takes_next == Some(false))
        .map(|release| release.version.to_string())
        .collect();
    match newest.takes_next {
        Some(true) if left.is_empty() => {
            format!("all releases trust {name}: sign the next release with it, and ship it alone")
        }
        Some(true) => format!(
            "endpoints on {} would be stranded if {name} signed now: keep signing with {signer} until they have updated, then \
             drop these releases (clearwell gc); or change the format now, which strands no endpoint: --format-bump old with \
             {signer}, --format-bump new with {name}",
            left.join(", ")
        ),
        _ => {
            format!("sign the next release with {signer}, and ship {name} with it: next-certificate in clearwell.toml")
        }
    }
}
