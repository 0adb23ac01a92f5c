//! Which targets would be tried, in which order, and why.
//!
//! Not which targets *are* tried: health admits at the moment of the start. Invariant: a plan is made from copies,
//! outside of every lock, by the same code for a call and for its dry run; no target occurs in it twice.

mod survey;

use std::time::Duration;

use hotspare_core::{
    BreakerState, Cost, Kind, Message, PromptSize, Request, Skipped, TargetView, TokenScale,
};
use hotspare_normalize::{PromptTemplate, message_size};
use hotspare_routing::{Candidate, Ineligible, Reason, Scene, Start};

use crate::fleet::{Fleet, Route};
use crate::index::TargetIndex;
use crate::judgement::Reask;
use crate::spend::Estimate;
use survey::{Facts, Question};

/// A call's order of targets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// Targets to try, best first.
    pub choices: Vec<PlannedTarget>,
    /// The target that would be first if none were blocked, if it is blocked.
    pub(crate) passed_over: Option<TargetIndex>,
    /// Targets that are skipped, and why.
    pub skipped: Vec<Skipped>,
    /// Estimated tokens of the prompt.
    pub prompt_tokens: u64,
    /// Dimensions that each vector must have, for an embedding request and if known.
    pub dimensions: Option<u32>,
    /// Kind of the error if no target can be tried: the prompt is too long for every target, none of them supports the
    /// request, or otherwise none is available.
    pub nobody: Kind,
}

/// One target of the plan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedTarget {
    /// Index of the target in the fleet.
    pub target: TargetIndex,
    /// When it starts.
    pub start: Start,
    /// Why it is ranked here.
    pub reason: Reason,
    /// Whether it was healthy when the plan was made.
    pub clean: bool,
    /// Its usual time to first content for a prompt of this size, if known.
    pub usual: Option<TypicalLatency>,
    /// Tokens of the prompt as estimated for this target.
    pub prompt_tokens: u64,
    /// The most tokens that the prompt may have there, by what is known of the target's counts.
    pub most_prompt_tokens: u64,
    /// The estimate plus the room for the answer.
    pub needs: u64,
    /// By how much that room may be too high: an answer that is to be written again is estimated, too.
    pub(crate) room_margin: u64,
    /// Its context window: as known, or as it has named it, whichever is smaller.
    pub window: Option<u64>,
    /// The oldest turns must be removed until the prompt is estimated at this many tokens.
    pub trim_to: Option<u64>,
    /// Whether it reasons before it answers this request, so that its first content may be late.
    pub reasons: bool,
    /// The size of what it is sent, its template included.
    pub(crate) size: PromptSize,
    /// What was wrong with its previous answer, if it is asked again.
    pub(crate) reask: Option<Reask>,
    /// The same choice without that.
    pub(crate) plain: Option<Box<Self>>,
}

impl PlannedTarget {
    /// What it costs if the answer uses the room reserved for it, if the target's price is known.
    #[must_use]
    pub fn most_cost(&self, fleet: &Fleet) -> Option<Cost> {
        fleet[self.target].most_cost(self.prompt_tokens, self.answer_tokens())
    }

    /// What it may cost, if the target's price is known.
    pub(crate) fn estimate(&self, fleet: &Fleet) -> Option<Estimate> {
        let prompt = fleet[self.target].prompt_cost(self.prompt_tokens)?;
        Some(Estimate { prompt, most: self.most_cost(fleet)? })
    }

    /// Tokens reserved for the answer: as many as the request allows and the model supports, or a usual length.
    #[must_use]
    pub fn answer_tokens(&self) -> u64 {
        self.needs.saturating_sub(self.prompt_tokens)
    }

    /// The same target once more. It does not count as clean: a second try is not a first look.
    pub(crate) fn once_more(&self, reason: Reason) -> Self {
        let plain = self.plain.as_deref().unwrap_or(self);
        Self { start: Start::AfterFailure, reason, clean: false, ..plain.clone() }
    }

