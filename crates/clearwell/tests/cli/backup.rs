//! Backup and restore as an operator does them, and endpoints that go on afterwards.

use std::fs;
use std::path::Path;
use std::thread;

use serde_json::json;

use crate::disk::{namespace, noise, script};
use crate::mix::Mix;
use crate::run::{Running, Server, clearwell};
use crate::stock::Stock;

const SERVE: [&str; 2] = ["--drain-grace-seconds", "0"];

/// An endpoint of a server: the stock client, or ours where that is not installed.
struct Client<'m> {
    mix: &'m Mix,
    stock: Option<Stock>,
}

impl<'m> Client<'m> {
    fn install(mix: &'m Mix, server: &Server, version: u32) -> Self {
        let certificate = mix.path("Swupd_Root.pem");
        let mut stock = Stock::find("the drill of a restore", &mix.path("store/content"), &certificate);
        if let Some(stock) = &mut stock {
            stock.ask(server.url());
            stock.install(version, 30, "editor").expect(0);
        }
        Self { mix, stock }
    }

    /// Updates to the newest release of the server, from `from`.
    fn update(&mut self, server: &Server, from: &str) {
        if let Some(stock) = &mut self.stock {
            stock.ask(server.url());
            stock.update().expect(0);
            stock.diagnose().expect(0);
        }
        let verify =
            ["verify", "--url", &server.url(), "--cert", "Swupd_Root.pem", "--retry-seconds", "0", "--from", from];
        self.mix.run(&verify).expect(0);
    }

    fn has(&self, path: &str) -> Option<String> {
        Some(fs::read_to_string(self.stock.as_ref()?.root().join(path)).unwrap())
    }
}

fn stop(server: Server) {
    server.running.terminate();
    assert_eq!(server.running.wait().code(), Some(0));
}

/// The drill of docs/backup.md.
#[test]
fn endpoints_go_on_after_the_machine_was_lost() {
    let mix = Mix::released();
    let server = Server::start(mix.dir(), "store", &SERVE);
    let mut client = Client::install(&mix, &server, 10);

    // Backups during a build: each has what was released when it was taken.
    mix.change("twenty");
    for number in 0..150 {
        mix.put(
            format!("trees/libs/usr/share/libs/{number}"),
            format!("{number} of the library\n").repeat(60 + number),
        );
    }
    let build = thread::scope(|scope| {
        let build = scope.spawn(|| mix.build(&["--version", "20"]));
        let mut beside = 0;
        while !build.is_finished() {
            mix.run(&["backup", "backup"]).expect(0);
            mix.run(&["check", "--quick", "--store", "backup"]).expect(0);
            beside += 1;
        }
        assert!(beside > 0, "no backup ran beside the build");
        build.join().unwrap()
    });
    build.expect(0);
    mix.run(&["backup", "backup"]).expect(0);

    stop(server);
    fs::remove_dir_all(mix.path("store")).unwrap();
    let restored = mix.run(&["restore", "backup", "--store", "store", "--json"]).expect(0);
    let warning = "if releases above 20 were published after";
    assert!(restored.stderr.contains(warning), "{}", restored.stderr);
    let restored = restored.json();
    assert_eq!((&restored["newest"], &restored["next-version"]), (&json!(20), &json!(30)));
    mix.run(&["check", "--store", "store"]).expect(0);

    let server = Server::start(mix.dir(), "store", &SERVE);
    client.update(&server, "10");
    assert!(client.has("usr/share/text").is_none_or(|text| text.starts_with("twenty")));
    mix.change("thirty");
    assert!(mix.build(&[]).expect(0).stdout.contains("release 30"));
    client.update(&server, "10,20");
    assert!(client.has("usr/share/text").is_none_or(|text| text.starts_with("thirty")));
    // The next backup continues in the same folder.
    let next = mix.run(&["backup", "backup", "--json"]).expect(0).json();
    assert_eq!((&next["added"], &next["newest"]), (&json!([30]), &json!(30)));
    stop(server);
}

