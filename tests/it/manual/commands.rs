//! Runs the commands of every page.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;
use std::{env, thread};

use clearwell_testkit::skipped;

use crate::book::{Block, Kind, Page, pages};
use crate::output;
use crate::session::{Session, is_possible};

#[test]
fn every_command_of_the_manual_runs_as_it_stands() {
    if !is_possible() {
        return;
    }
    let chosen: Vec<Page> = pages().into_iter().filter(Page::is_chosen).rev().collect();
    assert!(!chosen.is_empty(), "docs/SUMMARY.md lists no page with the path in CLEARWELL_MANUAL_PAGE");
    let queue = Mutex::new(chosen);
    let problems = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, usize::from).min(4);
    // A thread of the harness has the name of its test, by which a skip is reported.
    let name = thread::current().name().unwrap_or_default().to_owned();
    thread::scope(|scope| {
        for _ in 0..workers {
            let work = || {
                while let Some(page) = { queue.lock().unwrap().pop() } {
                    let found = page.run();
                    problems.lock().unwrap().extend(found);
                }
            };
            thread::Builder::new().name(name.clone()).spawn_scoped(scope, work).unwrap();
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

impl Page {
    /// With `CLEARWELL_MANUAL_PAGE`, only the page whose path it is.
    fn is_chosen(&self) -> bool {
        env::var("CLEARWELL_MANUAL_PAGE").map_or(true, |chosen| chosen == self.path)
    }

    fn run(&self) -> Vec<String> {
        let blocks = self.blocks();
        let runs = |block: &Block| matches!(&block.kind, Kind::Commands { needs } if missing(needs).is_none());
        let executed: Vec<&Block> = blocks.iter().filter(|block| runs(block)).collect();
        self.report_skipped(&blocks);
        if executed.is_empty() {
            return Vec::new();
        }
        let session = Session::run(&executed, self.text.lines().count());
        report_run(&self.path, executed.len());
        let mut problems: Vec<String> = session.failure(&self.path, &executed).into_iter().collect();
        for pair in blocks.windows(2) {
            if pair[1].kind == Kind::Output
                && runs(&pair[0])
                && let Err(difference) = output::compare(&pair[1].lines, &session.output(&pair[0]))
                && problems.is_empty()
            {
                problems.push(format!("{}:{}: {difference}", self.path, pair[1].line));
            }
        }
        problems
    }

    /// One line for each program that is missing.
    fn report_skipped(&self, blocks: &[Block]) {
        let mut lines = BTreeMap::<&str, Vec<usize>>::new();
        for block in blocks {
            if let Kind::Commands { needs } = &block.kind
                && let Some(program) = missing(needs)
            {
                lines.entry(program).or_default().push(block.line);
            }
        }
        for (program, lines) in lines {
            skipped(format!("no {program} on PATH: {}: the blocks at lines {lines:?} are not run", self.path));
        }
    }
}

fn missing(needs: &[String]) -> Option<&String> {
    let folders = env::var_os("PATH").unwrap_or_default();
    needs.iter().find(|name| !env::split_paths(&folders).any(|folder| folder.join(name).is_file()))
}

/// Past the test harness, which hides what passing tests print.
fn report_run(path: &str, executed: usize) {
    let _ = writeln!(std::io::stderr(), "{path}: {executed} blocks");
}
