//! The content URL: `init` writes it, `build` warns if it is missing.

use crate::mix::Mix;
use crate::run::{Ended, run};
use crate::workspace::Workspace;

const MISSING: &str = "the release has no content URL";

#[track_caller]
fn warns(ended: Ended, says: &[&str]) {
    let ended = ended.expect(0).says(says);
    let about = ended.stderr.lines().filter(|line| line.starts_with("warning: ") && line.contains("-u URL")).count();
    assert_eq!(about, usize::from(!says.is_empty()), "{}", ended.stderr);
}

#[test]
fn a_build_without_a_content_url_says_so_once() {
    let trees = || {
        let mix = Mix::new();
        mix.put("trees/os-core/usr/bin/other", "other\n");
        mix
    };
    let mix = trees();
    warns(mix.build(&[]), &[MISSING, "set content-url in clearwell.toml"]);
    let json = {
        mix.change("again");
        mix.build(&["--json"]).expect(0).json()
    };
    assert!(json["warnings"].as_array().unwrap().iter().any(|text| text.as_str().unwrap().contains(MISSING)));

    warns(trees().build(&["--content-url", "https://updates.example.org"]), &[]);
    let mix = trees();
    mix.put(
        "url.toml",
        "store = \"store\"\ntrees = \"trees\"\ncertificate = \"Swupd_Root.pem\"\ncontent-url = \"http://a\"\n",
    );
    warns(mix.build(&["--config", "url.toml"]), &[]);
    let mix = trees();
    mix.put("trees/bundles.toml", format!("content-url = \"http://a/\"\n{}", crate::mix::BUNDLES));
    warns(mix.build(&[]), &[]);
    let mix = trees();
    mix.put("trees/os-core/usr/share/defaults/swupd/contenturl", "http://a/\n");
    warns(mix.build(&[]), &[]);
    let mix = trees();
    mix.put("trees/os-core/usr/share/defaults/swupd/contenturl", "here");
    warns(mix.build(&[]), &["\"here\"", "not a URL"]);
}

#[test]
fn the_placeholder_of_mixer_is_not_a_url() {
    let url = "/usr/share/defaults/swupd/contenturl";
    let workspace = |text: Option<&str>| {
        let workspace = Workspace::new(10, 0);
        workspace.image(10, "one");
        if let Some(text) = text {
            let files = [(url, text.to_owned()), ("/usr/share/clear/bundles/editor", String::new())];
            workspace.bundle(10, "editor", &["os-core"], &files);
        }
        workspace.build(&[])
    };
    warns(workspace(None), &[MISSING, "CONTENTURL", "builder.conf"]);
    warns(workspace(Some("<URL where the content will be hosted>")), &["<URL where", "not a URL", "CONTENTURL"]);
    warns(workspace(Some("https://updates.example.org/update")), &[]);
}

#[test]
fn init_writes_the_url_or_a_comment_about_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = |mix: &str| std::fs::read_to_string(dir.path().join(mix).join("clearwell.toml")).unwrap();
    run(dir.path(), &["init", "without"]).expect(0);
    let text = config("without");
    assert!(text.contains("# content-url = \"https://") && text.contains("-u URL"), "{text}");
    std::fs::write(dir.path().join("without/trees/os-core/usr/bin/hello"), "hello\n").unwrap();
    warns(run(&dir.path().join("without"), &["build"]), &[MISSING]);

    run(dir.path(), &["init", "with", "--content-url", "https://updates.example.org/\u{fc}"]).expect(0);
    let text = config("with");
    assert!(text.contains("\ncontent-url = \"https://updates.example.org/\u{fc}\"\n"), "{text}");
    std::fs::write(dir.path().join("with/trees/os-core/usr/bin/hello"), "hello\n").unwrap();
    warns(run(&dir.path().join("with"), &["build"]), &[]);
    // A client that knows only the one URL gives up.
    for path in ["contenturl", "versionurl"] {
        run(&dir.path().join("with"), &["releases", "explain", "10", &format!("/usr/share/defaults/swupd/{path}")])
            .expect(0);
    }
}
