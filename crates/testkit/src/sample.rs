//! The store that most tests start from.

use std::path::Path;
use std::sync::OnceLock;

use clearwell_format::FormatNumber;
use clearwell_sign::TrustAnchor;
use clearwell_store::Store;

use crate::signing::{pointers, signer};
use crate::{ReleaseBuilder, TestObject, TestRelease};

/// A store with releases 10 and 20 of format 30, signed; the pointers name 20.
pub struct SampleStore {
    /// The store.
    pub store: Store,
    /// What endpoints would trust.
    pub anchor: TrustAnchor,
    /// Releases 10 and 20.
    pub releases: [TestRelease; 2],
}

/// Makes the sample store in an empty or new folder. Generation 1 of the pointers names 10, generation 2 names 20.
pub fn sample_store(folder: &Path) -> SampleStore {
    let store = Store::create(folder).unwrap();
    let releases = sample_releases();
    let mut writer = store.writer("testkit").unwrap();
    for release in &releases {
        release.release_in(&mut writer);
        writer.publish(&pointers(FormatNumber::new(30).unwrap(), release.version)).unwrap();
    }
    drop(writer);
    SampleStore { store, anchor: signer().anchor().clone(), releases }
}

/// Releases 10 and 20 with bundles os-core and editor.
///
/// In 20 os-core has another os-release; editor has another program and manual, one plugin less and one more.
pub fn sample_releases() -> [TestRelease; 2] {
    // Made once for each process: compressing takes longer than most tests.
    static RELEASES: OnceLock<[TestRelease; 2]> = OnceLock::new();
    RELEASES.get_or_init(make_releases).clone()
}

fn make_releases() -> [TestRelease; 2] {
    let first = ReleaseBuilder::new(10, None)
        .bundle("os-core", &[], os_core(10))
        .bundle("editor", &["os-core"], editor("first", 1..=12))
        .build();
    let second = ReleaseBuilder::new(20, Some(&first))
        .bundle("os-core", &[], os_core(20))
        .bundle("editor", &["os-core"], editor("second", 2..=13))
        .build();
    [first, second]
}

fn os_core(version: u32) -> Vec<TestObject> {
    vec![
        TestObject::directory("/usr"),
        TestObject::directory("/usr/bin"),
        TestObject::program("/usr/bin/sh", "#!ELF shell\n".repeat(50)),
        TestObject::link("/usr/bin/bash", "sh"),
        TestObject::directory("/usr/lib"),
        TestObject::file("/usr/lib/os-release", format!("ID=sample\nVERSION_ID={version}\n")),
        TestObject::directory("/usr/share"),
        TestObject::directory("/usr/share/clear"),
        TestObject::directory("/usr/share/clear/bundles"),
        TestObject::file("/usr/share/clear/bundles/os-core", ""),
        TestObject::directory("/usr/share/clear/update-ca"),
        TestObject::file("/usr/share/clear/update-ca/Swupd_Root.pem", signer().anchor().pem()),
        TestObject::directory("/usr/share/defaults"),
        TestObject::file("/usr/share/defaults/empty", ""),
    ]
}

fn editor(edition: &str, plugins: std::ops::RangeInclusive<u32>) -> Vec<TestObject> {
    let mut objects = vec![
        TestObject::program("/usr/bin/edit", format!("#!ELF editor, {edition} edition\n").repeat(400)),
        TestObject::link("/usr/bin/vi", "edit"),
        TestObject::file("/usr/share/clear/bundles/editor", ""),
        TestObject::directory("/usr/share/editor"),
        TestObject::file("/usr/share/editor/manual", noise(edition, 200_000)),
    ];
    objects.extend(plugins.map(|number| {
        TestObject::file(&format!("/usr/share/editor/plugin-{number:02}"), format!("plugin {number}\n").repeat(30))
    }));
    objects
}

/// Bytes that do not compress, the same for the same seed (xorshift).
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut state = seed.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| state.rotate_left(8) ^ u64::from(byte));
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(length)
    .collect()
}
