//! The limits and rules of a route: every knob that decides when to wait, move on or stop.
//!
//! Data only. Invariant: every default says where it comes from; `Limits::validate` refuses what would make a call hang
//! or never start.

use std::collections::BTreeMap;
use std::time::Duration;

use hotspare_core::{Cost, Kind, TargetId};

use crate::spend::SpendLimit;

/// Least for [`Limits::max_buffered_bytes`]: an answer of 4,000 tokens. With less, ordinary answers would fail.
const LEAST_BUFFER: usize = 16 << 10;

/// How a mistake names [`Limits::first_content_deadline`], for readers of code and of configurations.
const DEADLINE: &str = "first_content_deadline (deadline in a configuration)";

/// How long to wait for what.
///
/// ```
/// use hotspare_engine::Limits;
/// use std::time::Duration;
///
/// let mut limits = Limits::interactive();
/// limits.gap = Duration::from_secs(3);
/// assert!(limits.mistakes().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Time to an attempt's first content, streamed. When it is over the next target starts and the late one stays alive:
    /// whoever brings content first serves. Default 8 s: beyond the p99 of recorded chat endpoints (1 to 5 s), short
    /// enough for a person who waits.
    pub first_content: Duration,
    /// The same for models that think before they speak. Default 60 s: healthy ones need 20 to 90 s; being late
    /// only starts the spare.
    pub first_content_reasoning: Duration,
    /// Shortens the limits for first content to a multiple of what the target usually needs; those above are then the
    /// longest. Off by default.
    pub adaptive: Option<Adaptive>,
    /// Time to the first byte of a reply, where a host is known to answer at once; when it is over the attempt is late, as
    /// above. Off by default: many servers hold their headers back until the first token.
    pub headers: Option<Duration>,
    /// Time of one attempt until it serves (its answer is whole, where answers are held); when it is over it is dropped and
    /// the next target starts. Off by default: the limits above find what is silent.
    pub attempt: Option<Duration>,
    /// Time to an unstreamed answer, which shows no sign of life before it is whole. Default 30 s.
    pub unstreamed: Duration,
    /// Silence between two pieces of text. Default 8 s.
    pub gap: Duration,
    /// Silence inside reasoning or a tool's arguments, where providers buffer. Default 300 s.
    pub quiet_gap: Duration,
    /// Time to the call's first content over all its attempts, and once more from where content that had begun was lost. An
    /// answer that comes unstreamed has [`Limits::total`] instead. Default 120 s. While others wait for their turn, an attempt
    /// has half of what is left of it, or a third if there are several.
    pub first_content_deadline: Duration,
    /// Time to the end of the answer. Default 600 s, as the providers' own clients have it.
    pub total: Duration,
    /// Most targets that one call may try, where the route wants fewer than it lists.
    pub max_targets: Option<u32>,
    /// Most starts of one call beyond the first try of each target (retries, hedges). Default 2.
    pub max_extra_starts: u32,
    /// A hinted pause up to this long is waited out on the same target. Default 0: move on.
    pub wait_for_rate_limit: Duration,
    /// How often one target is asked again with what was wrong when its answer does not have the form that was asked
    /// for. Each counts as an extra start. Default 1.
    pub max_reasks: u32,
    /// The most that one call may spend on asking again, at list price. Default: no other limit than the number.
    pub max_reask_cost: Option<Cost>,
    /// The most that the route may spend in a period, over all its targets. Default: no limit.
    pub spend: Option<SpendLimit>,
    /// Most bytes of an answer that are held back before the call commits, frames and a little for each event included; vectors
    /// have a bound of their own. Also the longest text that is kept so that another target can continue it after a cut. At
    /// least 16 KiB. Default 64 MiB: a stream of 128k tokens, a frame for each.
    pub max_buffered_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_content: Duration::from_secs(8),
            first_content_reasoning: Duration::from_secs(60),
            adaptive: None,
            headers: None,
            attempt: None,
            unstreamed: Duration::from_secs(30),
            gap: Duration::from_secs(8),
            quiet_gap: Duration::from_secs(300),
            first_content_deadline: Duration::from_secs(120),
            total: Duration::from_secs(600),
            max_targets: None,
            max_extra_starts: 2,
            wait_for_rate_limit: Duration::ZERO,
            max_reasks: 1,
            max_reask_cost: None,
            spend: None,
            max_buffered_bytes: 64 << 20,
        }
    }
}

