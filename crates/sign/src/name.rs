//! When two names are the same: not by their bytes but as OpenSSL compares them.
//!
//! Every attribute that is text counts without its string type, without spaces at its ends, with one space for several,
//! and without the case of ASCII letters. Order of attributes counts. Issuers are found by this, and so are signers.

use std::borrow::Cow;

use der::Tag;
use der::asn1::{Any, BmpString, ObjectIdentifier};
use der::{Decode, Encode, Tagged};
use x509_cert::name::Name;

/// True if OpenSSL takes the names for the same.
pub(crate) fn same(a: &Name, b: &Name) -> bool {
    a == b || canonical(a) == canonical(b)
}

/// An attribute: type, tag and value, text in its canonical form.
type Attribute<'a> = (ObjectIdentifier, Tag, Cow<'a, [u8]>);

/// Each relative name as its attributes.
fn canonical(name: &Name) -> Vec<Vec<Attribute<'_>>> {
    let relative = name.0.iter().map(|relative| {
        let attributes = relative.0.iter().map(|attribute| {
            let (tag, value) = canonical_value(&attribute.value);
            (attribute.oid, tag, value)
        });
        attributes.collect()
    });
    relative.collect()
}

fn canonical_value(value: &Any) -> (Tag, Cow<'_, [u8]>) {
    let bytes = value.value();
    let text = match value.tag() {
        Tag::Utf8String => String::from_utf8(bytes.to_vec()).ok(),
        Tag::PrintableString | Tag::Ia5String | Tag::VisibleString => Some(String::from_utf8_lossy(bytes).into_owned()),
        // OpenSSL reads it as Latin-1.
        Tag::TeletexString => Some(bytes.iter().map(|&byte| char::from(byte)).collect()),
        Tag::BmpString => {
            value.to_der().ok().and_then(|der| BmpString::from_der(&der).ok()).map(|text| text.to_string())
        }
        _ => None,
    };
    match text {
        Some(text) => {
            let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
            (Tag::Utf8String, words.join(" ").to_ascii_lowercase().into_bytes().into())
        }
        None => (value.tag(), bytes.into()),
    }
}

/// A space, as C's `isspace` defines it.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use der::asn1::{Ia5StringRef, PrintableStringRef, SetOfVec, Utf8StringRef};
    use der::oid::db::rfc4519;
    use x509_cert::attr::AttributeTypeAndValue;
    use x509_cert::name::RelativeDistinguishedName;

    use super::*;

    fn organisation(value: Any) -> Name {
        let attribute = AttributeTypeAndValue { oid: rfc4519::O, value };
        Name::from(vec![RelativeDistinguishedName(SetOfVec::try_from(vec![attribute]).unwrap())])
    }

    #[test]
    fn string_type_case_and_spaces_do_not_count() {
        let utf8 = |text| organisation(Any::encode_from(&Utf8StringRef::new(text).unwrap()).unwrap());
        let printable = organisation(Any::encode_from(&PrintableStringRef::new("Mixer Ltd").unwrap()).unwrap());
        let ia5 = organisation(Any::encode_from(&Ia5StringRef::new("mixer ltd").unwrap()).unwrap());
        let bmp = organisation(Any::encode_from(&BmpString::from_utf8("MIXER LTD").unwrap()).unwrap());
        for name in [&printable, &ia5, &bmp, &utf8("  mixer \t ltd "), &utf8("Mixer Ltd")] {
            assert!(same(name, &printable), "{name}");
        }
        for other in ["Mixer", "MixerLtd", "Mixer Ltd.", ""] {
            assert!(!same(&utf8(other), &printable), "{other}");
        }
        // Beyond ASCII, case counts.
        assert!(!same(&utf8("MÜHLE"), &utf8("mühle")));
    }

    #[test]
    fn types_and_order_count() {
        let [a, b] = ["O=x,CN=y", "CN=y,O=x"].map(|text| Name::from_str(text).unwrap());
        assert!(!same(&a, &b));
        assert!(!same(&Name::from_str("O=x").unwrap(), &Name::from_str("OU=x").unwrap()));
        assert!(same(&Name::default(), &Name::default()));
    }
}
