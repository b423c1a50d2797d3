//! A Prometheus that scrapes and evaluates several times per second, and what it is asked.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use clearwell_testkit::program;
use serde_json::Value;
use tempfile::TempDir;

use crate::get::{get, status};
use crate::wait::until;

/// A Prometheus under way; ended, whatever the test does.
pub(crate) struct Prometheus {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Prometheus {
    /// Scrapes the admin addresses `targets` as the job "clearwell", and evaluates `rules`, the text of a rule file. `None`,
    /// said loudly, without `prometheus` on PATH; `lost` is what then is not tested.
    #[track_caller]
    pub(crate) fn start(targets: &[&str], rules: &str, lost: &str) -> Option<Self> {
        let program = program("prometheus", lost)?;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rules.yml"), rules).unwrap();
        let targets = serde_json::to_string(targets).unwrap();
        let config = format!(
            "global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}\n\
             rule_files: [rules.yml]\n\
             scrape_configs: [{{job_name: clearwell, static_configs: [{{targets: {targets}}}]}}]\n"
        );
        fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let mut command = Command::new(program);
        command
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut text = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "prometheus ended before it listened:\n{text}");
            if let Some((_, address)) = line.split_once("msg=\"Listening on\" address=") {
                break address.trim().to_owned();
            }
            text += &line;
        };
        // A full pipe would stop it.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let prometheus = Self { child, address, _folder: folder };
        until(|| status(&prometheus.address, "/-/ready") == 200);
        Some(prometheus)
    }

    /// The values of the series that a query returns now.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<f64>, String> {
        let answer = self.ask(&format!("/api/v1/query?query={}", percent_encoded(query)));
        if answer["status"] != "success" {
            return Err(answer["error"].as_str().unwrap().to_owned());
        }
        let series = answer["data"]["result"].as_array().unwrap();
        Ok(series.iter().map(|series| series["value"][1].as_str().unwrap().parse().unwrap()).collect())
    }

    /// The alerts that fire, with their descriptions.
    pub(crate) fn firing(&self) -> BTreeMap<String, String> {
        let answer = self.ask("/api/v1/alerts");
        let firing = answer["data"]["alerts"].as_array().unwrap().iter().filter(|alert| alert["state"] == "firing");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        firing.map(|alert| (text(&alert["labels"]["alertname"]), text(&alert["annotations"]["description"]))).collect()
    }

    /// A GET, and the JSON document of its answer.
    fn ask(&self, path: &str) -> Value {
        serde_json::from_str(&get(&self.address, path).1).unwrap()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The rules of a file without their delays: an alert fires as soon as its condition holds.
pub(crate) fn without_delays(rules: &str) -> String {
    rules.lines().filter(|line| !line.trim_start().starts_with("for: ")).map(|line| format!("{line}\n")).collect()
}
