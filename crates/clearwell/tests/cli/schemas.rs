//! What the binary prints, against the schemas that it has for it.
//!
//! Schemas allow unknown keys, because later versions may add some. Tests do not: a key that a schema lacks is an error
//! here. Every run of the harness with `--json` or `--progress json` is checked.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::Ended;

/// Commands that print a text in any case.
const TEXTS: [&str; 1] = ["completions"];

/// The schemas of all documents by name, as the binary writes them.
pub(crate) static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_clearwell"));
    assert!(command.args(["schema", "--all"]).arg(dir.path()).output().unwrap().status.success());
    let files = dir.path().read_dir().unwrap().map(|file| file.unwrap().path());
    let named = files.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().strip_suffix(".schema.json").unwrap();
        (name.to_owned(), serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap())
    });
    named.collect()
});

/// The same, closed: a key that a schema does not list is an error.
pub(crate) static VALIDATORS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let strict = |schema: &Value| {
        let mut schema = schema.clone();
        close(&mut schema, true);
        jsonschema::validator_for(&schema).unwrap()
    };
    SCHEMAS.iter().map(|(name, schema)| (name.clone(), strict(schema))).collect()
});

/// Forbids keys that a schema does not list. `is_whole` is false for a part of the schema of an object, such as one of the
/// alternatives of `oneOf`.
fn close(schema: &mut Value, is_whole: bool) {
    let Value::Object(keywords) = schema else { return };
    if is_whole && keywords.contains_key("properties") {
        // Keys of newer programs, in release records.
        if keywords.get("additionalProperties") == Some(&Value::Bool(true)) {
            keywords.remove("additionalProperties");
        }
        if !keywords.contains_key("additionalProperties") {
            keywords.insert("unevaluatedProperties".to_owned(), false.into());
        }
    }
    for (keyword, value) in keywords {
        match (keyword.as_str(), value) {
            ("properties" | "patternProperties" | "$defs", Value::Object(schemas)) => {
                schemas.values_mut().for_each(|schema| close(schema, true));
            }
            ("items" | "additionalProperties", schema) => close(schema, true),
            ("oneOf" | "anyOf" | "allOf", Value::Array(parts)) => parts.iter_mut().for_each(|part| close(part, false)),
            _ => {}
        }
    }
}

/// Checks a document against the schema of this name.
#[track_caller]
pub(crate) fn check(name: &str, document: &Value) {
    let validator = VALIDATORS.get(name).unwrap_or_else(|| panic!("there is no schema for {name}"));
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{name} does not match its schema:\n{}\n{document:#}", errors.join("\n"));
}

/// Checks what a run of the binary printed, if it was asked for JSON.
#[track_caller]
pub(crate) fn check_run(command: &Command, ended: &Ended) {
    let Some(words) = words(command) else { return };
    if is_set(command, &words, "--progress", "CLEARWELL_PROGRESS", "json") {
        // Logs are JSON lines without an event.
        let events = ended.stderr.lines().filter(|line| line.starts_with("{\"schema-version\""));
        events.for_each(|line| check("event", &serde_json::from_str(line).unwrap()));
    }
    let asks = words.iter().any(|word| word == "--json") || has_variable(command, "CLEARWELL_JSON", "1");
    let is_text = words.iter().any(|word| word == "--help" || word == "-h") || TEXTS.contains(&words[0].as_str());
    if !asks || is_text || ended.stdout.is_empty() {
        return;
    }
    let document = ended.json();
    let name = name_of(&words, &document);
    if name == "error" {
        assert_eq!(document["exit"], ended.code.unwrap_or_default(), "{document}");
    }
    check(&name, &document);
}

/// The arguments of a run of the binary; `None` for other programs.
fn words(command: &Command) -> Option<Vec<String>> {
    let is_binary = command.get_program() == env!("CARGO_BIN_EXE_clearwell");
    let words: Vec<String> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    (is_binary && !words.is_empty()).then_some(words)
}

fn is_set(command: &Command, words: &[String], option: &str, variable: &str, value: &str) -> bool {
    let apart = words.windows(2).any(|pair| pair[0] == option && pair[1] == value);
    apart || words.contains(&format!("{option}={value}")) || has_variable(command, variable, value)
}

fn has_variable(command: &Command, name: &str, value: &str) -> bool {
    command.get_envs().any(|(known, set)| known == name && set.is_some_and(|set| set == value))
}

/// The name of a document that a command printed.
pub(crate) fn name_of(words: &[impl AsRef<str>], document: &Value) -> String {
    if document.get("error").is_some() {
        return "error".to_owned();
    }
    let mut words = words.iter().map(AsRef::as_ref).skip_while(|word| word.starts_with('-'));
    let command = words.next().unwrap_or_default();
    // A subcommand, or an option that changes what is printed.
    let mut more = words.map(|word| format!("{command}-{}", word.trim_start_matches('-')));
    more.find(|name| SCHEMAS.contains_key(name)).unwrap_or_else(|| command.to_owned())
}
