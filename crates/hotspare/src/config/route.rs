//! `[routes.NAME]`.
//!
//! Invariant: a setting that the route's strategy cannot honour is a mistake, never silently ignored.

use std::collections::BTreeMap;

use hotspare_core::{Kind, TargetId};
use hotspare_engine::{
    Adaptive, AnswerLimit, Commit, Limits, OnCut, OnKind, OnRefusal, Rules, Trim, ValidateOutput,
    ValidateToolCalls,
};
use hotspare_routing::{Hedge, Hedged, Sequential, Strategy, Tiered, strategy_named, strategy_names};
use serde::Deserialize;

use super::choice::{choose, unknown, valid};
use super::prompt::PromptDto;
use super::units::{CostDto, DurationDto, PercentDto, SpendLimitDto, duration, optional_size};
use crate::builder::RouteSpec;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteDto {
    targets: Vec<TierDto>,
    strategy: Option<String>,
    #[serde(default)]
    weights: BTreeMap<String, u32>,
    width: Option<usize>,
    #[serde(default)]
    answers_to: Vec<String>,
    preset: Option<String>,
    limits: Option<LimitsDto>,
    hedge: Option<HedgeDto>,
    on_cut: Option<String>,
    commit: Option<String>,
    validate_output: Option<String>,
    validate_tool_calls: Option<String>,
    on_refusal: Option<String>,
    trim: Option<String>,
    spend_limit: Option<SpendLimitDto>,
    /// By target name, or by model name prefix followed by `*`.
    #[serde(default)]
    pub(super) prompts: BTreeMap<String, PromptDto>,
    #[serde(default)]
    on: BTreeMap<Kind, OnKindDto>,
    #[serde(default)]
    stream_upstream: bool,
}

/// A target, or several targets of equal rank.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "targets are names, or lists of names that share a rank: [\"main\", [\"a\", \"b\"], \"local\"]"
)]
enum TierDto {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LimitsDto {
    first_content: Option<DurationDto>,
    first_content_reasoning: Option<DurationDto>,
    adaptive: Option<AdaptiveDto>,
    headers: Option<DurationDto>,
    attempt: Option<DurationDto>,
    unstreamed: Option<DurationDto>,
    gap: Option<DurationDto>,
    quiet_gap: Option<DurationDto>,
    first_content_deadline: Option<DurationDto>,
    total: Option<DurationDto>,
    max_targets: Option<u32>,
    max_extra_starts: Option<u32>,
    max_reasks: Option<u32>,
    max_reask_cost: Option<CostDto>,
    wait_for_rate_limit: Option<DurationDto>,
    #[serde(deserialize_with = "optional_size")]
    max_buffered_bytes: Option<usize>,
}

/// How to react to a failure of one kind.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "the action for a failure is \"next\", \"same\", \"stop\" or a list of targets"
)]
enum OnKindDto {
    Keyword(String),
    To(Vec<String>),
}