    /// The same target with its answer and what was wrong with it after the prompt.
    pub(crate) fn with_reask(self, reask: Reask, scale: &TokenScale) -> Self {
        let messages = [Message::assistant(reask.answer.as_ref()), Message::user(reask.feedback.as_ref())];
        let sizes = messages.iter().map(message_size);
        let added = sizes.fold(PromptSize::default(), |sum, size| sum.with(&size));
        let tokens = scale.estimate(&added);
        let most = tokens.saturating_mul(self.most_prompt_tokens) / self.prompt_tokens.max(1);
        Self {
            size: self.size.with(&added),
            prompt_tokens: self.prompt_tokens.saturating_add(tokens),
            most_prompt_tokens: self.most_prompt_tokens.saturating_add(most),
            needs: self.needs.saturating_add(tokens),
            trim_to: self.trim_to.map(|most| most.saturating_sub(added.tokens())),
            reask: Some(reask),
            plain: Some(Box::new(self.clone())),
            ..self
        }
    }

    /// The same target, to continue an answer of which the caller has text of this size: as part of its prompt if it is
    /// given that as prefill, and otherwise at the beginning of an answer that is at least as long.
    pub(crate) fn with_cut(&self, added: &PromptSize, prefill: bool, scale: &TokenScale) -> Self {
        let plain = self.plain.as_deref().unwrap_or(self);
        let tokens = scale.estimate(added);
        // The most tokens that it may have: its estimate is as uncertain as the prompt's.
        let most = tokens.saturating_mul(plain.most_prompt_tokens) / plain.prompt_tokens.max(1);
        let needs = |tokens| plain.needs.max(plain.prompt_tokens.saturating_add(tokens));
        let longer = Self { needs: needs(tokens), plain: Some(Box::new(plain.clone())), ..plain.clone() };
        if !prefill {
            let least = tokens.saturating_sub(most.saturating_sub(tokens));
            return Self { room_margin: longer.needs.saturating_sub(needs(least)), ..longer };
        }
        Self {
            size: plain.size.with(added),
            prompt_tokens: plain.prompt_tokens.saturating_add(tokens),
            most_prompt_tokens: plain.most_prompt_tokens.saturating_add(most),
            trim_to: plain.trim_to.map(|most| most.saturating_sub(added.tokens())),
            ..longer
        }
    }

    /// Why the prompt certainly does not fit its window, if so.
    pub(crate) fn too_long(&self) -> Option<String> {
        let holds = self.window?;
        let margin =
            self.most_prompt_tokens.saturating_sub(self.prompt_tokens).saturating_add(self.room_margin);
        let fits = self.trim_to.is_some() || self.needs.saturating_sub(margin) <= holds;
        (!fits).then(|| Ineligible::Window { needs: self.needs, holds }.to_string())
    }
}

/// A target's usual time to first content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypicalLatency {
    /// Median.
    pub p50: Duration,
    /// 95th percentile.
    pub p95: Duration,
}

impl TypicalLatency {
    pub(crate) fn of(view: &TargetView) -> Option<Self> {
        Some(Self { p50: view.latency_p50?, p95: view.latency_p95? })
    }
}

/// Draws and counters that a plan depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanSeed {
    /// A random draw; `None` plans the most likely order.
    pub draw: Option<u64>,
    /// Number of calls that the route has had before.
    pub turn: u64,
}

impl Plan {
    /// Makes a plan for a route whose targets have no templates; see [`Plan::with_templates`].
    #[must_use]
    pub fn new(
        fleet: &Fleet,
        route: &Route,
        request: &Request,
        size: PromptSize,
        views: &[TargetView],
        seed: PlanSeed,
    ) -> Self {
        Self::with_templates(fleet, route, request, size, views, seed, &|_| None)
    }

