//! `<bundle>-info`: the result of `build bundles` for a bundle (mixer workspace §5.1).
//!
//! JSON as Go's decoder reads it: names of keys in any case; `null` changes nothing, and empties a list or object; of a
//! key that occurs twice the last list counts, while objects are put together.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::toml_file::is_called;
use crate::source::TextError;

/// The part of an info file that a release is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// The bundle's own description.
    pub header: InfoHeader,
    /// Declared includes, in order; os-core only if declared.
    pub direct_includes: Vec<String>,
    /// Declared also-adds, in order.
    pub optional_includes: Vec<String>,
    /// Every path of the bundle and of what it includes, with its export mark. Of a path that occurs twice the last
    /// mark counts.
    pub files: Vec<(String, bool)>,
    /// Keys that mixer does not know, and duplicates.
    pub odd_keys: Vec<String>,
}

/// The header of a bundle's definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
        let info: Option<Self> = serde_json::from_str(text).map_err(|error| {
            let told = error.to_string();
            let what = told.split(" at line ").next().unwrap_or_default();
            TextError { line: error.line(), what: what.to_owned() }
        })?;
        Ok(info.unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Info {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Info;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Info, A::Error> {
                let (mut info, mut seen) = (Info::default(), Vec::new());
                while let Some(key) = map.next_key::<String>()? {
                    match KEYS.iter().find(|known| is_called(&key, known)) {
                        Some(known) if seen.contains(known) => info.odd_keys.push(key.clone()),
                        Some(known) => seen.push(known),
                        None => info.odd_keys.push(key.clone()),
                    }
                    if is_called(&key, "Files") {
                        match map.next_value::<Option<Files>>()? {
                            Some(Files(mut files)) => info.files.append(&mut files),
                            None => info.files.clear(),
                        }
                    } else if is_called(&key, "DirectIncludes") {
                        info.direct_includes = names(map.next_value()?);
                    } else if is_called(&key, "OptionalIncludes") {
                        info.optional_includes = names(map.next_value()?);
                    } else if is_called(&key, "Header") {
                        let header: Option<Header> = map.next_value()?;
                        let Header { status, odd_keys } = header.unwrap_or_default();
                        info.header.status = status.unwrap_or(info.header.status);
                        info.odd_keys.extend(odd_keys.into_iter().map(|key| format!("Header.{key}")));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(info)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

const KEYS: [&str; 8] =
    ["Name", "Filename", "Header", "DirectIncludes", "OptionalIncludes", "DirectPackages", "AllPackages", "Files"];
const HEADER_KEYS: [&str; 5] = ["Title", "Description", "Status", "Capabilities", "Maintainer"];

/// A `null` among names is an empty name, which is then not a bundle.
fn names(list: Option<Vec<Option<String>>>) -> Vec<String> {
    list.unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect()
}

#[derive(Default)]
struct Header {
    status: Option<String>,
    odd_keys: Vec<String>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Header;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object with a bundle's header")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                while let Some(key) = map.next_key::<String>()? {
                    if is_called(&key, "Status") {
                        header.status = map.next_value::<Option<String>>()?.or(header.status);
                        continue;
                    }
                    if !HEADER_KEYS.iter().any(|known| is_called(&key, known)) {
                        header.odd_keys.push(key);
                    }
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The object of paths as a list: there are many, and they are sorted later.
struct Files(Vec<(String, bool)>);

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Files;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of paths and export marks")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Files, A::Error> {
                let mut files = Vec::new();
                while let Some((path, mark)) = map.next_entry::<String, Option<bool>>()? {
                    files.push((path, mark.unwrap_or_default()));
                }
                Ok(Files(files))
            }
        }
        deserializer.deserialize_map(Object)
    }
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
        assert_eq!(info.odd_keys, Vec::<String>::new());
        assert_eq!(Info::parse("{\"Files\":null}").unwrap(), Info::default());
    }

    #[test]
    fn odd_keys_are_told() {
        let info =
            Info::parse(r#"{"files":{"/a":true},"New":1,"Header":{"Color":"red"},"Files":{"/b":false}}"#).unwrap();
        assert_eq!(info.odd_keys, ["New", "Header.Color", "Files"]);
        assert_eq!(info.files.len(), 2);
    }

    #[test]
    fn a_broken_file_is_told_with_its_line() {
        assert_eq!(Info::parse("{\n\"Files\":{\"/a\":1}}").unwrap_err().line, 2);
        assert!(Info::parse("[]").is_err());
        assert!(Info::parse("{").is_err());
    }
}
