//! The trusted file and its alternative.

use clearwell_sign::{Dates, Trust, VerifyError};

use crate::{NOW, anchor, signer};

fn trust(main: &str, alternative: &str) -> Trust {
    Trust { main: anchor(main), alternative: Some(anchor(alternative)) }
}

#[test]
fn either_file_will_do() {
    let trust = trust("chains/old", "chains/new");
    for name in ["chains/old", "chains/new"] {
        let signature = crate::sign_as(name, name, b"30");
        trust.verify(b"30", &signature, Dates::Valid(NOW), NOW).unwrap();
        trust.accepts(&anchor(name), NOW).unwrap();
    }
    let signature = signer("other").sign(b"30", NOW).unwrap();
    assert!(matches!(trust.verify(b"30", &signature, Dates::Valid(NOW), NOW), Err(VerifyError::Untrusted { .. })));
}

#[test]
fn an_alternative_that_is_not_fit_is_none() {
    let trust = trust("chains/new", "chains/old-expired");
    assert!(trust.usable_alternative(NOW).is_none());
    let signature = crate::sign_as("chains/old", "chains/old", b"30");
    trust.verify(b"30", &signature, Dates::Begun(NOW), NOW).unwrap_err();
}

#[test]
fn the_alternative_does_not_help_at_the_start() {
    assert!(trust("chains/new", "chains/old-expired").refusals(NOW).is_empty());
    assert_eq!(trust("chains/old-expired", "chains/new").refusals(NOW).len(), 1);
}

/// What a signer would be told, without a signature, is what becomes of its signatures.
#[test]
fn acceptance_is_foretold() {
    let signers = [
        ("chains/old", "chains/old"),
        ("chains/new", "chains/new"),
        ("chains/renewed", "chains/old"),
        ("chains/leaf+root", "chains/leaf"),
        ("chains/leaf3+int+root", "chains/leaf"),
        ("chains/leaf4+int2+int+root", "chains/leaf"),
        ("anchor", "anchor"),
    ];
    let trusted = [
        "chains/old",
        "chains/new",
        "chains/old+new",
        "chains/new+old",
        "chains/renewed",
        "chains/ends",
        "chains/root",
        "chains/root2",
        "chains/int+root",
        "chains/leaf3+int+root",
        "chains/leaf3+root",
        "anchor",
        "impostor",
    ];
    for (certificate, key) in signers {
        let signature = crate::sign_as(certificate, key, b"30");
        for trusted in trusted {
            let trust = Trust::from(anchor(trusted));
            let verified = trust.verify(b"30", &signature, Dates::Valid(NOW), NOW);
            let foretold = trust.accepts(&anchor(certificate), NOW);
            assert_eq!(verified.is_ok(), foretold.is_ok(), "{certificate} with {trusted}: {verified:?}, {foretold:?}");
        }
    }
}
