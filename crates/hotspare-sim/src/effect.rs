//! How a fault affects requests.
//!
//! Shares the vocabulary of [`Fault`], so that one spelling works for a simulated provider, a wrapper and a server
//! alike, and adds effects that only a simulation has: distances, speeds, capacities. Invariant: every effect parses back
//! from its spelling.

use std::fmt;
use std::time::Duration;

use hotspare_chaos::Fault;
use hotspare_core::{Error, Kind};
use serde::de::{Deserialize, Deserializer, Error as _};

/// An effect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Answers requests beyond this rate per second with 503: `at-most:5`.
    AtMost(f64),
    /// Tokens arrive this many times slower: `gap-times:10`.
    GapTimes(f64),
    /// 429 with a nonsensical pause: `rate-limited-garbage`.
    RateLimitedGarbage,
    /// First content takes this many times longer: `ttft-times:20`.
    TtftTimes(f64),
    /// Packets are dropped: no connection, noticed only at the connect timeout: `unreachable`.
    Unreachable,
    /// A fault of the shared vocabulary.
    Wire(Fault),
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(rate) => write!(f, "at-most:{rate}"),
            Self::GapTimes(times) => write!(f, "gap-times:{times}"),
            Self::RateLimitedGarbage => f.write_str("rate-limited-garbage"),
            Self::TtftTimes(times) => write!(f, "ttft-times:{times}"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Wire(fault) => fault.fmt(f),
        }
    }
}

impl Effect {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value)));
        let number = |least: f64| {
            let value = value.and_then(|value| value.parse::<f64>().ok());
            value
                .filter(|value| (least..=1e6).contains(value))
                .ok_or_else(|| format!("`{text}`: {name} needs a number"))
        };
        Ok(match name {
            "at-most" => Self::AtMost(number(0.001)?),
            "gap-times" => Self::GapTimes(number(0.001)?),
            "ttft-times" => Self::TtftTimes(number(0.001)?),
            "rate-limited-garbage" => Self::RateLimitedGarbage,
            "unreachable" => Self::Unreachable,
            _ => Self::Wire(text.parse().map_err(|error: hotspare_chaos::UnknownFault| error.to_string())?),
        })
    }
}

impl<'de> Deserialize<'de> for Effect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The error for a reply with this status; the adapters' tables give the same kind for a reply without a distinctive
/// body.
pub(crate) fn status(status: u16) -> Error {
    let kind = match status {
        400 | 413 | 422 => Kind::InvalidRequest,
        401 => Kind::Auth,
        402 => Kind::QuotaExhausted,
        403 => Kind::Forbidden,
        404 => Kind::ModelUnavailable,
        429 => Kind::RateLimited,
        503 | 529 => Kind::Overloaded,
        _ => Kind::Server,
    };
    Error::new(kind, "simulated").with_status(status)
}

/// A rate limit error.
pub(crate) fn rate_limited(pause: Option<Duration>) -> Error {
    let error = Error::new(Kind::RateLimited, "simulated").with_status(429);
    match pause {
        Some(pause) => error.with_retry_after(pause),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_effect_round_trips_through_text() {
        let own = [
            Effect::AtMost(5.0),
            Effect::GapTimes(10.0),
            Effect::RateLimitedGarbage,
            Effect::TtftTimes(2.5),
            Effect::Unreachable,
        ];
        for effect in own.into_iter().chain(Fault::examples().into_iter().map(Effect::Wire)) {
            assert_eq!(Effect::parse(&effect.to_string()), Ok(effect));
        }
        assert!(Effect::parse("ttft-times").is_err() && Effect::parse("nonsense").is_err());
    }
}
