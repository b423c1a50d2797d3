//! The same input makes the same bytes, however many threads make them.

use crate::mix::{Kept, Mix};

#[test]
fn one_worker_and_many_make_the_same_bytes() {
    let mix = Mix::new();
    for number in 0..40 {
        mix.put(format!("trees/libs/usr/share/libs/{number}"), format!("{number} of the library\n").repeat(200));
    }
    let build = |store: &str, jobs: &str, timestamp: &str| {
        let args = ["--store", store, "--jobs", jobs, "--timestamp", timestamp];
        mix.build(&args).expect(0);
    };
    build("one", "1", "1700000000");
    build("many", "8", "1700000000");
    mix.change("twenty");
    mix.put("trees/libs/usr/share/libs/3", "another\n".repeat(200));
    build("one", "1", "1700000500");
    let args = ["build", "--store", "many", "--jobs", "8", "--memory", "64MiB"];
    mix.run_with("SOURCE_DATE_EPOCH", "1700000500", &args).expect(0);
    // All of the public tree, signatures included, and the indexes. Records say how long it took.
    let kept = |store: &str| Kept::of(&mix.path(store)).only(|path| !path.starts_with("meta/releases"));
    assert!(kept("one").0.len() > 60);
    kept("one").assert_same(&kept("many"));
}
