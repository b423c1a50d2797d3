//! Every signature of `fixtures/` against its verdict in `fixtures/cases.tsv`, ours and OpenSSL's.
//!
//! ```text
//! signature   trusted   time                       clearwell                      openssl
//! plain       anchor    Unix seconds, "-" for none  ok, or the error's variant(s)  ok or no
//! ```
//!
//! The last column is also what swupd 7.0.0 does (see `fixtures/make.sh`). OpenSSL is asked as swupd asks it: the trusted
//! file as store, its first certificate as candidate signer, any purpose.

use std::collections::BTreeSet;
use std::fs;

use clearwell_sign::{TrustAnchor, VerifyError, verify};

use crate::openssl::OpenSsl;
use crate::{fixture, fixtures};

struct Case {
    signature: String,
    trusted: String,
    time: Option<i64>,
    verdict: String,
    openssl_accepts: bool,
}

fn cases() -> Vec<Case> {
    let table = String::from_utf8(fixture("cases.tsv")).unwrap();
    let case = |line: &str| {
        let [signature, trusted, time, verdict, openssl] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        Case {
            signature: format!("{signature}.sig"),
            trusted: format!("{trusted}.pem"),
            time: (time != "-").then(|| time.parse().unwrap()),
            verdict: verdict.to_owned(),
            openssl_accepts: openssl == "ok",
        }
    };
    table.lines().skip(1).map(case).collect()
}

#[test]
fn our_verdict_on_each_signature() {
    let content = fixture("latest");
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
        assert_eq!(verdict, case.verdict, "{} with {}: {result:?}", case.signature, case.trusted);
    }
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
fn no_signature_is_forgotten() {
    let listed: BTreeSet<_> = cases().into_iter().map(|case| case.signature).collect();
    let present: BTreeSet<_> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sig"))
        .collect();
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
