//! All of an index, in its order.

use std::io::{BufReader, Read};

use clearwell_format::FileHash;
use clearwell_format::resource::Artifact;

use super::file::{Failure, Section};
use super::tables::place;
use super::{ArtifactMeta, FULLFILE, HEADER, Index, IndexDamage, OTHER, artifact, failed, meta};
use crate::StoreError;

/// Every artifact of an index, read in pieces.
pub struct Entries<'i> {
    index: &'i Index,
    fullfiles_left: u64,
    others_left: u64,
    rows: BufReader<Section<'i>>,
    names: BufReader<Section<'i>>,
}

impl<'i> Entries<'i> {
    pub(super) fn of(index: &'i Index) -> Self {
        let (file, tables) = (&index.file, &index.tables);
        Self {
            index,
            fullfiles_left: tables.fullfiles,
            others_left: tables.others,
            rows: BufReader::with_capacity(CHUNK, file.section(HEADER as u64, tables.names_start())),
            names: BufReader::with_capacity(CHUNK, file.section(tables.names_start(), file.size())),
        }
    }

    fn fullfile(&mut self) -> Result<(Artifact, ArtifactMeta), Failure> {
        let mut row = [0; FULLFILE];
        self.rows.read_exact(&mut row)?;
        let hash = FileHash::from_bytes(*row.first_chunk().expect("a row begins with a hash"));
        let meta = meta(&row[32..]).ok_or(IndexDamage::Changed)?;
        Ok((Artifact::Fullfile(hash), meta))
    }

    fn other(&mut self) -> Result<(Artifact, ArtifactMeta), Failure> {
        let mut row = [0; OTHER];
        self.rows.read_exact(&mut row)?;
        let (_, length) = place(&row)?;
        let mut name = vec![0; length];
        self.names.read_exact(&mut name)?;
        let entry = artifact(&name).zip(meta(&row[8..]));
        Ok(entry.ok_or(IndexDamage::Changed)?)
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<(Artifact, ArtifactMeta), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = if let Some(left) = self.fullfiles_left.checked_sub(1) {
            self.fullfiles_left = left;
            self.fullfile()
        } else {
            self.others_left = self.others_left.checked_sub(1)?;
            self.other()
        };
        Some(read.map_err(|failure| {
            (self.fullfiles_left, self.others_left) = (0, 0);
            failed(&self.index.path, failure)
        }))
    }
}

const CHUNK: usize = 64 << 10;
