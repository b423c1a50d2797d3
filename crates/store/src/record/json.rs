//! Types of the protocol in JSON: versions and formats as numbers, names as text.

pub(crate) mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

pub(crate) mod version {
    use clearwell_format::Version;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(version: &Version, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u32(version.number())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Version, D::Error> {
        Version::new(u32::deserialize(from)?).ok_or_else(|| D::Error::custom("not a version"))
    }
}

pub(crate) mod maybe_version {
    use clearwell_format::Version;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(version: &Option<Version>, to: S) -> Result<S::Ok, S::Error> {
        version.map(Version::number).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Version>, D::Error> {
        let number = Option::<u32>::deserialize(from)?;
        number.map(|number| Version::new(number).ok_or_else(|| D::Error::custom("not a version"))).transpose()
    }
}

pub(crate) mod format {
    use clearwell_format::FormatNumber;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(format: &FormatNumber, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u16(format.number())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<FormatNumber, D::Error> {
        FormatNumber::new(u16::deserialize(from)?).ok_or_else(|| D::Error::custom("not a format"))
    }
}
