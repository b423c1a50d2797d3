use proptest::prelude::*;

use super::*;
use crate::FormatNumber;

#[test]
fn every_shape_comes_back() {
    let hash = "28cb7c6cad23920f344157f48ae353caca34e9a2f5cff934a4fdaaf7509f2062";
    for path in [
        "version/format30/latest",
        "version/format30/latest.sig",
        "version/format30/first",
        "version/latest_version",
        "version/latest_version.sig",
        "version/formatstaging/latest",
        "version/formatstaging/latest.sig",
        "30/Manifest.MoM",
        "30/Manifest.MoM.tar",
        "30/Manifest.MoM.sig",
        "30/Manifest.full",
        "30/Manifest.full.tar",
        "30/Manifest.os-core",
        "30/Manifest.os-core.tar",
        "30/Manifest-os-core-delta-from-10",
        "30/Manifest-a-delta-from-5-delta-from-10",
        &format!("30/files/{hash}.tar"),
        "30/pack-os-core-from-0.tar",
        "30/pack-c++-from-20.tar",
        "30/pack-a-from-b-from-20.tar",
        &format!("30/delta/10-20-{hash}-{hash}"),
        "30/format",
        "30/mixer-src-version",
        "30/upstreamurl",
        "30/upstreamver",
        // A bundle may begin with a dot: two dots in a row are not yet a folder.
        "1/Manifest..0",
    ] {
        let resource = Resource::from_request_path(path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(resource.to_string(), path);
        assert_eq!(Resource::from_request_path(&format!("//{}", path.replace('/', "//"))), Some(resource.clone()));
        if let Resource::Artifact { artifact, .. } = resource {
            assert_eq!(Artifact::from_path(path.split_once('/').unwrap().1), Some(artifact));
        }
    }
}

#[test]
fn nothing_else_is_a_resource() {
    let hash = "28cb7c6cad23920f344157f48ae353caca34e9a2f5cff934a4fdaaf7509f2062";
    for path in [
        "",
        "/",
        "version",
        "version/",
        "version/format30",
        "version/format30/",
        "version/format030/latest",
        "version/formatstaging/first",
        "version/formatStaging/latest",
        "version/format30/latest/",
        "version/format30/x",
        "version/latest",
        "30",
        "30/",
        "0/format",
        "030/format",
        "30/../30/format",
        "./30/format",
        "30/./format",
        "30/format/",
        "30/format/x",
        "30/files",
        "30/files/",
        "30/files/x.tar",
        "30/Manifest.",
        "30/Manifest.a/b",
        "30/Manifest.MoM.sig.tar",
        "30/pack-os-core-from-.tar",
        "30/pack-os-core-from-010.tar",
        "30/pack-os-core-from-10",
        "30/pack--from-10.tar",
        "30/%6dormat",
        "30/form%61t",
        "30/Manifest.os core",
        "30\\format",
        "30/format\0",
        "30/index",
        "30/delta/x",
        "2147483648/format",
        "meta/layout",
        "30/Manifest.full.sig",
        &format!("30/files/{hash}"),
        &format!("30/files/{}.tar", hash.to_uppercase()),
        &format!("30/files/x/{hash}.tar"),
        &format!("30/delta/1-2-{hash}-{hash}"),
    ] {
        assert_eq!(Resource::from_request_path(path), None, "{path:?}");
    }
}

#[test]
fn pointers_and_their_signatures() {
    let format = FormatNumber::new(30).unwrap();
    for pointer in [Pointer::Latest(format), Pointer::LatestVersion, Pointer::Staging] {
        let signature = pointer.signature().unwrap();
        assert_eq!(signature.to_string(), format!("{pointer}.sig"));
        assert_eq!((signature.signed(), signature.signature()), (Some(pointer), None));
    }
    assert_eq!(Pointer::First(format).signature(), None);
}

proptest! {
    #[test]
    fn what_is_accepted_has_one_spelling(path in "(/{0,2})([0-9]{1,3}|version|\\.\\.)(/{1,2})(files|delta|Manifest\\.|format30|pack-)?[a-z0-9./-]{0,12}") {
        if let Some(resource) = Resource::from_request_path(&path) {
            let canonical = resource.to_string();
            prop_assert_eq!(Resource::from_request_path(&canonical), Some(resource));
            prop_assert!(canonical.split('/').all(|part| !matches!(part, "" | "." | "..")));
        }
    }
}
