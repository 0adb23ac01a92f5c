//! `[routes.NAME]`.
//!
//! Invariant: a setting that the route's strategy cannot honour is a mistake, never silently ignored.

use std::collections::BTreeMap;

use hotspare_core::Kind;
use hotspare_engine::{
    Adaptive, AnswerLimit, Commit, Limits, OnCut, OnKind, OnRefusal, Rules, Trim, ValidateOutput,
    ValidateToolCalls,
};
use hotspare_routing::{
    Cheapest, Fastest, HealthAware, Hedge, Hedged, MostReliable, Race, RoundRobin, Sequential, Sticky,
    Strategy, Tiered, Weighted,
};
use serde::Deserialize;

use super::prompt::PromptDto;
use super::units::{CostDto, DurationDto, PercentDto, SpendLimitDto, optional_size, parse};
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
    fn rule(&self, kind: Kind) -> Result<OnKind, String> {
        match self {
            Self::To(targets) => Ok(OnKind::To(targets.iter().map(|name| name.as_str().into()).collect())),
            Self::Keyword(word) => match word.as_str() {
                "next" => Ok(OnKind::Next),
                "same" => Ok(OnKind::Same),
                "stop" => Ok(OnKind::Stop),
                other => Err(format!(
                    "unknown on.{kind} `{other}`; valid values are next, same, stop and a list of targets"
                )),
            },
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
    pub(super) fn route(self) -> Result<RouteSpec, String> {
        let limits = self.limits()?;
        let rules = self.rules()?;
        let strategy = self.strategy()?;
        let mut route = RouteSpec::new(strategy).limits(limits).rules(rules).answers_to(self.answers_to);
        if let Some(limit) = self.spend_limit {
            route = route.spend_limit(limit.most, limit.per);
        }
        for (pattern, prompt) in self.prompts {
            match prompt.template() {
                Ok(Some((name, template))) => route = route.template(pattern, name, template),
                Ok(None) => {}
                Err(what) => route.mistake(format!("prompts.{pattern}: {what}")),
            }
        }
        Ok(route)
    }

    fn strategy(&self) -> Result<Box<dyn Strategy>, String> {
        let strategy_over = |names: Vec<String>| self.strategy_over(names);
        let names = |tier: &TierDto| match tier {
            TierDto::One(name) => vec![name.clone()],
            TierDto::Several(names) => names.clone(),
        };
        let flat = self.targets.iter().all(|tier| matches!(tier, TierDto::One(_)));
        self.check_strategy_settings(&self.targets.iter().flat_map(names).collect::<Vec<_>>(), flat)?;
        let strategy: Box<dyn Strategy> = if flat {
            strategy_over(self.targets.iter().flat_map(names).collect())?
        } else {
            let tiers = self.targets.iter().map(|tier| match tier {
                TierDto::One(name) => Ok(Box::new(Sequential::new([name.clone()])) as Box<dyn Strategy>),
                TierDto::Several(_) if self.strategy.is_none() => {
                    Ok(Box::new(Weighted::new(self.with_weights(names(tier)))) as Box<dyn Strategy>)
                }
                TierDto::Several(names) => strategy_over(names.clone()),
            });
            Box::new(Tiered::new(tiers.collect::<Result<_, String>>()?))
        };
        match &self.hedge {
            Some(hedge) => Ok(Box::new(Hedged::new(strategy, hedge.hedge()?))),
            None => Ok(strategy),
        }
    }

    /// Rejects settings that would otherwise be silently ignored.
    fn check_strategy_settings(&self, names: &[String], flat: bool) -> Result<(), String> {
        let default = if flat { "sequential" } else { "weighted" };
        let strategy = self.strategy.as_deref().unwrap_or(default);
        if let Some(duplicate) =
            names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name))
        {
            return Err(format!("targets name `{duplicate}` twice"));
        }
        if self.targets.iter().any(|tier| matches!(tier, TierDto::Several(names) if names.is_empty())) {
            return Err("targets hold an empty list".into());
        }
        if self.width.is_some() && strategy != "race" {
            return Err(format!("`width` belongs to the strategy race, not to {strategy}"));
        }
        if self.width == Some(0) {
            return Err("width must be at least 1".into());
        }
        if !self.weights.is_empty() && strategy != "weighted" {
            return Err(format!("`weights` belong to the strategy weighted, not to {strategy}"));
        }
        if let Some(unknown) = self.weights.keys().find(|name| !names.contains(name)) {
            return Err(format!("weights name `{unknown}`, which is not one of the targets"));
        }
        if !names.is_empty() && names.iter().all(|name| self.weights.get(name) == Some(&0)) {
            return Err("weights are all 0".into());
        }
        if self.hedge.is_some() && names.len() == 1 {
            return Err("a hedge needs a second target".into());
        }
        Ok(())
    }

    fn strategy_over(&self, names: Vec<String>) -> Result<Box<dyn Strategy>, String> {
        let name = self.strategy.as_deref().unwrap_or("sequential");
        Ok(match name {
            "sequential" => Box::new(Sequential::new(names)),
            "health-aware" => Box::new(HealthAware::new(names)),
            "race" => Box::new(Race::new(names).width(self.width.unwrap_or(2))),
            "weighted" => Box::new(Weighted::new(self.with_weights(names))),
            "round-robin" => Box::new(RoundRobin::new(names)),
            "fastest" => Box::new(Fastest::new(names)),
            "cheapest" => Box::new(Cheapest::new(names)),
            "most-reliable" => Box::new(MostReliable::new(names)),
            "sticky" => Box::new(Sticky::new(names)),
            other => {
                let known = "sequential, health-aware, race, weighted, round-robin, fastest, cheapest, most-reliable and sticky";
                return Err(format!("unknown strategy `{other}`; valid values are {known}"));
            }
        })
    }

    fn with_weights(&self, names: Vec<String>) -> Vec<(String, u32)> {
        names.into_iter().map(|name| (name.clone(), self.weights.get(&name).copied().unwrap_or(1))).collect()
    }

    fn limits(&self) -> Result<Limits, String> {
        let mut limits = match self.preset.as_deref() {
            None => Limits::default(),
            Some("interactive") => Limits::interactive(),
            Some("batch") => Limits::batch(),
            Some("critical") => Limits::critical(),
            Some(other) => {
                return Err(format!(
                    "unknown preset `{other}`; valid values are interactive, batch and critical"
                ));
            }
        };
        if let Some(dto) = &self.limits {
            let set = |knob: &mut std::time::Duration, span: Option<DurationDto>| {
                *knob = span.map_or(*knob, |span| span.0)
            };
            if let Some(adaptive) = &dto.adaptive {
                if !(1.0..=100.0).contains(&adaptive.multiplier) {
                    return Err(format!(
                        "limits.adaptive.multiplier is {}; it must be between 1 and 100",
                        adaptive.multiplier
                    ));
                }
                let min = adaptive.min.map_or(Adaptive::default().min, |span| span.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked just above"
                )]
                let percent = (adaptive.multiplier * 100.0) as u32;
                limits.adaptive = Some(Adaptive::new(percent, min));
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
        Ok(limits)
    }

    fn rules(&self) -> Result<Rules, String> {
        let mut rules = Rules::default();
        rules.on_cut = match self.on_cut.as_deref() {
            None | Some("continue") => OnCut::Continue,
            Some("terminate") => OnCut::Terminate,
            Some(other) => {
                return Err(format!("unknown on_cut `{other}`; valid values are continue and terminate"));
            }
        };
        rules.commit = match self.commit.as_deref() {
            None | Some("first_content") => Commit::FirstContent,
            Some("whole") => Commit::Whole,
            Some(text) => match (parse(text), text.strip_suffix(" events").map(str::parse)) {
                (Some(span), _) => Commit::After(span),
                (None, Some(Ok(count))) => Commit::Events(count),
                _ => {
                    let known = "\"first_content\", \"whole\", a duration, or \"8 events\"";
                    return Err(format!("unknown commit `{text}`; it is {known}"));
                }
            },
        };
        rules.validate_output = match self.validate_output.as_deref() {
            None | Some("before_delivery") => ValidateOutput::BeforeDelivery,
            Some("at_end") => ValidateOutput::AtEnd,
            Some("never") => ValidateOutput::Never,
            Some(other) => {
                let known = "before_delivery, at_end and never";
                return Err(format!("unknown validate_output `{other}`; valid values are {known}"));
            }
        };
        rules.validate_tool_calls = match self.validate_tool_calls.as_deref() {
            None | Some("never") => ValidateToolCalls::Never,
            Some("at_end") => ValidateToolCalls::AtEnd,
            Some("before_delivery") => ValidateToolCalls::BeforeDelivery,
            Some(other) => {
                let known = "before_delivery, at_end and never";
                return Err(format!("unknown validate_tool_calls `{other}`; valid values are {known}"));
            }
        };
        rules.on_refusal = match self.on_refusal.as_deref() {
            None | Some("deliver") => OnRefusal::Deliver,
            Some("next") => OnRefusal::Next,
            Some(other) => {
                return Err(format!("unknown on_refusal `{other}`; valid values are deliver and next"));
            }
        };
        rules.trim = match self.trim.as_deref() {
            None | Some("never") => Trim::Never,
            Some("oldest_turns") => Trim::OldestTurns,
            Some(other) => {
                return Err(format!("unknown trim `{other}`; valid values are never and oldest_turns"));
            }
        };
        for (kind, dto) in &self.on {
            rules.on.insert(*kind, dto.rule(*kind)?);
        }
        rules.stream_upstream = self.stream_upstream;
        Ok(rules)
    }
}

impl HedgeDto {
    fn hedge(&self) -> Result<Hedge, String> {
        let hedge = match (self.at.as_str(), parse(&self.at)) {
            ("p95", _) => Hedge::at_p95(),
            (_, Some(delay)) => Hedge::after(delay),
            (other, None) => {
                return Err(format!("hedge.at is `{other}`; it is \"p95\" or a duration such as \"400ms\""));
            }
        };
        Ok(self.budget.map_or(hedge, |share| hedge.budget_bp(share.0)))
    }
}
