//! Keys, certificates and signing commands that cannot be used.

use clearwell_sign::{GenerateOptions, KeyBits, generate};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair};

use crate::mix::Mix;

/// Another pair as `name.pem` and `name.key`, valid for `days` from `offset` days after now.
fn other_pair(mix: &Mix, name: &str, days: u32, offset: i64) {
    let options = GenerateOptions { bits: KeyBits::Rsa2048, validity_days: days, ..GenerateOptions::new(name) };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let made = generate(&options, i64::try_from(now).unwrap() + offset * 86_400).unwrap();
    mix.put(format!("{name}.pem"), &made.certificate_pem);
    mix.put(format!("{name}.key"), made.key_pem.as_bytes());
}

/// Every command that signs, with these options.
#[track_caller]
fn both_refuse(mix: &Mix, options: &[&str], says: &[&str]) {
    for command in [&["build", "--version", "20"][..], &["publish", "10"]] {
        mix.refuses(&[command, options].concat(), 8, says);
    }
}

#[test]
fn keys_and_certificates_are_a_pair_in_pem() {
    let mix = Mix::changed();
    other_pair(&mix, "other", 3652, 0);
    both_refuse(
        &mix,
        &["--key", "other.key"],
        &["Swupd_Root.pem", "does not belong to certificate", "give the key that was made with it"],
    );
    both_refuse(&mix, &["--cert", "other.pem"], &["other.pem", "does not belong"]);
    both_refuse(&mix, &["--key", "none.key"], &["failed to read none.key"]);
    both_refuse(&mix, &["--cert", "none.pem"], &["failed to read none.pem"]);
    for text in ["", "not PEM", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        mix.put("bad", text);
        both_refuse(&mix, &["--key", "bad"], &["bad", "key"]);
        both_refuse(&mix, &["--cert", "bad"], &["bad", "certificate"]);
    }
    let damaged = clearwell_testkit::signer().anchor().pem().replacen('M', "N", 3);
    mix.put("bad", damaged);
    both_refuse(&mix, &["--cert", "bad"], &["bad"]);
    both_refuse(&mix, &["--cert", "private.pem"], &["private.pem", "certificate"]);

    // With another pair that is one, endpoints of the last release would refuse what it signs.
    let pair = ["--cert", "other.pem", "--key", "other.key"];
    mix.refuses(&[&["build"][..], &pair].concat(), 5, &["signer-unknown", "would be stranded", "docs/keys.md"]);
    mix.build(&[]).expect(0);
    mix.verify("10");
}

#[test]
fn certificates_that_endpoints_refuse_sign_nothing() {
    let mix = Mix::changed();
    other_pair(&mix, "expired", 30, -60);
    let pair = |name: &str| [format!("{name}.pem"), format!("{name}.key")];
    let refuse = |name: &str, says: &[&str]| {
        let [certificate, key] = pair(name);
        both_refuse(&mix, &["--cert", &certificate, "--key", &key], &[&[certificate.as_str()], says].concat());
    };
    refuse("expired", &["expired at ", " UTC (now it is ", "clearwell renew", "docs/keys.md"]);
    other_pair(&mix, "early", 3652, 30);
    refuse("early", &["is not valid before ", " UTC (now it is ", "check the clock"]);

    let mut params = CertificateParams::default();
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions.push(extension);
    let key = KeyPair::generate().unwrap();
    mix.put("critical.pem", params.self_signed(&key).unwrap().pem());
    mix.put("critical.key", key.serialize_pem());
    refuse("critical", &["critical extension 1.2.3.4", "issue it without"]);

    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = Issuer::new(authority, KeyPair::generate().unwrap());
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "leaf");
    mix.put("leaf.pem", params.signed_by(&key, &authority).unwrap().pem());
    mix.put("leaf.key", key.serialize_pem());
    refuse("leaf", &["missing", "add that certificate to the PEM file"]);
}

#[test]
fn every_signing_warns_of_a_certificate_that_expires_soon() {
    let mix = Mix::new();
    other_pair(&mix, "soon", 60, 0);
    let pair = ["--cert", "soon.pem", "--key", "soon.key"];
    let says = ["warning: ", "\"O=soon\"", "endpoints refuse every update after that"];
    for command in [&["build", "--stage"][..], &["publish", "10"]] {
        mix.run(&[command, &pair].concat()).expect(0).says(&says);
    }
    mix.run(&["verify", "--store", "store", "--cert", "soon.pem"]).expect(0);
    // A certificate that does not expire soon causes no warning.
    let mix = Mix::new();
    let ended = mix.build(&["--content-url", "https://updates.example.org"]).expect(0);
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
}

#[test]
fn signing_commands_that_fail_or_lie_publish_nothing() {
    let mix = Mix::changed();
    both_refuse(
        &mix,
        &["--signing-command", "./no-such-program --now"],
        &["./no-such-program", "check that it is installed and executable"],
    );
    both_refuse(&mix, &["--signing-command", "/bin/cat"], &["does not verify"]);
    both_refuse(&mix, &["--signing-command", "/bin/true"], &["does not verify"]);
    mix.put("fail", "echo 'the token is not plugged in' >&2; exit 3");
    both_refuse(&mix, &["--signing-command", "/bin/sh fail"], &["/bin/sh", "the token is not plugged in", "3"]);
    mix.put("endless", "exec cat /dev/zero");
    both_refuse(&mix, &["--signing-command", "/bin/sh endless"], &["does not verify"]);
    mix.refuses(&["build", "--signing-command", "x", "--key", "private.pem"], 2, &["--key", "exclude each other"]);
    mix.refuses(&["build", "--no-signing", "--key", "private.pem"], 2, &["--no-signing excludes --key"]);
}

#[test]
fn a_signing_command_stands_in_for_the_key() {
    if clearwell_testkit::program("openssl", "no command signs").is_none() {
        return;
    }
    let mix = Mix::changed();
    other_pair(&mix, "other", 3652, 0);
    let command = |pair: &str, key: &str| {
        format!("openssl smime -sign -binary -outform DER -md sha256 -signer {pair} -inkey {key}")
    };
    both_refuse(&mix, &["--signing-command", &command("other.pem", "other.key")], &["signature", "certificate"]);
    // As an argument and as a key of the configuration, without any key.
    let words = command("Swupd_Root.pem", "kept.pem");
    std::fs::rename(mix.path("private.pem"), mix.path("kept.pem")).unwrap();
    mix.build(&["--signing-command", &words]).expect(0);
    mix.verify("10");
    mix.change("thirty");
    let list: Vec<&str> = words.split(' ').collect();
    mix.put(
        "more.toml",
        format!("store = \"store\"\ntrees = \"trees\"\ncertificate = \"Swupd_Root.pem\"\nsigning-command = {list:?}\n"),
    );
    mix.build(&["--config", "more.toml"]).expect(0);
    mix.verify("10,20");
}
