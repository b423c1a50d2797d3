//! Unusual files of a workspace, with the results of mixer for each (tests/fixtures/mixer-dialect/README.md).

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Deserialize)]
struct Case {
    file: String,
    case: String,
    text: Option<String>,
    hex: Option<String>,
    mixer: Value,
    ours: Option<Value>,
    why: Option<String>,
}

#[test]
fn unusual_files_are_read_as_mixer_reads_them() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../../tests/fixtures/mixer-dialect/cases.json")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let expected = case.ours.as_ref().unwrap_or(&case.mixer);
        let found = case.outcome().unwrap_or_else(|error| {
            assert!(!error.is_empty());
            json!("refused")
        });
        if found != *expected {
            wrong.push(format!("{}, {}: {found}, not {expected}", case.file, case.case));
        }
        assert_eq!(case.ours.is_some(), case.why.is_some(), "{}: a difference has a reason", case.case);
        assert_ne!(case.ours.as_ref(), Some(&case.mixer), "{}: no difference", case.case);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() > 260, "{}", cases.len());
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
        let from_hex =
            |hex: &String| hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
        self.hex.as_ref().map_or_else(|| self.text.clone().unwrap().into_bytes(), from_hex)
    }

    fn outcome(&self) -> Result<Value, String> {
        let bytes = self.bytes();
        let strict = || String::from_utf8(bytes.clone()).map_err(|error| error.to_string());
        let lossy = String::from_utf8_lossy(&bytes);
        let told = |error: TextError| error.to_string();
        let mut notes = Vec::new();
        match self.file.as_str() {
            "builder.conf" => {
                let environment = |name: &str| (name == "CLEARWELL_X").then(|| "xx".to_owned());
                BuilderConf::parse(&lossy, Path::new("<cwd>"), &environment, &mut notes).map_err(told).map(|conf| {
                    json!({
                        "CERT": plain(&conf.certificate), "SERVER_STATE_DIR": plain(&conf.state),
                        "VERSIONS_PATH": plain(&conf.versions), "COMPRESSION": conf.compression,
                        "ban": ban(&conf.debuginfo), "FORMAT": conf.format.as_deref().unwrap_or("1"),
                    })
                })
            }
            "mixer.state" => MixerState::parse(&strict()?, &mut notes).map_err(told).map(|state| {
                let format = state.format.map_or_else(|| "1".to_owned(), |format| format.to_string());
                let previous = state.previous.unwrap_or(LAST_BUILT).to_string();
                json!({ "FORMAT": format, "PREVIOUS_MIX_VERSION": previous })
            }),
            "groups.ini" => parse_groups(&lossy, &mut notes)
                .map_err(told)
                .map(|bundles| bundles.iter().map(BundleName::as_str).collect()),
            "server.ini" => ServerIni::parse(&lossy, &mut notes).map_err(told).map(|server| {
                json!({ "imagebase": server.images, "outputdir": server.output, "ban": ban(&server.debuginfo) })
            }),
            "app-info" => Info::parse(&strict()?).map_err(told).map(|info| {
                let files: serde_json::Map<String, Value> =
                    info.files.into_iter().map(|(path, mark)| (path, mark.into())).collect();
                json!({
                    "Status": info.header.status, "DirectIncludes": info.direct_includes,
                    "OptionalIncludes": info.optional_includes, "Files": files,
                })
            }),
            "app-extra-files" => parse_extra_files(&strict()?).map_err(told).map(|paths| {
                let paths: BTreeSet<String> = paths.into_iter().collect();
                json!(paths)
            }),
            "app-includes" => Ok(json!(parse_includes(&strict()?))),
            _ => self.version_file(&bytes),
        }
    }

    /// One of the files with a single line.
    fn version_file(&self, bytes: &[u8]) -> Result<Value, String> {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("builder.conf", &b"#VERSION 1.2\n"[..]),
            ("mixversion", b"10"),
            ("upstreamversion", b"5"),
            ("upstreamurl", b"http://u"),
            (&self.file, bytes),
        ] {
            fs::write(dir.path().join(file), text).unwrap();
        }
        let workspace = Workspace::open(dir.path(), None).map_err(|error| error.to_string())?;
        let upstream = workspace.upstream.map_or_else(Default::default, |upstream| (upstream.url, upstream.version));
        Ok(match self.file.as_str() {
            "mixversion" => json!(workspace.version.to_string()),
            "upstreamurl" => json!(upstream.0),
            _ => json!(upstream.1),
        })
    }
}

/// `image/LAST_VER` where mixer was asked.
const LAST_BUILT: u32 = 10;

/// Without the dots and slashes that mean nothing.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

fn ban(ban: &DebuginfoBan) -> Option<Vec<String>> {
    let text = |prefix: &Vec<u8>| String::from_utf8_lossy(prefix).into_owned();
    (!ban.prefixes.is_empty()).then(|| ban.prefixes.iter().map(text).collect())
}
