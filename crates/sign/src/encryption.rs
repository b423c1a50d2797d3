//! Encrypted PKCS#8: PBES2 of RFC 8018 with PBKDF2 and AES-CBC.
//!
//! Reads what `openssl pkcs8 -topk8 -v2 aes-…-cbc` writes with any HMAC it offers; writes PBKDF2 with HMAC-SHA-256 and
//! AES-256. The key derivation is the cryptographic library's own: 600,000 iterations would take seconds elsewhere.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::{pbkdf2, rand};
use der::{Decode, Encode};
use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, EncryptionScheme as Cipher, Kdf, Pbkdf2Prf};
use zeroize::Zeroizing;

use crate::SignError;

/// Iterations of PBKDF2 for new keys, as OWASP advises for HMAC-SHA-256.
const NEW_ITERATIONS: u32 = 600_000;

/// A damaged key file must not keep a processor busy for hours.
const MAX_ITERATIONS: u32 = 20_000_000;

/// The PKCS#8 structure inside an `EncryptedPrivateKeyInfo`.
pub(crate) fn decrypt(der: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, SignError> {
    let unsupported = |scheme: String| SignError::UnsupportedKeyEncryption { scheme };
    let info = EncryptedPrivateKeyInfo::from_der(der).map_err(|source| unsupported(source.to_string()))?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(unsupported(format!("PBES1, {}", info.encryption_algorithm.oid())));
    };
    let Kdf::Pbkdf2(derivation) = &parameters.kdf else {
        return Err(unsupported(format!("key derivation {}", parameters.kdf.oid())));
    };
    let mac = match derivation.prf {
        Pbkdf2Prf::HmacWithSha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Pbkdf2Prf::HmacWithSha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        Pbkdf2Prf::HmacWithSha384 => pbkdf2::PBKDF2_HMAC_SHA384,
        Pbkdf2Prf::HmacWithSha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        other => return Err(unsupported(format!("HMAC {}", other.oid()))),
    };
    let iterations = NonZeroU32::new(derivation.iteration_count)
        .filter(|count| count.get() <= MAX_ITERATIONS)
        .ok_or_else(|| unsupported(format!("{} iterations", derivation.iteration_count)))?;
    let (algorithm, iv) = match parameters.encryption {
        Cipher::Aes128Cbc { iv } => (&AES_128, iv),
        Cipher::Aes192Cbc { iv } => (&AES_192, iv),
        Cipher::Aes256Cbc { iv } => (&AES_256, iv),
        other => return Err(unsupported(format!("cipher {}", other.oid()))),
    };
    let mut key = Zeroizing::new(vec![0; parameters.encryption.key_size()]);
    pbkdf2::derive(mac, iterations, derivation.salt, passphrase.as_bytes(), &mut key);

    let wrong = |_| SignError::PassphraseWrong;
    let key = UnboundCipherKey::new(algorithm, &key).map_err(wrong)?;
    let mut text = Zeroizing::new(info.encrypted_data.to_vec());
    let plain = PaddedBlockDecryptingKey::cbc_pkcs7(key)
        .and_then(|key| key.decrypt(&mut text, DecryptionContext::Iv128(iv.into())).map(|plain| plain.len()))
        .map_err(wrong)?;
    text.truncate(plain);
    Ok(text)
}

/// An `EncryptedPrivateKeyInfo` around a PKCS#8 structure.
pub(crate) fn encrypt(pkcs8: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, SignError> {
    let failed = |_| SignError::Crypto { what: "encrypt the private key" };
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(failed)?;
    let iterations = NonZeroU32::new(NEW_ITERATIONS).expect("a constant above zero");
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, passphrase.as_bytes(), key.as_mut());

    let key = UnboundCipherKey::new(&AES_256, key.as_ref()).map_err(failed)?;
    let mut text = pkcs8.to_vec();
    let context = PaddedBlockEncryptingKey::cbc_pkcs7(key).and_then(|key| key.encrypt(&mut text)).map_err(failed)?;
    let DecryptionContext::Iv128(iv) = context else {
        return Err(SignError::Crypto { what: "encrypt the private key" });
    };

    let encode = |source| SignError::Encode { what: "an encrypted private key", source };
    let parameters = pbes2::Parameters::pbkdf2_sha256_aes256cbc(NEW_ITERATIONS, &salt, iv.as_ref())
        .map_err(|_| SignError::Crypto { what: "encrypt the private key" })?;
    let info =
        EncryptedPrivateKeyInfo { encryption_algorithm: EncryptionScheme::Pbes2(parameters), encrypted_data: &text };
    info.to_der().map(Zeroizing::new).map_err(encode)
}
