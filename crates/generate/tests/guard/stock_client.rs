//! What the stock client does with the releases that the guard refuses. Each test makes the same mistake as the test of
//! the rule, so that a rule whose harm a new client no longer knows is seen here.

use clearwell_format::Resource;
use clearwell_format::resource::Artifact;
use clearwell_generate::guard::Rule;

use super::archives::{USER_NAME, pax_link, with_field};
use super::client::{Client, count};
use super::mix::{Content, Mix, Object, path, version};
use super::{assert_refused, assert_warned, found};

/// Two bundles that had a file in peace, and then do not.
fn conflict(at: &str) -> Mix {
    let content = |mix: &Mix, number: u32, games: &str| {
        let mut content = mix.system(number);
        for (name, text) in [("editors", "same"), ("games", games)] {
            content.bundle(name).directory("/var").file(at, text);
        }
        content
    };
    let mut mix = Mix::signed();
    mix.release(10, &content(&mix, 10, "same"));
    mix.release(20, &content(&mix, 20, "other"));
    mix
}

/// The same mix with nothing but its first release.
fn first_of(mix: &Mix) -> Mix {
    let mut first = Mix::signed();
    let release = &mix.releases[0];
    let again = first.plan(release.version().number(), release.content());
    first.make(again, |_| {});
    first
}

#[test]
fn a_clean_release_is_installed_and_updated() {
    let Some(client) = Client::find("a clean release") else { return };
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    client.install(&mix, 10, "editors,games").ends_with(0);
    let mut content = mix.system(20);
    content.bundle("games").file(&format!("/usr/bin/{}", "n".repeat(247)), "the longest name");
    mix.release(20, &content);
    assert_eq!(found(&mix), []);
    client.update(&mix).ends_with(0);
    assert!(client.has("/usr/bin/vi") && client.has(&format!("/usr/bin/{}", "n".repeat(247))));
}

#[test]
fn a_conflicting_path_is_deleted() {
    let mix = conflict("/usr/bin/shared");
    assert_refused(&mix, Rule::ConflictingEntries, &["/usr/bin/shared"]);
    let Some(client) = Client::find("conflicting-entries") else { return };
    client.install(&first_of(&mix), 10, "editors,games").ends_with(0);
    assert!(client.has("/usr/bin/shared"));
    client.update(&mix).ends_with(0);
    assert!(!client.has("/usr/bin/shared"));
    assert!(client.has("/usr/bin/ed"));
}

#[test]
fn a_conflict_in_the_last_path_deletes_everything() {
    let mix = conflict("/zzz");
    assert_refused(&mix, Rule::ConflictingEntries, &["/zzz"]);
    let Some(client) = Client::find("conflicting-entries, last path") else { return };
    client.install(&first_of(&mix), 10, "editors,games").ends_with(0);
    assert!(client.has("/usr/bin/ed") && client.has("/usr/lib/os-release"));
    let outcome = client.update(&mix);
    assert!(!client.has("/usr/bin/ed") && !client.has("/usr/lib/os-release"), "{outcome:?}");
    assert!(count(&client.root().join("usr/bin")) == 0, "{outcome:?}");
}

#[test]
fn a_path_without_its_directory_is_not_installed() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let mut content = mix.system(20);
    content.bundle("games").file("/opt/chess", "x");
    mix.release(20, &content);
    assert_refused(&mix, Rule::MissingParent, &["/opt in bundle games"]);
    let Some(client) = Client::find("missing-parent") else { return };
    client.install(&first_of(&mix), 10, "games").ends_with(0);
    client.update(&mix).ends_with(10);
    let Some(client) = Client::find("missing-parent, installed") else { return };
    client.install(&mix, 20, "games").ends_with(35);
}

/// At once, and by endpoints that skip the release in between, in which nothing is there.
#[test]
fn a_directory_replaced_by_a_file_ends_the_update() {
    for between in [&[][..], &[20]] {
        let mut mix = Mix::signed();
        let mut content = mix.system(10);
        content.bundle("games").directory("/usr/share/maps").file("/usr/share/maps/one", "1");
        mix.release(10, &content);
        for &number in between {
            mix.release(number, &mix.system(number));
        }
        let mut content = mix.system(30);
        content.bundle("games").file("/usr/share/maps", "all");
        mix.release(30, &content);
        assert_refused(&mix, Rule::DirectoryReplaced, &["/usr/share/maps"]);
        let Some(client) = Client::find("directory-replaced") else { return };
        client.install(&first_of(&mix), 10, "games").ends_with(0);
        client.update(&mix).ends_with(10);
        assert_eq!(client.read("/usr/share/maps").as_deref(), Some("all"));
        assert_eq!(client.names("/usr/share", ".deleted.").len(), 1);
    }
}

