//! Packs for updates, made of segments that several packs hold.
//!
//! ```text
//! head       delta/  staged/
//! segments   delta/10-20-<from>-<to> …  staged/<hash> …      what the same packs hold: all but machine code, machine
//!                                                            code, large programs that are alike, deltas that are
//!                                                            compressed themselves
//! shared     staged/<hash>                                   one large file: header, and the content its fullfile has
//! end        the zero blocks of the tar
//! ```
//!
//! Packs of one bundle from several versions are much alike: what did not change between these versions is brought by
//! the same deltas and files. It is compressed once. A small pack is one piece and shares nothing.
//!
//! Always true: a pack is never larger than the one for new installations beside it, which takes its place otherwise, as
//! it holds all of it. Bytes depend on the packs that are planned together, not on those that are there already.

mod layout;
mod look;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::time::{Duration, Instant};

use clearwell_format::resource::Artifact;
use clearwell_format::{FileHash, Resource};
use clearwell_store::{ArtifactMeta, Draft};

use crate::compression::Suit;
use crate::deltas::choice::Choice;
use crate::deltas::spool::{Spool, Spooled};
use crate::error::BuildError;
use crate::fan_out::fan_out;
use crate::make::{Made, Workshop};
use crate::member::{MemberError, Naming};
use crate::pack::{self, Contents};
use crate::plan::{PackItem, PackPlan};
use crate::progress::{Meter, Phase};
use crate::put::put;
use crate::segment::{SMALL_BYTES, stream, tar_end};
use layout::{Kind, Layout, Member};
use look::{Looks, look, shared_content};

/// A pack to make, and the one for new installations in the same folder.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'p> {
    pub(crate) plan: &'p PackPlan,
    pub(crate) zero: Option<&'p PackPlan>,
}

/// Makes those of `packs` that the draft does not have.
///
/// # Errors
/// The first failure by cost. What was made stays in the draft for the next run.
pub(crate) fn make(
    packs: &[Wanted<'_>],
    choice: &Choice,
    draft: &Draft<'_>,
    workshop: &Workshop<'_>,
) -> Result<Vec<Made>, BuildError> {
    // The order decides on places of segments.
    let mut packs = packs.to_vec();
    packs.sort_by_key(|pack| (&pack.plan.bundle, pack.plan.from));
    let plans: Vec<&PackPlan> =
        packs.iter().map(|pack| pack.plan).filter(|plan| draft.contains(&pack::artifact(plan)).is_none()).collect();
    let mut made = workshop.left_over(&plans, draft)?;

    let contents: Vec<Contents<'_>> = packs.iter().map(|pack| choice.contents(pack.plan)).collect();
    let can_share = workshop.effort.profile.update_family().name == "xz";
    let mut items = BTreeMap::new();
    for (pack, contents) in packs.iter().zip(&contents) {
        for &item in contents.staged {
            let version = choice.fullfile_version(pack.plan, item.hash).filter(|_| can_share);
            items.entry(item.hash).or_insert((item, version));
        }
    }
    let looks = look(items, draft, workshop)?;
    let (mut recipes, mut large) = (Vec::new(), Vec::new());
    for (pack, contents) in packs.iter().zip(&contents) {
        let zero = pack.zero.and_then(|zero| Zero::find(zero, draft));
        let same_members =
            |zero: &Zero<'_>| contents.deltas.is_empty() && zero.plan.items.len() == pack.plan.items.len();
        let way = if zero.as_ref().is_some_and(same_members) {
            Way::Copied
        } else if tar_bytes(contents, &looks) <= SMALL_BYTES as u64 {
            Way::Small
        } else {
            large.push((&pack.plan.bundle, contents));
            Way::Large(large.len() - 1)
        };
        let is_there = draft.contains(&pack::artifact(pack.plan)).is_some();
        recipes.push(Recipe { plan: pack.plan, contents, zero, way, is_there });
    }
    let layout = Layout::new(&large, &looks);
    recipes.retain(|recipe| !recipe.is_there);
    let spool = Spool::new(&draft.store().layout().staging(), draft.store().disk())?;
    let bench = Bench { recipes: &recipes, layout: &layout, looks: &looks, choice, draft, workshop, spool: &spool };
    made.extend(bench.make()?);
    Ok(made)
}

/// A pack and how it is made.
struct Recipe<'r> {
    plan: &'r PackPlan,
    contents: &'r Contents<'r>,
    zero: Option<Zero<'r>>,
    way: Way,
    is_there: bool,
}

