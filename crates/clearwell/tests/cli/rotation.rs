//! Changing the signing key, as docs/keys.md explains it, verified by stock clients where swupd is installed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use clearwell_sign::{GenerateOptions, KeyBits, generate};
use clearwell_testkit::{program, root};
use serde_json::Value;

use crate::mix::Mix;

const ANCHOR: &str = "usr/share/clear/update-ca/Swupd_Root.pem";

/// A key and a certificate with the name that mixer and the testkit use: the names are equal, as in practice.
fn pair(mix: &Mix, name: &str, days: u32) {
    let options =
        GenerateOptions { bits: KeyBits::Rsa2048, validity_days: days, ..GenerateOptions::new("Clearwell tests") };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let made = generate(&options, i64::try_from(now).unwrap()).unwrap();
    mix.put(format!("{name}.pem"), &made.certificate_pem);
    mix.put(format!("{name}.key"), made.key_pem.as_bytes());
}

fn release(mix: &Mix, version: &str, options: &[&str]) {
    mix.change(version);
    mix.build(&[&["--version", version], options].concat()).expect(0);
}

const OLD: [&str; 2] = ["--next-cert", "next.pem"];
const NEW: [&str; 4] = ["--cert", "next.pem", "--key", "next.key"];

fn rotation(mix: &Mix, code: i32) -> Value {
    mix.run(&["rotation", "--store", "store", "--next-cert", "next.pem", "--json"]).expect(code).json()
}

/// The stock client with a root, a state folder and, as on a real endpoint, the certificate in its content.
struct Client<'m> {
    mix: &'m Mix,
    root: PathBuf,
}

impl<'m> Client<'m> {
    /// Installs a release; says so loudly if there is no client.
    fn install(mix: &'m Mix, name: &str, version: &str) -> Option<Self> {
        let lost = "the walk is not tried with the stock client";
        program("swupd", lost).filter(|_| root("swupd", lost))?;
        let client = Self { mix, root: mix.dir().join(name) };
        fs::create_dir(&client.root).unwrap();
        let anchor = mix.dir().join("Swupd_Root.pem");
        let root = client.root.display().to_string();
        client.run("os-install", &["-V", version, "-F", "30", "-C", anchor.to_str().unwrap(), &root], 0);
        Some(client)
    }

    #[track_caller]
    fn swupd(&self, command: &str, options: &[&str], code: i32) {
        let anchor = self.root.join(ANCHOR);
        let root = self.root.display().to_string();
        self.run(command, &[&["-C", anchor.to_str().unwrap(), "-p", &root], options].concat(), code);
    }

    #[track_caller]
    fn run(&self, command: &str, options: &[&str], code: i32) {
        let output = Command::new("swupd")
            .arg(command)
            .args(["-I", "-y", "--no-boot-update", "--no-scripts", "-S"])
            .arg(self.root.with_extension("state"))
            .arg("-u")
            .arg(format!("file://{}", self.mix.dir().join("store/content").display()))
            .args(options)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{command} {options:?}: {output:?}");
    }

    fn version(&self) -> String {
        let text = fs::read_to_string(self.root.join("usr/lib/os-release")).unwrap();
        text.lines().find_map(|line| line.strip_prefix("VERSION_ID=")).unwrap().to_owned()
    }
}

/// What the Rust endpoint ends with that comes from a release, with the certificate files of that release.
#[track_caller]
fn endpoint(mix: &Mix, from: &str, files: &[(&str, &str)], code: i32) {
    let folder = mix.dir().join(format!("trust-of-{from}"));
    fs::create_dir_all(&folder).unwrap();
    for (name, from) in files {
        fs::copy(mix.dir().join(from), folder.join(name)).unwrap();
    }
    let certificate = folder.join("Swupd_Root.pem");
    mix.run(&["verify", "--store", "store", "--from", from, "--cert", certificate.to_str().unwrap()]).expect(code);
}

const ONLY_OLD: [(&str, &str); 1] = [("Swupd_Root.pem", "Swupd_Root.pem")];
const BOTH: [(&str, &str); 2] = [("Swupd_Root.pem", "Swupd_Root.pem"), ("Swupd_Root.pem.alt", "next.pem")];

