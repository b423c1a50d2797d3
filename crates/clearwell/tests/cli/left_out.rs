//! Folders and files among bundle trees that are not bundles, and bundles that do not look like one.

use std::fs;
use std::os::unix::fs::symlink;

use crate::mix::{BUNDLES, Mix};

fn bundles(mix: &Mix) -> Vec<String> {
    let text = fs::read_to_string(mix.path(format!("store/content/{}/Manifest.MoM", mix.newest().unwrap()))).unwrap();
    let entries = text.lines().filter(|line| line.starts_with('M') && !line.starts_with("MANIFEST"));
    entries.map(|line| line.rsplit('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn other_folders_are_left_out_with_a_warning() {
    let mix = Mix::new();
    for path in ["lost+found/#12", ".git/HEAD", ".snapshots/1/os-core/x", ".gitignore", "README.md", "Makefile"] {
        mix.put(format!("trees/{path}"), "x");
    }
    symlink("nowhere", mix.path("trees/.#bundles.toml")).unwrap();
    for path in ["os-core/lost+found/#7", "os-core/.git/HEAD", "editor/.snapshots/1"] {
        mix.put(format!("trees/{path}"), "x");
    }
    mix.build(&[]).expect(0).says(&[
        ": .#bundles.toml, .git, .gitignore, .snapshots, lost+found (endpoints ignore bundles whose name begins with a dot",
        ": Makefile, README.md (only folders are bundles)",
        "trees/os-core/lost+found is left out",
        "trees/os-core/.git is left out",
        "trees/editor/.snapshots is left out",
    ]);
    let mut found = bundles(&mix);
    found.sort();
    assert_eq!(found, ["editor", "libs", "os-core"]);
    let os_core = fs::read_to_string(mix.path("store/content/10/Manifest.os-core")).unwrap();
    assert!(!os_core.contains("lost+found") && !os_core.contains(".git"), "{os_core}");
    mix.verify("");
}

#[test]
fn a_described_folder_is_a_bundle() {
    let mix = Mix::new();
    mix.put("trees/lost+found/usr/share/found", "x");
    mix.put("trees/bundles.toml", format!("{BUNDLES}[bundles.\"lost+found\"]\n"));
    mix.build(&[]).expect(0);
    let found = bundles(&mix);
    assert!(found.contains(&"lost+found".to_owned()), "{found:?}");
    // Endpoints ignore such a name; the guard reports it.
    mix.put("trees/.hidden/usr/share/hidden", "x");
    mix.put("trees/bundles.toml", format!("{BUNDLES}[bundles.\".hidden\"]\n"));
    mix.refuses(&["build"], 5, &[".hidden", "give it another name"]);
}

#[test]
fn a_link_to_a_folder_is_a_bundle_and_one_to_nothing_an_error() {
    let mix = Mix::new();
    fs::rename(mix.path("trees/editor"), mix.path("elsewhere")).unwrap();
    symlink("../elsewhere", mix.path("trees/editor")).unwrap();
    // A link inside a bundle becomes content.
    symlink("/", mix.path("elsewhere/usr/root")).unwrap();
    mix.build(&[]).expect(0);
    assert!(bundles(&mix).contains(&"editor".to_owned()));
    mix.verify("");
    mix.change("changed");
    fs::rename(mix.path("elsewhere"), mix.path("gone")).unwrap();
    mix.refuses(&["build"], 3, &["trees/editor is a dangling link", "fix it"]);
}

#[test]
fn a_store_among_the_trees_is_not_a_bundle() {
    let mix = Mix::released();
    mix.refuses(&["build", "--store", "trees/other"], 3, &["trees/other is a Clearwell store", "move it out"]);
    assert!(!mix.path("trees/other").exists());
}

#[test]
fn left_out_files_are_reported_even_if_nothing_is_released() {
    let mix = Mix::released();
    mix.put("trees/.new/usr/bin/new", "new");
    mix.refuses(&["build"], 11, &["warning: left out of", ".new (endpoints ignore"]);
}

#[test]
fn an_export_that_nothing_removes_is_reported() {
    let mix = Mix::new();
    mix.put("trees/bundles.toml", format!("{BUNDLES}un-export = [\"/usr/bin/edit\", \"/usr/bin/edti\"]\n"));
    let ended = mix.build(&[]).expect(0).says(&["warning: bundle editor un-exports /usr/bin/edti"]);
    assert!(!ended.stderr.contains("/usr/bin/edit,"), "{}", ended.stderr);
}

#[test]
fn names_in_the_wrong_case_are_refused() {
    let mix = Mix::new();
    fs::rename(mix.path("trees/bundles.toml"), mix.path("trees/Bundles.toml")).unwrap();
    mix.refuses(&["build"], 3, &["trees/Bundles.toml is not read", "rename it to bundles.toml"]);
    fs::rename(mix.path("trees/Bundles.toml"), mix.path("trees/bundles.toml")).unwrap();
    mix.put("trees/bundles.toml", format!("{BUNDLES}[bundles.Libs]\nincludes = [\"editor\"]\n"));
    mix.refuses(&["build"], 3, &["describes bundle Libs", "trees/libs", "give both the same name"]);
}
