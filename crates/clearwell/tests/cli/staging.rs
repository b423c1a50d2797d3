//! The staging channel: adopted, listed, served, and followed by the stock client.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::mix::Mix;
use crate::run::Server;
use crate::serve::get;
use crate::stock::Stock;

/// A published tree as mixer leaves it, at `www`: 10 is the latest, and 20 in the staging channel alone.
fn tree() -> Mix {
    let mix = Mix::changed();
    mix.build(&["--stage", "--version", "20"]).expect(0);
    mix.run(&["publish", "20", "--staging"]).expect(0);
    let copied = Command::new("cp").args(["-rL", "store/content", "www"]).current_dir(mix.dir()).status().unwrap();
    assert!(copied.success());
    fs::remove_dir_all(mix.path("www/.pointers")).unwrap();
    fs::remove_dir_all(mix.path("store")).unwrap();
    mix
}

#[test]
fn an_adopted_channel_is_listed_and_served() {
    let mix = tree();
    let adopt = ["adopt", "www", "--store", "store", "--cert", "Swupd_Root.pem"];
    let report = mix.run(&[&adopt[..], &["--json"]].concat()).expect(0).json();
    let staging = json!({"path": "version/formatstaging/latest", "version": 20, "signature": "sound"});
    assert!(report["pointers"].as_array().unwrap().contains(&staging), "{report}");
    assert_eq!(report["problems"], json!([]));
    let text = mix.run(&adopt).expect(0).stdout;
    assert!(text.contains("version/formatstaging/latest: 20, signature sound"), "{text}");
    let releases = mix.run(&["releases", "--store", "store"]).expect(0).stdout;
    assert!(releases.contains("formatstaging/latest"), "{releases}");

    let server = Server::start(mix.dir(), "store", &["--drain-grace-seconds", "0"]);
    assert_eq!(get(&server.listen, "/version/formatstaging/latest"), (200, "20".to_owned()));
    assert_eq!(get(&server.listen, "/version/formatstaging/latest.sig").0, 200);
    assert_eq!(get(&server.listen, "/version/format30/latest").1, "10");
    assert_eq!(fs::read(mix.path("store/content/version/formatstaging/latest")).unwrap(), b"20");
}

#[test]
fn the_channel_moves_back_with_a_retraction_and_crosses_formats() {
    let mix = Mix::changed();
    let at = || fs::read_to_string(mix.path("store/content/version/formatstaging/latest")).unwrap();
    mix.build(&["--version", "20"]).expect(0);
    mix.run(&["publish", "20", "--staging"]).expect(0);
    assert_eq!(at(), "20");
    mix.run(&["retract", "20"]).expect(0);
    assert_eq!(at(), "10");
    assert!(mix.path("store/content/version/formatstaging/latest.sig").is_file());

    mix.build(&["--version", "30", "--format-bump", "old"]).expect(0);
    assert_eq!(at(), "30", "within its format it follows");
    let says = ["version/formatstaging/latest stays at 30", "clearwell publish 40 --staging"];
    mix.build(&["--version", "40", "--format-bump", "new"]).expect(0).says(&says);
    assert_eq!(at(), "30");
    mix.run(&["publish", "40", "--staging"]).expect(0);
    assert_eq!(at(), "40");
}

#[test]
fn the_stock_client_follows_the_requested_channel() {
    let mix = tree();
    mix.run(&["adopt", "www", "--store", "store", "--cert", "Swupd_Root.pem"]).expect(0);
    let (content, certificate) = (mix.path("store/content"), mix.path("Swupd_Root.pem"));
    let Some(mut stock) = Stock::find("the staging channel", &content, &certificate) else { return };
    stock.install(10, 30, "editor").expect(0);
    let text = stock.root().join("usr/share/text");
    let has = |word: &str| fs::read_to_string(&text).unwrap().contains(word);
    stock.update().expect(0);
    assert!(!has("changed"), "10 is the latest of its format");
    let server = Server::start(mix.dir(), "store", &["--drain-grace-seconds", "0"]);
    let tree = format!("file://{}", content.display());
    stock.ask(server.url());
    stock.update_in("staging").expect(0);
    assert!(has("changed"), "20 is in the staging channel");

    // Clients that follow it can update to later releases, from any web server.
    mix.change("newest");
    mix.build(&["--version", "30"]).expect(0);
    stock.ask(tree);
    stock.update_in("staging").expect(0);
    assert!(has("newest"));
    stock.diagnose().expect(0);
}
