//! Rules that need nothing but the manifests of one release.

use clearwell_format::flags::VariantSet;
use clearwell_format::{Entry, EntryPath, FileHash, FileKind, Header, Modifier, Owner, State, Variant};
use clearwell_generate::guard::{Rule, Severity, Verdict};

use super::mix::{Mix, Object, bundle, path, version};
use super::{assert_refused, assert_warned, findings, found};

#[test]
fn one_path_with_two_hashes() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").file("/usr/bin/ed", "of games");
    mix.release(10, &content);
    assert_refused(&mix, Rule::ConflictingEntries, &["/usr/bin/ed"]);
    assert!(!findings(&mix)[0].problem.contains("every file"), "{}", findings(&mix)[0]);
}

#[test]
fn a_conflict_in_the_last_path_is_called_what_it_is() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("editors").file("/zzz", "of editors");
    content.bundle("games").file("/zzz", "of games");
    mix.release(10, &content);
    assert_refused(&mix, Rule::ConflictingEntries, &["/zzz"]);
    assert!(findings(&mix)[0].problem.contains("every file"), "{}", findings(&mix)[0]);
}

#[test]
fn the_mode_of_a_shared_directory_is_a_conflict_too() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").put("/usr/share", Object::Directory { mode: 0o700 });
    mix.release(10, &content);
    assert_refused(&mix, Rule::ConflictingEntries, &["/usr/share"]);
}

#[test]
fn a_path_deleted_in_one_bundle_and_present_in_another_is_no_conflict() {
    let mut mix = Mix::signed();
    mix.release(10, &mix.system(10));
    let mut content = mix.system(20);
    content.bundle("editors").remove("/usr/bin/ed");
    content.bundle("games").file("/usr/bin/ed", "moved");
    mix.release(20, &content);
    assert_eq!(found(&mix), []);
}

/// Entries for the builds of a path, as a plan would write them.
fn builds(template: &Entry, made: &[(Variant, FileHash)]) -> Vec<Entry> {
    let set = made.iter().fold(VariantSet::default(), |set, (variant, _)| set.with(*variant));
    made.iter()
        .map(|&(variant, hash)| {
            let state = State::Present { kind: template.kind().unwrap(), hash };
            Entry { state, modifier: Modifier::new(variant, set).unwrap(), ..template.clone() }
        })
        .collect()
}

/// Replaces an entry of a bundle by several builds of the same path.
fn replace(mix: &mut Mix, release: &mut super::mix::Release, of: &str, made: &[(Variant, &str)]) {
    let template = release.entry(of, "/usr/bin/tool").clone();
    let made: Vec<_> = made
        .iter()
        .map(|(variant, content)| {
            let object = Object::File { content: content.as_bytes().to_vec(), mode: 0o755 };
            let fullfile = clearwell_format::resource::Artifact::Fullfile(object.hash());
            mix.put(template.version, fullfile, super::mix::fullfile(&object));
            (*variant, object.hash())
        })
        .collect();
    let entries = &mut release.manifest(of).entries;
    entries.retain(|entry| entry.path != template.path);
    entries.extend(builds(&template, &made));
    entries.sort_by(|a, b| (a.version, &a.path).cmp(&(b.version, &b.path)));
}

fn with_tools(editors: &[(Variant, &str)], games: &[(Variant, &str)]) -> Mix {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    for name in ["editors", "games"] {
        content.bundle(name).file("/usr/bin/tool", "base");
    }
    let mut release = mix.plan(10, &content);
    replace(&mut mix, &mut release, "editors", editors);
    replace(&mut mix, &mut release, "games", games);
    mix.make(release, |_| {});
    mix
}