enum Way {
    /// The pack for new installations holds the same.
    Copied,
    /// In one piece.
    Small,
    /// Of segments; the pack's place in the layout.
    Large(usize),
}

struct Bench<'b> {
    recipes: &'b [Recipe<'b>],
    layout: &'b Layout<'b>,
    looks: &'b Looks,
    choice: &'b Choice,
    draft: &'b Draft<'b>,
    workshop: &'b Workshop<'b>,
    spool: &'b Spool,
}

/// One thing that workers do.
enum Job<'b> {
    Small(&'b Recipe<'b>),
    /// A segment, by its place in the layout.
    Segment(usize),
    /// A file whose content is shared.
    Shared(PackItem),
}

enum Part {
    Made(Made),
    Segment(usize, Spooled),
    Shared(FileHash, Spooled),
}

impl Bench<'_> {
    fn make(&self) -> Result<Vec<Made>, BuildError> {
        let mut jobs = Vec::new();
        let (mut segments, mut shared) = (BTreeSet::new(), BTreeMap::new());
        for recipe in self.recipes {
            match recipe.way {
                Way::Copied => {}
                Way::Small => jobs.push(Job::Small(recipe)),
                Way::Large(place) => {
                    segments.extend(self.layout.held[place].iter().copied());
                    shared.extend(self.layout.shared[place].iter().map(|&item| (item.hash, item)));
                }
            }
        }
        jobs.extend(segments.into_iter().map(Job::Segment));
        jobs.extend(shared.into_values().map(Job::Shared));
        jobs.sort_by_cached_key(|job| std::cmp::Reverse(self.cost(job)));

        let total_bytes = jobs.iter().map(|job| self.cost(job)).sum();
        let meter = Meter::begin(self.workshop.progress, Phase::Packs, jobs.len() as u64, total_bytes);
        let parts = fan_out(&jobs, self.workshop.workers, |job| {
            meter.go_on()?;
            let part = self.part(job)?;
            meter.advance(1, self.cost(job));
            Ok::<_, BuildError>(part)
        })?;
        meter.finish();

        let (mut made, mut segments, mut shared) = (Vec::new(), HashMap::new(), HashMap::new());
        for part in parts {
            match part {
                Part::Made(pack) => made.push(pack),
                Part::Segment(place, spooled) => drop(segments.insert(place, spooled)),
                Part::Shared(hash, spooled) => drop(shared.insert(hash, spooled)),
            }
        }
        let rest: Vec<&Recipe<'_>> = self.recipes.iter().filter(|recipe| !matches!(recipe.way, Way::Small)).collect();
        made.extend(fan_out(&rest, self.workshop.workers, |recipe| {
            let meta = match recipe.way {
                Way::Large(place) => {
                    let segments = self.layout.held[place].iter().map(|segment| segments[segment]);
                    let shared = self.layout.shared[place].iter().map(|item| shared[&item.hash]);
                    self.assemble(recipe, &segments.chain(shared).collect::<Vec<_>>())?
                }
                Way::Copied | Way::Small => recipe.copy_zero(self.draft)?,
            };
            Ok::<_, BuildError>(recipe.made(meta, Duration::ZERO))
        })?);
        Ok(made)
    }

    /// Bytes to compress, which is what takes the time.
    fn cost(&self, job: &Job<'_>) -> u64 {
        match *job {
            Job::Small(recipe) => tar_bytes(recipe.contents, self.looks),
            Job::Segment(place) => self.layout.segments[place].tar_bytes,
            // Only decompressed.
            Job::Shared(item) => self.looks[&item.hash].tar_bytes / 32,
        }
    }

    fn part(&self, job: &Job<'_>) -> Result<Part, BuildError> {
        let Workshop { objects, budget, effort, .. } = self.workshop;
        let family = effort.profile.update_family();
        let _memory = budget.reserve(pack::memory(self.cost(job)));
        match *job {
            Job::Small(recipe) => {
                let begun = Instant::now();
                let bytes = pack::whole_update(recipe.contents, effort.profile, objects);
                let bytes = bytes.map_err(|error| recipe.failure(error))?;
                let meta = if recipe.exceeds(bytes.len() as u64) {
                    recipe.copy_zero(self.draft)?
                } else {
                    self.draft.put(&pack::artifact(recipe.plan), &bytes)?.meta()
                };
                Ok(Part::Made(recipe.made(meta, begun.elapsed())))
            }
            Job::Segment(place) => {
                let segment = &self.layout.segments[place];
                let suit = match segment.kind {
                    Kind::Others => family.others,
                    Kind::MachineCode | Kind::Kin => family.machine_code,
                    Kind::Stored => family.stored,
                };
                let spool = Some(self.choice.spool());
                let bytes = stream(suit, |tar| {
                    segment.members.iter().try_for_each(|member| match *member {
                        Member::Delta(delta) => pack::append_delta(delta, spool, tar),
                        Member::Staged(item) => objects.append(tar, Naming::Staged, item),
                    })
                });
                Ok(Part::Segment(place, self.spool.keep(&bytes.map_err(|error| self.failure(error))?)?))
            }
            Job::Shared(item) => {
                let look = &self.looks[&item.hash];
                let version = look.shared.expect("only contents that fullfiles have are laid out as shared");
                let header = stream(Suit::of(family.head), |tar| objects.append_header(tar, Naming::Staged, item));
                let header = header.map_err(|error| self.failure(error))?;
                let content = shared_content(item.hash, look, version, self.draft)?;
                Ok(Part::Shared(item.hash, self.spool.keep(&[header, content].concat())?))
            }
        }
    }

    /// Puts a pack together, if it is not larger than it may be.
    fn assemble(&self, recipe: &Recipe<'_>, parts: &[Spooled]) -> Result<ArtifactMeta, BuildError> {
        let family = self.workshop.effort.profile.update_family();
        #[expect(clippy::redundant_closure, reason = "the function itself is not general enough in its lifetimes")]
        let head =
            stream(Suit::of(family.head), |tar| pack::write_folders(tar)).map_err(|error| recipe.failure(error))?;
        let end = tar_end(family).map_err(|error| recipe.failure(MemberError::Write(error)))?;
        let length = parts.iter().map(|part| part.length()).sum::<u64>() + (head.len() + end.len()) as u64;
        if recipe.exceeds(length) {
            return recipe.copy_zero(self.draft);
        }
        put(self.draft, &pack::artifact(recipe.plan), |out| {
            out.write_all(&head).map_err(MemberError::Write)?;
            for &part in parts {
                let bytes = self.spool.read(part).map_err(|error| MemberError::Object(error.into()))?;
                out.write_all(&bytes).map_err(MemberError::Write)?;
            }
            out.write_all(&end).map_err(MemberError::Write)
        })
    }

    fn failure(&self, error: MemberError) -> BuildError {
        match error {
            MemberError::Object(error) => error,
            MemberError::Write(source) => {
                BuildError::Compress { object: format!("packs for updates of {}", self.draft.version()), source }
            }
        }
    }
}

