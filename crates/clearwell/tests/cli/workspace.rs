//! Mixer workspaces: `build --mix` as a replacement of `mixer build update`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::mix::Mix;

/// A workspace in `mix/`, next to `store`, that signs as the testkit does.
pub(crate) struct Workspace {
    pub(crate) mix: Mix,
}

impl Workspace {
    /// os-core and `editor`, about to release `version` after `previous` (0 for none).
    pub(crate) fn new(version: u32, previous: u32) -> Self {
        let mix = Mix::new();
        fs::remove_file(mix.path("clearwell.toml")).unwrap();
        mix.put("mix/Swupd_Root.pem", clearwell_testkit::signer().anchor().pem());
        mix.put("mix/private.pem", clearwell_testkit::key_pem());
        mix.put("mix/builder.conf", "#VERSION 1.2\n\n[Builder]\n  CERT = \"$CLEARWELL_TEST_HOME/Swupd_Root.pem\"\n[Swupd]\n  BUNDLE = \"os-core\"\n");
        mix.put("mix/mixer.state", state(30, previous));
        mix.put("mix/mixversion", version.to_string());
        mix.put("mix/update/groups.ini", "[os-core]\ngroup=os-core\n\n[editor]\ngroup=editor\n\n");
        Self { mix }
    }

    /// What `mixer build bundles` would leave for `version`, with `text` in a file of each bundle.
    pub(crate) fn image(&self, version: u32, text: &str) {
        let number = version.to_string();
        let os_core = [
            ("/usr/lib/os-release", format!("ID=mix\nVERSION_ID={number}\nBUILD_ID={number}\n")),
            ("/usr/share/clear/version", number.clone()),
            ("/usr/share/clear/versionstamp", "1700000000".to_owned()),
            ("/usr/share/clear/bundles/os-core", String::new()),
            ("/usr/share/clear/update-ca/Swupd_Root.pem", clearwell_testkit::signer().anchor().pem()),
            ("/usr/share/defaults/swupd/format", "30".to_owned()),
            ("/usr/bin/sh", format!("shell {text}\n").repeat(100)),
        ];
        let editor = [
            ("/usr/share/clear/bundles/editor", String::new()),
            ("/usr/bin/edit", format!("editor {text}\n").repeat(100)),
        ];
        self.bundle(version, "os-core", &[], &os_core);
        self.bundle(version, "editor", &["os-core"], &editor);
    }

    pub(crate) fn bundle(&self, version: u32, bundle: &str, includes: &[&str], files: &[(&str, String)]) {
        let mut listed = BTreeMap::new();
        for (path, text) in files {
            self.mix.put(format!("mix/update/image/{version}/full{path}"), text);
            for place in Path::new(path).ancestors().filter(|place| *place != Path::new("/")) {
                listed.insert(place.display().to_string(), path.starts_with("/usr/bin/") && place == Path::new(path));
            }
        }
        let info = json!({
            "Name": bundle, "Filename": format!("local-bundles/{bundle}"),
            "Header": { "Title": bundle, "Description": "", "Status": "Active", "Capabilities": "", "Maintainer": "" },
            "DirectIncludes": includes, "OptionalIncludes": null, "DirectPackages": {}, "AllPackages": {},
            "Files": listed,
        });
        self.mix.put(format!("mix/update/image/{version}/{bundle}-info"), info.to_string());
    }

    /// `clearwell build --mix mix --store store` with more options.
    pub(crate) fn build(&self, args: &[&str]) -> crate::run::Ended {
        let all = [&["build", "--mix", "mix", "--store", "store"], args].concat();
        self.mix.run_with("CLEARWELL_TEST_HOME", self.mix.path("mix"), &all)
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.mix.path(path)).unwrap()
    }
}

pub(crate) fn state(format: u16, previous: u32) -> String {
    format!("#VERSION 1.1\n\n[Mix]\n  FORMAT = \"{format}\"\n  PREVIOUS_MIX_VERSION = \"{previous}\"\n")
}