#[test]
fn conflicts_are_judged_for_each_kind_of_processor() {
    use Variant::{Apx, Avx2, Avx512, Sse};
    let same = [(Sse, "base"), (Avx2, "fast"), (Avx512, "faster")];
    assert_eq!(found(&with_tools(&same, &same)), []);
    // Only endpoints with AVX-512 would take the entries that differ.
    let other = [(Sse, "base"), (Avx2, "fast"), (Avx512, "else")];
    assert_refused(&with_tools(&same, &other), Rule::ConflictingEntries, &["/usr/bin/tool"]);
    // An AVX2 endpoint takes "fast" from one and "base" from the other.
    assert_refused(&with_tools(&same, &[(Sse, "base")]), Rule::ConflictingEntries, &["/usr/bin/tool"]);
    // No client chooses APX.
    assert_eq!(found(&with_tools(&[(Sse, "base"), (Apx, "a")], &[(Sse, "base"), (Apx, "b")])), []);
}

#[test]
fn builds_that_are_promised_and_not_listed() {
    let mut mix = Mix::signed();
    let mut release = mix.plan(10, &mix.system(10));
    let promise = Modifier::new(Variant::Sse, VariantSet::default().with(Variant::Avx2)).unwrap();
    release.entry("editors", "/usr/bin/ed").modifier = promise;
    mix.make(release, |_| {});
    assert_refused(&mix, Rule::IncompleteVariants, &["/usr/bin/ed in bundle editors"]);
}

#[test]
fn an_unknown_modifier_hides_a_file() {
    let mut mix = Mix::signed();
    let mut release = mix.plan(10, &mix.system(10));
    release.entry("editors", "/usr/bin/ed").modifier = Modifier::parse(b'*');
    mix.make(release, |_| {});
    assert_refused(&mix, Rule::IncompleteVariants, &["/usr/bin/ed in bundle editors"]);
}

#[test]
fn a_path_twice_in_one_manifest() {
    let mut mix = Mix::signed();
    let mut release = mix.plan(10, &mix.system(10));
    let twice = release.entry("editors", "/usr/bin/ed").clone();
    let entries = &mut release.manifest("editors").entries;
    entries.insert(entries.iter().position(|entry| *entry == twice).unwrap(), twice);
    mix.make(release, |_| {});
    assert_refused(&mix, Rule::DuplicatePath, &["/usr/bin/ed in bundle editors"]);
}

#[test]
fn directories_that_no_bundle_lists() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").file("/opt/games/one/chess", "x");
    mix.release(10, &content);
    assert_refused(
        &mix,
        Rule::MissingParent,
        &["/opt in bundle games", "/opt/games in bundle games", "/opt/games/one in bundle games"],
    );
}

#[test]
fn directories_of_included_bundles_count_and_those_of_others_do_not() {
    for (includes, expected) in [("editors", vec![]), ("os-core", vec!["/opt in bundle games"])] {
        let mut mix = Mix::signed();
        let mut content = mix.system(10);
        content.bundle("libs").directory("/opt");
        content.bundle("editors").includes("libs");
        content.bundle("games").includes(includes).file("/opt/chess", "x");
        mix.release(10, &content);
        assert_refused(&mix, Rule::MissingParent, &expected);
    }
}

#[test]
fn a_link_is_no_parent() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").link("/bin", "usr/bin");
    content.bundle("games").file("/bin/chess", "x");
    mix.release(10, &content);
    assert_refused(&mix, Rule::MissingParent, &["/bin in bundle games"]);
    assert!(findings(&mix)[0].problem.contains("is not a directory in"));
}

#[test]
fn a_bundle_without_its_tracking_file() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").remove("/usr/share/clear/bundles/games");
    mix.release(10, &content);
    assert_refused(&mix, Rule::MissingTrackingFile, &["bundle games"]);
}

#[test]
fn a_tracking_file_is_a_regular_file() {
    for object in [Object::Link("os-core".into()), Object::Directory { mode: 0o755 }] {
        let mut mix = Mix::signed();
        let mut content = mix.system(10);
        content.bundle("games").put("/usr/share/clear/bundles/games", object);
        mix.release(10, &content);
        assert_refused(&mix, Rule::MissingTrackingFile, &["bundle games"]);
    }
}

#[test]
fn a_bundle_whose_tracking_file_is_hidden() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle(".games").file("/usr/bin/go", "g");
    mix.release(10, &content);
    assert_refused(&mix, Rule::MissingTrackingFile, &["bundle .games"]);
}