#[test]
fn a_home_that_becomes_a_link_is_moved_aside() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").directory("/home");
    mix.release(10, &content);
    let mut content = mix.system(20);
    content.bundle("os-core").link("/home", "usr/home").directory("/usr/home");
    mix.release(20, &content);
    assert_refused(&mix, Rule::LocalDataMoved, &["/home"]);
    let Some(client) = Client::find("local-data-moved") else { return };
    client.install(&first_of(&mix), 10, "").ends_with(0);
    client.put("/home/me/letter", "dear");
    client.update(&mix).ends_with(0);
    assert!(!client.has("/home/me/letter"));
    let moved = client.names("/", ".deleted.").pop().unwrap();
    assert_eq!(client.read(&format!("/{moved}/me/letter")).as_deref(), Some("dear"));
}

#[test]
fn a_tracking_file_of_no_bundle_spoils_diagnosis() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").file("/usr/share/clear/bundles/music", "");
    mix.release(10, &content);
    assert_refused(&mix, Rule::ForeignTrackingFile, &["/usr/share/clear/bundles/music in bundle os-core"]);
    let Some(client) = Client::find("foreign-tracking-file, no bundle") else { return };
    client.install(&mix, 10, "").ends_with(0);
    for command in ["diagnose", "repair"] {
        client.command(&mix, command, &[]).ends_with(3);
    }
}

#[test]
fn a_tracking_file_of_another_bundle_makes_it_look_installed() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    let tracking = Object::File { content: Vec::new(), mode: 0o644 };
    content.bundle("os-core").put("/usr/share/clear/bundles/games", tracking);
    mix.release(10, &content);
    assert_refused(&mix, Rule::ForeignTrackingFile, &["/usr/share/clear/bundles/games in bundle os-core"]);
    let Some(client) = Client::find("foreign-tracking-file, another bundle") else { return };
    client.install(&mix, 10, "").ends_with(0);
    client.command(&mix, "bundle-add", &["games"]).ends_with(0);
    assert!(!client.has("/usr/bin/chess"));
    client.command(&mix, "diagnose", &[]).ends_with(1);
}

#[test]
fn a_file_and_the_name_it_is_staged_under_are_swapped() {
    let content = |mix: &Mix, number: u32| {
        let mut content = mix.system(number);
        for name in ["go", ".update.go"] {
            content.bundle("games").file(&format!("/usr/bin/{name}"), &format!("{name} {number}"));
        }
        content
    };
    let mut mix = Mix::signed();
    mix.release(10, &content(&mix, 10));
    mix.release(20, &content(&mix, 20));
    assert_refused(&mix, Rule::StagingCollision, &["/usr/bin/.update.go"]);
    let Some(client) = Client::find("staging-collision") else { return };
    client.install(&first_of(&mix), 10, "games").ends_with(0);
    assert!(!client.has("/usr/bin/.update.go"));
    client.update(&mix).ends_with(0);
    assert_eq!(client.read("/usr/bin/go").as_deref(), Some(".update.go 20"));
}

#[test]
fn a_file_that_comes_while_its_staging_name_goes_is_lost() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").file("/usr/bin/.update.go", "trace");
    mix.release(10, &content);
    let mut content = mix.system(20);
    content.bundle("games").file("/usr/bin/go", "go");
    mix.release(20, &content);
    assert_refused(&mix, Rule::StagingCollision, &["/usr/bin/go"]);
    let Some(client) = Client::find("staging-collision, one comes") else { return };
    client.install(&first_of(&mix), 10, "games").ends_with(0);
    client.update(&mix).ends_with(10);
    assert!(!client.has("/usr/bin/go"));
}

#[test]
fn members_of_a_cycle_cannot_be_removed() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("editors").includes("games").includes("music");
    content.bundle("games").includes("editors");
    content.bundle("music").file("/usr/bin/play", "p");
    mix.release(10, &content);
    assert_refused(&mix, Rule::IncludeCycle, &["bundle editors"]);
    let Some(client) = Client::find("include-cycle") else { return };
    client.install(&mix, 10, "editors").ends_with(0);
    client.command(&mix, "diagnose", &[]).ends_with(0);
    for bundle in ["editors", "games", "music"] {
        let outcome = client.command(&mix, "bundle-remove", &[bundle]);
        assert_eq!(outcome.code, None, "killed by a signal: {}", outcome.text);
    }
}

