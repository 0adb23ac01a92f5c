//! The marks that a scenario requires a run to reach.
//!
//! Measuring is the ledger's job. Invariant: a mark names an existing measure and at least one bound.

use std::fmt;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use crate::units::{Span, percent, seconds};

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
    /// The most starts per arrival within ten seconds, anywhere in the run.
    Amplification,
    /// Starts per request.
    Attempts,
    /// Share of requests that were answered in full.
    Available,
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
    /// Seconds from the window's end until the target has 90 % of its former share again.
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
    /// Share of the target's quota that was used over the whole run.
    Used,
    /// Share of spend that paid for no answer.
    Waste,
}

/// A bound as written and as a number: a fraction of 1, seconds, or a count.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) text: String,
    pub(crate) value: f64,
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
        BoundDto::Integer(value) => (value.to_string(), Some(value as f64)),
        BoundDto::Number(value) => (value.to_string(), Some(value)),
        BoundDto::Text(text) => {
            let value = percent(&text).or_else(|| seconds(&text));
            (text, value)
        }
    };
    let value = value
        .ok_or_else(|| D::Error::custom(format!("`{text}` is neither a number, a share nor a duration")))?;
    Ok(Some(Bound { text, value }))
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

    /// Whether it is a fraction of 1.
    const fn is_share(self) -> bool {
        matches!(
            self,
            Self::Available
                | Self::Cut
                | Self::FirstTry
                | Self::Hedged
                | Self::Refused
                | Self::Share
                | Self::Used
                | Self::Waste
        )
    }

    /// Whether a value is possible: shares are at most 1, and nothing is below 0.
    pub(crate) fn is_valid(self, value: f64) -> bool {
        let most = if self.is_share() { 1.0 } else { f64::MAX };
        (0.0..=most).contains(&value)
    }

    /// A value formatted for display.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            share if share.is_share() => format!("{:.3} %", value * 100.0),
            Self::OpenAfter
            | Self::RecoveredAfter
            | Self::ToldAfter
            | Self::Silence
            | Self::TtftP50
            | Self::TtftP95
            | Self::TtftP99 => {
                format!("{value:.2} s")
            }
            Self::Amplification | Self::Attempts => format!("{value:.4}"),
            _ => format!("{value:.0}"),
        }
    }
}