/// The key changes within the format: endpoints that missed the release with both certificates are left behind, with a remedy.
#[test]
fn a_key_changes_within_a_format() {
    let mix = Mix::released();
    pair(&mix, "next", 3652);
    let clients = [Client::install(&mix, "awake", "10"), Client::install(&mix, "asleep", "10")];
    assert!(rotation(&mix, 0)["step"].as_str().unwrap().contains("ship B with it"));

    release(&mix, "20", &OLD);
    let report = rotation(&mix, 0);
    assert_eq!(report["releases"][1]["trusts"], serde_json::json!(["A", "+B"]));
    assert_eq!([&report["releases"][0]["takes-next"], &report["releases"][1]["takes-next"]], [false, true]);
    assert!(report["step"].as_str().unwrap().starts_with("endpoints on 10 would be stranded"), "{report}");
    mix.verify("10");

    // While the store has 10, the guard names the endpoints that the new key leaves behind.
    mix.change("30");
    let build = [&["build", "--version", "30"][..], &NEW].concat();
    let says = ["signer-unknown", "endpoints on 10 ", "swupd update --nosigcheck-latest -V 20", "docs/keys.md"];
    mix.refuses(&build, 5, &says);
    if let [Some(awake), Some(_)] = &clients {
        awake.swupd("update", &[], 0);
        assert_eq!(awake.version(), "20");
    }

    mix.run(&[&build[..], &["--allow", "signer-unknown"]].concat()).expect(0);
    let report = rotation(&mix, 1);
    assert_eq!(report["stranded"], serde_json::json!([10]));
    assert_eq!(report["releases"][1]["to"], 30);
    assert!(report["releases"][0]["remedy"].as_str().unwrap().contains("--nosigcheck-latest -V 20"), "{report}");
    release(&mix, "40", &NEW);
    endpoint(&mix, "10", &ONLY_OLD, 1);
    endpoint(&mix, "20", &BOTH, 0);
    // Signatures of both keys are good ones: each is that of a certificate that the store's releases install.
    mix.run(&["check", "--store", "store", "--json"]).expect(0);
    let adopt = ["adopt", "store/content", "--store", "second"];
    mix.run(&[&adopt[..], &["--cert", "trust-of-20/Swupd_Root.pem"]].concat()).expect(0);
    let [Some(awake), Some(asleep)] = &clients else { return };
    awake.swupd("update", &[], 0);
    awake.swupd("diagnose", &[], 0);
    assert_eq!(awake.version(), "40");
    asleep.swupd("update", &[], 21);
    asleep.swupd("update", &["--nosigcheck-latest", "-V", "20"], 0);
    asleep.swupd("update", &[], 0);
    asleep.swupd("diagnose", &[], 0);
    assert_eq!(asleep.version(), "40");
}

/// A retraction signs the pointers again: with a key that endpoints do not trust, they could not update.
#[test]
fn a_retraction_is_signed_with_a_key_that_endpoints_trust() {
    let mix = Mix::released();
    pair(&mix, "next", 3652);
    release(&mix, "20", &OLD);
    let retract = ["retract", "20", "--store", "store"];
    mix.refuses(&[&retract[..], &NEW].concat(), 5, &["signer-unknown", "endpoints on 10 ", "docs/keys.md"]);
    assert_eq!(rotation(&mix, 0)["stranded"], serde_json::json!([]));
    mix.run(&retract).expect(0);
    assert_eq!(rotation(&mix, 0)["stranded"], serde_json::json!([]));

    // Endpoints on the retracted release stay there, with any signer of the previous one.
    let mix = Mix::released();
    pair(&mix, "next", 3652);
    release(&mix, "20", &OLD);
    mix.change("30");
    mix.run(&[&["build", "--version", "30", "--allow", "signer-unknown"][..], &NEW].concat()).expect(0);
    mix.run(&[&["retract", "30", "--store", "store"][..], &NEW].concat()).expect(0);
    assert_eq!(rotation(&mix, 1)["stranded"], serde_json::json!([10]));
}

/// The old releases are removed once no endpoint is on them: then no rule has to be allowed.
#[test]
fn a_key_changes_once_the_old_releases_are_gone() {
    let mix = Mix::released();
    pair(&mix, "next", 3652);
    release(&mix, "20", &OLD);
    mix.run(&["gc", "--store", "store", "--keep", "1", "--grace", "0"]).expect(0);
    assert!(
        rotation(&mix, 0)["step"].as_str().unwrap().starts_with("all releases trust B: sign the next release with it")
    );
    release(&mix, "30", &NEW);
    let report = rotation(&mix, 0);
    assert!(report["step"].as_str().unwrap().starts_with("the rotation is complete"), "{report}");
}

/// The key changes with the format: the pointers of the old format stay, so that endpoints can cross later.
#[test]
fn a_key_changes_with_the_format() {
    let mix = Mix::released();
    pair(&mix, "next", 3652);
    let clients = [Client::install(&mix, "awake", "10"), Client::install(&mix, "asleep", "10")];
    mix.change("20");
    mix.build(&[&["--format-bump", "old"][..], &OLD].concat()).expect(0);
    if let [Some(awake), _] = &clients {
        awake.swupd("update", &["-V", "20"], 0);
    }
    mix.build(&[&["--format-bump", "new"][..], &NEW].concat()).expect(0);
    assert_eq!(rotation(&mix, 0)["stranded"], serde_json::json!([]));
    if let [Some(awake), _] = &clients {
        awake.swupd("update", &[], 0);
        awake.swupd("diagnose", &[], 0);
    }
    release(&mix, "40", &NEW);
    let report = rotation(&mix, 0);
    assert_eq!(report["check-update-fails"], serde_json::json!([10]));
    assert!(report["step"].as_str().unwrap().starts_with("the rotation is complete"), "{report}");
    let [Some(awake), Some(asleep)] = &clients else { return };
    for client in [awake, asleep] {
        client.swupd("update", &[], 0);
        client.swupd("diagnose", &[], 0);
        assert_eq!(client.version(), "40");
    }
}

