//! Who would be tried, in which order, and why.
//!
//! Not who *is* tried: health admits at the moment of the start. Invariant: a plan is made from copies, outside every
//! lock, by the same code for a call and for its dry run; no target stands in it twice.

use std::time::Duration;

use hotspare_core::{ChatRequest, Kind, ModelProfile, PromptSize, Request, Skipped, TargetView};
use hotspare_routing::{
    Candidate, Ineligible, Need, Reason, Scene, Space, Start, ineligible, ineligible_to_embed,
};

use crate::fleet::{Fleet, Route, Target};
use crate::measure::Measure;
use crate::rules::Trim;

/// A call's order of targets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// Whom to try, best first.
    pub choices: Vec<PlannedTarget>,
    /// Whom not, and why.
    pub skipped: Vec<Skipped>,
    /// Estimated tokens of the prompt.
    pub prompt_tokens: u64,
    /// How many numbers each vector must have, for a request for vectors and as far as that is known.
    pub dimensions: Option<u32>,
    /// What is wrong where nobody can be asked: the prompt is too long for every target, or asks for what none of them can
    /// do; and else that none is free.
    pub nobody: Kind,
    pub(crate) size: PromptSize,
}

/// A place in the order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedTarget {
    /// Place in the fleet.
    pub target: usize,
    /// When it starts.
    pub start: Start,
    /// Why it stands here.
    pub reason: Reason,
    /// Whether it showed no ill health when the plan was made.
    pub clean: bool,
    /// Its usual time to first content for a prompt of this size, if that is known.
    pub usual: Option<TypicalLatency>,
    /// Tokens of the prompt as this target counts them, about.
    pub prompt_tokens: u64,
    /// The same, and the room for the answer.
    pub needs: u64,
    /// The oldest turns must go until the prompt is estimated at so many tokens.
    pub trim_to: Option<u64>,
}

impl PlannedTarget {
    /// The same target once more. It does not count as clean: a second try is not a first look.
    pub(crate) fn once_more(&self) -> Self {
        Self { start: Start::AfterFailure, reason: Reason::Retry, clean: false, ..self.clone() }
    }
}

/// A target's usual time to first content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypicalLatency {
    /// Half of the calls keep this.
    pub p50: Duration,
    /// 95 % of the calls keep this.
    pub p95: Duration,
    /// Calls within the breaker's window.
    pub samples: u32,
}

impl TypicalLatency {
    fn of(view: &TargetView) -> Option<Self> {
        Some(Self { p50: view.latency_p50?, p95: view.latency_p95?, samples: view.samples })
    }
}

/// Draws and counters that a plan depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanSeed {
    /// A random draw.
    pub draw: u64,
    /// How many calls the route has served.
    pub turn: u64,
}

impl Plan {
    /// Makes a plan. `views` are the health of the route's members, in their order, for a prompt of this `size`, as
    /// [`prompt_size`](hotspare_normalize::prompt_size) has it.
    #[must_use]
    pub fn new(
        fleet: &Fleet,
        route: &Route,
        request: &Request,
        size: PromptSize,
        views: &[TargetView],
        seed: PlanSeed,
    ) -> Self {
        let space = space(fleet, route, request);
        let keeper = keeper(fleet, route, request);
        let prompt_tokens = size.tokens();
        let mut measure = Measure::new(request, &size);
        let (mut measured, mut lengths) = (0, 0);
        let mut needs = Vec::with_capacity(views.len());
        let (mut skipped, mut left_out) = (Vec::new(), 0);
        let mut candidates = Vec::with_capacity(views.len());
        let mut places = Vec::with_capacity(views.len());
        // Of the targets that only a remembered overflow rules out, the one with the largest.
        let mut remembered: Option<(u64, usize)> = None;
        for (index, (&place, view)) in route.members.iter().zip(views).enumerate() {
            let target = &fleet.targets()[place];
            if unwanted(request, target) {
                left_out += 1;
                skipped.push(Skipped::new(target.id.clone(), "the request leaves it out".into()));
                continue;
            }
            if let Some(why) = elsewhere(fleet, request, place, keeper) {
                skipped.push(Skipped::new(target.id.clone(), why));
                continue;
            }
            let need = measure.need(&target.profile, &view.tokens);
            let why = unable(request, target, need, space);
            let is_length = matches!(&why, Some(Unable::Length(_) | Unable::Overflowed(..)));
            measured += 1;
            lengths += usize::from(is_length);
            let trim_to = match (route.rules.trim, request) {
                (Trim::OldestTurns, Request::Chat(chat)) if is_length => {
                    fitting(chat, &target.profile, need, prompt_tokens)
                }
                _ => None,
            };
            if let Some(Unable::Overflowed(lately, _)) = &why
                && remembered.is_none_or(|(largest, _)| *lately > largest)
            {
                remembered = Some((*lately, index));
            }
            let why = why.filter(|_| trim_to.is_none());
            if let Some(Unable::Length(why) | Unable::Overflowed(_, why) | Unable::Other(why)) = why {
                skipped.push(Skipped::new(target.id.clone(), why));
            } else {
                needs.push((need.prompt, measure.with_room(&target.profile, need), trim_to));
                candidates.push(Candidate {
                    target: &target.id,
                    profile: &target.profile,
                    view: view.clone(),
                });
                places.push(place);
            }
        }
        // What one request was told is no reason to refuse another without having asked anybody.
        if candidates.is_empty()
            && let Some((_, index)) = remembered
        {
            let mut views = views.to_vec();
            views[index].tokens.overflow = None;
            return Self::new(fleet, route, request, size, &views, seed);
        }
        let scene = Scene::new(&candidates, request, prompt_tokens).with_draw(seed.draw, seed.turn);
        let mut seen = vec![false; candidates.len()];
        let mut choices = Vec::with_capacity(candidates.len());
        for choice in route.strategy.rank(&scene).choices {
            // A strategy written elsewhere may break its contract; a plan does not.
            let Some(seen) = seen.get_mut(choice.index) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            let view = &candidates[choice.index].view;
            let start = match choice.start {
                Start::After(_) if request.options().no_hedge => Start::AfterFailure,
                start => start,
            };
            choices.push(PlannedTarget {
                target: places[choice.index],
                start,
                reason: choice.reason,
                clean: view.usable && view.failure_rate_bp == 0,
                usual: TypicalLatency::of(view),
                prompt_tokens: needs[choice.index].0,
                needs: needs[choice.index].1,
                trim_to: needs[choice.index].2,
            });
        }
        // Whoever can have the whole conversation comes before those that get a part of it,
        // and whoever can give an answer of the length that is asked for before those that give a shorter one.
        let wanted = request.max_output().unwrap_or(0);
        choices.sort_by_key(|choice| {
            let most = fleet.targets()[choice.target].profile.max_output;
            (choice.trim_to.is_some(), most.is_some_and(|most| most < wanted))
        });
        if request.options().no_failover {
            choices.truncate(1);
        }
        let nobody = if !choices.is_empty() || skipped.len() == left_out {
            Kind::NoTarget
        } else if lengths > 0 && lengths == measured {
            Kind::ContextOverflow
        } else {
            Kind::Unsupported
        };
        let dimensions = space.and_then(|space| space.dimensions());
        Self { choices, skipped, prompt_tokens, dimensions, nobody, size }
    }
}