#[test]
fn tracking_files_of_bundles_that_there_are_not() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    let os_core = content.bundle("os-core");
    for name in ["music", "no bundle", "full", "sub", ".MoM"] {
        os_core.file(&format!("/usr/share/clear/bundles/{name}"), "");
    }
    os_core.directory("/usr/share/clear/bundles/sub").file("/usr/share/clear/bundles/sub/x", "x");
    os_core.directory("/usr/share/clear/allbundles").file("/usr/share/clear/allbundles/music", "a definition");
    mix.release(10, &content);
    let objects =
        ["full", "music", "no bundle", "sub"].map(|name| format!("/usr/share/clear/bundles/{name} in bundle os-core"));
    assert_refused(&mix, Rule::ForeignTrackingFile, &objects.each_ref().map(String::as_str));
}

#[test]
fn tracking_files_of_bundles_that_are_elsewhere() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    let empty = Object::File { content: Vec::new(), mode: 0o644 };
    content.bundle("os-core").put("/usr/share/clear/bundles/games", empty.clone());
    content.bundle("editors").put("/usr/share/clear/bundles/games", empty.clone()).also_adds("games");
    // What comes along may say so.
    content.bundle("music").includes("games").put("/usr/share/clear/bundles/games", empty);
    mix.release(10, &content);
    let at = "/usr/share/clear/bundles/games in bundle";
    assert_refused(&mix, Rule::ForeignTrackingFile, &[&format!("{at} editors"), &format!("{at} os-core")]);
}

#[test]
fn names_under_which_endpoints_stage() {
    for target in [Object::File { content: b"g".into(), mode: 0o755 }, Object::Directory { mode: 0o755 }] {
        for of in ["games", "editors"] {
            let mut mix = Mix::signed();
            let mut content = mix.system(10);
            content.bundle("games").put("/usr/bin/go", target.clone());
            content.bundle(of).file("/usr/bin/.update.go", "another");
            mix.release(10, &content);
            assert_refused(&mix, Rule::StagingCollision, &["/usr/bin/.update.go"]);
        }
    }
}

#[test]
fn names_of_the_client_that_clash_with_nothing_yet() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    let names = [".deleted.1700000000.thing", ".update..update.go", ".update.go", ".update.no"];
    let others = [".update.", ".update", ".updated.go", ".deleted.go", ".deleted.17", ".deleted.17.", "x.update.go"];
    for name in names.iter().chain(&others) {
        content.bundle("games").file(&format!("/usr/bin/{name}"), "x");
    }
    content.bundle("games").directory("/usr/share/.update.d").file("/usr/share/.update.d/fine", "x");
    mix.release(10, &content);
    let found: Vec<_> = found(&mix).into_iter().map(|(rule, object)| format!("{rule} {object}")).collect();
    assert_eq!(
        found,
        [
            "staging-collision /usr/bin/.update..update.go",
            "staging-name /usr/bin/.deleted.1700000000.thing",
            "staging-name /usr/bin/.update.go",
            "staging-name /usr/bin/.update.no",
            "staging-name /usr/share/.update.d",
        ]
    );
}

#[test]
fn data_of_the_client() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    let os_core = content.bundle("os-core");
    for directory in ["/opt", "/opt/3rd-party", "/opt/3rd-party-tools", "/var", "/usr/lib/swupd"] {
        os_core.directory(directory);
    }
    mix.release(10, &content);
    assert_eq!(found(&mix), []);
    let os_core = content.bundle("os-core");
    os_core.file("/opt/3rd-party/repo.ini", "").directory("/opt/3rd-party/bin");
    mix.release(20, &content);
    let findings: Vec<_> = findings(&mix).into_iter().filter(|found| found.rule == Rule::ClientData).collect();
    super::assert_found(&findings, Severity::Refusal, Rule::ClientData, &["/opt/3rd-party"]);
    assert!(findings[0].problem.contains("/opt/3rd-party/bin and 1 more entries"), "{}", findings[0]);
}