impl Limits {
    /// For somebody who watches: 4 s to the first content, 30 s in all to it.
    #[must_use]
    pub fn interactive() -> Self {
        Self {
            first_content: Duration::from_secs(4),
            first_content_reasoning: Duration::from_secs(15),
            first_content_deadline: Duration::from_secs(30),
            ..Self::default()
        }
    }

    /// For work that may wait: 60 s to the first content, short rate limits are waited out.
    #[must_use]
    pub fn batch() -> Self {
        Self {
            first_content: Duration::from_secs(60),
            unstreamed: Duration::from_secs(180),
            first_content_deadline: Duration::from_secs(600),
            total: Duration::from_secs(3_600),
            wait_for_rate_limit: Duration::from_secs(5),
            ..Self::default()
        }
    }

    /// For answers that must come, whatever they cost: 2 s to the first content, then the next target starts.
    #[must_use]
    pub fn critical() -> Self {
        Self {
            first_content: Duration::from_secs(2),
            first_content_reasoning: Duration::from_secs(20),
            unstreamed: Duration::from_secs(10),
            gap: Duration::from_secs(4),
            max_extra_starts: 6,
            ..Self::default()
        }
    }

    /// What is wrong with these limits, each as a fragment that names the knob.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let named = [
            ("first_content", self.first_content),
            ("first_content_reasoning", self.first_content_reasoning),
            ("unstreamed", self.unstreamed),
            ("gap", self.gap),
            ("quiet_gap", self.quiet_gap),
            (DEADLINE, self.first_content_deadline),
            ("total", self.total),
            ("headers", self.headers.unwrap_or(Duration::MAX)),
            ("attempt", self.attempt.unwrap_or(Duration::MAX)),
        ];
        let mut mistakes: Vec<String> = named
            .iter()
            .filter(|(_, limit)| limit.is_zero())
            .map(|(name, _)| format!("{name} must be longer than 0s"))
            .collect();
        if self.first_content > self.first_content_deadline {
            mistakes.push(format!("first_content must not be longer than {DEADLINE}"));
        }
        if self.first_content_deadline > self.total {
            mistakes.push(format!("{DEADLINE} must not be longer than total"));
        }
        if self.adaptive.is_some_and(|adaptive| adaptive.multiplier_percent < 100 || adaptive.min.is_zero()) {
            mistakes
                .push("adaptive must be at least 1 times the quantile, and its min longer than 0s".into());
        }
        if self.spend.is_some_and(|limit| limit.per.is_zero()) {
            mistakes.push("spend (spend_limit in a configuration) must be per a time longer than 0s".into());
        }
        if self.max_buffered_bytes < LEAST_BUFFER {
            mistakes.push(format!("max_buffered_bytes must be at least {LEAST_BUFFER}"));
        }
        if self.max_targets == Some(0) {
            mistakes.push("max_targets must be at least 1".into());
        }
        mistakes
    }
}

/// What a route does in situations where taste differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// What happens when a stream is cut after its first content reached the caller.
    pub on_cut: OnCut,
    /// When the first content is passed on.
    pub commit: Commit,
    /// What follows from failures of these kinds, instead of what [`Kind::policy`] says. Health is told the same as ever.
    pub on: BTreeMap<Kind, OnKind>,
    /// When a JSON answer is validated.
    pub validate_output: ValidateOutput,
    /// When the arguments of tool calls are validated.
    pub validate_tool_calls: ValidateToolCalls,
    /// What follows when a model refuses to answer.
    pub on_refusal: OnRefusal,
    /// What happens to conversations that are too long for a target.
    pub trim: Trim,
    /// Ask for a stream although the caller wants the whole answer, so that silence and stalls are seen early.
    pub stream_upstream: bool,
}

