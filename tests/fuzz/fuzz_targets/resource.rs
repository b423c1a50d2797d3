//! A request path never panics the grammar, and each resource has one canonical spelling that leaves no folder.
#![no_main]

use clearwell_format::Resource;

libfuzzer_sys::fuzz_target!(|path: &str| {
    if let Some(resource) = Resource::from_request_path(path) {
        let canonical = resource.to_string();
        assert!(!canonical.starts_with('/') && canonical.split('/').all(|part| !matches!(part, "" | "." | "..")));
        assert_eq!(Resource::from_request_path(&canonical), Some(resource));
    }
});
