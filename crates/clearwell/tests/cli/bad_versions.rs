//! Versions that exist, or do not follow.

use crate::mix::Mix;

#[test]
fn versions_only_go_up() {
    let mix = Mix::changed();
    mix.build(&["--version", "20"]).expect(0);
    mix.change("for version thirty");
    mix.refuses(&["build", "--version", "20"], 4, &["version 20 exists already", "choose a higher one"]);
    mix.refuses(&["build", "--version", "10"], 4, &["version 10", "choose a higher one"]);
    mix.refuses(&["build", "--version", "15"], 4, &["version 15 is not above 20", "choose a higher one"]);
    mix.refuses(&["build", "--version", "30", "--previous", "30"], 4, &["version 30 is not above 30"]);
    mix.refuses(&["build", "--version", "30", "--previous", "40"], 4, &["version 30 is not above 40"]);
    mix.refuses(&["build", "--version", "0"], 2, &["--version"]);
    mix.refuses(&["build", "--version", "30", "--previous", "4294967296"], 2, &["--previous"]);
    mix.refuses(&["build", "--version", "30", "--min-version", "40"], 3, &["minimum version 40", "at most 30"]);
    mix.refuses(
        &["build", "--version", "30", "--previous", "15"],
        3,
        &["version 15", "name the last released version"],
    );
    // Below a release that endpoints already have.
    mix.build(&["--version", "30"]).expect(0);
    mix.verify("10,20");
}
