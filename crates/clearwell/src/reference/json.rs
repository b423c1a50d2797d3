//! docs/reference/json.md, from the schemas of the documents.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Reference, codes};
use crate::schema::DOCUMENTS;

/// The key that all documents have.
const SCHEMA_VERSION: &str = "schema-version";

type Keywords = Map<String, Value>;

#[test]
fn json() {
    let mut page = Reference::new(
        "JSON documents",
        "What commands print with `--json` on stdout, and with `--progress json` on stderr. \
         [The command line, for scripts](../command-line.md#json) has the rules that all documents follow. \
         `clearwell schema NAME` prints the JSON Schema of a document, `clearwell schema --all DIR` writes all; the packages \
         install them.\n\n\
         Every document has `schema-version`, an integer: 1 now. A key is always present unless the table says that it is optional. In keys, `[]` stands for each element of a list, \
         and `.*` for each value of a map. Later versions may add keys, and values where a table lists the values.",
    );
    page.table(
        ["Document", "Printed by"],
        DOCUMENTS.iter().map(|document| [format!("[`{0}`](#{0})", document.name), printed_by(document.command)]),
    );
    for document in DOCUMENTS {
        page.heading(2, document.name);
        let schema = Value::from(document.schema());
        let root = schema.as_object().expect("a schema is an object");
        page.paragraph(&format!("{} Printed by {}.", document.description(), printed_by(document.command)));
        let mut rows = Rows { definitions: definitions(root), ..Rows::default() };
        rows.object("", root);
        page.table(["Key", "Type", "Meaning"], rows.keys.iter().map(Row::cells));
        for (key, values) in rows.values {
            page.paragraph(&format!("Values of `{key}`:"));
            page.table(["Value", "Meaning"], values);
        }
    }
    page.assert_is("json.md");
}

fn printed_by(command: &str) -> String {
    if command.contains(',') { command.to_owned() } else { format!("`clearwell {command}`") }
}

fn definitions(root: &Keywords) -> BTreeMap<String, Keywords> {
    let all = root.get("$defs").and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(name, schema)| Some((format!("#/$defs/{name}"), schema.as_object()?.clone()))).collect()
}

/// A key of a document.
struct Row {
    key: String,
    kind: String,
    /// The meanings, each with the alternatives that have it; none if all have.
    meanings: Vec<(Vec<String>, String)>,
}

impl Row {
    fn cells(&self) -> [String; 3] {
        let meaning = |(conditions, text): &(Vec<String>, String)| match &conditions[..] {
            [] => text.clone(),
            conditions => format!("If {}: {text}", conditions.join(" or ")),
        };
        let meanings: Vec<String> = self.meanings.iter().map(meaning).collect();
        [format!("`{}`", self.key), self.kind.clone(), meanings.join(" ")]
    }
}

/// The rows of the tables of a document.
#[derive(Default)]
struct Rows {
    definitions: BTreeMap<String, Keywords>,
    keys: Vec<Row>,
    /// Keys whose values are a list, with the meaning of each.
    values: Vec<(String, Vec<[String; 2]>)>,
    /// Where a definition was described first.
    described: BTreeMap<String, String>,
}

impl Rows {
    /// The keys of an object, and those of its alternatives.
    fn object(&mut self, at: &str, schema: &Keywords) {
        self.properties(at, schema, None);
        for part in parts(schema, "oneOf") {
            let (tag, value) = tag(part);
            self.properties(at, part, Some(format!("`{tag}` is `{value}`")));
        }
        if let Some((tag, values)) = tags(schema) {
            self.add_values(&format!("{at}{tag}"), values);
        }
    }

    fn add_values(&mut self, key: &str, values: Vec<[String; 2]>) {
        if self.values.iter().all(|(known, _)| known != key) {
            self.values.push((key.to_owned(), values));
        }
    }

