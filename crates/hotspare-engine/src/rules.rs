//! The limits and rules of a route: every setting that decides when to wait, move on or stop.
//!
//! Data only. Invariant: every default is documented; `Limits::mistakes` lists what would make a call hang or never
//! start.

use std::collections::BTreeMap;
use std::time::Duration;

use hotspare_core::{Cost, Kind, TargetId};

use crate::spend::SpendLimit;

/// Minimum of [`Limits::max_buffered_bytes`]: an answer of 4,000 tokens. With less, ordinary answers would fail.
const LEAST_BUFFER: usize = 16 << 10;

/// How long to wait for what.
///
/// The limits for first content, and [`Limits::unstreamed`] until it is learned, grow with the prompt: by themselves once
/// more for every 32k tokens.
///
/// ```
/// use hotspare_engine::Limits;
/// use std::time::Duration;
///
/// let limits = Limits::interactive().with(|limits| limits.gap = Duration::from_secs(3));
/// assert!(limits.mistakes().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Time to the first content of a streamed attempt. When it has passed, the next target starts and the late one
    /// stays alive: the first with content serves. If by the late target's own 95th percentile its content is still to
    /// come, and no other target would usually be sooner, the next one starts only when that percentile has passed.
    /// Default 8 s: beyond the p99 of recorded chat endpoints (1 to 5 s), and short enough for an interactive user.
    /// Unstreamed answers have [`Limits::unstreamed`] instead.
    pub first_content: Duration,
    /// The same for a model that reasons before it answers: because it does by default and the request does not turn it
    /// off, or because the request asks for it. Default 90 s: healthy ones need 20 to 90 s. With the default deadline,
    /// the spare starts after 60 s or, if there are several, 40 s.
    pub first_content_reasoning: Duration,
    /// Shortens the limits for first content to a multiple of what the target usually needs, where that is less. Off by
    /// default.
    pub adaptive: Option<Adaptive>,
    /// Time to the first byte of a streamed reply, for hosts known to answer at once; when it has passed, the attempt is
    /// late, as above. It does not apply to unstreamed replies, whose headers arrive with the complete answer. Off by
    /// default: many servers hold their headers back until the first token.
    pub headers: Option<Duration>,
    /// Time of one attempt until it serves (until its answer is complete, if answers are held); when it has passed, the
    /// attempt is dropped and the next target starts. Off by default: the limits above detect silence.
    pub attempt: Option<Duration>,
    /// Time to an unstreamed answer, which shows no sign of life until it is complete; when it has passed, the attempt
    /// is late, as above. Default: learned, from 30 s.
    pub unstreamed: AnswerLimit,
    /// Silence between two pieces of text. Default 8 s.
    pub gap: Duration,
    /// Silence within reasoning or tool arguments, which providers may buffer. Default 300 s.
    pub quiet_gap: Duration,
    /// Time to the first content of the call, over all its attempts; it starts again when content that had started is
    /// lost (a deadline of the caller's own does not, unless the caller had received that content). An unstreamed answer
    /// has [`Limits::total`] instead. Default 120 s. While other targets are waiting, an attempt gets half of what is
    /// left of it, or a third if there are several.
    pub first_content_deadline: Duration,
    /// Time to the end of the answer, without the time that the caller takes to read it. Default 600 s, as in the
    /// providers' own clients.
    pub total: Duration,
    /// Maximum number of targets that one call may try, if that should be fewer than the route lists.
    pub max_targets: Option<u32>,
    /// Maximum number of starts per call beyond the first try of each target (retries, hedges). Default 2.
    pub max_extra_starts: u32,
    /// Longest hinted pause that is waited out at the same target; waiting costs no retry budget. Default 0: move on.
    pub wait_for_rate_limit: Duration,
    /// How often one target is asked again, with what was wrong, after its answer has failed validation. Each counts as
    /// an extra start. Default 1.
    pub max_reasks: u32,
    /// Maximum cost of asking again per call, at list price; a target without a known price is not asked again. Default:
    /// limited only by number.
    pub max_reask_cost: Option<Cost>,
    /// Maximum cost of the route in a period, over all its targets. Default: no limit.
    pub spend: Option<SpendLimit>,
    /// Maximum bytes of an answer that are buffered before the call commits, including frames and a small charge per
    /// event; embeddings have their own bound. Also the longest text that is kept so that another target can continue
    /// it after a cut. At least 16 KiB. Default 64 MiB: a stream of 128k tokens with a frame for each.
    pub max_buffered_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_content: Duration::from_secs(8),
            first_content_reasoning: Duration::from_secs(90),
            adaptive: None,
            headers: None,
            attempt: None,
            unstreamed: AnswerLimit::Learned(Duration::from_secs(30)),
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
    /// These limits with a change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// For interactive use: 4 s to the first content of an attempt, 30 s to the first content of the call.
    #[must_use]
    pub fn interactive() -> Self {
        Self {
            first_content: Duration::from_secs(4),
            first_content_reasoning: Duration::from_secs(15),
            first_content_deadline: Duration::from_secs(30),
            ..Self::default()
        }
    }

    /// For work that can wait: 60 s to the first content; short rate limits are waited out.
    #[must_use]
    pub fn batch() -> Self {
        Self {
            first_content: Duration::from_secs(60),
            unstreamed: AnswerLimit::Learned(Duration::from_secs(180)),
            first_content_deadline: Duration::from_secs(600),
            total: Duration::from_secs(3_600),
            wait_for_rate_limit: Duration::from_secs(5),
            ..Self::default()
        }
    }

    /// For answers that must arrive at any cost: 2 s to the first content, then the next target starts.
    #[must_use]
    pub fn critical() -> Self {
        Self {
            first_content: Duration::from_secs(2),
            first_content_reasoning: Duration::from_secs(20),
            unstreamed: AnswerLimit::Learned(Duration::from_secs(10)),
            gap: Duration::from_secs(4),
            max_extra_starts: 6,
            ..Self::default()
        }
    }

    /// What is wrong with these limits, each as a fragment that names the setting.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let named = [
            ("first_content", self.first_content),
            ("first_content_reasoning", self.first_content_reasoning),
            ("unstreamed", self.unstreamed.initial()),
            ("gap", self.gap),
            ("quiet_gap", self.quiet_gap),
            ("first_content_deadline", self.first_content_deadline),
            ("total", self.total),
            ("headers", self.headers.unwrap_or(Duration::MAX)),
            ("attempt", self.attempt.unwrap_or(Duration::MAX)),
        ];
        let mut mistakes: Vec<String> = named
            .iter()
            .filter(|(_, limit)| limit.is_zero())
            .map(|(name, _)| format!("{name} must be longer than 0s"))
            .collect();
        // A deadline that equals `total` may follow from it; then `total` is the setting to change.
        let (whole, longest) = match self.first_content_deadline < self.total {
            true => ("first_content_deadline", self.first_content_deadline),
            false => ("total", self.total),
        };
        if self.first_content > longest {
            mistakes.push(format!("first_content must not be longer than {whole}, which is {longest:?}"));
        }
        if self.first_content_deadline > self.total {
            let total = self.total;
            mistakes
                .push(format!("first_content_deadline must not be longer than total, which is {total:?}"));
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

/// When an unstreamed answer is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerLimit {
    /// Always after this time.
    Fixed(Duration),
    /// After twice the 95th percentile of the target's own unstreamed answers to prompts of similar size, at least 2 s;
    /// after this time until 20 such answers are known (for a model that reasons, at least
    /// [`Limits::first_content_reasoning`]), and while too many of them were abandoned to know the
    /// percentile. A target that stays silent does not change it, and a model that needs long for whole answers gets
    /// the time that it needs.
    Learned(Duration),
}

