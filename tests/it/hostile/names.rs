//! Names in a store that no writer creates: generations of pointers, records, indexes, folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::bounded::bounded;
use crate::mix::Mix;

fn point(mix: &Mix, target: &str) {
    let link = mix.path("store/content/version");
    fs::remove_file(&link).unwrap();
    symlink(Path::new(target), link).unwrap();
}

#[test]
fn pointers_to_an_impossible_generation_are_damage_that_the_next_publication_repairs() {
    let mix = Mix::released();
    for target in [
        ".pointers/18446744073709551615",
        ".pointers/18446744073709551614",
        ".pointers/18446744073709551608",
        ".pointers/18446744073709551616",
        ".pointers/99999999999999999999999999",
        ".pointers/9223372036854775807",
        ".pointers/999999999999999",
        ".pointers/00000000",
        ".pointers/1",
        ".pointers/+0000001",
        ".pointers/-0000001",
        ".pointers/../.pointers/00000001",
        ".pointers/00000777",
        "version",
        "/",
        "..",
    ] {
        point(&mix, target);
        for command in [
            &["releases", "--store", "store"][..],
            &["check", "--store", "store"],
            &["check", "--store", "store", "--quick"],
            &["gc", "--store", "store", "--keep", "1", "--dry-run"],
            &["verify", "--store", "store", "--cert", "Swupd_Root.pem", "--retry-seconds", "0"],
        ] {
            let ended = bounded(mix.dir(), command);
            assert!(ended.code.is_some_and(|code| code < 64), "{target}: {command:?}: {ended:?}");
        }
        assert_ne!(bounded(mix.dir(), &["check", "--store", "store"]).code, Some(0), "{target}");
        // The current generation is gone, not the previous one: the next publication continues from that.
        let ended = bounded(mix.dir(), &["publish", "10", "--store", "store"]);
        assert_eq!(ended.code, Some(0), "{target}: {ended:?}");
        mix.verify("");
    }
}

#[test]
fn folders_with_impossible_generation_numbers_are_ignored() {
    let mix = Mix::released();
    for name in ["18446744073709551615", "99999999999999999999", "-1", "+2", "2", "00000000", "x", "\u{202e}7"] {
        let folder = mix.path("store/content/.pointers").join(name).join("format1");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("latest"), "10").unwrap();
    }
    mix.change("changed");
    assert_eq!(bounded(mix.dir(), &["build"]).code, Some(0));
    assert_eq!(bounded(mix.dir(), &["check", "--store", "store"]).code, Some(0));
    assert_eq!(bounded(mix.dir(), &["gc", "--store", "store", "--keep", "1"]).code, Some(0));
    mix.verify("");
}

#[test]
fn records_and_indexes_with_odd_names_are_ignored() {
    let mix = Mix::released();
    for name in ["0", "010", "+10", "4294967296", "18446744073709551616", "-1", "x", "10.json"] {
        fs::write(mix.path("store/meta/index").join(name), "x").unwrap();
        fs::write(mix.path("store/meta/releases").join(format!("{name}.json")), "x").unwrap();
        fs::create_dir_all(mix.path("store/content").join(name)).unwrap();
    }
    let listed = bounded(mix.dir(), &["releases", "--store", "store", "--json"]);
    assert_eq!(listed.json()["releases"].as_array().unwrap().len(), 1, "{listed:?}");
    assert_eq!(bounded(mix.dir(), &["check", "--store", "store"]).code, Some(0));
    mix.change("changed");
    assert_eq!(bounded(mix.dir(), &["build"]).code, Some(0));
    mix.verify("");
}