    /// Makes a plan. `views` are the health of the route's members, in the same order, for a prompt of this `size`,
    /// which [`prompt_size`](hotspare_normalize::prompt_size) computes; `templates` has the prompt template of the target
    /// at an index of the fleet, which counts as part of its prompt.
    #[must_use]
    pub fn with_templates<'t>(
        fleet: &Fleet,
        route: &Route,
        request: &Request,
        size: PromptSize,
        views: &[TargetView],
        seed: PlanSeed,
        templates: &dyn Fn(TargetIndex) -> Option<&'t dyn PromptTemplate>,
    ) -> Self {
        let question = Question { fleet, route, request, size: &size, templates };
        let mut survey = question.survey(views);
        let prompt_tokens = size.tokens();
        let scene = Scene::new(&survey.candidates, request, prompt_tokens).with_draw(seed.draw, seed.turn);
        let passed_over =
            passed_over(route, &scene).and_then(|index| survey.facts[index].as_ref()).map(|one| one.target);
        let asked = match request {
            Request::Chat(chat) => chat.asks_for_reasoning(),
            Request::Embed(_) => Some(false),
        };
        let mut choices = Vec::with_capacity(survey.candidates.len());
        for choice in route.strategy.rank(&scene).choices {
            // A third-party strategy may break its contract; a plan does not.
            let taken = survey.facts.get_mut(choice.index).and_then(Option::take);
            let Some(Facts { target, need, needs, trim_to, sent }) = taken else { continue };
            let view = &survey.candidates[choice.index].view;
            let (start, reason) = match choice.start {
                Start::After(_) if request.options().no_hedge => (Start::AfterFailure, choice.reason),
                Start::AtOnce if request.options().no_hedge => {
                    (Start::AfterFailure, Reason::Own("not raced: the request rules it out".into()))
                }
                start => (start, choice.reason),
            };
            choices.push(PlannedTarget {
                target,
                start,
                reason,
                clean: view.usable && view.failure_rate_bp == 0,
                usual: TypicalLatency::of(view),
                prompt_tokens: need.prompt,
                most_prompt_tokens: need.most_prompt(),
                needs,
                room_margin: 0,
                window: need.window(&fleet[target].profile),
                trim_to,
                reasons: fleet[target].profile.capabilities.reasons(asked),
                size: sent,
                reask: None,
                plain: None,
            });
        }
        // Targets that can take the whole conversation come before those that get a part of it, and targets that
        // support an answer of the requested length before those that do not.
        let wanted = request.max_output().unwrap_or(0);
        choices.sort_by_key(|choice| {
            let most = fleet[choice.target].profile.max_output;
            (choice.trim_to.is_some(), most.is_some_and(|most| most < wanted))
        });
        if request.options().no_failover {
            choices.truncate(1);
        }
        let nobody = if choices.is_empty() { survey.nobody() } else { Kind::NoTarget };
        let dimensions = survey.dimensions;
        let skipped = survey.skipped;
        Self { choices, passed_over, skipped, prompt_tokens, dimensions, nobody }
    }

    /// Decides anew which targets reason before they answer: `asked` says whether the request, as the target at an index
    /// of the fleet reads it, asks for reasoning or turns it off. The plan itself knows only the request's effort.
    #[must_use]
    pub fn with_reasoning(mut self, fleet: &Fleet, asked: impl Fn(TargetIndex) -> Option<bool>) -> Self {
        for choice in &mut self.choices {
            let target = &fleet[choice.target];
            choice.reasons = target.profile.capabilities.reasons(asked(choice.target));
        }
        self
    }
}

/// The candidate that would be first if none were blocked, if it is blocked: strategies move blocked ones back, each in its
/// own way, so the strategy is asked again as if all were usable. The record of one that only pauses or is full counts as
/// it is; that of one whose breaker has opened is why it is blocked.
fn passed_over(route: &Route, scene: &Scene<'_>) -> Option<usize> {
    let is_blocked = |candidate: &Candidate<'_>| !candidate.view.usable;
    if !scene.candidates.iter().any(is_blocked) {
        return None;
    }
    let mut candidates = scene.candidates.to_vec();
    for candidate in candidates.iter_mut().filter(|candidate| is_blocked(candidate)) {
        let view = &mut candidate.view;
        view.usable = true;
        if view.breaker != BreakerState::Closed {
            (view.degraded, view.breaker) = (false, BreakerState::Closed);
            (view.failure_rate_bp, view.weight_bp) = (0, 10_000);
        }
    }
    let wished =
        Scene::new(&candidates, scene.request, scene.prompt_tokens).with_draw(scene.draw, scene.turn);
    let first = route.strategy.rank(&wished).choices.first()?.index;
    scene.candidates.get(first).is_some_and(is_blocked).then_some(first)
}