#[test]
fn configuration_and_state_are_not_updated() {
    let content = |mix: &Mix, number: u32| {
        let mut content = mix.system(number);
        content.bundle("os-core").directory("/etc").directory("/var").file("/etc/hosts", &number.to_string());
        content.bundle("games").file("/var/scores", &number.to_string());
        content
    };
    let mut mix = Mix::signed();
    mix.release(10, &content(&mix, 10));
    mix.release(20, &content(&mix, 20));
    assert_warned(&mix, Rule::NotUpdated, &["release 20"]);
    let Some(client) = Client::find("not-updated") else { return };
    let first = first_of(&mix);
    client.install(&first, 10, "").ends_with(0);
    client.command(&first, "bundle-add", &["games"]).ends_with(0);
    assert!(client.has("/usr/bin/chess") && !client.has("/var/scores"));
    client.update(&mix).ends_with(0);
    assert_eq!(client.read("/etc/hosts").as_deref(), Some("10"));
    assert!(!client.has("/var/scores"));
    client.command(&mix, "diagnose", &[]).ends_with(1);
    client.command(&mix, "repair", &[]).ends_with(0);
    assert_eq!(client.read("/etc/hosts").as_deref(), Some("10"));
    assert_eq!(client.read("/var/scores").as_deref(), Some("20"));
    client.command(&mix, "bundle-remove", &["games"]).ends_with(0);
    assert!(!client.has("/var/scores"));
}

#[test]
fn a_list_of_repositories_is_replaced() {
    let content = |mix: &Mix, number: u32| {
        let mut content = mix.system(number);
        content.bundle("os-core").directory("/opt").directory("/opt/3rd-party");
        content.bundle("os-core").file("/opt/3rd-party/repo.ini", &"\n".repeat(number as usize));
        content
    };
    let mut mix = Mix::signed();
    mix.release(10, &content(&mix, 10));
    mix.release(20, &content(&mix, 20));
    assert_refused(&mix, Rule::ClientData, &["/opt/3rd-party"]);
    let Some(client) = Client::find("client-data") else { return };
    client.install(&first_of(&mix), 10, "").ends_with(0);
    client.put("/opt/3rd-party/repo.ini", "[mine]\nurl=https://example.org\n");
    client.update(&mix).ends_with(0);
    assert!(!client.read("/opt/3rd-party/repo.ini").unwrap().contains("mine"));
}

#[test]
fn a_deletion_that_is_older_than_what_an_endpoint_has_is_not_noticed() {
    let with_go = |mix: &Mix, number| {
        let mut content = mix.system(number);
        content.bundle("games").file("/usr/bin/go", "g");
        content
    };
    let mut mix = Mix::signed();
    mix.release(10, &with_go(&mix, 10));
    mix.release(20, &mix.system(20));
    mix.release(30, &with_go(&mix, 30));
    mix.release_next_to(40, &mix.system(40));
    assert_eq!(mix.check_beside()[0].rule, Rule::UnnoticedChange);
    let Some(client) = Client::find("unnoticed-change, deleted") else { return };
    client.install(&mix, 30, "games").ends_with(0);
    client.update(&mix).ends_with(0);
    assert!(client.has("/usr/bin/go"));
    client.command(&mix, "diagnose", &[]).ends_with(1);
}

/// A release in which one object can only be had as a fullfile, and that as `archive`.
fn only_as(content: impl FnOnce(&mut Content), object: &Object, archive: Vec<u8>) -> Mix {
    let mut mix = Mix::signed();
    let mut all = mix.system(10);
    content(&mut all);
    mix.release(10, &all);
    mix.tree.insert(Resource::of(version(10), Artifact::Fullfile(object.hash())), archive).unwrap();
    mix
}

/// Without its packs, and with the other one.
fn without_packs(mix: &mut Mix) {
    mix.tree.retain(|resource, _| !matches!(resource, Resource::Artifact { artifact: Artifact::Pack { .. }, .. }));
}

#[test]
fn a_name_in_an_archive_wins_over_the_number() {
    let chess = Object::File { content: b"chess".to_vec(), mode: 0o755 };
    let archive = with_field(super::mix::fullfile(&chess), USER_NAME, b"daemon");
    let mut mix = only_as(|_| {}, &chess, archive);
    let resource = Resource::of(version(10), Artifact::Fullfile(chess.hash()));
    assert_refused(&mix, Rule::OwnerNames, &[&resource.to_string()]);
    let Some(client) = Client::find("owner-names") else { return };
    without_packs(&mut mix);
    let outcome = client.install(&mix, 10, "games");
    assert_ne!(outcome.code, Some(0), "{}", outcome.text);
    assert!(!client.has("/usr/bin/chess"), "{}", outcome.text);
}

