//! The text files of a mixer workspace and of bundle trees never panic their parsers.
#![no_main]

use std::path::Path;

use clearwell_generate::source::mix::{BuilderConf, Info, MixerState, ServerIni, parse_extra_files, parse_groups};
use clearwell_generate::source::trees::TreesConfig;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = parse_groups(text);
    let _ = parse_extra_files(text);
    let _ = ServerIni::parse(text);
    let _ = Info::parse(text);
    let _ = TreesConfig::parse(text);
    let _ = BuilderConf::parse(text, Path::new("/mix"), &|name| (name.len() % 2 == 0).then(|| name.to_owned()));
    if let Ok(state) = MixerState::parse(text) {
        assert_eq!(MixerState::parse(&state.to_text()).ok(), Some(state));
    }
});