#[test]
fn versions_that_endpoints_may_have_are_not_used_again() {
    let mix = Mix::released();
    mix.run(&["backup", "backup"]).expect(0);
    mix.change("twenty, which is lost");
    mix.build(&["--version", "20"]).expect(0);
    let [known, fresh] = [(); 2].map(|()| {
        let stock = Stock::find("endpoints that are ahead", &mix.path("store/content"), &mix.path("Swupd_Root.pem"))?;
        stock.install(20, 30, "editor").expect(0);
        Some(stock)
    });
    fs::remove_dir_all(mix.path("store")).unwrap();
    let restored = mix.run(&["restore", "backup", "--store", "store", "--last-published", "20"]).expect(0);
    assert!(!restored.stderr.contains("warning: if releases"), "{}", restored.stderr);
    assert!(restored.stdout.contains("version 30 or higher"), "{}", restored.stdout);
    mix.change("thirty");
    let says = ["restored from a backup", "releases up to 20", "a version above 20"];
    mix.refuses(&["build", "--version", "20"], 4, &says);
    mix.refuses(&["build", "--version", "15"], 4, &says);
    assert!(mix.build(&[]).expect(0).stdout.contains("release 30"));

    let (Some(known), Some(mut fresh)) = (known, fresh) else { return };
    let is_updated = |stock: &Stock| {
        stock.diagnose().expect(0);
        assert!(fs::read_to_string(stock.root().join("usr/share/text")).unwrap().starts_with("thirty"));
    };
    // An endpoint on the lost release has its manifests in its cache, which is by URL, and goes on with them.
    known.update().expect(0);
    is_updated(&known);
    // Without them it has to be told.
    let server = Server::start(mix.dir(), "store", &SERVE);
    fresh.ask(server.url());
    fresh.update().expect(4).says(&["Failed to retrieve 20 MoM manifest"]);
    fresh.repair(30).expect(0);
    is_updated(&fresh);
    stop(server);
}