impl Recipe<'_> {
    fn exceeds(&self, length: u64) -> bool {
        self.zero.as_ref().is_some_and(|zero| length > zero.meta.size)
    }

    fn copy_zero(&self, draft: &Draft<'_>) -> Result<ArtifactMeta, BuildError> {
        let zero = self.zero.as_ref().expect("only a pack that has one beside is copied from it");
        zero.copy_to(&pack::artifact(self.plan), draft)
    }

    fn made(&self, meta: ArtifactMeta, took: Duration) -> Made {
        Made { artifact: pack::artifact(self.plan), meta, reused: false, took }
    }

    fn failure(&self, error: MemberError) -> BuildError {
        error.of(&pack::artifact(self.plan), self.plan.to)
    }
}

/// The pack for new installations beside a pack for updates.
struct Zero<'p> {
    plan: &'p PackPlan,
    meta: ArtifactMeta,
}

impl<'p> Zero<'p> {
    fn find(plan: &'p PackPlan, draft: &Draft<'_>) -> Option<Self> {
        Some(Self { plan, meta: draft.contains(&pack::artifact(plan))? })
    }

    fn copy_to(&self, to: &Artifact, draft: &Draft<'_>) -> Result<ArtifactMeta, BuildError> {
        let from = pack::artifact(self.plan);
        let mut file = match draft.existing(&from)? {
            Some(file) => file,
            None => draft.store().open_artifact(&Resource::of(draft.version(), from))?.0,
        };
        put(draft, to, |out| io::copy(&mut file, out).map_err(MemberError::Write).map(drop))
    }
}

/// What a pack takes as a tar.
fn tar_bytes(contents: &Contents<'_>, looks: &Looks) -> u64 {
    let deltas = contents.deltas.iter().map(|delta| Member::Delta(delta).tar_bytes(looks));
    deltas.chain(contents.staged.iter().map(|&item| Member::Staged(item).tar_bytes(looks))).sum()
}
