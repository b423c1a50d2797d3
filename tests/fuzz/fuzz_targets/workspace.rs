//! The text files of a mixer workspace and of bundle trees never panic their parsers.
#![no_main]

use std::path::Path;

use clearwell_generate::source::mix::{BuilderConf, Info, MixerState, ServerIni, parse_extra_files, parse_groups};
use clearwell_generate::source::trees::TreesConfig;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut notes = Vec::new();
    let _ = parse_groups(text, &mut notes);
    let _ = parse_extra_files(text);
    let _ = ServerIni::parse(text, &mut notes);
    let _ = Info::parse(text);
    let _ = TreesConfig::parse(text);
    let environment = |name: &str| (name.len() % 2 == 0).then(|| name.to_owned());
    let _ = BuilderConf::parse(text, Path::new("/mix"), &environment, &mut notes);
    let _ = MixerState::parse(text, &mut notes);
});