impl AnswerLimit {
    /// The limit for a target of which nothing is known.
    #[must_use]
    pub fn initial(self) -> Duration {
        match self {
            Self::Fixed(limit) | Self::Learned(limit) => limit,
        }
    }
}

/// Behaviour that routes may configure.
///
/// ```
/// use hotspare_engine::{OnCut, Rules};
///
/// let rules = Rules::default().with(|rules| rules.on_cut = OnCut::Terminate);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// What happens when a stream is cut after its first content reached the caller.
    pub on_cut: OnCut,
    /// When the first content is passed on.
    pub commit: Commit,
    /// What follows from failures of these kinds, instead of [`Kind::policy`]. The effect on health stays the same.
    pub on: BTreeMap<Kind, OnKind>,
    /// When a JSON answer is validated.
    pub validate_output: ValidateOutput,
    /// When the arguments of tool calls are validated.
    pub validate_tool_calls: ValidateToolCalls,
    /// What follows when a model refuses to answer.
    pub on_refusal: OnRefusal,
    /// What happens to conversations that are too long for a target.
    pub trim: Trim,
    /// Request a stream although the caller wants the whole answer, so that silence and stalls are detected early.
    pub stream_upstream: bool,
}

impl Rules {
    /// These rules with a change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// What follows when a model refuses to answer, or a provider's policy rejects the prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnRefusal {
    /// The caller gets the refusal as its answer.
    #[default]
    Deliver,
    /// The next target gets its own prompt. A stream is held back until it contains something other than a refusal.
    /// Without another target, the caller gets the refusal.
    Next,
}