#[test]
fn content_that_updates_do_not_touch() {
    let with = |mix: &Mix, number, files: &[(&str, &str)]| {
        let mut content = mix.system(number);
        for directory in ["/etc", "/var", "/var/lib", "/usr/src"] {
            content.bundle("os-core").directory(directory);
        }
        for (at, text) in files {
            content.bundle("games").file(at, text);
        }
        content
    };
    let told = |mix: &Mix| -> Vec<String> {
        let findings = findings(mix);
        assert!(findings.iter().all(|found| (found.rule, found.severity) == (Rule::NotUpdated, Severity::Warning)));
        findings.into_iter().map(|found| found.problem).collect()
    };
    let mut mix = Mix::signed();
    mix.release(10, &with(&mix, 10, &[("/etc/hosts", "1"), ("/database", "1"), ("/usr/src/linux", "1")]));
    let first = told(&mix);
    assert_eq!(first.len(), 1);
    assert!(first[0].contains("do not touch: /database, /etc/hosts, /usr/src/linux, /var/lib;"), "{first:?}");
    mix.release(20, &with(&mix, 20, &[("/etc/hosts", "1"), ("/database", "1"), ("/usr/src/linux", "1")]));
    assert_eq!(told(&mix), [] as [String; 0]);
    mix.release(30, &with(&mix, 30, &[("/etc/hosts", "2"), ("/database", "1"), ("/var/lib/new", "1")]));
    let third = told(&mix);
    assert_eq!(third.len(), 3);
    assert!(
        third[0].contains("changed below /etc, /var and other prefixes that updates do not touch: /etc/hosts;"),
        "{third:?}"
    );
    assert!(
        third[1].contains("deleted below /etc, /var and other prefixes that updates do not touch: /usr/src/linux;"),
        "{third:?}"
    );
    assert!(
        third[2].contains("new below /etc, /var and other prefixes that updates do not touch: /var/lib/new;"),
        "{third:?}"
    );
}

#[test]
fn many_paths_that_updates_do_not_touch_are_one_line() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").directory("/etc");
    for number in 0..300 {
        content.bundle("os-core").file(&format!("/etc/{number:03}"), "x");
    }
    mix.release(10, &content);
    assert_warned(&mix, Rule::NotUpdated, &["release 10"]);
    assert!(findings(&mix)[0].problem.contains("/etc/009 and 290 more;"), "{}", findings(&mix)[0]);
}

#[test]
fn a_cycle_is_refused_and_so_is_what_it_loses() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("editors").includes("games").file("/usr/bin/shared", "s");
    content.bundle("games").includes("editors").file("/usr/bin/shared", "s");
    let mut release = mix.plan(10, &content);
    release.manifest("editors").entries.retain(|entry| entry.path != path("/usr/bin/shared"));
    mix.make(release, |_| {});
    assert_refused(&mix, Rule::IncludeCycle, &["bundle editors"]);
    assert!(Verdict::new(findings(&mix), &[Rule::IncludeCycle].into()).may_publish());

    let mut release = mix.plan(20, &content);
    for name in ["editors", "games"] {
        release.manifest(name).entries.retain(|entry| entry.path != path("/usr/bin/shared"));
    }
    mix.make(release, |_| {});
    let found = found(&mix);
    assert!(found.contains(&(Rule::LostPath, "/usr/bin/shared in bundle editors".to_owned())), "{found:?}");
    assert!(found.contains(&(Rule::LostPath, "/usr/bin/shared in bundle games".to_owned())), "{found:?}");
}

/// As older generators wrote it: every bundle includes os-core.
#[test]
fn a_cycle_through_os_core_is_refused() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("os-core").includes("games");
    mix.release(10, &content);
    assert_refused(&mix, Rule::IncludeCycle, &["bundle games"]);
    assert!(findings(&mix)[0].problem.starts_with("games, os-core include each other"));
}

