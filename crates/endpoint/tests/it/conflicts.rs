//! Content that harms clients (manifest §3.4, §6.1), seen from an endpoint.

use clearwell_testkit::{ReleaseBuilder, TestObject};

use crate::support::{Content, World, core, files, problem_names};

type Extra = fn(Vec<TestObject>) -> Vec<TestObject>;

/// Releases 10 and 20 of os-core, a and b. In 20, each of a and b has what its function adds.
fn content(a: Extra, b: Extra) -> Content {
    let first = ReleaseBuilder::new(10, None)
        .bundle("os-core", &[], core(10))
        .bundle("a", &["os-core"], files("a", 2, "first"))
        .bundle("b", &["os-core"], files("b", 2, "first"))
        .build();
    let second = ReleaseBuilder::new(20, Some(&first))
        .bundle("os-core", &[], core(20))
        .bundle("a", &["os-core"], a(files("a", 2, "second")))
        .bundle("b", &["os-core"], b(files("b", 2, "second")))
        .build();
    let content = Content::default();
    content.publish(&first);
    content.publish(&second);
    content.point(30, 20);
    content
}

fn with(mut objects: Vec<TestObject>, object: TestObject) -> Vec<TestObject> {
    objects.push(object);
    objects
}

#[tokio::test]
async fn one_path_with_two_files_is_deleted() {
    // The file of `a` in 10 becomes a different file in `b`: both entries are dropped, and the installed file is deleted.
    let content = content(|a| a, |b| with(b, TestObject::file("/usr/lib/a-00", "mine")));
    let mut world = World::new(content).installed(10, &["a", "b"]).await;
    assert!(world.read("/usr/lib/a-00").is_some());
    let report = world.update().await;
    assert_eq!((report.exit_code.code(), problem_names(&report)), (0, vec!["conflict"]));
    assert_eq!(world.read("/usr/lib/a-00"), None);
    assert!(world.read("/usr/lib/a-01").is_some());
    assert!(report.problems[0].to_string().contains("delete the path"));

    let mut world = World::new(world.content).installed(10, &["a"]).await;
    assert!(world.update().await.is_clean(), "alone, each is fine");
}

#[tokio::test]
async fn a_conflict_at_the_end_of_the_list_deletes_everything() {
    let content =
        content(|a| with(a, TestObject::file("/usr/zzz", "one")), |b| with(b, TestObject::file("/usr/zzz", "other")));
    let mut world = World::new(content).installed(10, &["a", "b"]).await;
    let report = world.update().await;
    assert_eq!(
        (report.exit_code.code(), problem_names(&report)),
        (0, vec!["conflict"]),
        "and the client reports success"
    );
    assert_eq!(world.read("/usr/lib/os-release"), None);
    assert_eq!(world.read("/usr/lib/a-01"), None);
    assert!(report.problems[0].to_string().contains("every file"));
}

#[tokio::test]
async fn a_path_without_its_parent_ends_the_update() {
    let content = content(|a| with(a, TestObject::file("/usr/lost/a", "x")), |b| b);
    let mut world = World::new(content).installed(10, &["a"]).await;
    let report = world.update().await;
    assert_eq!((report.exit_code.code(), problem_names(&report)), (10, vec!["no-parent"]));
    assert!(world.read("/usr/lib/a-00").unwrap().starts_with(b"a 0, first"), "nothing is changed");
    let report = World::new(world.content).install(20, &["a"]).await;
    assert_eq!((report.exit_code.code(), problem_names(&report)), (35, vec!["no-parent"]), "all others are installed");
}

#[tokio::test]
async fn a_folder_missing_on_disk_is_restored_with_its_files() {
    let content = content(|a| with(a, TestObject::file("/usr/share/clear/new", "x")), |b| b);
    let mut world = World::new(content).installed(10, &["a"]).await;
    std::fs::remove_dir_all(world.root().join("usr/share")).unwrap();
    assert_eq!(world.update().await.exit_code.code(), 0);
    assert_eq!(world.read("/usr/share/clear/new").unwrap(), b"x");
}

#[tokio::test]
async fn a_non_empty_directory_that_changes_type_is_left_behind() {
    for (replacement, code) in [(TestObject::file("/usr/lib/d", "x"), 10), (TestObject::link("/usr/lib/d", "a-00"), 0)]
    {
        let full = vec![TestObject::directory("/usr/lib/d"), TestObject::file("/usr/lib/d/child", "x")];
        let first = ReleaseBuilder::new(10, None).bundle("os-core", &[], [core(10), full].concat()).build();
        let second = ReleaseBuilder::new(20, Some(&first)).bundle("os-core", &[], with(core(20), replacement)).build();
        let content = Content::default();
        content.publish(&first);
        content.publish(&second);
        content.point(30, 20);
        let mut world = World::new(content).installed(10, &[]).await;
        let report = world.update().await;
        assert_eq!((report.exit_code.code(), problem_names(&report)), (code, vec!["directory-replaced"]));
        assert!(!world.root().join("usr/lib/d").is_dir());
        assert!(world.root().join("usr/lib/.deleted.d").is_dir());
    }
}

/// Local files in a directory are moved aside with it when the directory leaves the release.
#[tokio::test]
async fn a_non_empty_directory_that_leaves_is_moved_aside() {
    let first = ReleaseBuilder::new(10, None)
        .bundle("os-core", &[], with(core(10), TestObject::directory("/usr/lib/d")))
        .build();
    let second = ReleaseBuilder::new(20, Some(&first)).bundle("os-core", &[], core(20)).build();
    let content = Content::default();
    content.publish(&first);
    content.publish(&second);
    content.point(30, 20);
    let mut world = World::new(content.clone()).installed(10, &[]).await;
    std::fs::write(world.root().join("usr/lib/d/mine"), "x").unwrap();
    let report = world.update().await;
    assert_eq!((report.exit_code.code(), problem_names(&report)), (0, vec!["directory-not-empty"]));
    assert_eq!(world.read("/usr/lib/.deleted.d/mine").unwrap(), b"x");
    let mut empty = World::new(content).installed(10, &[]).await;
    assert!(empty.update().await.is_clean());
    assert!(!empty.root().join("usr/lib/d").exists());
}

#[tokio::test]
async fn configuration_is_installed_and_repaired_but_not_updated() {
    let etc = |version: u32, text: &str| with(core(version), TestObject::file("/etc/conf", text));
    let first = ReleaseBuilder::new(10, None).bundle("os-core", &[], etc(10, "old")).build();
    let second = ReleaseBuilder::new(20, Some(&first)).bundle("os-core", &[], etc(20, "new")).build();
    let content = Content::default();
    content.publish(&first);
    content.publish(&second);
    content.point(30, 20);
    let mut world = World::new(content).installed(10, &[]).await;
    assert_eq!(world.read("/etc/conf").unwrap(), b"old");
    world.update().await;
    assert_eq!(world.read("/etc/conf").unwrap(), b"old");
    assert_eq!(world.endpoint.diagnose().await.unwrap().exit_code.code(), 0, "a changed one is left alone");
    std::fs::remove_file(world.root().join("etc/conf")).unwrap();
    assert_eq!(world.endpoint.diagnose().await.unwrap().exit_code.code(), 1, "a missing one is not");
    world.endpoint.repair().await.unwrap();
    assert_eq!(world.read("/etc/conf").unwrap(), b"new");
}
