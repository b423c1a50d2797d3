//! Trees that change during a build: nothing from outside the tree may be released.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clearwell_format::{FileHash, Owner};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::mix::Mix;
use crate::run::{Ended, shell};

/// `place` in a tree has the same file names as the folder `outside`; `swapped`, a link to `outside`, repeatedly replaces
/// `place`.
struct SwappedFolder {
    mix: Mix,
    place: PathBuf,
    swapped: PathBuf,
}

impl SwappedFolder {
    fn of(place: &str) -> Self {
        let mix = Mix::new();
        for folder in [place, "outside"] {
            mix.put(format!("{folder}/shared"), SECRET);
            mix.put(format!("{folder}/below/shared"), SECRET);
        }
        let inside = mix.path(place);
        fs::write(inside.join("shared"), PUBLIC).unwrap();
        fs::write(inside.join("below/shared"), PUBLIC).unwrap();
        mix.put("outside/only-outside", SECRET);
        for number in 0..300 {
            mix.put(format!("trees/os-core/usr/share/sibling-{number}/file"), number.to_string());
        }
        let swapped = mix.path("swapped");
        symlink(mix.path("outside"), &swapped).unwrap();
        Self { place: inside, swapped, mix }
    }

    /// Runs `work` while the two are swapped repeatedly.
    fn during<R>(&self, work: impl FnOnce() -> R) -> R {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let _ = renameat_with(CWD, &self.place, CWD, &self.swapped, RenameFlags::EXCHANGE);
                    thread::yield_now();
                }
            });
            let result = work();
            is_over.store(true, Ordering::Relaxed);
            result
        })
    }

    /// No manifest or fullfile contains anything from the files outside.
    fn assert_nothing_from_outside(&self) {
        let secret = [0o644, 0o600].map(|permissions| FileHash::of_file(SECRET, Owner { permissions, uid: 0, gid: 0 }));
        let own = own(&self.mix.path("outside/only-outside"));
        let hashes = secret.into_iter().chain([FileHash::of_file(SECRET, own)]).map(|hash| hash.to_string());
        let hostile: Vec<String> = hashes.chain(["only-outside".to_owned()]).collect();
        let mut folders = vec![self.mix.path("store/content")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                    continue;
                }
                let bytes = fs::read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                for sign in &hostile {
                    assert!(!name.contains(sign) && !text.contains(sign.as_str()), "{sign} in {}", path.display());
                }
            }
        }
    }
}

#[test]
fn a_folder_swapped_for_a_link_while_releases_are_made_publishes_nothing_from_outside() {
    let swap = SwappedFolder::of("trees/os-core/usr/share/swapping");
    for run in 0..RUNS {
        swap.mix.change(&format!("run {run}"));
        let ended = swap.during(|| swap.mix.build(&[]));
        match ended.code {
            Some(0) => {}
            Some(3) => assert!(ended.stderr.contains("changed during the build"), "{}", ended.stderr),
            code => panic!("{code:?}: {}", ended.stderr),
        }
        swap.assert_nothing_from_outside();
    }
}

#[test]
fn a_tree_of_the_greatest_depth_does_not_need_a_descriptor_per_folder() {
    let mix = Mix::new();
    let deep = PathBuf::from_iter(std::iter::repeat_n("d", 300));
    fs::create_dir_all(mix.path("trees/libs").join(&deep)).unwrap();
    fs::write(mix.path("trees/libs").join(&deep).join("file"), "deep").unwrap();
    Ended::of(&mut shell(mix.dir(), "ulimit -n 96; exec \"$0\" build")).expect(0);
    mix.verify("");
}

fn own(path: &Path) -> Owner {
    use std::os::unix::fs::MetadataExt as _;
    let about = fs::metadata(path).unwrap();
    Owner { permissions: about.permissions().mode() & 0o7777, uid: about.uid(), gid: about.gid() }
}

const SECRET: &[u8] = b"what only root may read\n";
const PUBLIC: &[u8] = b"what anyone is meant to\n";
/// Number of builds.
const RUNS: usize = 8;