#[test]
fn a_target_in_a_pax_record_needs_a_locale() {
    let link = Object::Link("échecs".into());
    let archive = pax_link("échecs", &link.hash().to_string());
    let with_link = |content: &mut Content| {
        content.bundle("games").link("/usr/bin/jeu", "échecs");
    };
    let mut mix = only_as(with_link, &link, archive);
    let resource = Resource::of(version(10), Artifact::Fullfile(link.hash()));
    assert_refused(&mix, Rule::PaxLinkTarget, &[&resource.to_string()]);
    without_packs(&mut mix);
    let Some(client) = Client::find("pax-link-target, UTF-8") else { return };
    client.install(&mix, 10, "games").ends_with(0);
    let Some(client) = Client::find("pax-link-target") else { return };
    let outcome = client.locale("C").install(&mix, 10, "games");
    assert_ne!(outcome.code, Some(0), "{}", outcome.text);
}

#[test]
fn without_a_time_stamp_nothing_is_verified() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").remove("/usr/share/clear/versionstamp");
    mix.release(10, &content);
    let Some(client) = Client::find("version-stamp").and_then(Client::timeless) else { return };
    client.install(&mix, 10, "").ends_with(0);
    client.update(&mix).ends_with(22);
}

#[test]
fn a_certificate_that_does_not_sign_strands_the_endpoint() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    mix.signer = Some(super::mix::signer(1));
    mix.release(20, &mix.system(20));
    assert_refused(&mix, Rule::SignerUnknown, &["certificate \"O=Mix 1\""]);
    let Some(client) = Client::find("signer-unknown") else { return };
    client.install(&first_of(&mix), 10, "").ends_with(0);
    let installed = client.root().join("usr/share/clear/update-ca/Swupd_Root.pem");
    client.trusting(&installed).update(&mix).ends_with(21);
}

#[test]
fn a_name_too_long_to_stage() {
    let long = format!("/usr/bin/{}", "n".repeat(248));
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").file(&long, "x");
    mix.release(10, &content);
    assert_refused(&mix, Rule::LongName, &[&long]);
    let Some(client) = Client::find("long-name") else { return };
    let outcome = client.install(&mix, 10, "games");
    assert_ne!(outcome.code, Some(0), "{}", outcome.text);
}

#[test]
fn a_bundle_without_tracking_file_is_forgotten() {
    let content = |mix: &Mix, number: u32| {
        let mut content = mix.system(number);
        content.bundle("games").remove("/usr/share/clear/bundles/games").file("/usr/bin/chess", &number.to_string());
        content
    };
    let mut mix = Mix::signed();
    mix.release(10, &content(&mix, 10));
    mix.release(20, &content(&mix, 20));
    assert_refused(&mix, Rule::MissingTrackingFile, &["bundle games"]);
    let Some(client) = Client::find("missing-tracking-file") else { return };
    client.install(&first_of(&mix), 10, "games").ends_with(0);
    client.update(&mix);
    let chess = std::fs::read_to_string(client.root().join("usr/bin/chess"));
    assert_ne!(chess.ok().as_deref(), Some("20"));
}

#[test]
fn a_change_under_an_old_version_is_not_noticed() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let mut content = mix.system(20);
    content.bundle("games").file("/usr/bin/chess", "changed").file("/usr/bin/go", "new");
    let mut release = mix.plan(20, &content);
    let entry = release.entry("games", "/usr/bin/chess");
    assert_eq!(entry.path, path("/usr/bin/chess"));
    entry.version = version(10);
    let hash = entry.hash();
    let fullfile = mix.tree[&Resource::of(version(20), Artifact::Fullfile(hash))].clone();
    mix.put(version(10), Artifact::Fullfile(hash), fullfile);
    release.manifest("games").entries.sort_by(|a, b| (a.version, &a.path).cmp(&(b.version, &b.path)));
    mix.make(release, |_| {});
    assert_refused(&mix, Rule::UnnoticedChange, &["/usr/bin/chess in bundle games"]);
    let Some(client) = Client::find("unnoticed-change") else { return };
    client.install(&first_of(&mix), 10, "games").ends_with(0);
    client.update(&mix).ends_with(0);
    assert!(client.has("/usr/bin/go"));
    assert_eq!(std::fs::read_to_string(client.root().join("usr/bin/chess")).unwrap(), "chess");
}
