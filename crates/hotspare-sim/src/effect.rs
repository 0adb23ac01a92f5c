//! What a fault does to requests that meet it.
//!
//! The alphabet is that of [`Fault`], so that one spelling breaks a simulated provider, a wrapper and a server alike; a few
//! words come on top for what only a world has: distances, speeds, capacities. Invariant: closed, and every effect reads
//! back from its spelling.

use std::fmt;
use std::time::Duration;

use hotspare_chaos::Fault;
use hotspare_core::{Error, Kind};
use serde::de::{Deserialize, Deserializer, Error as _};

/// An effect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Effect {
    /// More than so many requests a second are answered with 503: `at-most:5`.
    AtMost(f64),
    /// Tokens come so many times slower: `gap-times:10`.
    GapTimes(f64),
    /// 429 with a pause that makes no sense: `rate-limited-garbage`.
    RateLimitedGarbage,
    /// First content takes so many times longer: `ttft-times:20`.
    TtftTimes(f64),
    /// Packets vanish: no connection, and it takes the connect timeout to notice: `unreachable`.
    Unreachable,
    /// One of the shared alphabet.
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

/// What a reply with this status is taken for; the adapters' tables say the same of a reply without a telling body.
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

/// A refusal for rate.
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
    fn every_effect_reads_back() {
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
