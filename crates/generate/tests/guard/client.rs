//! The stock client on a scratch root, if this machine has one.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clearwell_testkit::{program, root, skipped};

use super::mix::Mix;

/// A scratch root, and a public tree that the client reads through `file://`.
pub(crate) struct Client {
    swupd: PathBuf,
    scratch: tempfile::TempDir,
    environment: Vec<(&'static str, &'static str)>,
    certificate: Option<PathBuf>,
    /// It does not see the time stamp that this machine may have.
    is_timeless: bool,
}

/// What a run of the client came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

impl Client {
    /// `None`, said loudly, without a `swupd` on PATH or without the rights that it needs.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let lost = format!("{test} is not held against the stock client");
        let swupd = program("swupd", &lost).filter(|_| root("swupd", &lost))?;
        let scratch = tempfile::tempdir().unwrap();
        for folder in ["www", "root", "state"] {
            fs::create_dir(scratch.path().join(folder)).unwrap();
        }
        let state = scratch.path().join("state");
        fs::set_permissions(state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        Some(Self { swupd, scratch, environment: Vec::new(), certificate: None, is_timeless: false })
    }

    /// Without `/usr/share/clear/versionstamp` of this machine, which stands in for one that a root does not have.
    pub(crate) fn timeless(mut self) -> Option<Self> {
        if !Path::new("/usr/share/clear/versionstamp").exists() {
            return Some(self);
        }
        self.is_timeless = true;
        let can_hide = self.program("true").status().is_ok_and(|status| status.success());
        if !can_hide {
            skipped("the time stamp of this machine cannot be hidden: a root without one is not tried");
        }
        can_hide.then_some(self)
    }

    /// A program in the surroundings of the client.
    fn program(&self, program: impl AsRef<OsStr>) -> Command {
        if !self.is_timeless {
            return Command::new(program);
        }
        let mut hidden = Command::new("unshare");
        hidden.args(["--mount", "sh", "-c", "mount -t tmpfs none /usr/share/clear && exec \"$0\" \"$@\""]).arg(program);
        hidden
    }

    /// The language that the client runs in.
    pub(crate) fn locale(mut self, name: &'static str) -> Self {
        self.environment = vec![("LC_ALL", name)];
        self
    }

    /// The certificate that the client trusts, in place of the signer's.
    pub(crate) fn trusting(mut self, certificate: &Path) -> Self {
        self.certificate = Some(certificate.to_owned());
        self
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.root().join(&path[1..]).symlink_metadata().is_ok()
    }

    /// Installs a release of the mix into an empty root.
    pub(crate) fn install(&self, mix: &Mix, version: u32, bundles: &str) -> Outcome {
        let (version, root) = (version.to_string(), self.root());
        let bundles = if bundles.is_empty() { vec![] } else { vec!["-B", bundles] };
        // An empty root has no time stamp, and the client would not verify without one.
        self.run(
            mix,
            "os-install",
            &[&["--ignore-time", "-V", version.as_str()], bundles.as_slice()].concat(),
            &[root.as_os_str()],
        )
    }

    /// Updates to what `latest` of the mix says.
    pub(crate) fn update(&self, mix: &Mix) -> Outcome {
        self.command(mix, "update", &[])
    }

    /// Any other command, such as `diagnose` or `bundle-remove`.
    pub(crate) fn command(&self, mix: &Mix, command: &str, arguments: &[&str]) -> Outcome {
        let root = self.root();
        self.run(mix, command, arguments, &["--path".as_ref(), root.as_os_str()])
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root().join(&path[1..])).ok()
    }

    /// Something that a user puts there.
    pub(crate) fn put(&self, path: &str, text: &str) {
        let file = self.root().join(&path[1..]);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Names in a folder that begin so.
    pub(crate) fn names(&self, folder: &str, prefix: &str) -> Vec<String> {
        let names = fs::read_dir(self.root().join(&folder[1..])).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(prefix)).collect()
    }

    fn run(&self, mix: &Mix, command: &str, arguments: &[&str], place: &[&OsStr]) -> Outcome {
        let www = self.scratch.path().join("www");
        mix.write(&www);
        let certificate = self.certificate.clone().unwrap_or_else(|| self.write_certificate(mix));
        let output = self
            .program(&self.swupd)
            .arg(command)
            .args(["--no-scripts", "--no-boot-update", "--no-progress", "--yes", "--max-retries", "0"])
            .args(["--format", "30", "--url", &format!("file://{}", www.display())])
            .arg("--certpath")
            .arg(certificate)
            .arg("--statedir")
            .arg(self.scratch.path().join("state"))
            .args(arguments)
            .args(place)
            .env("LC_ALL", "C.UTF-8")
            .envs(self.environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        Outcome { code: output.status.code(), text }
    }

    fn write_certificate(&self, mix: &Mix) -> PathBuf {
        let file = self.scratch.path().join("Swupd_Root.pem");
        fs::write(&file, mix.signer.as_ref().unwrap().anchor().pem()).unwrap();
        file
    }
}

impl Outcome {
    #[track_caller]
    pub(crate) fn ends_with(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{}", self.text);
    }
}

/// Every path below a folder, for a look at what is left.
pub(crate) fn count(folder: &Path) -> usize {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| 1 + count(&entry.path())).sum()
}
