//! docs/reference/exit-codes.md, from the list of exit codes.

use super::{Reference, sentence};
use crate::exit::Exit;

#[test]
fn exit_codes() {
    let mut page = Reference::new(
        "Exit codes",
        "Every command ends with one of these codes. Their meaning never changes. With `--json`, the document of an error has \
         the code as `exit`. [The command line, for scripts](../command-line.md) says which names lead to which code.",
    );
    page.table(
        ["Code", "Name", "Meaning", "Remedy"],
        Exit::ALL
            .iter()
            .map(|exit| [(*exit as u8).to_string(), name(*exit), sentence(exit.text()), sentence(exit.remedy())]),
    );
    page.assert_is("exit-codes.md");
}

/// `nothing-to-release`
fn name(exit: Exit) -> String {
    let mut words = String::new();
    for letter in format!("{exit:?}").chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}
