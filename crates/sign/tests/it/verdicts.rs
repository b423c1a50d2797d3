//! Every signature of `fixtures/` against its verdict in `fixtures/cases.tsv`: ours, OpenSSL's and swupd's.
//!
//! ```text
//! signature     trusted       time                        clearwell                       openssl    swupd
//! plain         anchor        Unix seconds, "-" for none  ok, or the error's variant(s)   ok or no   ok or no
//! ```
//!
//! OpenSSL is asked as swupd asks it: the trusted file as store, its first certificate as candidate signer, any purpose.
//! The last column is what `swupd check-update` does now, with "latest" and the signature served as
//! `version/latest_version`. It differs from OpenSSL's where the trusted file is one that swupd refuses to start with, and
//! where a certificate has expired, which does not matter for that file.

use std::collections::BTreeSet;
use std::fs;

use clearwell_sign::{Dates, Severity, TrustAnchor, VerifyError, fitness, verify};

use crate::openssl::OpenSsl;
use crate::swupd::Swupd;
use crate::{clock, fixture, fixtures};

struct Case {
    signature: String,
    trusted: String,
    time: Option<i64>,
    verdict: String,
    openssl_accepts: bool,
    swupd_accepts: bool,
}

fn cases() -> Vec<Case> {
    let table = String::from_utf8(fixture("cases.tsv")).unwrap();
    let case = |line: &str| {
        let fields: Vec<_> = line.split('\t').collect();
        let [signature, trusted, time, verdict, openssl, swupd] = fields.try_into().unwrap();
        Case {
            signature: format!("{signature}.sig"),
            trusted: format!("{trusted}.pem"),
            time: (time != "-").then(|| time.parse().unwrap()),
            verdict: verdict.to_owned(),
            openssl_accepts: openssl == "ok",
            swupd_accepts: swupd == "ok",
        }
    };
    table.lines().skip(1).map(case).collect()
}

#[test]
fn our_verdict_on_each_signature() {
    let content = fixture("latest");
    let mut wrong = Vec::new();
    for case in cases() {
        let anchor = TrustAnchor::from_pem(fixture(&case.trusted)).unwrap();
        let result = verify(&content, &fixture(&case.signature), &anchor, case.time);
        let verdict = match &result {
            Ok(_) => "ok".to_owned(),
            Err(VerifyError::Untrusted { problems, .. }) => {
                let names: Vec<_> = problems.iter().map(|problem| variant(&format!("{problem:?}"))).collect();
                format!("Untrusted {}", names.join(" "))
            }
            Err(error) => variant(&format!("{error:?}")),
        };
        if verdict != case.verdict {
            wrong.push(format!("{} with {}: {verdict}, not {}", case.signature, case.trusted, case.verdict));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn openssl_agrees_where_the_table_says_so() {
    let Some(openssl) = OpenSsl::found() else { return };
    for case in cases() {
        let accepted = openssl.verifies(
            &fixtures().join(&case.signature),
            &fixtures().join("latest"),
            &fixtures().join(&case.trusted),
            case.time,
        );
        assert_eq!(accepted, case.openssl_accepts, "{} with {}", case.signature, case.trusted);
    }
}

#[test]
fn swupd_agrees_where_the_table_says_so() {
    let Some(swupd) = Swupd::found() else { return };
    for case in cases() {
        let accepted = swupd.accepts(&fixture("latest"), &fixture(&case.signature), &fixtures().join(&case.trusted));
        assert_eq!(accepted, case.swupd_accepts, "{} with {}", case.signature, case.trusted);
    }
}

/// What swupd does at its start and with a pointer, from our two judgements. The few algorithms that we do not verify are
/// the only ones that it takes and we do not.
#[test]
fn fitness_and_verdict_together_are_what_swupd_does() {
    let now = clock();
    for case in cases() {
        let anchor = TrustAnchor::from_pem(fixture(&case.trusted)).unwrap();
        let starts = fitness(&anchor, now).iter().all(|problem| problem.severity() == Severity::Warning);
        let verified = verify(&fixture("latest"), &fixture(&case.signature), &anchor, Dates::Begun(now)).is_ok();
        let is_unsupported = case.openssl_accepts && case.verdict != "ok";
        let ours = starts && verified || is_unsupported;
        assert_eq!(ours, case.swupd_accepts, "{} with {}", case.signature, case.trusted);
    }
}

#[test]
fn no_signature_is_forgotten() {
    let listed: BTreeSet<_> = cases().into_iter().map(|case| case.signature).collect();
    let signatures = |folder: &'static str| {
        fs::read_dir(fixtures().join(folder))
            .unwrap()
            .map(move |entry| folder.to_owned() + entry.unwrap().file_name().to_str().unwrap())
            .filter(|name| name.ends_with(".sig"))
    };
    let present: BTreeSet<_> = signatures("").chain(signatures("chains/")).collect();
    assert_eq!(present, listed);
}

#[test]
fn the_signer_is_reported() {
    let anchor = TrustAnchor::from_pem(fixture("ca.pem")).unwrap();
    let signer = verify(&fixture("latest"), &fixture("leaf.sig"), &anchor, None).unwrap();
    assert_eq!(signer, TrustAnchor::from_pem(fixture("leaf.pem")).unwrap().first().clone());
}

/// The name of an enum variant, from its debug output.
fn variant(debug: &str) -> String {
    debug.chars().take_while(|c| c.is_alphanumeric()).collect()
}