#[test]
fn a_circle_that_needs_an_also_add_and_a_bundle_that_names_itself_are_warnings() {
    type Names = &'static [(&'static str, &'static str)];
    let circles: [(Names, Names, &str); 4] = [
        (&[("games", "games")], &[], "it includes or adds itself"),
        (&[], &[("games", "games")], "it includes or adds itself"),
        (&[], &[("games", "editors"), ("editors", "games")], "editors, games include or add each other"),
        (&[("games", "editors")], &[("editors", "games")], "editors, games include or add each other"),
    ];
    for (includes, adds, text) in circles {
        let mut mix = Mix::signed();
        let mut content = mix.system(10);
        for (bundle, other) in includes {
            content.bundle(bundle).includes(other);
        }
        for (bundle, other) in adds {
            content.bundle(bundle).also_adds(other);
        }
        mix.release(10, &content);
        let findings = findings(&mix);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].rule, findings[0].severity), (Rule::IncludeCycle, Severity::Warning));
        assert!(findings[0].problem.contains(text), "{}", findings[0]);
    }
}

#[test]
fn two_cycles_are_two_findings() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    for (one, other) in [("a", "b"), ("b", "a"), ("c", "d"), ("d", "e"), ("e", "c"), ("f", "a")] {
        content.bundle(one).includes(other);
    }
    mix.release(10, &content);
    assert_refused(&mix, Rule::IncludeCycle, &["bundle a", "bundle c"]);
}

#[test]
fn includes_that_the_release_does_not_have() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").includes("absent").includes("os-core-update-index");
    mix.release(10, &content);
    assert_refused(&mix, Rule::MissingInclude, &["bundle games"]);

    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").also_adds("absent");
    mix.release(10, &content);
    assert_warned(&mix, Rule::MissingInclude, &["bundle games"]);
}

#[test]
fn no_os_core() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    let mut os_core = content.0.remove(&bundle("os-core")).unwrap();
    os_core.remove("/usr/share/clear/bundles/os-core");
    content.0 = [(bundle("base"), os_core)].into();
    content.bundle("base").file("/usr/share/clear/bundles/base", "");
    mix.release(10, &content);
    assert_refused(&mix, Rule::MissingOsCore, &["release 10"]);
}

#[test]
fn names_that_generators_do_not_list_and_what_is_below_them() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    content.bundle("games").directory("/usr/a;b").file("/usr/a;b/fine", "x").file("/usr/bin/fine ü#%", "x");
    mix.release(10, &content);
    assert_refused(&mix, Rule::IllegalName, &["/usr/a;b", "/usr/a;b/fine"]);
}

#[test]
fn names_that_an_endpoint_cannot_stage() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    let long = format!("/usr/bin/{}", "n".repeat(248));
    content.bundle("games").file(&long, "x").file(&long[..long.len() - 1], "x");
    mix.release(10, &content);
    assert_refused(&mix, Rule::LongName, &[&long]);
}

#[test]
fn directories_that_an_endpoint_cannot_move_aside() {
    let mut mix = Mix::signed();
    let mut content = mix.system(10);
    let long = format!("/usr/bin/{}", "d".repeat(236));
    content.bundle("games").directory(&long).directory(&long[..long.len() - 1]).file(&long.replace('d', "f"), "x");
    mix.release(10, &content);
    assert_warned(&mix, Rule::LongName, &[&long]);
}

#[test]
fn entries_and_bundles_from_the_future() {
    let mut mix = Mix::signed();
    let mut release = mix.plan(10, &mix.system(10));
    let entry = release.entry("editors", "/usr/bin/vi");
    entry.version = version(11);
    let hash = entry.hash();
    release.manifest("editors").entries.sort_by_key(|entry| (entry.version, entry.path.clone()));
    mix.put(version(11), clearwell_format::resource::Artifact::Fullfile(hash), Vec::new());
    mix.make(release, |_| {});
    assert_refused(&mix, Rule::EntryFromFuture, &["/usr/bin/vi in bundle editors"]);
}

