//! Small files out of the content of a release, read from their fullfiles.

use std::io::Read;

use clearwell_format::archive::single_member;
use clearwell_format::resource::Artifact;
use clearwell_format::{BundleName, Entry, FormatNumber, Manifest, ManifestName, Mom, MomEntry, Resource, Version};

use super::listed::{Level, Listed};
use super::{Artifacts, Stored};

/// Where the client reads which version is installed (client behaviour §2).
pub(crate) const OS_RELEASE: &str = "/usr/lib/os-release";
/// Where it reads the format.
pub(crate) const FORMAT: &str = "/usr/share/defaults/swupd/format";
/// Where it reads the time before which nothing can have happened.
pub(crate) const VERSION_STAMP: &str = "/usr/share/clear/versionstamp";
/// Where it finds the certificate it trusts.
pub(super) const CERTIFICATE: &str = "/usr/share/clear/update-ca/Swupd_Root.pem";
/// Where it finds another that it tries when the first does not verify.
pub(super) const ALTERNATIVE: &str = "/usr/share/clear/update-ca/Swupd_Root.pem.alt";

/// The content of a file that a release lists; `None` if it lists none or the fullfile is missing or damaged, which are
/// findings of other rules.
pub(super) fn of_release(stored: Stored<'_>, listed: &Listed<'_>, path: &str) -> Option<Vec<u8>> {
    of_entry(stored.artifacts, file(listed, path)?)
}

/// The entry of a regular file.
pub(super) fn file<'a>(listed: &Listed<'a>, path: &str) -> Option<&'a Entry> {
    let items = listed.at(path.as_bytes());
    items.iter().map(|item| item.entry).find(|entry| entry.is_file() && Level::Baseline.keeps(entry))
}

/// The content of a file in os-core of a kept release.
pub(crate) fn of_kept(artifacts: &dyn Artifacts, mom: &Mom, path: &str) -> Option<Vec<u8>> {
    let manifest = manifest(artifacts, mom.bundle(&BundleName::os_core())?)?;
    let entry = manifest.present().find(|entry| entry.path.as_bytes() == path.as_bytes() && entry.is_file())?;
    of_entry(artifacts, entry)
}

/// `VERSION_ID=` of an os-release file, read as the client does: quotes dropped, an integer.
pub(crate) fn version_id(os_release: &[u8]) -> Option<Version> {
    let line = os_release.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"VERSION_ID="))?;
    let number = match line.trim_ascii() {
        [b'"' | b'\'', inner @ .., b'"' | b'\''] => inner,
        plain => plain,
    };
    Version::parse(number).ok()
}

/// The number in a format file.
pub(crate) fn format(text: &[u8]) -> Option<FormatNumber> {
    FormatNumber::parse(text.trim_ascii()).ok()
}

/// A manifest, read from its plain file.
pub(super) fn manifest(artifacts: &dyn Artifacts, entry: &MomEntry) -> Option<Manifest> {
    let name = ManifestName::Bundle(entry.bundle.clone());
    Manifest::parse(&read(artifacts, &Resource::of(entry.version, Artifact::Manifest(name)))?).ok()
}

/// The whole of an artifact.
pub(crate) fn read(artifacts: &dyn Artifacts, resource: &Resource) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    artifacts.open(resource).ok()?.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The content of a file, from its fullfile.
pub(super) fn of_entry(artifacts: &dyn Artifacts, entry: &Entry) -> Option<Vec<u8>> {
    let archive = read(artifacts, &Resource::of(entry.version, Artifact::Fullfile(entry.hash())))?;
    Some(single_member(&archive, LARGEST_BYTES).ok()?.1)
}

/// The files read here are some lines of text.
const LARGEST_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ids_are_read_as_the_client_reads_them() {
        for text in ["NAME=x\nVERSION_ID=30\n", "VERSION_ID=\"30\"", "VERSION_ID='30'\nID=y\n"] {
            assert_eq!(version_id(text.as_bytes()), Version::new(30), "{text}");
        }
        for text in ["", "NAME=x\n", "VERSION_ID=\n", "VERSION_ID=12.4\n", "X_VERSION_ID=30\n"] {
            assert_eq!(version_id(text.as_bytes()), None, "{text}");
        }
    }
}
