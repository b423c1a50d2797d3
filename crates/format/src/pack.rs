//! Member names of packs (packs §2 and delta §5).
//!
//! ```text
//! delta/                                   folder, mode 0700
//! staged/                                  folder, mode 0700
//! delta/10-20-<from hash>-<to hash>        or delta/<from hash>-<to hash>
//! staged/<hash>                            a slash may follow for a directory
//! ```

use std::fmt;

use crate::FileHash;

/// The kind of a pack member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackMember {
    /// One of the two folders.
    Folder,
    /// A whole file, directory or link.
    Staged(FileHash),
    /// A binary delta between two files.
    Delta(DeltaName),
}

impl PackMember {
    /// Parses a member name; `None` for names that do not belong in a pack.
    pub fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"delta" | b"delta/" | b"staged" | b"staged/" => Some(Self::Folder),
            _ => {
                if let Some(hash) = name.strip_prefix(b"staged/") {
                    return FileHash::parse(hash.strip_suffix(b"/").unwrap_or(hash)).ok().map(Self::Staged);
                }
                DeltaName::parse(name.strip_prefix(b"delta/")?).map(Self::Delta)
            }
        }
    }
}

/// The name of a delta between two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeltaName {
    /// Hash of the old file.
    pub from: FileHash,
    /// Hash of the new file.
    pub to: FileHash,
}

impl DeltaName {
    /// Reads `<from>-<to>`, with or without two numbers in front.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let hashes = match name.len() {
            ..=129 => name,
            _ => {
                let mut parts = name.splitn(3, |&byte| byte == b'-');
                let mut number =
                    || parts.next().is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
                if !(number() && number()) {
                    return None;
                }
                parts.next()?
            }
        };
        let (from, to) = hashes.split_at_checked(64)?;
        Some(Self { from: FileHash::parse(from).ok()?, to: FileHash::parse(to.strip_prefix(b"-")?).ok()? })
    }
}

impl fmt::Display for DeltaName {
    /// With the constant `10-20-` that generators have always put in front.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "10-20-{}-{}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_client_reads_them() {
        let (from, to) = (FileHash::from_bytes([1; 32]), FileHash::from_bytes([2; 32]));
        let delta = DeltaName { from, to };
        assert_eq!(delta.to_string(), format!("10-20-{from}-{to}"));
        assert_eq!(PackMember::parse(format!("delta/{delta}").as_bytes()), Some(PackMember::Delta(delta)));
        assert_eq!(PackMember::parse(format!("delta/{from}-{to}").as_bytes()), Some(PackMember::Delta(delta)));
        assert_eq!(PackMember::parse(format!("staged/{from}").as_bytes()), Some(PackMember::Staged(from)));
        assert_eq!(PackMember::parse(format!("staged/{from}/").as_bytes()), Some(PackMember::Staged(from)));
        assert_eq!(PackMember::parse(b"staged/"), Some(PackMember::Folder));
        for bad in [
            "staged/../x".to_owned(),
            format!("./staged/{from}"),
            "./".into(),
            format!("delta/a-b-{from}-{to}"),
            format!("delta/1-2-{from}-{to}-"),
            "x".into(),
        ] {
            assert_eq!(PackMember::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
