//! The swupd file hash (hash §1).
//!
//! ```text
//! K     = mode, uid, gid, rdev = 0, size        five u64, little-endian
//! inner = hex(HMAC-SHA256(K, ""))
//! hash  = hex(HMAC-SHA256(inner, content))      content of a file, "DIRECTORY", or the target of a link
//! ```
//!
//! Names, times, link counts and extended attributes are not part of it. A link's mode and a directory's size count as
//! 0.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The type of a hashed object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
}

/// Permission bits and owners of a hashed object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Permission bits with set-uid, set-gid and sticky (07777). Ignored for a link.
    pub permissions: u32,
    /// Numeric user.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
}

impl Owner {
    /// How manifests are stored and hashed: 0644, root and root (content layout §5).
    pub const MANIFEST: Self = Self { permissions: 0o644, uid: 0, gid: 0 };
}

/// The hash that names a file in manifests, fullfiles and packs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileHash([u8; 32]);

impl FileHash {
    /// The hash of deleted and ghosted entries: 64 zeros (hash §2).
    pub const ZERO: Self = Self([0; 32]);

    /// From the 32 bytes that the digits stand for.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes that the digits stand for.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Hash of a regular file in memory.
    pub fn of_file(content: &[u8], owner: Owner) -> Self {
        let mut hasher = FileHasher::new(owner, content.len() as u64);
        hasher.update(content);
        hasher.finish()
    }

    /// Hash of a directory.
    pub fn of_directory(owner: Owner) -> Self {
        keyed(0o040000 | u64::from(owner.permissions), owner, 0).chain_update(b"DIRECTORY").into()
    }

    /// Hash of a symbolic link.
    pub fn of_link(target: &[u8], owner: Owner) -> Self {
        keyed(0, owner, target.len() as u64).chain_update(target).into()
    }

    /// Hash of a manifest as it is stored: a regular file with [`Owner::MANIFEST`].
    pub fn of_manifest(content: &[u8]) -> Self {
        Self::of_file(content, Owner::MANIFEST)
    }

    /// Parses 64 lower-case hex digits. Clients compare text, so upper case is another hash.
    pub fn parse(digits: &[u8]) -> Result<Self, InvalidHash> {
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let invalid = || InvalidHash(digits[..digits.len().min(80)].escape_ascii().to_string());
        if digits.len() != 64 {
            return Err(invalid());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0]).zip(nibble(pair[1])).map(|(high, low)| high << 4 | low).ok_or_else(invalid)?;
        }
        Ok(Self(bytes))
    }

    /// The 64 digits.
    pub fn to_hex(&self) -> [u8; 64] {
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        digits
    }
}

impl From<Hmac<Sha256>> for FileHash {
    fn from(mac: Hmac<Sha256>) -> Self {
        Self(mac.finalize().into_bytes().into())
    }
}

impl FromStr for FileHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.to_hex()).expect("hex digits are ASCII"))
    }
}

impl fmt::Debug for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not a file hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a file hash; expected 64 lower-case hex digits")]
pub struct InvalidHash(String);

/// Hashes a regular file piece by piece. The size is part of the key, so it is stated first.
#[derive(Clone)]
pub struct FileHasher(Hmac<Sha256>);

impl FileHasher {
    /// Begins a file of `size` bytes.
    pub fn new(owner: Owner, size: u64) -> Self {
        Self(keyed(0o100000 | u64::from(owner.permissions), owner, size))
    }

    /// Adds the next bytes of the file.
    pub fn update(&mut self, content: &[u8]) {
        self.0.update(content);
    }

    /// The hash, if the size given to [`FileHasher::new`] is the number of bytes added.
    pub fn finish(self) -> FileHash {
        self.0.into()
    }
}

fn keyed(mode: u64, owner: Owner, size: u64) -> Hmac<Sha256> {
    let mut key = [0; 40];
    for (field, value) in key.chunks_exact_mut(8).zip([mode, owner.uid.into(), owner.gid.into(), 0, size]) {
        field.copy_from_slice(&value.to_le_bytes());
    }
    let inner = FileHash::from(hmac(&key)).to_hex();
    hmac(&inner)
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_of_the_spec_holds() {
        let table = include_str!("../tests/fixtures/hash-vectors.tsv");
        let mut seen = 0;
        for line in table.lines().skip(1) {
            let column: Vec<&str> = line.split('\t').collect();
            let owner = Owner {
                permissions: u32::from_str_radix(column[2], 8).unwrap() & 0o7777,
                uid: column[3].parse().unwrap(),
                gid: column[4].parse().unwrap(),
            };
            let content = content(column[8]);
            let hash = match column[1] {
                "file" => FileHash::of_file(&content, owner),
                "dir" => FileHash::of_directory(owner),
                "symlink" => FileHash::of_link(&content, owner),
                other => panic!("{other}"),
            };
            assert_eq!(hash.to_string(), column[11], "{}", column[0]);
            seen += 1;
        }
        assert_eq!(seen, 22);
    }

    fn content(text: &str) -> Vec<u8> {
        let bytes = |hex: &str| -> Vec<u8> {
            hex.as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect()
        };
        match text.split_once(':').unwrap() {
            ("hex", hex) => bytes(hex),
            ("repeat", rule) => {
                let (byte, count) = rule.split_once('*').unwrap();
                bytes(byte).repeat(count.parse().unwrap())
            }
            ("literal", literal) => literal.as_bytes().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn upper_case_and_wrong_lengths_are_refused() {
        let hash = FileHash::of_file(b"", Owner::MANIFEST).to_string();
        assert_eq!(hash, "28cb7c6cad23920f344157f48ae353caca34e9a2f5cff934a4fdaaf7509f2062");
        assert_eq!(hash.parse::<FileHash>().unwrap().to_string(), hash);
        for bad in [hash.to_uppercase(), hash[1..].to_owned(), format!("{hash}0"), format!("{}g", &hash[1..])] {
            assert!(bad.parse::<FileHash>().is_err(), "{bad}");
        }
    }
}
