//! Rules about the archives that a release adds.

use clearwell_format::archive::TarWriter;
use clearwell_format::resource::Artifact;
use clearwell_format::{ManifestName, Owner, Resource};
use clearwell_generate::guard::Rule;

use super::assert_refused;
use super::mix::{Mix, Object, bundle, version};

fn one_release() -> Mix {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").link("/usr/bin/jeu", "échecs");
    mix.release(10, &content);
    mix
}

fn chess() -> Object {
    Object::File { content: b"chess".to_vec(), mode: 0o755 }
}

fn resource_of(object: &Object) -> Resource {
    Resource::of(version(10), Artifact::Fullfile(object.hash()))
}

fn with_fullfile(object: &Object, archive: Vec<u8>) -> Mix {
    let mut mix = one_release();
    mix.tree.insert(resource_of(object), archive).unwrap();
    mix
}

fn tar(write: impl FnOnce(&mut TarWriter<Vec<u8>>)) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    write(&mut tar);
    tar.finish().unwrap()
}

#[test]
fn fullfiles_that_are_not_what_their_name_says() {
    let chess = chess();
    let name = chess.hash().to_string();
    let resource = resource_of(&chess).to_string();
    let other = |content: &str, mode| Object::File { content: content.into(), mode };
    let wrong = [
        tar(|tar| other("cheese", 0o755).write(tar, &name)),
        tar(|tar| other("chess", 0o700).write(tar, &name)),
        tar(|tar| {
            tar.file(name.as_bytes(), Owner { permissions: 0o755, uid: 1, gid: 0 }, 0, 5, &mut &b"chess"[..]).unwrap()
        }),
        tar(|tar| chess.write(tar, "chess")),
        tar(|tar| {
            chess.write(tar, &name);
            chess.write(tar, &name);
        }),
        tar(|_| {}),
        b"no archive".to_vec(),
        Vec::new(),
    ];
    for archive in wrong {
        assert_refused(&with_fullfile(&chess, archive), Rule::WrongArchive, &[&resource]);
    }
}

/// Sets a field of the first header and mends its checksum.
pub(crate) fn with_field(mut archive: Vec<u8>, at: usize, value: &[u8]) -> Vec<u8> {
    archive[at..at + value.len()].copy_from_slice(value);
    archive[148..156].fill(b' ');
    let sum: u32 = archive[..512].iter().map(|&byte| u32::from(byte)).sum();
    archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive
}

/// Where ustar keeps the user's name.
pub(crate) const USER_NAME: usize = 265;
const GROUP_NAME: usize = 297;

#[test]
fn archives_that_name_their_owners() {
    let chess = chess();
    let plain = tar(|tar| chess.write(tar, &chess.hash().to_string()));
    for field in [USER_NAME, GROUP_NAME] {
        let mix = with_fullfile(&chess, with_field(plain.clone(), field, b"daemon"));
        assert_refused(&mix, Rule::OwnerNames, &[&resource_of(&chess).to_string()]);
    }
}

/// The fullfile of a link whose target is in a PAX record.
pub(crate) fn pax_link(target: &str, name: &str) -> Vec<u8> {
    let record = |length: usize| format!("{length} linkpath={target}\n");
    let length = (0..).find(|&length| record(length).len() == length).unwrap();
    let pax = tar(|tar| {
        let record = record(length);
        tar.file(b"PaxHeaders.0/x", Owner::MANIFEST, 0, record.len() as u64, &mut record.as_bytes()).unwrap();
    });
    // Generators keep a shortened target in the header; without any the client takes the member for a file.
    let link = tar(|tar| tar.link(name.as_bytes(), Owner { permissions: 0o777, uid: 0, gid: 0 }, 0, b"?").unwrap());
    [&with_field(pax, 156, b"x")[..1024], &link].concat()
}

#[test]
fn link_targets_in_pax_records() {
    let link = Object::Link("échecs".into());
    let mix = with_fullfile(&link, pax_link("échecs", &link.hash().to_string()));
    assert_refused(&mix, Rule::PaxLinkTarget, &[&resource_of(&link).to_string()]);

    let ascii = Object::Link(b"ed".to_vec());
    let mix = with_fullfile(&ascii, pax_link("ed", &ascii.hash().to_string()));
    assert_eq!(super::found(&mix), []);
}

#[test]
fn packs_with_wrong_members() {
    let pack = Artifact::Pack { bundle: bundle("games"), from: None };
    let resource = Resource::of(version(10), pack);
    let hash = chess().hash();
    let folder = |permissions| Owner { permissions, uid: 0, gid: 0 };
    let wrong = [
        tar(|tar| tar.directory(b"staged/", folder(0o755), 0).unwrap()),
        tar(|tar| Object::Directory { mode: 0o755 }.write(tar, &format!("staged/{hash}"))),
        tar(|tar| chess().write(tar, "staged/../chess")),
        tar(|tar| chess().write(tar, &format!("staged/{hash}")))[..600].to_vec(),
    ];
    for archive in wrong {
        let mut mix = one_release();
        mix.tree.insert(resource.clone(), archive).unwrap();
        assert_refused(&mix, Rule::WrongArchive, &[&resource.to_string()]);
    }
}

#[test]
fn manifest_archives_with_other_content() {
    let tar_of = |name: &str, content: &str| {
        tar(|tar| tar.file(name.as_bytes(), Owner::MANIFEST, 0, content.len() as u64, &mut content.as_bytes()).unwrap())
    };
    for (name, member) in [
        (ManifestName::Bundle(bundle("games")), "Manifest.games"),
        (ManifestName::Bundle(bundle("games")), "Manifest.editors"),
        (ManifestName::Full, "Manifest.full"),
    ] {
        let resource = Resource::of(version(10), Artifact::ManifestTar(name));
        let mut mix = one_release();
        mix.tree.insert(resource.clone(), tar_of(member, "MANIFEST\t30\n")).unwrap();
        assert_refused(&mix, Rule::WrongArchive, &[&resource.to_string()]);
    }
}