#[test]
fn manifests_that_cannot_be_read_back() {
    let mut mix = Mix::signed();
    let mut release = mix.plan(10, &mix.system(10));
    release.manifest("games").header.file_count = Header::MAX_FILE_COUNT + 1;
    mix.make(release, |_| {});
    assert_refused(&mix, Rule::UnreadableManifest, &["bundle games"]);
    assert!(findings(&mix)[0].problem.contains("filecount:"), "{}", findings(&mix)[0]);

    let mut mix = Mix::signed();
    let release = mix.plan(10, &mix.system(10));
    mix.make(release, |mom| mom.header.content_size = Header::MAX_CONTENT_SIZE + 1);
    assert_refused(&mix, Rule::UnreadableManifest, &["release 10"]);
}

#[test]
fn entries_out_of_order() {
    let mut mix = Mix::signed();
    let mut release = mix.plan(10, &mix.system(10));
    release.manifest("games").entries.reverse();
    mix.make(release, |mom| mom.entries.reverse());
    assert_warned(&mix, Rule::UnsortedManifest, &["release 10", "bundle games"]);
}

#[test]
fn a_mom_that_names_another_manifest() {
    let mut mix = Mix::signed();
    let release = mix.plan(10, &mix.system(10));
    let wrong = FileHash::of_file(b"another", Owner::MANIFEST);
    mix.make(release, |mom| mom.entries[1].hash = wrong);
    let rules: Vec<_> = found(&mix).into_iter().map(|(rule, _)| rule).collect();
    // The archive does not hold what the MoM names either.
    assert_eq!(rules, [Rule::ManifestMismatch, Rule::WrongArchive]);
}

#[test]
fn a_mom_that_names_a_bundle_twice() {
    let mut mix = Mix::signed();
    let release = mix.plan(10, &mix.system(10));
    mix.make(release, |mom| mom.entries.insert(1, mom.entries[1].clone()));
    assert_refused(&mix, Rule::DuplicateBundle, &["bundle games"]);
}

#[test]
fn a_mom_that_hides_a_bundle() {
    let mut mix = Mix::signed();
    let release = mix.plan(10, &mix.system(10));
    mix.make(release, |mom| mom.entries[1].flags.modifier = Modifier::parse(b'e'));
    assert_refused(&mix, Rule::HiddenBundle, &["bundle games"]);
}

#[test]
fn a_thousand_bundles_with_half_a_million_paths_are_checked_in_one_sweep() {
    let mut mix = Mix::unsigned();
    let content = mix.system(10);
    let mut release = mix.plan(10, &content);
    let template = release.entry("games", "/usr/bin/chess").clone();
    let tracked = release.manifest("games").clone();
    for number in 0u32..1000 {
        let name = format!("b{number:04}");
        let mut manifest = tracked.clone();
        manifest.entries = (0..500)
            .map(|file| format!("/usr/bin/{name}-{file:03}"))
            .chain([format!("/usr/share/clear/bundles/{name}"), "/usr/bin/same".to_owned()])
            .map(|text| Entry { path: text.parse::<EntryPath>().unwrap(), ..template.clone() })
            .collect();
        if number == 777 {
            let hash = FileHash::of_file(b"another", Owner::MANIFEST);
            manifest.entries.last_mut().unwrap().state = State::Present { kind: FileKind::File, hash };
        }
        manifest.header.includes.extend(number.checked_sub(1).map(|other| bundle(&format!("b{other:04}"))));
        manifest.entries.sort_by(|a, b| a.path.cmp(&b.path));
        release.manifests.insert(bundle(&name), manifest);
    }
    release.mom.entries.extend(release.manifests.iter().map(|(name, manifest)| {
        let hash = FileHash::of_manifest(&manifest.to_bytes());
        clearwell_format::MomEntry::new(name.clone(), version(10), hash, false)
    }));
    mix.releases.push(release);
    let findings = mix.check(|context| {
        context.store = None;
        context.pointers = None;
    });
    super::assert_found(&findings, Severity::Refusal, Rule::ConflictingEntries, &["/usr/bin/same"]);
}
