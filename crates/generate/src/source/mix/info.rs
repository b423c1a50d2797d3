//! `<bundle>-info`: what `build bundles` found out about a bundle (workspace 5.1).

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::source::TextError;

/// The part of an info file that a release is made from. Other keys mean nothing here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Info {
    /// The bundle's own description.
    pub header: InfoHeader,
    /// Declared includes, in order; os-core only if declared.
    #[serde(deserialize_with = "null_is_empty")]
    pub direct_includes: Vec<String>,
    /// Declared also-adds, in order.
    #[serde(deserialize_with = "null_is_empty")]
    pub optional_includes: Vec<String>,
    /// Every path of the bundle and of what it includes, with its export mark.
    #[serde(deserialize_with = "files")]
    pub files: Vec<(String, bool)>,
}

/// The header of a bundle's definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InfoHeader {
    /// `STATUS`.
    pub status: String,
}

impl Info {
    /// Reads an info file.
    ///
    /// # Errors
    /// If it is no JSON object of that shape.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        // An array would do as a struct whose fields are all missing.
        if text.trim_start().starts_with('[') {
            return Err(TextError { line: 1, what: "the file is an array in place of an object".into() });
        }
        serde_json::from_str(text).map_err(|error| {
            let told = error.to_string();
            let what = told.split(" at line ").next().unwrap_or_default();
            TextError { line: error.line(), what: what.to_owned() }
        })
    }
}

/// Mixer writes an empty list as `null`.
fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The object of paths as a list: there are many, and they are sorted later.
fn files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, bool)>, D::Error> {
    struct Files;
    impl<'de> Visitor<'de> for Files {
        type Value = Vec<(String, bool)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object of paths and export marks")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut files = Vec::new();
            while let Some(entry) = map.next_entry()? {
                files.push(entry);
            }
            Ok(files)
        }
    }
    deserializer.deserialize_any(Files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mixer_writes_is_read() {
        let info = Info::parse(
            r#"{"Name":"a","Filename":"x","Header":{"Title":"","Status":"Experimental"},"DirectIncludes":["b"],
                "OptionalIncludes":null,"DirectPackages":{"p":true},"AllPackages":{},"Files":{"/b":true,"/a":false}}"#,
        )
        .unwrap();
        assert_eq!(info.header.status, "Experimental");
        assert_eq!(info.direct_includes, ["b"]);
        assert_eq!(info.optional_includes, Vec::<String>::new());
        assert_eq!(info.files, [("/b".to_owned(), true), ("/a".to_owned(), false)]);
        assert_eq!(Info::parse("{\"Files\":null}").unwrap(), Info::default());
    }

    #[test]
    fn a_broken_file_is_told_with_its_line() {
        assert_eq!(Info::parse("{\n\"Files\":{\"/a\":1}}").unwrap_err().line, 2);
        assert!(Info::parse("[]").is_err());
        assert!(Info::parse("{").is_err());
    }
}