#[test]
fn a_workspace_is_released_and_incremented() {
    let workspace = Workspace::new(10, 0);
    workspace.image(10, "one");
    let outcome = workspace.build(&["--increment", "--json"]).expect(0).json();
    assert_eq!((&outcome["version"], &outcome["previous"], &outcome["format"]), (&json!(10), &json!(0), &json!(30)));
    assert_eq!(workspace.text("mix/update/image/LAST_VER").trim_end(), "10");
    assert_eq!(workspace.text("mix/mixer.state"), state(30, 10));
    assert_eq!(workspace.text("mix/mixversion"), "20");

    // The next image is not there yet: the remedy is mixer's own command.
    workspace.build(&[]).expect(3).says(&["version 20 has no image", "update/image/20/full", "mixer build bundles"]);
    workspace.image(20, "two");
    let outcome = workspace.build(&["--json"]).expect(0).json();
    assert_eq!((&outcome["version"], &outcome["previous"]), (&json!(20), &json!(10)));
    assert_eq!(workspace.text("mix/mixer.state"), state(30, 10), "without --increment the state stays");
    workspace.mix.verify("10");

    // Already released by a finished build: the same command says so, with the remedy.
    let before = workspace.mix.kept();
    workspace.image(20, "two, changed");
    workspace.build(&[]).expect(4).says(&["version 20 exists", "choose a higher one"]);
    before.assert_same(&workspace.mix.kept());
}

#[test]
fn an_unchanged_workspace_has_nothing_to_release() {
    let workspace = Workspace::new(10, 0);
    workspace.image(10, "one");
    workspace.build(&["--increment"]).expect(0);
    // An image whose version files say 10 still, so that no file differs.
    fs::rename(workspace.mix.path("mix/update/image/10"), workspace.mix.path("mix/update/image/20")).unwrap();
    let before = workspace.mix.kept();
    workspace.build(&[]).expect(11).says(&["nothing changed since version 10"]);
    before.assert_same(&workspace.mix.kept());
    assert_eq!(workspace.text("mix/mixversion"), "20");
}

#[test]
fn an_invalid_workspace_is_reported_by_file_and_line() {
    let workspace = Workspace::new(10, 0);
    workspace.image(10, "one");
    workspace.build(&["--increment"]).expect(0);
    workspace.image(20, "two");
    let before = workspace.mix.kept();
    for (file, text, says) in [
        ("mix/builder.conf", "[Builder\n", "line 1"),
        ("mix/builder.conf", "[Builder]\nCERT = \"$NO_SUCH_VARIABLE/x\"\n", "NO_SUCH_VARIABLE"),
        ("mix/mixer.state", "[Mix\n", "line 1"),
        ("mix/mixer.state", "#VERSION 1.1\n[Mix]\nFORMAT = \"x\"\n", "FORMAT"),
        ("mix/mixversion", "ten", "ten"),
        ("mix/update/groups.ini", "[os-core]\n[no/name]\n", "line 2"),
        ("mix/update/groups.ini", "[os-core]\n[missing]\n", "missing"),
        ("mix/update/server.ini", "x", "line 1"),
        ("mix/update/image/20/editor-info", "{\n]", "line 2"),
        ("mix/update/editor-extra-files", "usr/bin/x\n", "usr/bin/x"),
    ] {
        let old = fs::read(workspace.mix.path(file)).ok();
        workspace.mix.put(file, text);
        let name = Path::new(file).file_name().unwrap().to_str().unwrap();
        let name = if says == "missing" { "missing-info" } else { name };
        workspace.build(&[]).expect(3).says(&[name, says]);
        before.assert_same(&workspace.mix.kept());
        match old {
            Some(old) => workspace.mix.put(file, old),
            None => fs::remove_file(workspace.mix.path(file)).unwrap(),
        }
    }
    workspace
        .mix
        .run(&["build", "--mix", "store", "--store", "store"])
        .expect(3)
        .says(&["not a mixer workspace", "builder.conf"]);
    workspace.build(&[]).expect(0);
    workspace.mix.verify("10");
}