/// What happens to conversations that are too long for a target's window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trim {
    /// The target is skipped.
    #[default]
    Never,
    /// The target gets the conversation without its oldest turns, and the trail records how many are missing. Targets
    /// that can take the whole conversation come first; instructions and the last turn are never removed.
    OldestTurns,
}

/// What follows from a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnKind {
    /// Try the next target.
    Next,
    /// Try the same target once more, if the retry budget allows; then the next. A pause that the provider asks for is
    /// waited out first, without cost to the budget, but if another target is available, only up to the longer of
    /// [`Limits::first_content`] and [`Limits::wait_for_rate_limit`].
    Same,
    /// Return the error to the caller.
    Stop,
    /// Try the next of these targets; skip the others.
    To(Vec<TargetId>),
}

/// A limit for the first content of streams that follows the target's latency, once that is known from 20 calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adaptive {
    /// Multiple of the target's 95th percentile, in hundredths. Default 300.
    pub multiplier_percent: u32,
    /// Lower bound. Default 1 s.
    pub min: Duration,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { multiplier_percent: 300, min: Duration::from_secs(1) }
    }
}

impl Adaptive {
    /// `multiplier_percent` hundredths of the target's 95th percentile, but never less than `min`.
    #[must_use]
    pub fn new(multiplier_percent: u32, min: Duration) -> Self {
        Self { multiplier_percent, min }
    }
}

/// What happens when a stream is cut after its first content reached the caller. Before that, the answer starts anew at
/// another target whatever is set here; [`Commit`] says how much of it is held back for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnCut {
    /// Another target continues where the first was cut: plain text only, and only if the text joins without a seam (by
    /// continuing the assistant's turn, or by an answer that begins exactly like the one that was cut). Otherwise as
    /// [`OnCut::Terminate`].
    #[default]
    Continue,
    /// The caller gets a typed error.
    Terminate,
}

/// When a call commits to the target that serves it: from then on only that target's events reach the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Commit {
    /// This long after the first content, or at the caller's deadline for the first content if that is sooner.
    After(Duration),
    /// At this many pieces of content, or at that deadline if it is sooner.
    Events(u32),
    /// At the first content.
    #[default]
    FirstContent,
    /// When the answer is complete and valid.
    Whole,
}

/// When an answer that must be JSON, or match a schema, is validated. An unstreamed answer is always held until it is
/// complete; this setting is about streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValidateOutput {
    /// The stream is held back until the answer is complete and valid, so that an invalid one can be repaired, asked
    /// for again or taken from another target.
    #[default]
    BeforeDelivery,
    /// The stream is passed on as it arrives; if the complete answer is invalid, it ends in an error.
    AtEnd,
    /// Never, streamed or not.
    Never,
}

/// When the arguments of tool calls are validated against the tool's schema. In any case they must be JSON objects, or
/// the answer fails. A target whose arguments are invalid is not asked again; the next target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValidateToolCalls {
    /// The application validates them, and reports errors to the model in the tool's result.
    #[default]
    Never,
    /// At the end of the answer. A stream is passed on as it arrives, and ends in an error if they are invalid.
    AtEnd,
    /// Before delivery. If the request has tools, the stream is held back until the answer is complete.
    BeforeDelivery,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_small_a_buffer_limit_is_rejected() {
        assert_eq!(Limits::default().mistakes(), Vec::<String>::new());
        let limits = Limits { max_buffered_bytes: 0, ..Limits::default() };
        assert_eq!(limits.mistakes(), ["max_buffered_bytes must be at least 16384"]);
    }
}
