//! From a certificate to a trusted self-signed one, as OpenSSL builds the chain (without purpose, without revocation).
//!
//! ```text
//! signer ──issued by──> authority ──issued by──> self-signed authority of the PEM file
//! ```
//!
//! Issuers are looked for among the trusted certificates first, then among those that came with the signature; once a
//! trusted one was found, only among the trusted. A self-signed certificate ends the chain and must itself be a trusted
//! one; a trusted one that is not self-signed does not end it.
//!
//! Among several that could be the issuer, the first that is valid in time is taken. So of two self-signed certificates
//! of one name and without key identifiers, clients find the first for both, and never trust the second.

use der::asn1::ObjectIdentifier;
use der::oid::AssociatedOid;
use x509_cert::ext::pkix::{
    BasicConstraints, CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage, InhibitAnyPolicy, KeyUsage,
    NameConstraints, PolicyConstraints, PolicyMappings, SubjectAltName,
};

use crate::algorithm::{CheckFailure, check, combined_digest};
use crate::certificate::{Authority, Certificate};
use crate::dates::Dates;
use crate::fitness::Problem;

/// The number of certificates above the first at which OpenSSL gives up.
const MAX_DEPTH: usize = 100;

const NETSCAPE_CERT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113730.1.1");
const IP_ADDRESS_BLOCKS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.7");
const AUTONOMOUS_SYSTEMS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.8");
const OCSP_NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
const PROXY_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.14");

/// The extensions that OpenSSL 3 accepts when they are marked critical.
const HANDLED_CRITICAL: [ObjectIdentifier; 15] = [
    NETSCAPE_CERT_TYPE,
    KeyUsage::OID,
    SubjectAltName::OID,
    BasicConstraints::OID,
    CertificatePolicies::OID,
    CrlDistributionPoints::OID,
    ExtendedKeyUsage::OID,
    IP_ADDRESS_BLOCKS,
    AUTONOMOUS_SYSTEMS,
    OCSP_NO_CHECK,
    PolicyConstraints::OID,
    PROXY_CERTIFICATE,
    NameConstraints::OID,
    PolicyMappings::OID,
    InhibitAnyPolicy::OID,
];

/// The way from a certificate towards trust.
pub(crate) struct Chain<'a> {
    /// From the leaf as far as issuers were found; never empty.
    pub(crate) certificates: Vec<&'a Certificate>,
    /// Why the leaf is not trusted; empty when it is.
    pub(crate) problems: Vec<Problem>,
}

/// Follows the issuers of `leaf`.
pub(crate) fn follow<'a>(
    leaf: &'a Certificate,
    included: &'a [Certificate],
    trusted: &'a [Certificate],
    dates: Dates,
) -> Chain<'a> {
    let (certificates, gap) = build(leaf, included, trusted, dates);
    let mut problems: Vec<_> = gap.into_iter().collect();
    for certificate in &certificates {
        own_problems(certificate, dates, &mut problems);
    }
    let mut below = 0;
    for (position, pair) in certificates.windows(2).enumerate() {
        let is_last = position + 2 == certificates.len();
        issue_problems(pair[0], pair[1], is_last, &mut problems);
        if pair[1].path_length().is_some_and(|allowed| below > usize::from(allowed)) {
            problems.push(Problem::ChainTooLong { subject: leaf.subject(), issuer: pair[1].subject() });
        }
        below += usize::from(!pair[1].is_self_issued());
    }
    Chain { certificates, problems }
}

/// The chain as far as issuers are found, and what it lacks to end in trust.
fn build<'a>(
    leaf: &'a Certificate,
    included: &'a [Certificate],
    trusted: &'a [Certificate],
    dates: Dates,
) -> (Vec<&'a Certificate>, Option<Problem>) {
    let mut chain = vec![leaf];
    let mut among_trusted = false;
    loop {
        let current = chain[chain.len() - 1];
        if chain.len() > MAX_DEPTH + 1 {
            return (chain, Some(Problem::ChainTooLong { subject: leaf.subject(), issuer: current.subject() }));
        }
        let found = issuer_of(current, trusted.iter(), dates);
        if current.is_self_signed() {
            let gap = match found {
                Some(found) if found == current => None,
                Some(_) if trusted.contains(current) => Some(Problem::Shadowed { subject: current.subject() }),
                _ => Some(Problem::NotTrusted { subject: current.subject() }),
            };
            return (chain, gap);
        }
        among_trusted |= found.is_some();
        let elsewhere = included.iter().filter(|candidate| !among_trusted && !chain.contains(candidate));
        match found.or_else(|| issuer_of(current, elsewhere, dates)) {
            Some(issuer) => chain.push(issuer),
            None => {
                let gap = Problem::IssuerMissing { subject: current.subject(), issuer: current.issuer() };
                return (chain, Some(gap));
            }
        }
        if found.is_some_and(Certificate::is_self_signed) {
            return (chain, None);
        }
    }
}

