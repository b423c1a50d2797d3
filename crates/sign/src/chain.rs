//! From a certificate to a trusted self-signed one, as OpenSSL goes (without purpose, without revocation).
//!
//! ```text
//! signer ──issued by──> authority ──issued by──> self-signed authority of the PEM file
//! ```
//!
//! Issuers are looked for among the trusted certificates first, then among those that came with the signature. A
//! self-signed certificate ends the chain and must itself be a trusted one; a trusted one that is not self-signed does
//! not end it.

use der::asn1::{ObjectIdentifier, OctetString};
use der::oid::AssociatedOid;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage,
    InhibitAnyPolicy, KeyUsage, NameConstraints, PolicyConstraints, PolicyMappings, SubjectAltName,
    SubjectKeyIdentifier,
};

use crate::algorithm::{CheckFailure, check, combined_digest};
use crate::certificate::Certificate;
use crate::fitness::Problem;

/// Longer chains are refused; real ones have one to three certificates.
const MAX_CHAIN: usize = 8;

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

/// Follows the issuers of `leaf`. Without `time` (Unix seconds), dates are not looked at.
pub(crate) fn follow<'a>(
    leaf: &'a Certificate,
    included: &'a [Certificate],
    trusted: &'a [Certificate],
    time: Option<i64>,
) -> Chain<'a> {
    let mut problems = Vec::new();
    let mut certificates = Vec::new();
    let mut current = leaf;
    loop {
        own_problems(current, time, &mut problems);
        let below = certificates.len();
        certificates.push(current);
        if current.is_self_issued() {
            if !trusted.iter().any(|certificate| certificate.der() == current.der()) {
                problems.push(Problem::NotTrusted { subject: current.subject() });
            }
            break;
        }
        let Some(issuer) = issuer_of(current, trusted).or_else(|| issuer_of(current, included)) else {
            problems.push(Problem::IssuerMissing { subject: current.subject(), issuer: current.issuer() });
            break;
        };
        issue_problems(current, issuer, &mut problems);
        let too_long = issuer.path_length().is_some_and(|allowed| below > usize::from(allowed));
        if too_long || below == MAX_CHAIN {
            problems.push(Problem::ChainTooLong { subject: leaf.subject(), issuer: issuer.subject() });
            break;
        }
        current = issuer;
    }
    Chain { certificates, problems }
}

/// What is wrong with one certificate, whoever issued it.
fn own_problems(certificate: &Certificate, time: Option<i64>, problems: &mut Vec<Problem>) {
    let subject = || certificate.subject();
    if let Some(time) = time {
        if time < certificate.not_before() {
            problems.push(Problem::NotYetValid { subject: subject(), not_before: certificate.not_before() });
        }
        if time > certificate.not_after() {
            problems.push(Problem::Expired { subject: subject(), not_after: certificate.not_after() });
        }
    }
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
fn issue_problems(certificate: &Certificate, issuer: &Certificate, problems: &mut Vec<Problem>) {
    let subject = certificate.subject();
    if !issuer.is_authority() {
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

/// The first certificate with the issuer's name and, where both sides carry key identifiers, the issuer's key.
fn issuer_of<'a>(certificate: &Certificate, among: &'a [Certificate]) -> Option<&'a Certificate> {
    let wanted = authority_key(certificate);
    among.iter().find(|candidate| {
        candidate.fields().subject == certificate.fields().issuer
            && match (&wanted, subject_key(candidate)) {
                (Some(wanted), Some(key)) => *wanted == key,
                _ => true,
            }
    })
}

fn authority_key(certificate: &Certificate) -> Option<OctetString> {
    let (_, identifier) = certificate.fields().get::<AuthorityKeyIdentifier>().ok()??;
    identifier.key_identifier
}

fn subject_key(certificate: &Certificate) -> Option<OctetString> {
    let (_, identifier) = certificate.fields().get::<SubjectKeyIdentifier>().ok()??;
    Some(identifier.0)
}
