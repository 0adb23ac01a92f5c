//! The marks that a scenario requires a run to reach.
//!
//! Measuring is the ledger's job. Invariant: a mark names an existing measure and at least one bound.

use std::fmt;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use crate::units::{Span, duration, percent};

/// A measure and its bounds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    pub(crate) measure: Measure,
    /// The target, for measures of one target; the first if omitted.
    pub(crate) target: Option<String>,
    /// Counts requests that arrive from then on; the window's start if omitted.
    pub(crate) from: Option<Span>,
    /// Counts requests that arrive before then; the window's end if omitted.
    pub(crate) until: Option<Span>,
    #[serde(default, deserialize_with = "bound")]
    pub(crate) at_least: Option<Bound>,
    #[serde(default, deserialize_with = "bound")]
    pub(crate) at_most: Option<Bound>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Requests that another target answered because the first one tried failed or met a fault, plus lost requests.
    Affected,
    /// The most starts per arrival within ten seconds, anywhere in a run of at most two hours.
    Amplification,
    /// Starts per request.
    Attempts,
    /// Share of requests that were answered in full.
    Available,
    /// Dollars spent per thousand requests.
    Cost,
    /// Share of requests that were cut after their first content.
    Cut,
    /// How often targets that were healthy throughout were marked slow.
    DegradesOfTheWell,
    /// Share of requests that were answered by the first target tried, or by a faster hedge while the first target was
    /// healthy.
    FirstTry,
    /// Share of requests for which a second attempt was raced.
    Hedged,
    /// Requests that were not answered.
    Lost,
    /// Seconds from the window's start until the target's breaker opened.
    OpenAfter,
    /// How often the target's breaker opened.
    Opens,
    /// How often breakers of targets opened that were healthy throughout.
    OpensOfTheWell,
    /// Outcomes of calls started in the window that the target's breaker saw before it opened.
    OutcomesToOpen,
    /// Seconds from the window's end until the target has 90 % of its former share again; 0 if it never had less. For
    /// runs of at most two hours with 100 requests before the window.
    RecoveredAfter,
    /// Share of the target's starts that it rate-limited.
    Refused,
    /// 99th percentile of the seconds that unanswered requests waited for their error.
    ToldAfter,
    /// Share of first starts that went to the target.
    Share,
    /// Longest gap in a stream before it continued or ended, in seconds.
    Silence,
    /// Starts at the target.
    Starts,
    /// Median of the seconds to first content.
    TtftP50,
    /// 95th percentile of the seconds to first content.
    TtftP95,
    /// 99th percentile of the seconds to first content.
    TtftP99,
    /// Share of the target's quota that was used over the whole run, which begins with a full bucket.
    Used,
    /// Share of spend that paid for no answer.
    Waste,
}

/// A bound as written, and as a number of its unit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) text: String,
    pub(crate) value: f64,
    pub(crate) unit: Unit,
}

/// What a number measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A count, a ratio or an amount of dollars.
    Number,
    /// A fraction of 1.
    Share,
    /// Seconds.
    Time,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a number, such as 20",
            Self::Share => "a share, such as \"99.9%\"",
            Self::Time => "a time, such as \"2s\"",
        })
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a bound is a number, a share such as \"99.9%\", or a duration such as \"2s\"")]
enum BoundDto {
    Integer(i64),
    Number(f64),
    Text(String),
}

fn bound<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bound>, D::Error> {
    let (text, value) = match BoundDto::deserialize(deserializer)? {
        BoundDto::Integer(value) => (value.to_string(), Some((value as f64, Unit::Number))),
        BoundDto::Number(value) => (value.to_string(), Some((value, Unit::Number))),
        BoundDto::Text(text) => {
            let share = percent(&text).map(|value| (value, Unit::Share));
            let value = share.or_else(|| duration(&text).map(|value| (value.as_secs_f64(), Unit::Time)));
            (text, value)
        }
    };
    let (value, unit) = value
        .ok_or_else(|| D::Error::custom(format!("`{text}` is neither a number, a share nor a duration")))?;
    Ok(Some(Bound { text, value, unit }))
}

impl Mark {
    /// Whether a value is within the bounds. A measure that was never taken (a breaker that never opened) is within an
    /// upper bound on a count and beyond one on a time.
    pub(crate) fn holds(&self, value: Option<f64>) -> bool {
        let Some(value) = value else { return false };
        let slack = 1e-9;
        self.at_least.as_ref().is_none_or(|bound| value >= bound.value - slack)
            && self.at_most.as_ref().is_none_or(|bound| value <= bound.value + slack)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.measure)?;
        if let Some(target) = &self.target {
            write!(f, " of {target}")?;
        }
        match (self.from, self.until) {
            (None, None) => {}
            (from, until) => {
                let secs = |span: Option<Span>| {
                    span.map_or_else(|| "…".into(), |span| format!("{} s", span.0.as_secs_f64()))
                };
                write!(f, " ({} to {})", secs(from), secs(until))?;
            }
        }
        if let Some(bound) = &self.at_least {
            write!(f, " ≥ {}", bound.text)?;
        }
        if let Some(bound) = &self.at_most {
            write!(f, " ≤ {}", bound.text)?;
        }
        Ok(())
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Affected => "affected",
            Self::Amplification => "amplification",
            Self::Attempts => "attempts",
            Self::Available => "available",
            Self::Cost => "cost",
            Self::Cut => "cut",
            Self::DegradesOfTheWell => "degrades-of-the-well",
            Self::FirstTry => "first-try",
            Self::Hedged => "hedged",
            Self::Lost => "lost",
            Self::OpenAfter => "open-after",
            Self::Opens => "opens",
            Self::OpensOfTheWell => "opens-of-the-well",
            Self::OutcomesToOpen => "outcomes-to-open",
            Self::RecoveredAfter => "recovered-after",
            Self::Refused => "refused",
            Self::ToldAfter => "told-after",
            Self::Share => "share",
            Self::Silence => "silence",
            Self::Starts => "starts",
            Self::TtftP50 => "ttft-p50",
            Self::TtftP95 => "ttft-p95",
            Self::TtftP99 => "ttft-p99",
            Self::Used => "used",
            Self::Waste => "waste",
        })
    }
}