/// What is wrong with one certificate, apart from its issuer.
fn own_problems(certificate: &Certificate, dates: Dates, problems: &mut Vec<Problem>) {
    let subject = || certificate.subject();
    let (Dates::Valid(now) | Dates::Begun(now)) = dates else {
        return extension_problems(certificate, problems);
    };
    if now < certificate.not_before() {
        problems.push(Problem::NotYetValid { subject: subject(), not_before: certificate.not_before(), now });
    }
    if now >= certificate.not_after() && matches!(dates, Dates::Valid(_)) {
        problems.push(Problem::Expired { subject: subject(), not_after: certificate.not_after(), now });
    }
    extension_problems(certificate, problems);
}

fn extension_problems(certificate: &Certificate, problems: &mut Vec<Problem>) {
    let subject = || certificate.subject();
    for extension in certificate.fields().extensions.iter().flatten() {
        if extension.critical && !HANDLED_CRITICAL.contains(&extension.extn_id) {
            problems
                .push(Problem::UnhandledCriticalExtension { subject: subject(), id: extension.extn_id.to_string() });
        }
    }
    if certificate.fields().get::<BasicConstraints>().is_err() {
        problems.push(Problem::MalformedExtension { subject: subject(), id: BasicConstraints::OID.to_string() });
    }
    if certificate.fields().get::<KeyUsage>().is_err() {
        problems.push(Problem::MalformedExtension { subject: subject(), id: KeyUsage::OID.to_string() });
    }
    for id in [NameConstraints::OID, PROXY_CERTIFICATE] {
        if certificate.extension(id).is_some() {
            problems.push(Problem::UnevaluatedExtension { subject: subject(), id: id.to_string() });
        }
    }
}

/// What is wrong between a certificate and its issuer.
fn issue_problems(certificate: &Certificate, issuer: &Certificate, is_last: bool, problems: &mut Vec<Problem>) {
    let subject = certificate.subject();
    let may_issue = match issuer.authority() {
        Authority::Always => true,
        Authority::AsRoot => is_last,
        Authority::Never => false,
    };
    if !may_issue {
        problems.push(Problem::IssuerNotAuthority { subject: subject.clone(), issuer: issuer.subject() });
    }
    let algorithm = &certificate.whole().signature_algorithm;
    let unsupported = |id: ObjectIdentifier| Problem::UnsupportedIssuerSignature {
        subject: subject.clone(),
        algorithm: id.to_string(),
    };
    let mismatch = || Problem::IssuerSignature { subject: subject.clone(), issuer: issuer.subject() };
    let Some(digest) = combined_digest(algorithm) else {
        problems.push(unsupported(algorithm.oid));
        return;
    };
    let signature = certificate.whole().signature.as_bytes().filter(|_| *algorithm == certificate.fields().signature);
    let Some(signature) = signature else {
        problems.push(mismatch());
        return;
    };
    match check(&issuer.fields().subject_public_key_info, digest, certificate.to_be_signed(), signature) {
        Ok(()) => {}
        Err(CheckFailure::Mismatch) => problems.push(mismatch()),
        Err(CheckFailure::Unsupported(id)) => problems.push(unsupported(id)),
    }
}

/// The first certificate that can be the issuer and is valid in time, else the one that ends last.
fn issuer_of<'a>(
    certificate: &Certificate,
    among: impl Iterator<Item = &'a Certificate>,
    dates: Dates,
) -> Option<&'a Certificate> {
    let is_valid = |candidate: &Certificate| match dates {
        Dates::Valid(now) | Dates::Begun(now) => (candidate.not_before()..candidate.not_after()).contains(&now),
        Dates::Ignored => true,
    };
    let mut best: Option<&Certificate> = None;
    for candidate in among.filter(|candidate| certificate.was_likely_issued_by(candidate)) {
        if is_valid(candidate) {
            return Some(candidate);
        }
        if best.is_none_or(|best| candidate.not_after() > best.not_after()) {
            best = Some(candidate);
        }
    }
    best
}
