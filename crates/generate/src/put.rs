//! Writing artifacts into a draft in pieces, up to a size limit.

use std::io::{self, Write};

use clearwell_format::resource::Artifact;
use clearwell_store::{ArtifactMeta, Draft, StoreError};

use crate::error::BuildError;
use crate::member::MemberError;

/// Puts what `write` writes. `None`, and nothing put, if that is more than `limit` bytes.
pub(crate) fn put_within(
    limit: u64,
    draft: &Draft<'_>,
    artifact: &Artifact,
    write: impl FnOnce(&mut dyn Write) -> Result<(), MemberError>,
) -> Result<Option<ArtifactMeta>, BuildError> {
    let mut exceeded = false;
    let mut trouble = None;
    let put = draft.put_with(artifact, |out| {
        let mut out = Limited { out, left: limit, exceeded: &mut exceeded };
        write(&mut out).map_err(|error| match error {
            MemberError::Write(source) => source,
            MemberError::Object(error) => {
                trouble = Some(error);
                io::Error::other("the object cannot be read")
            }
        })
    });
    match (put, trouble) {
        (Ok(outcome), _) => Ok(Some(outcome.meta())),
        (Err(_), Some(error)) => Err(error),
        (Err(_), None) if exceeded => Ok(None),
        (Err(StoreError::Content { source, .. }), None) => {
            Err(BuildError::Compress { object: format!("{}/{artifact}", draft.version()), source })
        }
        (Err(error), None) => Err(error.into()),
    }
}

/// Puts what `write` writes, however much.
pub(crate) fn put(
    draft: &Draft<'_>,
    artifact: &Artifact,
    write: impl FnOnce(&mut dyn Write) -> Result<(), MemberError>,
) -> Result<ArtifactMeta, BuildError> {
    put_within(u64::MAX, draft, artifact, write).map(|meta| meta.expect("nothing exceeds 2^64 bytes"))
}

struct Limited<'a> {
    out: &'a mut dyn Write,
    left: u64,
    exceeded: &'a mut bool,
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            *self.exceeded = true;
            return Err(io::Error::other("larger than it may be"));
        }
        let count = self.out.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