/// What follows when a model refuses to answer, or a provider's policy rejects the prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnRefusal {
    /// The caller gets the refusal: it is an answer.
    #[default]
    Deliver,
    /// The next target, with its own prompt. A stream is held back until something else than a refusal has come. If there is
    /// no other target left, the caller gets the refusal.
    Next,
}

/// What happens to conversations that are too long for a target's window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trim {
    /// The target is passed over.
    #[default]
    Never,
    /// It gets the conversation without its oldest turns, and the trail says how many are missing. Targets that can have
    /// the whole come first; instructions and the last turn are never left out.
    OldestTurns,
}

/// What follows from a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnKind {
    /// The next target.
    Next,
    /// The same target once more, if the budget allows; then the next.
    Same,
    /// The caller gets the error.
    Stop,
    /// The next of these targets; the others are passed over.
    To(Vec<TargetId>),
}

/// A limit for first content that follows what the target has shown of late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adaptive {
    /// So many times the target's 95 % quantile, in hundredths. Default 300.
    pub multiplier_percent: u32,
    /// Never shorter than this. Default 1 s.
    pub min: Duration,
    /// Only once so many calls were seen within the breaker's window. Default 20.
    pub min_samples: u32,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { multiplier_percent: 300, min: Duration::from_secs(1), min_samples: 20 }
    }
}

impl Adaptive {
    /// So many hundredths of the target's 95 % quantile, and never shorter than `min`.
    #[must_use]
    pub fn new(multiplier_percent: u32, min: Duration) -> Self {
        Self { multiplier_percent, min, ..Self::default() }
    }
}

/// What happens when a stream is cut after its first content reached the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnCut {
    /// Another target carries on where the first was cut: plain text only, and only where it joins without a seam in the
    /// text (by continuing the assistant's turn, or by an answer that begins exactly like the one that was cut).
    /// Elsewhere as [`OnCut::Terminate`].
    #[default]
    Continue,
    /// The caller gets a typed error.
    Terminate,
}

/// When a call commits to the target that serves it: from then on its events reach the caller and no other's do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Commit {
    /// So long after the first content.
    After(Duration),
    /// At so many pieces of content.
    Events(u32),
    /// At the first content.
    #[default]
    FirstContent,
    /// When the answer is whole and valid.
    Whole,
}

/// When an answer that must be JSON, or fit a schema, is validated. An unstreamed answer is always held until it is whole;
/// this decides about streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValidateOutput {
    /// The stream is held back until the answer is whole and has the form, so that what is wrong can be repaired, asked
    /// again or had from another target.
    #[default]
    BeforeDelivery,
    /// The stream is passed on as it comes; if the whole does not have the form, it ends in an error.
    AtEnd,
    /// Never, streamed or not.
    Never,
}

/// When the arguments of tool calls are validated. They are JSON objects in any case: otherwise the answer is not one. A target whose
/// arguments do not pass is not asked again; the next one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValidateToolCalls {
    /// The application validates them against the tool's schema, and tells the model what is wrong in the tool's result.
    #[default]
    Never,
    /// Against the tool's schema. A stream is passed on as it comes, and ends in an error if they do not fit.
    AtEnd,
    /// Against the tool's schema. The stream of an answer to a request with tools is held back until it is whole.
    BeforeDelivery,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_too_small_for_an_ordinary_answer_is_a_mistake() {
        assert_eq!(Limits::default().mistakes(), Vec::<String>::new());
        let limits = Limits { max_buffered_bytes: 0, ..Limits::default() };
        assert_eq!(limits.mistakes(), ["max_buffered_bytes must be at least 16384"]);
    }
}
