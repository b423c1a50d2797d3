//! The text of the repository: citations of the specification, the numbering of its pages, links between documents.
//!
//! docs/spec/README.md has the form of a citation.

mod citation;
mod files;
mod links;
mod map;
mod pages;

use files::text_files;
use pages::Specification;

#[test]
fn every_citation_resolves() {
    let specification = Specification::read();
    let (mut count, mut problems) = (0, specification.gaps());
    for file in text_files() {
        let found = citation::find(&file);
        count += found.citations.len();
        problems.extend(found.problems);
        problems.extend(found.citations.iter().filter_map(|citation| {
            let missing = specification.missing(&citation.target)?;
            Some(format!("{}:{}: `{}` does not resolve: {missing}", file.path, citation.line, citation.target))
        }));
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    assert!(count > 300, "only {count} citations found: does the search still see the sources?");
}

#[test]
fn every_link_resolves() {
    let problems: Vec<String> = text_files().iter().filter(|file| file.is_markdown()).flat_map(links::broken).collect();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn the_map_of_crates_has_the_dependencies_of_the_manifests() {
    assert_eq!(map::documented(), map::declared());
}

#[test]
fn the_map_of_crates_links_every_file_that_it_names() {
    let map = text_files().into_iter().find(|file| file.path == "crates/README.md").expect("crates/README.md");
    let problems = links::unlinked_sources(&map);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
