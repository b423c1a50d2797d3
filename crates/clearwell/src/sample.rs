//! The small operating system that `clearwell demo` releases three times.
//!
//! ```text
//! 10   os-core, editor (includes libs, also adds docs), libs, docs
//! 20   a library and the editor change, one page is deleted and one added; os-core has only its version files
//! 30   the bundle games is new; the editor's folder of themes moves; docs do not change
//! ```
//!
//! Everything is made from fixed text, so each demo makes the same releases.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use clearwell_format::Version;

use crate::content_folder;

/// The versions, in order.
pub(crate) fn versions() -> [Version; 3] {
    [10, 20, 30].map(|number| Version::new(number).expect("small and not zero"))
}

/// Writes the bundle trees of `version` below `dir`, as `clearwell build --trees` reads them.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn write_trees(dir: &Path, version: Version) -> io::Result<()> {
    let step = version.number() / 10;
    fs::create_dir_all(dir)?;
    fs::write(dir.join("bundles.toml"), definitions(step))?;
    os_core(&Root::new(dir, "os-core")?)?;
    libs(&Root::new(dir, "libs")?, step)?;
    editor(&Root::new(dir, "editor")?, step)?;
    docs(&Root::new(dir, "docs")?, step)?;
    if step >= 3 {
        games(&Root::new(dir, "games")?)?;
    }
    Ok(())
}

fn definitions(step: u32) -> String {
    let mut text = String::from(
        "# The owner of all files on endpoints; the demo need not run as root.\nowner = \"root\"\n\n\
         [bundles.os-core]\ntitle = \"The base system\"\n\n\
         [bundles.libs]\ntitle = \"Shared libraries\"\n\n\
         [bundles.editor]\ntitle = \"A text editor\"\nincludes = [\"libs\"]\nalso-add = [\"docs\"]\n\n\
         [bundles.docs]\ntitle = \"Manual pages\"\n",
    );
    if step >= 3 {
        text.push_str("\n[bundles.games]\ntitle = \"Games\"\nstatus = \"Experimental\"\n");
    }
    text
}

fn os_core(root: &Root<'_>) -> io::Result<()> {
    for link in ["bin", "sbin", "lib", "lib64"] {
        root.link(link, &format!("usr/{link}"))?;
    }
    for folder in ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "var", "usr/share/doc"] {
        root.folder(folder)?;
    }
    root.text("usr/lib/os-release", "NAME=\"Clearwell demo\"\nID=clearwell-demo\nVERSION_ID=0\n")?;
    root.script("usr/bin/hello", "#!/bin/sh\necho hello from the demo\n")?;
    for number in 0..24 {
        root.text(&format!("usr/share/demo/base-{number:02}.txt"), &lines(&format!("base {number}"), 40))?;
    }
    Ok(())
}

fn libs(root: &Root<'_>, step: u32) -> io::Result<()> {
    for number in 0..6 {
        // One library changes in each version, in a few lines of many: a case for deltas.
        let mut text = lines(&format!("library {number}"), 2000);
        if number < step {
            text = text.replace("line 700 ", &format!("line 700 of version {step} "));
        }
        root.text(&format!("usr/lib/libdemo{number}.so.1.0"), &text)?;
        root.link(&format!("usr/lib/libdemo{number}.so.1"), &format!("libdemo{number}.so.1.0"))?;
    }
    Ok(())
}

fn editor(root: &Root<'_>, step: u32) -> io::Result<()> {
    root.script("usr/bin/demo-edit", &format!("#!/bin/sh\necho editing with version {step}\n"))?;
    let themes = if step >= 3 { "usr/share/demo-edit/colours" } else { "usr/share/demo-edit/themes" };
    for theme in ["dawn", "noon", "dusk", "night"] {
        root.text(&format!("{themes}/{theme}"), &lines(theme, 60))?;
    }
    for language in 0..12 {
        root.text(
            &format!("usr/share/demo-edit/messages/{language:02}.po"),
            &lines(&format!("message {language}"), 120),
        )?;
    }
    Ok(())
}

fn docs(root: &Root<'_>, step: u32) -> io::Result<()> {
    for page in 0..20 {
        let gone = page == 7 && step >= 2;
        let not_yet = page == 19 && step < 2;
        if !gone && !not_yet {
            root.text(&format!("usr/share/doc/demo/page-{page:02}.txt"), &lines(&format!("page {page}"), 80))?;
        }
    }
    Ok(())
}

fn games(root: &Root<'_>) -> io::Result<()> {
    root.script("usr/bin/demo-game", "#!/bin/sh\necho you win\n")?;
    for level in 0..16 {
        root.text(&format!("usr/share/demo-game/level-{level:02}"), &lines(&format!("level {level}"), 50))?;
    }
    Ok(())
}

fn lines(subject: &str, count: u32) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut state =
        subject.bytes().fold(0x9e37_79b9_u32, |state, byte| (state ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    for line in 0..count {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        writeln!(text, "{subject}, line {line} says {state:08x}").expect("writing to memory does not fail");
    }
    text
}

/// The root of one bundle's tree.
struct Root<'a>(&'a Path, &'static str);

impl<'a> Root<'a> {
    fn new(dir: &'a Path, bundle: &'static str) -> io::Result<Self> {
        content_folder::make(dir, bundle)?;
        Ok(Self(dir, bundle))
    }

    fn folder(&self, path: &str) -> io::Result<()> {
        content_folder::make(&self.0.join(self.1), path)
    }

    fn text(&self, path: &str, text: &str) -> io::Result<()> {
        self.write(path, text, 0o644)
    }

    fn script(&self, path: &str, text: &str) -> io::Result<()> {
        self.write(path, text, 0o755)
    }

    fn write(&self, path: &str, text: &str, mode: u32) -> io::Result<()> {
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder)?;
        }
        let path = self.0.join(self.1).join(path);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
    }

    fn link(&self, path: &str, target: &str) -> io::Result<()> {
        symlink(target, self.0.join(self.1).join(path))
    }
}
