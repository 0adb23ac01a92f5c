//! Values written as text in scenario files: durations, shares, distributions.
//!
//! Invariant: a duration without a unit is rejected, not guessed; floating point is limited to basic arithmetic and
//! `libm`, so that every machine computes the same numbers.

use std::time::Duration;

use hotspare_core::parse_duration;
use serde::de::{Deserialize, Deserializer, Error};

/// A duration such as `"80ms"`, `"10s"`, `"5m"`, `"24h"`, `"90d"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    pub(crate) const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    pub(crate) fn nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || {
            D::Error::custom(
                "a duration is a string with a unit, such as \"250ms\", \"10s\", \"5m\" or \"24h\"",
            )
        };
        let text = String::deserialize(deserializer).map_err(|_| wrong())?;
        duration(&text).map(Self).ok_or_else(wrong)
    }
}

/// Parses a duration of at most a year.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    parse_duration(text).filter(|time| *time <= Duration::from_secs(366 * 86_400))
}

/// A share such as `"2%"`, as a number from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(crate) struct Share(pub(crate) f64);

impl Share {
    /// In hundredths of a per cent.
    pub(crate) fn basis_points(self) -> u32 {
        (self.0 * 10_000.0).round() as u32
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("a share is a string between \"0%\" and \"100%\", such as \"2%\"");
        let text = String::deserialize(deserializer).map_err(|_| wrong())?;
        let number = percent(&text).ok_or_else(wrong)?;
        if (0.0..=1.0).contains(&number) { Ok(Self(number)) } else { Err(wrong()) }
    }
}

/// Parses a percentage to a fraction of 1.
pub(crate) fn percent(text: &str) -> Option<f64> {
    let number: f64 = text.trim().strip_suffix('%')?.trim().parse().ok()?;
    Some(number / 100.0)
}

/// A distribution given by its quantiles, log-linear in between, so that tails may be arbitrarily heavy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution {
    /// Probability, and the logarithm of the value in seconds.
    points: Vec<(f64, f64)>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct DistributionDto {
    min: Option<Span>,
    p50: Span,
    p90: Option<Span>,
    p95: Option<Span>,
    p99: Option<Span>,
    max: Option<Span>,
}

impl Distribution {
    /// From quantiles in seconds, in increasing order.
    pub(crate) fn new(points: &[(f64, f64)]) -> Option<Self> {
        let rising = points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        let sane = points.first().is_some_and(|first| first.0 == 0.0 && first.1 > 0.0)
            && points.last().is_some_and(|last| last.0 == 1.0);
        (rising && sane)
            .then(|| Self { points: points.iter().map(|(at, value)| (*at, libm::log(*value))).collect() })
    }

    /// A constant, in seconds.
    pub(crate) fn constant(secs: f64) -> Self {
        Self { points: vec![(0.0, libm::log(secs)), (1.0, libm::log(secs))] }
    }

    /// The quantile at `unit`, in seconds.
    pub(crate) fn at(&self, unit: f64) -> f64 {
        let after = self.points.iter().position(|(at, _)| *at > unit).unwrap_or(self.points.len() - 1);
        let (a, b) = (self.points[after.saturating_sub(1)], self.points[after]);
        let width = b.0 - a.0;
        let part = if width > 0.0 { (unit - a.0) / width } else { 0.0 };
        libm::exp(a.1 + (b.1 - a.1) * part)
    }

    pub(crate) fn mean(&self) -> f64 {
        (0..1_000).map(|n| self.at((f64::from(n) + 0.5) / 1_000.0)).sum::<f64>() / 1_000.0
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dto = DistributionDto::deserialize(deserializer)?;
        let secs = |span: Span| span.0.as_secs_f64();
        let p50 = secs(dto.p50);
        let highest = [dto.p99, dto.p95, dto.p90].into_iter().flatten().next().map_or(p50, secs);
        let mut points = vec![(0.0, dto.min.map_or(p50 / 2.0, secs)), (0.5, p50)];
        for (at, span) in [(0.9, dto.p90), (0.95, dto.p95), (0.99, dto.p99)] {
            points.extend(span.map(|span| (at, secs(span))));
        }
        points.push((1.0, dto.max.map_or(highest * 2.0, secs)));
        Self::new(&points).ok_or_else(|| {
            D::Error::custom("quantiles rise from min over p50 to max, and are longer than 0s")
        })
    }
}

/// Converts seconds to nanoseconds.
pub(crate) fn nanos(secs: f64) -> u64 {
    // The cast saturates at both ends: negative or absurd times are clamped, never wrapped.
    (secs * 1e9) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_interpolates_its_quantiles() {
        let spread =
            Distribution::new(&[(0.0, 0.3), (0.5, 0.6), (0.95, 1.2), (0.99, 4.0), (1.0, 12.0)]).unwrap();
        for (at, value) in [(0.0, 0.3), (0.5, 0.6), (0.95, 1.2), (0.99, 4.0)] {
            assert!((spread.at(at) - value).abs() < 1e-9);
        }
        assert!(spread.at(0.999_999) < 12.0 && spread.mean() > 0.6);
        assert!(Distribution::new(&[(0.0, 1.0), (0.5, 0.5), (1.0, 2.0)]).is_none());
    }

    #[test]
    fn units_are_required() {
        assert_eq!(duration("366d"), Some(Duration::from_secs(366 * 86_400)));
        assert_eq!(duration("367d"), None);
        assert_eq!(duration("10"), None);
        assert_eq!(percent("99.5%"), Some(0.995));
        assert_eq!(percent("1"), None);
    }
}
