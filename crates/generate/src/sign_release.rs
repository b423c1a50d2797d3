//! Signatures of a release: of its MoM when it is made, of pointers when they move.

use clearwell_format::Resource;
use clearwell_sign::Signer;
use clearwell_store::PointerSet;

use crate::error::BuildError;

/// The detached signature of one file of the public tree. `time` is in seconds since the epoch; clients ignore it, and
/// as an input it leaves builds repeatable.
///
/// # Errors
/// [`BuildError::Sign`].
pub(crate) fn sign(bytes: &[u8], resource: &Resource, signer: &Signer, time: i64) -> Result<Vec<u8>, BuildError> {
    signer.sign(bytes, time).map_err(|source| BuildError::Sign { object: Box::new(resource.clone()), source })
}

/// Adds to each pointer its signature.
///
/// # Errors
/// [`BuildError::Sign`].
pub(crate) fn sign_pointers(pointers: &mut PointerSet, signer: &Signer, time: i64) -> Result<(), BuildError> {
    let mut signatures = PointerSet::new();
    for (&pointer, bytes) in pointers.iter() {
        if let Some(signature) = pointer.signature() {
            signatures.insert(signature, sign(bytes, &Resource::Pointer(pointer), signer, time)?);
        }
    }
    pointers.extend(signatures);
    Ok(())
}