impl Measure {
    /// Whether it is the time or cost of an event that may never happen.
    pub(crate) const fn is_event(self) -> bool {
        matches!(self, Self::OpenAfter | Self::OutcomesToOpen | Self::RecoveredAfter)
    }

    /// Whether it is about one target.
    pub(crate) const fn is_of_target(self) -> bool {
        matches!(
            self,
            Self::OpenAfter
                | Self::Opens
                | Self::OutcomesToOpen
                | Self::RecoveredAfter
                | Self::Refused
                | Self::Share
                | Self::Starts
                | Self::Used
        )
    }

    /// Whether it is taken over a span of arrival times; the others are taken over the whole run or around its window.
    pub(crate) const fn has_span(self) -> bool {
        !self.is_event() && !matches!(self, Self::Amplification | Self::Used)
    }

    pub(crate) const fn unit(self) -> Unit {
        match self {
            Self::Available
            | Self::Cut
            | Self::FirstTry
            | Self::Hedged
            | Self::Refused
            | Self::Share
            | Self::Used
            | Self::Waste => Unit::Share,
            Self::OpenAfter
            | Self::RecoveredAfter
            | Self::ToldAfter
            | Self::Silence
            | Self::TtftP50
            | Self::TtftP95
            | Self::TtftP99 => Unit::Time,
            Self::Affected
            | Self::Amplification
            | Self::Attempts
            | Self::Cost
            | Self::DegradesOfTheWell
            | Self::Lost
            | Self::Opens
            | Self::OpensOfTheWell
            | Self::OutcomesToOpen
            | Self::Starts => Unit::Number,
        }
    }

    /// Whether a bound has the measure's unit and is possible: shares are at most 1, and nothing is below 0.
    pub(crate) fn accepts(self, bound: &Bound) -> bool {
        let most = if self.unit() == Unit::Share { 1.0 } else { f64::MAX };
        bound.unit == self.unit() && (0.0..=most).contains(&bound.value)
    }

    /// What it measures, in a sentence for people.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Affected => {
                "Requests that another target answered because the first one tried failed or had a fault, and lost requests."
            }
            Self::Amplification => {
                "The most requests sent to providers per arriving request within ten seconds."
            }
            Self::Attempts => "Requests sent to providers per request of a caller.",
            Self::Available => "Share of requests answered in full.",
            Self::Cost => "Dollars spent per thousand requests.",
            Self::Cut => "Share of requests whose answer broke off after its first content.",
            Self::DegradesOfTheWell => "How often a target that was healthy throughout was taken for slow.",
            Self::FirstTry => {
                "Share answered by the first target tried, or by a faster second attempt while the first was healthy."
            }
            Self::Hedged => {
                "Share of requests for which a second attempt was raced against a slow first one."
            }
            Self::Lost => "Requests that were not answered.",
            Self::OpenAfter => "Time from the start of the faults until the target's breaker opened.",
            Self::Opens => "How often the target's breaker opened.",
            Self::OpensOfTheWell => "How often the breaker of a target opened that was healthy throughout.",
            Self::OutcomesToOpen => "Calls to the target that ended before its breaker opened.",
            Self::RecoveredAfter => {
                "Time from the end of the faults until the target has 90 % of its former share of requests again."
            }
            Self::Refused => "Share of the requests to the target that it rate-limited.",
            Self::ToldAfter => "99 of 100 callers that got an error waited at most this long for it.",
            Self::Share => "Share of requests for which the target was tried first.",
            Self::Silence => "Longest pause in a stream before it continued or ended.",
            Self::Starts => "Requests sent to the target.",
            Self::TtftP50 => "Half of the callers waited at most this long for first content.",
            Self::TtftP95 => "95 of 100 callers waited at most this long for first content.",
            Self::TtftP99 => "99 of 100 callers waited at most this long for first content.",
            Self::Used => "Share of the target's quota that was used.",
            Self::Waste => "Share of the spend that paid for no answer.",
        }
    }

    /// A value formatted for display.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match (self.unit(), self) {
            (Unit::Share, _) => format!("{:.3} %", value * 100.0),
            (Unit::Time, _) => format!("{value:.2} s"),
            (Unit::Number, Self::Amplification | Self::Attempts) => format!("{value:.4}"),
            (Unit::Number, Self::Cost) => format!("{value:.2} USD"),
            (Unit::Number, _) => format!("{value:.0}"),
        }
    }
}
