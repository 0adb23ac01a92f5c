//! The faults: ways in which a provider can fail, as data.
//!
//! Not behavior: servers and wrappers act on it. Invariant: each fault has one spelling that parses back to it, so that
//! one line suffices to reproduce a failing run.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One way to fail. Token counts refer to content tokens and start at 0. Exhaustive on purpose: every server, wrapper
/// and simulator must say what a fault does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A well-formed end of stream before the answer is complete: `clean-end-after:N`.
    CleanEndAfter(u32),
    /// The connection is closed before the first byte: `close-before-head`.
    CloseBeforeHead,
    /// The connection ends inside the body: `cut-after:N`.
    CutAfter(u32),
    /// Status 200 with an empty body: `empty-200`.
    Empty200,
    /// An error event inside a successful stream: `error-event-after:N`.
    ErrorEventAfter(u32),
    /// Headers that exceed every limit: `header-bomb`.
    HeaderBomb,
    /// Status 200 with an HTML page: `html-200`.
    Html200,
    /// A body of 50 MiB: `huge-body`.
    HugeBody,
    /// One line of 10 MiB: `huge-line`.
    HugeLine,
    /// One frame that is not JSON; the rest is intact: `malformed-after:N`.
    MalformedAfter(u32),
    /// Only the end marker: `only-done`.
    OnlyDone,
    /// Pings forever: `only-pings`.
    OnlyPings,
    /// Status 429 because credit is exhausted: `quota-exhausted`.
    QuotaExhausted,
    /// Status 429, with a pause in seconds unless 0: `rate-limited:S`.
    RateLimited(u32),
    /// No connection: `refuse`.
    Refuse,
    /// The connection is reset after this many bytes of the reply, including the head: `reset-after-bytes:N`.
    ResetAfterBytes(u32),
    /// The connection is reset before the first byte: `reset-before-head`.
    ResetBeforeHead,
    /// The request is accepted and never answered: `silence`.
    Silence,
    /// Each token takes this long: `slow-drip:250ms`.
    SlowDrip(Duration),
    /// The first token takes this long: `slow-first-token:2000ms`.
    SlowFirstToken(Duration),
    /// Silence after some content: `stall-after:N`.
    StallAfter(u32),
    /// An error status: `status:503`.
    Status(u16),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CleanEndAfter(n) => write!(f, "clean-end-after:{n}"),
            Self::CloseBeforeHead => f.write_str("close-before-head"),
            Self::CutAfter(n) => write!(f, "cut-after:{n}"),
            Self::Empty200 => f.write_str("empty-200"),
            Self::ErrorEventAfter(n) => write!(f, "error-event-after:{n}"),
            Self::HeaderBomb => f.write_str("header-bomb"),
            Self::Html200 => f.write_str("html-200"),
            Self::HugeBody => f.write_str("huge-body"),
            Self::HugeLine => f.write_str("huge-line"),
            Self::MalformedAfter(n) => write!(f, "malformed-after:{n}"),
            Self::OnlyDone => f.write_str("only-done"),
            Self::OnlyPings => f.write_str("only-pings"),
            Self::QuotaExhausted => f.write_str("quota-exhausted"),
            Self::RateLimited(seconds) => write!(f, "rate-limited:{seconds}"),
            Self::Refuse => f.write_str("refuse"),
            Self::ResetAfterBytes(n) => write!(f, "reset-after-bytes:{n}"),
            Self::ResetBeforeHead => f.write_str("reset-before-head"),
            Self::Silence => f.write_str("silence"),
            Self::SlowDrip(time) => write!(f, "slow-drip:{}ms", time.as_millis()),
            Self::SlowFirstToken(time) => write!(f, "slow-first-token:{}ms", time.as_millis()),
            Self::StallAfter(n) => write!(f, "stall-after:{n}"),
            Self::Status(status) => write!(f, "status:{status}"),
        }
    }
}

/// A text that names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a fault; faults are written like `refuse`, `cut-after:5`, `status:503`")]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let (name, value) = text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value)));
        let named = |fault: &Self| fault.to_string().split(':').next() == Some(name);
        let found = Self::examples().into_iter().find(named).and_then(|fault| fault.with_value(value));
        found.ok_or_else(|| UnknownFault(text.chars().take(60).collect()))
    }
}

impl Fault {
    /// One of each, for tables, tests and the reader of spellings: a fault that is not here cannot be named.
    #[must_use]
    pub fn examples() -> Vec<Self> {
        vec![
            Self::CleanEndAfter(3),
            Self::CloseBeforeHead,
            Self::CutAfter(3),
            Self::Empty200,
            Self::ErrorEventAfter(3),
            Self::HeaderBomb,
            Self::Html200,
            Self::HugeBody,
            Self::HugeLine,
            Self::MalformedAfter(3),
            Self::OnlyDone,
            Self::OnlyPings,
            Self::QuotaExhausted,
            Self::RateLimited(1),
            Self::Refuse,
            Self::ResetAfterBytes(150),
            Self::ResetBeforeHead,
            Self::Silence,
            Self::SlowDrip(Duration::from_millis(250)),
            Self::SlowFirstToken(Duration::from_millis(2_000)),
            Self::StallAfter(3),
            Self::Status(503),
        ]
    }

    /// The same way to fail, with the value that follows the colon of its spelling.
    fn with_value(self, value: Option<&str>) -> Option<Self> {
        let count = || value?.parse().ok();
        let time = || value?.strip_suffix("ms")?.parse().ok().map(Duration::from_millis);
        Some(match self {
            Self::CleanEndAfter(_) => Self::CleanEndAfter(count()?),
            Self::CutAfter(_) => Self::CutAfter(count()?),
            Self::ErrorEventAfter(_) => Self::ErrorEventAfter(count()?),
            Self::MalformedAfter(_) => Self::MalformedAfter(count()?),
            Self::RateLimited(_) => Self::RateLimited(count()?),
            Self::ResetAfterBytes(_) => Self::ResetAfterBytes(count()?),
            Self::SlowDrip(_) => Self::SlowDrip(time()?),
            Self::SlowFirstToken(_) => Self::SlowFirstToken(time()?),
            Self::StallAfter(_) => Self::StallAfter(count()?),
            Self::Status(_) => {
                Self::Status(value?.parse().ok().filter(|status| (300..600).contains(status))?)
            }
            Self::CloseBeforeHead
            | Self::Empty200
            | Self::HeaderBomb
            | Self::Html200
            | Self::HugeBody
            | Self::HugeLine
            | Self::OnlyDone
            | Self::OnlyPings
            | Self::QuotaExhausted
            | Self::Refuse
            | Self::ResetBeforeHead
            | Self::Silence => match value {
                None => self,
                Some(_) => return None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_fault_round_trips_through_text() {
        for fault in Fault::examples() {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_round_trips(text in "\\PC{0,30}") {
            if let Ok(fault) = text.parse::<Fault>() {
                prop_assert_eq!(fault.to_string().parse(), Ok(fault));
            }
        }
    }
}
