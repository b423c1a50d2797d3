//! Certificates, keys and detached PKCS#7 signatures for swupd.
//!
//! swupd trusts three signed files: `Manifest.MoM`, `latest` and `latest_version`, each with a `.sig` file. This
//! crate makes those signatures, checks them as swupd does, and makes and validates the certificates behind them.
//!
//! ```
//! use clearwell_sign::{GenerateOptions, KeyBits, PrivateKey, Signer, TrustAnchor, generate, verify};
//!
//! let now = 1_893_456_000;
//! let made = generate(&GenerateOptions { bits: KeyBits::Rsa2048, ..GenerateOptions::new("Example") }, now)?;
//! let anchor = TrustAnchor::from_pem(&made.certificate_pem)?;
//! let key = PrivateKey::from_pem(made.key_pem.as_bytes(), None)?;
//! let signer = Signer::new(anchor.clone(), key, now)?;
//!
//! let signature = signer.sign(b"10", now)?;
//! verify(b"10", &signature, &anchor, Some(now))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! No files are read here: callers give bytes and PEM text. The only process that is run is a [`SigningCommand`].
//! Times are Unix seconds and always arguments, so that tests and repeated builds choose them.

mod algorithm;
mod anchor;
mod certificate;
mod chain;
mod command;
mod dates;
mod encryption;
mod error;
mod fitness;
mod generate;
mod key;
mod name;
mod signature;
mod signed_data;
mod signer;
mod trust;
mod verify;

pub use anchor::TrustAnchor;
pub use certificate::Certificate;
pub use command::SigningCommand;
pub use dates::{Dates, Utc};
pub use error::SignError;
pub use fitness::{Problem, RENEWAL_DAYS, Severity, fitness};
pub use generate::{DEFAULT_VALIDITY_DAYS, GenerateOptions, Generated, KeyBits, generate, renew};
pub use key::PrivateKey;
pub use signer::Signer;
pub use trust::Trust;
pub use verify::{MAX_SIGNATURE_BYTES, VerifyError, verify};
