//! The external signing command: what it gets, what is accepted, how it fails.

use std::time::Duration;

use clearwell_sign::{SignError, Signer, SigningCommand, VerifyError};

use crate::openssl::OpenSsl;
use crate::{NOW, anchor, fixture, fixtures};

/// A signer whose command is a shell script; `$0` is the folder of the fixtures.
fn scripted(script: &str, limit: Duration) -> Signer {
    let args = ["-c".into(), script.into(), fixtures().into_os_string()];
    let command = SigningCommand { limit, ..SigningCommand::new("/bin/sh", args) };
    Signer::with_command(anchor("anchor"), command, NOW).unwrap()
}

fn run(script: &str) -> Result<Vec<u8>, SignError> {
    scripted(script, Duration::from_secs(60)).sign(&fixture("latest"), NOW)
}

#[test]
fn a_verified_signature_is_returned_as_it_is() {
    assert_eq!(run(r#"cat > /dev/null; cat "$0/plain.sig""#).unwrap(), fixture("plain.sig"));
    // A command may leave its input unread.
    assert_eq!(run(r#"exec cat "$0/plain.sig""#).unwrap(), fixture("plain.sig"));
}

#[test]
fn the_command_gets_the_exact_bytes() {
    run(r#"cmp - "$0/latest" >&2 && cat "$0/plain.sig""#).unwrap();
}

#[test]
fn openssl_can_be_the_command() {
    if OpenSsl::found().is_none() {
        return;
    }
    run(r#"openssl smime -sign -binary -outform DER -signer "$0/anchor.pem" -inkey "$0/anchor.key""#).unwrap();
}

#[test]
fn what_does_not_verify_is_refused() {
    let rejected = |script| match run(script) {
        Err(SignError::Rejected { source, .. }) => source,
        other => panic!("{other:?}"),
    };
    assert!(matches!(rejected(r#"cat "$0/other.sig""#), VerifyError::Untrusted { .. }));
    assert!(matches!(rejected(r#"cat "$0/other-content.sig""#), VerifyError::ContentDiffers));
    assert!(matches!(rejected(r#"cat "$0/pem-text.sig""#), VerifyError::Text));
    assert!(matches!(rejected("true"), VerifyError::Malformed { .. }));
    assert!(matches!(rejected("cat /dev/zero"), VerifyError::TooLarge { .. }));
}

#[test]
fn another_trusted_signer_is_not_the_one_asked_for() {
    let command = SigningCommand::new("cat", [fixtures().join("other.sig")]);
    let signer = Signer::with_command(anchor("anchor-then-other"), command, NOW).unwrap();
    let error = signer.sign(&fixture("latest"), NOW).unwrap_err();
    assert!(matches!(error, SignError::SignedByOther { .. }), "{error:?}");
}

#[test]
fn failure_reports_status_and_message() {
    let error = run("echo 'token not present' >&2; exit 3").unwrap_err();
    assert!(matches!(&error, SignError::CommandFailed { stderr, .. } if stderr == "token not present"), "{error:?}");
    assert!(error.to_string().contains("exit status: 3"), "{error}");
    assert!(matches!(run("kill -9 $$"), Err(SignError::CommandFailed { .. })));

    let command = SigningCommand::new("/nonexistent/sign", ["--now"]);
    let error = Signer::with_command(anchor("anchor"), command, NOW).unwrap().sign(b"", NOW).unwrap_err();
    assert!(matches!(error, SignError::CommandStart { .. }), "{error:?}");
}

#[test]
fn a_command_that_hangs_is_ended() {
    let limit = Duration::from_millis(200);
    // The last one leaves a grandchild behind that keeps the pipes open.
    for script in ["exec sleep 600", "exec 1>&- 2>&-; exec sleep 600", r#"sleep 5 & cat "$0/plain.sig""#] {
        let error = scripted(script, limit).sign(&fixture("latest"), NOW).unwrap_err();
        assert!(matches!(error, SignError::CommandTimeout { .. }), "{script}: {error:?}");
    }
}

#[test]
fn content_larger_than_a_pipe() {
    let signer = scripted("cat > /dev/null; exit 5", Duration::from_secs(60));
    assert!(matches!(signer.sign(&vec![7; 1 << 20], NOW), Err(SignError::CommandFailed { .. })));
    let signer = scripted("exit 5", Duration::from_secs(60));
    assert!(matches!(signer.sign(&vec![7; 1 << 20], NOW), Err(SignError::CommandFailed { .. })));
}