/// Why a target cannot serve.
enum Unable {
    /// The request is too long for it.
    Length(String),
    /// A request of so many tokens was lately too long for it, and this one is no shorter.
    Overflowed(u64, String),
    Other(String),
}

fn unwanted(request: &Request, target: &Target) -> bool {
    let options = request.options();
    (!options.only.is_empty() && !options.only.contains(&target.id)) || options.without.contains(&target.id)
}

/// Who keeps the state that a request speaks of: the first of the route's members, as it is written, that speaks its wire.
fn keeper(fleet: &Fleet, route: &Route, request: &Request) -> Option<usize> {
    let Request::Chat(chat) = request else { return None };
    let bound = chat.bound.as_ref().filter(|bound| bound.kept)?;
    route.members.iter().copied().find(|&place| {
        let target = &fleet.targets()[place];
        target.wire == bound.wire && !unwanted(request, target)
    })
}

/// Why the state that a request speaks of is not at `place`, if it speaks of any.
fn elsewhere(fleet: &Fleet, request: &Request, place: usize, keeper: Option<usize>) -> Option<String> {
    let Request::Chat(chat) = request else { return None };
    let bound = chat.bound.as_ref().filter(|_| keeper != Some(place))?;
    if !bound.kept {
        let other = fleet.targets()[place].wire != bound.wire;
        return other.then(|| format!("only the wire {} has words for {}", bound.wire, bound.what));
    }
    Some(match keeper {
        Some(keeper) => format!("the request is bound to {}: {}", fleet.targets()[keeper].id, bound.what),
        None => format!("the request is bound to a provider of the wire {}: {}", bound.wire, bound.what),
    })
}

/// Why a target cannot serve the request, if it cannot.
fn unable(request: &Request, target: &Target, need: Need, space: Option<Space<'_>>) -> Option<Unable> {
    let embed = match request {
        Request::Chat(chat) => {
            let why = ineligible(chat, &target.profile, need)?;
            let words = why.to_string();
            return Some(match why {
                Ineligible::Overflowed { lately, .. } => Unable::Overflowed(lately, words),
                why if why.is_length() => Unable::Length(words),
                _ => Unable::Other(words),
            });
        }
        Request::Embed(embed) => embed,
    };
    if let Some(why) = ineligible_to_embed(&target.profile) {
        return Some(Unable::Other(why.to_string()));
    }
    let own = Space::new(&target.profile, &target.name, embed.dimensions);
    own.mismatch(&space?).map(|why| Unable::Other(why.to_string()))
}

/// The space that a route's vectors lie in: that of its first member that can serve, as the route is written. Not of the
/// one that happens to rank first: vectors of two calls must be comparable.
fn space<'a>(fleet: &'a Fleet, route: &Route, request: &Request) -> Option<Space<'a>> {
    let Request::Embed(embed) = request else { return None };
    let members = route.members.iter().map(|&place| &fleet.targets()[place]);
    let first = members
        .filter(|target| !unwanted(request, target))
        .find(|target| ineligible_to_embed(&target.profile).is_none())?;
    Some(Space::new(&first.profile, &first.name, embed.dimensions))
}

/// The estimate at which a trimmed prompt fits, if any does.
fn fitting(request: &ChatRequest, profile: &ModelProfile, need: Need, estimated: u64) -> Option<u64> {
    let window = profile.context_window.unwrap_or(u64::MAX).min(need.overflow.unwrap_or(u64::MAX));
    let left = window.checked_sub(Need::room(request, profile, window))?;
    // What was estimated may be a little more.
    let tokens = u128::from(left - left / 20) * u128::from(estimated) / u128::from(need.prompt.max(1));
    u64::try_from(tokens).ok().filter(|tokens| *tokens > 0)
}