    /// Required keys in the order of the type, then optional ones. `condition` says which alternative has them.
    fn properties(&mut self, at: &str, schema: &Keywords, condition: Option<String>) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let optional = properties.keys().map(String::as_str).filter(|key| !required.contains(key));
        for key in required.iter().copied().chain(optional) {
            let path = format!("{at}{key}");
            let Some(property) = properties.get(key).and_then(Value::as_object).filter(|_| path != SCHEMA_VERSION)
            else {
                continue;
            };
            if condition.is_some() && property.contains_key("const") {
                self.key(&path, "string", None, "One of the values below.");
                continue;
            }
            // Before what is inside of it.
            let row = self.key(&path, "", condition.clone(), text(property, "description"));
            let kind = self.kind(&path, property);
            let suffix = if required.contains(&key) { "" } else { ", optional" };
            self.keys[row].kind = format!("{kind}{suffix}");
        }
    }

    /// Adds a key, or another meaning of it; returns its position.
    fn key(&mut self, key: &str, kind: &str, condition: Option<String>, meaning: &str) -> usize {
        let row = self.keys.iter().position(|row| row.key == key).unwrap_or_else(|| {
            self.keys.push(Row { key: key.to_owned(), kind: kind.to_owned(), meanings: Vec::new() });
            self.keys.len() - 1
        });
        let meanings = &mut self.keys[row].meanings;
        match meanings.iter_mut().find(|(_, known)| known == meaning) {
            Some((conditions, _)) => conditions.extend(condition),
            None => meanings.push((condition.into_iter().collect(), meaning.to_owned())),
        }
        row
    }

    /// The type of a value. Adds rows for what is inside.
    fn kind(&mut self, path: &str, schema: &Keywords) -> String {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let definition = self.definitions[reference].clone();
            if definition.contains_key("properties") {
                if let Some(first) = self.described.get(reference) {
                    return format!("object, as `{first}`");
                }
                self.described.insert(reference.to_owned(), path.to_owned());
            }
            return self.kind(path, &definition);
        }
        // A value or null.
        if let Some(value) = parts(schema, "anyOf").into_iter().find(|part| text(part, "type") != "null") {
            let kind = self.kind(path, value);
            return format!("{kind} or null");
        }
        let choices = parts(schema, "oneOf");
        if !choices.is_empty()
            && !schema.contains_key("properties")
            && choices.iter().all(|part| part.contains_key("const"))
        {
            let row = |part: &&Keywords| {
                [codes(part.get("const").and_then(Value::as_str)), text(part, "description").to_owned()]
            };
            self.add_values(path, choices.iter().map(row).collect());
            return "string".to_owned();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return format!("{}: {}", simple(schema), codes(values.iter().map(plain)));
        }
        if schema.contains_key("properties") {
            self.object(&format!("{path}."), schema);
            return "object".to_owned();
        }
        match (schema.get("items").and_then(Value::as_object), map_of(schema)) {
            (Some(items), _) => {
                let kind = self.kind(&format!("{path}[]"), items);
                format!("list of {}", plural(&kind))
            }
            (None, Some(values)) => {
                let kind = self.kind(&format!("{path}.*"), values);
                let names = schema.get("propertyNames").and_then(|names| names.get("enum")).and_then(Value::as_array);
                let names =
                    names.map_or_else(String::new, |names| format!("; keys: {}", codes(names.iter().map(plain))));
                format!("map to {}{names}", plural(&kind))
            }
            (None, None) => simple(schema),
        }
    }
}

/// The schema of the values of a map: keys are free, or numbers.
fn map_of(schema: &Keywords) -> Option<&Keywords> {
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    let of_pattern = patterns.and_then(|patterns| patterns.values().next());
    of_pattern.or(schema.get("additionalProperties")).and_then(Value::as_object)
}

fn parts<'s>(schema: &'s Keywords, keyword: &str) -> Vec<&'s Keywords> {
    schema.get(keyword).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).collect()
}

fn text<'s>(schema: &'s Keywords, keyword: &str) -> &'s str {
    schema.get(keyword).and_then(Value::as_str).unwrap_or_default()
}

/// The key of an alternative that tells which it is, and its value.
fn tag(part: &Keywords) -> (String, String) {
    let properties = part.get("properties").and_then(Value::as_object).into_iter().flatten();
    let found = properties.into_iter().find_map(|(key, value)| Some((key.clone(), value.get("const").map(plain)?)));
    found.unwrap_or_default()
}

/// The key that tells the alternatives of an object, and the meaning of each.
fn tags(schema: &Keywords) -> Option<(String, Vec<[String; 2]>)> {
    let parts = parts(schema, "oneOf");
    let (key, _) = tag(parts.first()?);
    let row = |part: &&Keywords| [format!("`{}`", tag(part).1), text(part, "description").to_owned()];
    (!key.is_empty()).then(|| (key, parts.iter().map(row).collect()))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `string`, or `integer or null`.
fn simple(schema: &Keywords) -> String {
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().map(plain).collect::<Vec<_>>().join(" or "),
        Some(kind) => plain(kind),
        None => "any".to_owned(),
    }
}

fn plural(kind: &str) -> String {
    let (word, rest) = kind.split_at(kind.find([' ', ',', ':', ';']).unwrap_or(kind.len()));
    format!("{word}s{rest}")
}
