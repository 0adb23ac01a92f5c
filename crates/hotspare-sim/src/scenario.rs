//! Scenarios: targets, load and faults, as text written by people.
//!
//! Not a run. Invariant: unknown keys are errors, and every omitted key has a default stated in this file; a scenario
//! that was accepted can be run with any seed.
//!
//! Defaults: three targets `a`, `b`, `c` at separate endpoints; first content after 0.6 s (median), 1.2 s (95 %) or 4 s
//! (99 %), then one token every 20 ms, 150 of them; 20 requests a second, all streamed, with Poisson arrivals, for ten
//! minutes; faults last from minute 2 to minute 5.

mod breaker;
mod marks;
mod target;
mod validation;

use std::time::Duration;

use serde::Deserialize;

use crate::effect::Effect;
use crate::marks::Mark;
use crate::units::{Share, Span};

pub(crate) use breaker::BreakerDto;
pub(crate) use target::{Growth, PriceDto, QuotaDto, QuotaReporting, TargetDto};

/// Targets, load, faults, the route under test, and the marks to reach.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Set by the reader: the file's name.
    #[serde(skip)]
    pub(crate) name: String,
    pub(crate) what: String,
    #[serde(default = "ten_minutes")]
    pub(crate) length: Span,
    #[serde(default = "window")]
    pub(crate) window: [Span; 2],
    /// Limits the number of seeds, for scenarios whose runs are long.
    pub(crate) seeds: Option<u32>,
    /// Only meaningful at full length: a suite does not shorten it.
    #[serde(default)]
    pub(crate) whole: bool,
    /// Its length before it was shortened.
    #[serde(skip)]
    pub(crate) full: Option<Span>,
    /// When a new process takes over, which knows nothing of earlier calls.
    pub(crate) restart: Option<Span>,
    #[serde(default)]
    pub(crate) load: Load,
    #[serde(default = "default_targets")]
    pub(crate) targets: Vec<TargetDto>,
    #[serde(default)]
    pub(crate) faults: Vec<FaultDto>,
    pub(crate) incidents: Option<Incidents>,
    pub(crate) swizzle: Option<Swizzle>,
    #[serde(default)]
    pub(crate) route: RouteDto,
    #[serde(default)]
    pub(crate) marks: Vec<Mark>,
}

/// The load: how many requests, and of what kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Load {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Coefficient of variation of the gaps: 1 is Poisson, 0 a metronome, more is bursty (Gamma).
    pub(crate) cv: f64,
    pub(crate) stream: Share,
    pub(crate) prompt_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) long_prompts: Option<LongPrompts>,
    pub(crate) leave: Option<Leave>,
    /// Share of requests that every provider rejects as malformed.
    pub(crate) invalid: Share,
    pub(crate) deadline: Option<Span>,
    pub(crate) bursts: Vec<Burst>,
    /// Number of additional requests that arrive together.
    pub(crate) crowd: u32,
    /// When they arrive; the window's start if omitted.
    pub(crate) crowd_at: Option<Span>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            rate: 20.0,
            cv: 1.0,
            stream: Share(1.0),
            prompt_tokens: 500,
            output_tokens: 150,
            long_prompts: None,
            leave: None,
            invalid: Share(0.0),
            deadline: None,
            bursts: Vec::new(),
            crowd: 0,
            crowd_at: None,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LongPrompts {
    pub(crate) share: Share,
    pub(crate) tokens: u64,
    /// How much longer their first content takes.
    pub(crate) ttft_times: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leave {
    pub(crate) share: Share,
    pub(crate) after: Span,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Burst {
    pub(crate) from: Span,
    pub(crate) until: Span,
    pub(crate) times: f64,
}

/// A fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultDto {
    /// Names of targets or groups, or `all`.
    pub(crate) on: Vec<String>,
    pub(crate) effect: Effect,
    /// Start; the window's start if omitted.
    pub(crate) from: Option<Span>,
    /// End; the window's end if omitted.
    pub(crate) until: Option<Span>,
    /// Share of requests that are affected.
    pub(crate) share: Option<Share>,
    /// How long the failing reply takes.
    pub(crate) after: Option<Span>,
    /// Affects only requests with this key, counted from 1.
    pub(crate) key: Option<u32>,
    /// Alternates between on and off.
    pub(crate) flap: Option<Flap>,
    /// When it begins, also resets the connections of the requests that it affects and that are in flight.
    #[serde(default)]
    pub(crate) cuts_in_flight: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flap {
    pub(crate) on: Span,
    pub(crate) off: Span,
}

/// Incidents as status pages report them: clustered, with log-normal lengths, mostly partial.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Incidents {
    pub(crate) per_month: f64,
    /// Median length.
    pub(crate) median: Span,
    /// Standard deviation of the logarithm of the length.
    pub(crate) sigma: f64,
    /// Share of incidents in which only a share of requests fails.
    pub(crate) partial: Share,
}

/// Targets fail one by one in random order and recover in another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Swizzle {
    pub(crate) effects: Vec<Effect>,
    pub(crate) every: Span,
    /// All targets are healthy after this.
    pub(crate) until: Span,
}