impl OnKindDto {
    fn rule(&self, kind: Kind, mistakes: &mut Vec<String>) -> Option<OnKind> {
        match self {
            Self::To(targets) => Some(OnKind::To(targets.iter().map(|name| name.as_str().into()).collect())),
            Self::Keyword(word) => {
                let values = [("next", OnKind::Next), ("same", OnKind::Same), ("stop", OnKind::Stop)];
                let found = values.iter().find(|(known, _)| known == word);
                if found.is_none() {
                    mistakes.push(format!(
                        "unknown on.{kind} `{word}`; valid values are next, same, stop and a list of targets"
                    ));
                }
                found.map(|(_, action)| action.clone())
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdaptiveDto {
    multiplier: f64,
    min: Option<DurationDto>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HedgeDto {
    at: String,
    budget: Option<PercentDto>,
}

impl RouteDto {
    /// The route, and the mistakes in it. What is wrong has its default, so that the rest can be checked as well.
    pub(super) fn route(self) -> (RouteSpec, Vec<String>) {
        let mut mistakes = Vec::new();
        let limits = self.limits(&mut mistakes);
        let rules = self.rules(&mut mistakes);
        let strategy = self.strategy(&mut mistakes);
        let mut route = RouteSpec::new(strategy).limits(limits).rules(rules).answers_to(self.answers_to);
        if let Some(limit) = self.spend_limit {
            route = route.spend_limit(limit.most, limit.per);
        }
        for (pattern, prompt) in self.prompts {
            match prompt.template() {
                Ok(Some((name, template))) => route = route.template(pattern, name, template),
                Ok(None) => {}
                Err(what) => mistakes.push(format!("prompts.{pattern}: {what}")),
            }
        }
        (route, mistakes)
    }

    fn strategy(&self, mistakes: &mut Vec<String>) -> Box<dyn Strategy> {
        let names = |tier: &TierDto| match tier {
            TierDto::One(name) => vec![name.clone()],
            TierDto::Several(names) => names.clone(),
        };
        let all: Vec<String> = self.targets.iter().flat_map(names).collect();
        let flat = self.targets.iter().all(|tier| matches!(tier, TierDto::One(_)));
        let default = if flat { "sequential" } else { "weighted" };
        let name = self.strategy.as_deref().unwrap_or(default);
        let names = strategy_names();
        if names.contains(&name) {
            self.check_strategy_settings(name, mistakes);
        } else {
            mistakes.push(unknown("strategy", name, &names));
        }
        self.check_targets(&all, mistakes);
        // After an unknown name, any strategy will do to find the other mistakes.
        let make = |targets: Vec<String>| {
            strategy_named(name, self.with_weights(&targets), self.width)
                .unwrap_or_else(|| Box::new(Sequential::new(targets)))
        };
        let strategy: Box<dyn Strategy> = if flat {
            make(all)
        } else {
            let tiers = self.targets.iter().map(|tier| match tier {
                TierDto::One(name) => Box::new(Sequential::new([name.clone()])),
                TierDto::Several(names) => make(names.clone()),
            });
            Box::new(Tiered::new(tiers.collect()))
        };
        match self.hedge.as_ref().and_then(|hedge| valid(hedge.hedge(), mistakes)) {
            Some(hedge) => Box::new(Hedged::new(strategy, hedge)),
            None => strategy,
        }
    }

    fn check_targets(&self, names: &[String], mistakes: &mut Vec<String>) {
        if let Some(duplicate) =
            names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name))
        {
            mistakes.push(format!("targets name `{duplicate}` twice"));
        }
        if self.targets.iter().any(|tier| matches!(tier, TierDto::Several(names) if names.is_empty())) {
            mistakes.push("targets hold an empty list".into());
        }
        if let Some(unknown) = self.weights.keys().find(|name| !names.contains(name)) {
            mistakes.push(format!("weights name `{unknown}`, which is not one of the targets"));
        }
        if !names.is_empty() && names.iter().all(|name| self.weights.get(name) == Some(&0)) {
            mistakes.push("weights are all 0".into());
        }
        if self.hedge.is_some() && names.len() == 1 {
            mistakes.push("a hedge needs a second target".into());
        }
    }

    /// Rejects settings that would otherwise be silently ignored.
    fn check_strategy_settings(&self, strategy: &str, mistakes: &mut Vec<String>) {
        if self.width.is_some() && strategy != "race" {
            mistakes.push(format!("`width` belongs to the strategy race, not to {strategy}"));
        } else if self.width == Some(0) {
            mistakes.push("width must be at least 1".into());
        }
        if !self.weights.is_empty() && strategy != "weighted" {
            mistakes.push(format!("`weights` belong to the strategy weighted, not to {strategy}"));
        }
    }

    fn with_weights(&self, names: &[String]) -> Vec<(TargetId, u32)> {
        let weight = |name: &String| self.weights.get(name).copied().unwrap_or(1);
        names.iter().map(|name| (name.as_str().into(), weight(name))).collect()
    }

    fn limits(&self, mistakes: &mut Vec<String>) -> Limits {
        let presets = [
            ("interactive", Limits::interactive()),
            ("batch", Limits::batch()),
            ("critical", Limits::critical()),
        ];
        let mut limits = choose("preset", self.preset.as_deref(), &presets, mistakes).unwrap_or_default();
        if let Some(dto) = &self.limits {
            let set = |knob: &mut std::time::Duration, span: Option<DurationDto>| {
                *knob = span.map_or(*knob, |span| span.0)
            };
            if let Some(adaptive) = &dto.adaptive {
                if (1.0..=100.0).contains(&adaptive.multiplier) {
                    let min = adaptive.min.map_or(Adaptive::default().min, |span| span.0);
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "checked just above"
                    )]
                    let percent = (adaptive.multiplier * 100.0) as u32;
                    limits.adaptive = Some(Adaptive::new(percent, min));
                } else {
                    mistakes.push(format!(
                        "limits.adaptive.multiplier is {}; it must be between 1 and 100",
                        adaptive.multiplier
                    ));
                }
            }
            set(&mut limits.first_content, dto.first_content);
            set(&mut limits.first_content_reasoning, dto.first_content_reasoning);
            set(&mut limits.gap, dto.gap);
            set(&mut limits.quiet_gap, dto.quiet_gap);
            set(&mut limits.first_content_deadline, dto.first_content_deadline);
            set(&mut limits.total, dto.total);
            // A shorter limit for the whole implies those for its parts that were not written.
            if dto.first_content_deadline.is_none() {
                limits.first_content_deadline = limits.first_content_deadline.min(limits.total);
            }
            if dto.first_content.is_none() {
                limits.first_content = limits.first_content.min(limits.first_content_deadline);
            }
            set(&mut limits.wait_for_rate_limit, dto.wait_for_rate_limit);
            if let Some(span) = dto.unstreamed {
                limits.unstreamed = AnswerLimit::Fixed(span.0);
            }
            limits.headers = dto.headers.map(|span| span.0).or(limits.headers);
            limits.attempt = dto.attempt.map(|span| span.0).or(limits.attempt);
            limits.max_targets = dto.max_targets.or(limits.max_targets);
            limits.max_buffered_bytes = dto.max_buffered_bytes.unwrap_or(limits.max_buffered_bytes);
            limits.max_reasks = dto.max_reasks.unwrap_or(limits.max_reasks);
            limits.max_reask_cost = dto.max_reask_cost.map(|money| money.0);
            limits.max_extra_starts = dto.max_extra_starts.unwrap_or(limits.max_extra_starts);
        }
        limits
    }

    fn rules(&self, mistakes: &mut Vec<String>) -> Rules {
        let mut rules = Rules::default();
        let on_cut = [("continue", OnCut::Continue), ("terminate", OnCut::Terminate)];
        rules.on_cut = choose("on_cut", self.on_cut.as_deref(), &on_cut, mistakes).unwrap_or(OnCut::Continue);
        rules.commit = match self.commit.as_deref() {
            None | Some("first_content") => Commit::FirstContent,
            Some("whole") => Commit::Whole,
            Some(text) => match (duration(text), text.strip_suffix(" events").map(str::parse)) {
                (Some(span), _) => Commit::After(span),
                (None, Some(Ok(0))) => {
                    mistakes
                        .push("commit needs at least \"1 events\"; \"first_content\" is the earliest".into());
                    Commit::FirstContent
                }
                (None, Some(Ok(count))) => Commit::Events(count),
                _ => {
                    let known = "\"first_content\", \"whole\", a duration, or \"8 events\"";
                    mistakes.push(format!("unknown commit `{text}`; it is {known}"));
                    Commit::FirstContent
                }
            },
        };
        let output = [
            ("before_delivery", ValidateOutput::BeforeDelivery),
            ("at_end", ValidateOutput::AtEnd),
            ("never", ValidateOutput::Never),
        ];
        rules.validate_output = choose("validate_output", self.validate_output.as_deref(), &output, mistakes)
            .unwrap_or(ValidateOutput::BeforeDelivery);
        let tool_calls = [
            ("before_delivery", ValidateToolCalls::BeforeDelivery),
            ("at_end", ValidateToolCalls::AtEnd),
            ("never", ValidateToolCalls::Never),
        ];
        rules.validate_tool_calls =
            choose("validate_tool_calls", self.validate_tool_calls.as_deref(), &tool_calls, mistakes)
                .unwrap_or(ValidateToolCalls::Never);
        let on_refusal = [("deliver", OnRefusal::Deliver), ("next", OnRefusal::Next)];
        rules.on_refusal = choose("on_refusal", self.on_refusal.as_deref(), &on_refusal, mistakes)
            .unwrap_or(OnRefusal::Deliver);
        let trim = [("never", Trim::Never), ("oldest_turns", Trim::OldestTurns)];
        rules.trim = choose("trim", self.trim.as_deref(), &trim, mistakes).unwrap_or(Trim::Never);
        for (kind, dto) in &self.on {
            if let Some(action) = dto.rule(*kind, mistakes) {
                rules.on.insert(*kind, action);
            }
        }
        rules.stream_upstream = self.stream_upstream;
        rules
    }
}

impl HedgeDto {
    fn hedge(&self) -> Result<Hedge, String> {
        let hedge = match (self.at.as_str(), duration(&self.at)) {
            ("p95", _) => Hedge::at_p95(),
            (_, Some(delay)) => Hedge::after(delay),
            (other, None) => {
                return Err(format!("hedge.at is `{other}`; it is \"p95\" or a duration such as \"400ms\""));
            }
        };
        Ok(self.budget.map_or(hedge, |share| hedge.budget_bp(share.0)))
    }
}