/// A later end of validity for the same key: all endpoints can update, even those that missed releases.
#[test]
fn a_certificate_is_renewed() {
    let mix = Mix::new();
    pair(&mix, "soon", 30);
    let soon = ["--cert", "soon.pem", "--key", "soon.key"];
    release(&mix, "10", &soon);
    mix.put("Swupd_Root.pem", fs::read_to_string(mix.dir().join("soon.pem")).unwrap());
    let asleep = Client::install(&mix, "asleep", "10");
    mix.run(&[&["renew", "next.pem"][..], &soon].concat()).expect(0);
    mix.refuses(&[&["renew", "next.pem"][..], &soon].concat(), 9, &["next.pem"]);
    let renewed = ["--cert", "next.pem", "--key", "soon.key"];
    release(&mix, "20", &renewed);
    release(&mix, "30", &renewed);
    let report = rotation(&mix, 0);
    assert_eq!(report["releases"][0]["to"], 30);
    let Some(asleep) = asleep else { return };
    asleep.swupd("update", &[], 0);
    asleep.swupd("diagnose", &[], 0);
    assert_eq!(asleep.version(), "30");
    // An endpoint with an expired certificate gets the renewed one manually, and updates.
    release(&mix, "40", &renewed);
    let stopped = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(asleep.root.join(ANCHOR), stopped).unwrap();
    asleep.swupd("update", &[], 21);
    fs::copy(mix.dir().join("next.pem"), asleep.root.join(ANCHOR)).unwrap();
    asleep.swupd("update", &[], 0);
    assert_eq!(asleep.version(), "40");
}

#[test]
fn an_unusable_next_certificate_is_refused_immediately() {
    let mix = Mix::changed();
    mix.put("next.pem", "no certificate");
    mix.refuses(&["build", "--version", "20", "--next-cert", "next.pem"], 8, &["next.pem", "no certificate found"]);
    mix.refuses(&["build", "--version", "20", "--next-cert", "none.pem"], 8, &["failed to read none.pem"]);
    mix.refuses(&["rotation", "--store", "store", "--next-cert", "none.pem"], 8, &["failed to read none.pem"]);
}

/// What mixer and the client take can be used: keys that only OpenSSL signs with, and files with a whole chain.
#[test]
fn certificates_of_other_kinds_sign() {
    if program("openssl", "certificates of other kinds are not tried").is_none() {
        return;
    }
    let mix = Mix::new();
    let openssl = |command: &str| {
        let output = Command::new("openssl").args(command.split(' ')).current_dir(mix.dir()).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    };
    openssl("req -x509 -newkey rsa:1024 -noenc -keyout small.key -out small.pem -subj /O=small -days 3650");
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -noenc -keyout p384.key -out p384.pem -subj /O=p384 -days 3650",
    );
    openssl("req -x509 -newkey rsa:2048 -noenc -keyout root.key -out root.pem -subj /O=root -days 3650");
    openssl("req -newkey rsa:2048 -noenc -keyout int.key -out int.csr -subj /O=int");
    mix.put("ca.cnf", "basicConstraints=critical,CA:TRUE\n");
    openssl("x509 -req -in int.csr -CA root.pem -CAkey root.key -days 3650 -extfile ca.cnf -out int.pem -set_serial 2");
    openssl("req -newkey rsa:2048 -noenc -keyout chain.key -out leaf.csr -subj /O=leaf");
    openssl("x509 -req -in leaf.csr -CA int.pem -CAkey int.key -days 3650 -out leaf.pem -set_serial 3");
    let text = |names: [&str; 3]| names.map(|name| fs::read_to_string(mix.dir().join(name)).unwrap()).concat();
    mix.put("chain.pem", text(["leaf.pem", "int.pem", "root.pem"]));
    mix.put("wrong.pem", text(["root.pem", "int.pem", "leaf.pem"]));
    for (name, says) in [("small", "RSA key of 1024 bits"), ("p384", ""), ("chain", "")] {
        let store = format!("store-{name}");
        let pair = ["--cert", &format!("{name}.pem"), "--key", &format!("{name}.key")];
        mix.run(&[&["build", "--version", "10", "--store", &store][..], &pair].concat()).expect(0).says(&[says]);
        mix.run(&["verify", "--store", &store, "--cert", pair[1]]).expect(0);
    }
    // Endpoints that have only the root find the way to it.
    mix.run(&["verify", "--store", "store-chain", "--cert", "root.pem"]).expect(0);
    let wrong = ["build", "--version", "10", "--cert", "wrong.pem", "--key", "chain.key"];
    mix.refuses(&wrong, 8, &["wrong.pem", "belongs to certificate 3 of the file", "first"]);
    let gap = ["build", "--version", "10", "--cert", "leaf.pem", "--key", "chain.key"];
    mix.refuses(&gap, 8, &["leaf.pem", "O=int", "add that certificate to the PEM file"]);
}