/// Each backup that is taken while releases come and go is a store that endpoints can use.
#[test]
fn backups_are_whole_while_every_other_command_runs() {
    let mix = Mix::released();
    mix.change("20");
    mix.build(&["--version", "20", "--deltas", "0"]).expect(0);
    thread::scope(|scope| {
        let work = scope.spawn(|| {
            for version in (30..=60).step_by(10) {
                let number = version.to_string();
                let before = (version - 10).to_string();
                mix.change(&number);
                mix.build(&["--version", &number, "--stage", "--deltas", "0"]).expect(0);
                mix.run(&["publish", &number]).expect(0);
                mix.run(&["deltas", "--to", &number, "--from", &before]).expect(0);
                mix.run(&["gc", "--keep", "2", "--grace", "0", "--settle", "0"]).expect(0);
                if version == 50 {
                    mix.run(&["retract", &number]).expect(0);
                }
            }
        });
        let (mut rounds, mut ended) = (0, false);
        while !ended {
            ended = work.is_finished();
            for (folder, options) in [("backup", &[][..]), ("pruned", &["--prune"])] {
                mix.run(&[&["backup", folder][..], options].concat()).expect(0);
                mix.run(&["check", "--store", folder]).expect(0);
                let verify = ["verify", "--store", folder, "--cert", "Swupd_Root.pem", "--retry-seconds", "0"];
                mix.run(&verify).expect(0);
            }
            rounds += 1;
        }
        work.join().unwrap();
        assert!(rounds > 1, "no backup ran meanwhile");
    });
    let numbers = |folder: &str| {
        let listed = mix.run(&["releases", "--store", folder, "--json"]).expect(0).json();
        listed["releases"].as_array().unwrap().iter().map(|line| line["version"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers("pruned"), numbers("store"));
    assert!(numbers("backup").len() > numbers("store").len());
}

#[test]
fn a_killed_backup_continues_and_one_at_a_time_writes() {
    let mix = Mix::released();
    mix.run(&["backup", "backup"]).expect(0);
    mix.put("trees/editor/usr/share/noise", noise(3 << 20));
    mix.build(&["--version", "20"]).expect(0);
    // So slow that it is still at it whatever the machine does.
    let slow = ["backup", "backup", "--rate", "1KiB", "--jobs", "1"];
    let running = Running::start(clearwell(mix.dir(), &slow));
    crate::serve::wait_for(|| mix.path("backup/content/20").exists());
    mix.run(&["backup", "backup"]).expect(6).says(&["locked by", "(backup)"]);
    running.kill();
    mix.run(&["check", "--store", "backup"]).expect(0);
    assert_eq!(mix.run(&["releases", "--store", "backup", "--json"]).json()["releases"][0]["state"], "current");
    mix.run(&["verify", "--store", "backup", "--cert", "Swupd_Root.pem", "--retry-seconds", "0"]).expect(0);

    let mut command = clearwell(mix.dir(), &slow);
    let child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    crate::serve::wait_for(|| mix.path("backup/meta/lock").metadata().is_ok() && locked(&mix));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let text = String::from_utf8_lossy(&ended.stderr);
    assert!(text.contains("a previous backup stays usable; run the same command again to continue"), "{text}");
    mix.run(&["backup", "backup"]).expect(0);
    mix.run(&["verify", "--store", "backup", "--cert", "Swupd_Root.pem", "--from", "10"]).expect(0);
}

fn locked(mix: &Mix) -> bool {
    fs::File::open(mix.path("backup/meta/lock")).unwrap().try_lock().is_err()
}

#[test]
fn damage_has_its_exit_code_and_its_remedy() {
    let mix = Mix::released();
    mix.run(&["backup", "backup"]).expect(0);
    let pack = "content/10/pack-os-core-from-0.tar";
    let sound = fs::read(mix.path("store").join(pack)).unwrap();
    clearwell_testkit::flip_byte(&mix.path("store").join(pack));
    let ended = mix.run(&["backup", "backup"]).expect(1);
    for part in [&format!("damage     {pack}: "), "clearwell check --repair"] {
        assert!(ended.stdout.contains(part), "{}", ended.stdout);
    }
    assert_eq!(fs::read(mix.path("backup").join(pack)).unwrap(), sound, "the good copy stays");
    fs::copy(mix.path("backup").join(pack), mix.path("store").join(pack)).unwrap();
    mix.run(&["check", "--store", "store"]).expect(0);
    clearwell_testkit::cut_off(&mix.path("backup").join(pack));
    let ended = mix.run(&["backup", "backup"]).expect(12);
    assert!(ended.stdout.contains(&format!("repaired   {pack}")), "{}", ended.stdout);
    mix.run(&["backup", "backup", "--paranoid"]).expect(0);
}

#[test]
fn folders_that_would_be_lost_are_refused() {
    let mix = Mix::released();
    for (args, code, says) in [
        (&["backup", "store", "--store", "store"][..], 2, &["the same folder", "separate folder"][..]),
        (&["backup", "store/content/backup", "--store", "store"], 2, &["inside", "separate folder"]),
        (&["backup", ".", "--store", "store"], 2, &["inside"]),
        (&["backup", "trees", "--store", "store"], 7, &["trees is not empty"]),
        (&["backup", "private.pem", "--store", "store"], 7, &["private.pem"]),
        (&["backup", "/proc/backup", "--store", "store"], 9, &["/proc/backup is not complete"]),
        (&["backup", "copy", "--store", "none"], 7, &["none is not a Clearwell store"]),
        (&["restore", "none", "--store", "other"], 7, &["none is not a Clearwell store"]),
        (&["restore", "store", "--store", "store/other"], 2, &["inside"]),
        (&["backup", "copy", "--store", "store", "--rate", "0"], 2, &["rate"]),
        (&["restore", "copy", "--store", "store", "--last-published", "0"], 2, &["--last-published"]),
    ] {
        mix.refuses(args, code, says);
    }
    mix.run(&["backup", "copy"]).expect(0);
    mix.refuses(&["restore", "copy", "--store", "store"], 7, &["store has releases or pointers", "move it away"]);
    assert!(!mix.path("other").exists());
}

#[test]
fn a_full_disk_leaves_the_previous_backup() {
    let Some(namespace) = namespace() else { return };
    let mix = Mix::released();
    mix.put("trees/editor/usr/share/noise", noise(1 << 20));
    let full = script(
        &mix,
        namespace,
        r#"mkdir room
        mount -t tmpfs -o size=1m tmpfs room
        "$0" backup room/backup
        "$0" build --version 20
        code=0; "$0" backup room/backup 2> full || code=$?
        [ "$code" = 9 ]
        "$0" check --store room/backup
        "$0" verify --store room/backup --cert Swupd_Root.pem
        mount -o remount,size=64m room
        "$0" backup room/backup
        "$0" verify --store room/backup --cert Swupd_Root.pem --from 10
        cat full >&2"#,
    );
    let says = ["no space left to", "room/backup", "a previous backup stays usable"];
    full.expect(0).says(&says).error();
}

#[test]
fn what_is_not_in_the_backup_is_listed() {
    let mix = Mix::released();
    fs::write(mix.path("store/content/robots.txt"), "").unwrap();
    let ended = mix.run(&["backup", "backup"]).expect(0);
    assert!(ended.stderr.contains("warning: not copied, as not part of a release: robots.txt"), "{}", ended.stderr);
    assert!(ended.stderr.contains("on the same file system as the store"), "{}", ended.stderr);
    for line in ["also save  signing key", "private.pem", "Swupd_Root.pem", "trees", "clearwell.toml"] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
    let copied = fs::read_dir(mix.path("backup")).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(copied.len(), 2, "content and meta only: {copied:?}");
    assert!(!Path::new(&mix.path("backup/content/robots.txt")).exists());
}
