//! What is wrong with the files of releases, and with pointers: one set of rules.
//!
//! | Module | Judges | By |
//! |---|---|---|
//! | `artifact` | the bytes of one file | its size and SHA-256 in the index; what its name promises (a fullfile, pack or delta) |
//! | `manifest` | MoM, bundle manifests, full manifest, and their archives | the format, and the hash that a MoM names |
//! | `fullfiles` | the entries of a manifest | the fullfiles that exist |
//! | `anchors` | signatures of MoMs and pointers | the certificates that endpoints trust |
//! | `pointer` | `latest` and the other pointers | the releases that exist, and the signature |
//!
//! A judgement takes bytes, or a file and where its bases are, and yields a [`DefectKind`]; with the resource it is
//! about that is a [`Defect`]. It changes nothing. The consequences of a defect are the policy of the callers:
//! [`check`](crate::check) reports it, with its severity and who is affected, [`adopt`](crate::adopt) leaves the file
//! or the release out, [`repair`](crate::repair) makes the file again.
//!
//! # Adding a kind of artifact
//!
//! 1. Its name: a variant of `Artifact` in `clearwell_format::resource`. The compiler then lists the matches that have to
//!    know it; these are exhaustive on purpose.
//! 2. What its bytes must be: `artifact::Verification::of`, and `ArtifactInspector::inside` with a variant of
//!    [`ContentDefect`] for each way in which it can be wrong. From then on check, adoption and repair look into it.
//! 3. Which endpoints fetch it: `check/affected.rs`. When it may be removed: `gc/needs.rs`.
//! 4. What it can be made again from: `repair/siblings.rs` (other files of the release) or `repair/objects.rs` (packs).
//! 5. What makes it: `clearwell-generate`, through [`Draft::put`](crate::Draft::put).

mod anchors;
mod artifact;
mod bases;
mod defect;
mod fullfiles;
pub(crate) mod manifest;
mod measured;
pub(crate) mod pointer;
mod rules;

pub(crate) use anchors::Anchors;
pub use artifact::ContentDefect;
pub(crate) use artifact::{ArtifactInspector, Contents, Verification, against_index};
pub(crate) use bases::{StoreBases, TreeBases};
pub use defect::{Defect, DefectCode, DefectKind};
pub(crate) use fullfiles::missing;
pub(crate) use rules::Rules;

/// What a judgement found: the value, as far as it can be used, and everything that is wrong with it.
pub(crate) struct Inspection<T> {
    pub(crate) value: Option<T>,
    pub(crate) defects: Vec<DefectKind>,
}

impl<T> Inspection<T> {
    /// The value, for a caller that accepts it with the defects that are `tolerable`; else the first that is not.
    pub(crate) fn accept(self, tolerable: impl Fn(&DefectKind) -> bool) -> Result<Option<T>, DefectKind> {
        match self.defects.into_iter().find(|defect| !tolerable(defect)) {
            Some(defect) => Err(defect),
            None => Ok(self.value),
        }
    }
}
