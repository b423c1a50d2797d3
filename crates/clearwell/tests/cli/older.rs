//! Releases whose manifests an older generator wrote: adopted, served, and built upon.

use std::fs;

use clearwell_format::ManifestName;
use clearwell_format::resource::Artifact;
use clearwell_testkit::{Www, pointers, sample_releases};
use serde_json::json;

use crate::workspace::Workspace;

/// The sample's release 20 with flags of the C generator, an unknown header key, another order of header lines, and an
/// iterative manifest in the MoM.
fn publish(www: &Www) -> Vec<(String, Vec<u8>)> {
    let [first, mut second] = sample_releases();
    second.rewrite(|name, text| {
        let text = text.replacen("contentsize:", "actions:\tupdate\ncontentsize:", 1);
        let text = text.replacen("previous:\t10\n", "", 1).replacen("timestamp:", "previous:\t10\ntimestamp:", 1);
        match name {
            ManifestName::Mom => {
                let text = text.replacen("M...", "M.Cr", 1).replacen("M...", "M..m", 1);
                format!("{text}I...\t{}\t10\told-index\n", "a".repeat(64))
            }
            _ => text.replacen("F...", "F.C.", 1).replacen("F...", "F.s.", 1).replacen("L...", "L.br", 1),
        }
    });
    www.add(&first);
    www.add(&second);
    www.point(&pointers(second.mom.header.format, second.version));
    let is_plain = |(artifact, _): &(&Artifact, &Vec<u8>)| matches!(artifact, Artifact::Manifest(_));
    second.artifacts.iter().filter(is_plain).map(|(name, bytes)| (format!("20/{name}"), bytes.clone())).collect()
}

#[test]
fn manifests_of_older_generators_are_adopted_and_built_upon() {
    let workspace = Workspace::new(30, 20);
    workspace.image(30, "thirty");
    let mix = &workspace.mix;
    let manifests = publish(&Www { root: mix.path("mix/update/www") });
    let adopt = ["adopt", "mix/update/www", "--store", "store", "--cert", "Swupd_Root.pem", "--json"];
    let report = mix.run(&adopt).expect(0).json();
    assert_eq!((&report["adopted"], &report["refused"]), (&json!([10, 20]), &json!([])));
    // Properties that later releases lose are reported; they are harmless.
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 4, "{problems:?}");
    for problem in problems {
        assert_eq!(problem["severity"], "note");
        assert!(problem["problem"].as_str().unwrap().contains("unknown header key \"actions:\""), "{problem}");
    }
    for (path, bytes) in &manifests {
        assert_eq!(fs::read(mix.path("store/content").join(path)).unwrap(), *bytes, "{path}");
    }
    mix.run(&["check", "--store", "store"]).expect(0);
    mix.verify("10");

    workspace.build(&["--increment"]).expect(0);
    for entry in fs::read_dir(mix.path("store/content/30")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|name| name != "tar") && path.to_string_lossy().contains("Manifest.") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let odd = |line: &&str| line.starts_with("actions:") || "Cs".contains(&line[2..3]) || line.starts_with('I');
            assert_eq!(text.lines().filter(|line| line.len() > 64).find(odd), None, "{}", path.display());
            assert!(!text.contains("actions:"), "{}", path.display());
        }
    }
    mix.run(&["check", "--store", "store"]).expect(0);
    mix.verify("10,20");
}