/// The route under test.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RouteDto {
    pub(crate) strategy: String,
    /// `p95`, a duration, or `off`.
    pub(crate) hedge: String,
    pub(crate) hedge_budget: Share,
    /// `default`, `interactive`, `batch` or `critical`.
    pub(crate) preset: String,
    /// Multiple of the usual 95th percentile after which first content counts as late; 0 is off.
    pub(crate) adaptive: f64,
    pub(crate) first_content: Option<Span>,
    pub(crate) gap: Option<Span>,
    pub(crate) deadline: Option<Span>,
    pub(crate) total: Option<Span>,
    pub(crate) wait_for_rate_limit: Option<Span>,
    /// `continue` or `terminate`.
    pub(crate) on_cut: String,
}

impl Default for RouteDto {
    fn default() -> Self {
        Self {
            strategy: "health-aware".into(),
            hedge: "off".into(),
            hedge_budget: Share(0.05),
            preset: "default".into(),
            adaptive: 0.0,
            first_content: None,
            gap: None,
            deadline: Some(Span::secs(30)),
            total: None,
            wait_for_rate_limit: None,
            on_cut: "continue".into(),
        }
    }
}

fn ten_minutes() -> Span {
    Span::secs(600)
}

fn window() -> [Span; 2] {
    [Span::secs(120), Span::secs(300)]
}

fn default_targets() -> Vec<TargetDto> {
    ["a", "b", "c"].map(TargetDto::named).into()
}

impl Scenario {
    /// Parses a scenario.
    ///
    /// # Errors
    /// What is wrong, with its line number for syntax errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut scenario: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            format!("{name}: line {at}: {}", error.message().trim())
        })?;
        scenario.name = name.to_owned();
        scenario.validated()
    }

    /// This scenario if it can be run.
    pub(crate) fn validated(self) -> Result<Self, String> {
        match self.mistakes().as_slice() {
            [] => Ok(self),
            mistakes => Err(format!("{}: {}", self.name, mistakes.join("; "))),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What goes wrong, in words.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The number of seeds to run if `asked` are requested.
    #[must_use]
    pub fn seeds(&self, asked: u32) -> u32 {
        self.seeds.map_or(asked, |most| most.min(asked))
    }

    /// Its length in virtual time.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.length.0
    }

    /// Sets another length in virtual time.
    pub fn set_length(&mut self, length: Duration) {
        self.full = Some(self.full_length());
        self.length = Span(length);
    }

    /// Its length as written.
    pub(crate) fn full_length(&self) -> Span {
        self.full.unwrap_or(self.length)
    }

    /// Whether it is only meaningful at full length.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Removes the marks, which apply only to the route that the scenario describes.
    pub fn clear_marks(&mut self) {
        self.marks.clear();
    }

    /// Approximate number of requests per run.
    #[must_use]
    pub fn requests(&self) -> u64 {
        (self.load.rate * self.length.0.as_secs_f64()) as u64
    }

    /// Whether a fault may affect the first target, which then has to recover.
    pub(crate) fn first_target_may_fail(&self) -> bool {
        let affected = |fault: &FaultDto| {
            self.targets.first().is_some_and(|first| fault.on.iter().any(|name| first.is_addressed_by(name)))
        };
        self.incidents.is_some() || self.swizzle.is_some() || self.faults.iter().any(affected)
    }

    /// Number of its targets.
    #[must_use]
    pub fn target_count(&self) -> usize {
        self.targets.len()
    }

    /// Number of targets that no fault ever affects, whatever the seed, and that usually begin to answer within the
    /// route's limit; 0 if any target has limited capacity.
    pub(crate) fn healthy_targets(&self) -> usize {
        let limited = |target: &TargetDto| {
            target.capacity.is_some() || target.quota.is_some() || target.growth.is_some()
        };
        if self.incidents.is_some() || self.swizzle.is_some() || self.targets.iter().any(limited) {
            return 0;
        }
        let affected = |target: &TargetDto| {
            self.faults.iter().any(|fault| fault.on.iter().any(|name| target.is_addressed_by(name)))
        };
        let limits = self.route.limits().unwrap_or_default();
        let late = |target: &TargetDto| {
            let limit = if target.reasoning { limits.first_content_reasoning } else { limits.first_content };
            target.ttft.at(0.5) > limit.as_secs_f64()
        };
        self.targets.iter().filter(|target| !affected(target) && !late(target)).count()
    }
}

#[cfg(test)]
mod tests;
