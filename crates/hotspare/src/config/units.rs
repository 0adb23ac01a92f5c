//! Values written as text: durations, sizes, shares, money.
//!
//! Invariant: a duration without a unit or a share without a per cent sign is rejected, not guessed.

use std::time::Duration;

use hotspare_core::{Cost, parse_duration};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// A duration such as `"250ms"`, `"10s"`, `"5m"`, `"1h"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct DurationDto(pub(super) Duration);

impl<'de> Deserialize<'de> for DurationDto {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || {
            D::Error::custom(
                "a duration is a string with a unit, such as \"250ms\", \"10s\", \"5m\" or \"1h\"",
            )
        };
        let text = String::deserialize(deserializer).map_err(|_| wrong())?;
        duration(&text).map(Self).ok_or_else(wrong)
    }
}

/// A [`DurationDto`] for an optional field.
pub(super) fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    DurationDto::deserialize(deserializer).map(|DurationDto(duration)| Some(duration))
}

/// A size such as `"50MB"` or `"32 MiB"`, or a number of bytes.
#[derive(Clone, Copy, Debug)]
struct SizeDto(usize);

#[derive(Deserialize)]
#[serde(untagged)]
enum SizeRepr {
    Bytes(usize),
    Text(String),
}

impl<'de> Deserialize<'de> for SizeDto {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || {
            D::Error::custom(
                "a size is a number of bytes, or a string with a unit, such as \"50MB\" or \"32MiB\"",
            )
        };
        match SizeRepr::deserialize(deserializer).map_err(|_| wrong())? {
            SizeRepr::Bytes(bytes) => Ok(Self(bytes)),
            SizeRepr::Text(text) => size(&text).map(Self).ok_or_else(wrong),
        }
    }
}

/// A [`SizeDto`] for an optional field.
pub(super) fn optional_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    SizeDto::deserialize(deserializer).map(|SizeDto(bytes)| Some(bytes))
}

fn size(text: &str) -> Option<usize> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: usize = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// A share such as `"2%"`, in hundredths of a per cent.
#[derive(Clone, Copy, Debug)]
pub(super) struct PercentDto(pub(super) u32);

impl<'de> Deserialize<'de> for PercentDto {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong =
            || D::Error::custom("a share is a string with a percent sign, such as \"2%\" or \"0.5%\"");
        let text = String::deserialize(deserializer).map_err(|_| wrong())?;
        let number: f64 =
            text.strip_suffix('%').and_then(|number| number.trim().parse().ok()).ok_or_else(wrong)?;
        if !(0.0..=100.0).contains(&number) {
            return Err(D::Error::custom("a share must be between 0% and 100%"));
        }
        // The check above limits it to 0 to 10,000.
        Ok(Self((number * 100.0).round() as u32))
    }
}

/// An amount of money per time, such as `"50 USD/day"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpendLimitDto {
    pub(super) most: Cost,
    pub(super) per: Duration,
}

impl<'de> Deserialize<'de> for SpendLimitDto {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || {
            D::Error::custom(
                "a spend_limit is an amount per period: \"50 USD/day\"; periods are hour, day, week and month",
            )
        };
        let text = String::deserialize(deserializer).map_err(|_| wrong())?;
        let (most, per) = text.split_once('/').ok_or_else(wrong)?;
        let hours = match per.trim() {
            "hour" => 1,
            "day" => 24,
            "week" => 7 * 24,
            "month" => 30 * 24,
            _ => return Err(wrong()),
        };
        let most = money(most).ok_or_else(wrong)?;
        Ok(Self { most, per: Duration::from_secs(hours * 3_600) })
    }
}

/// An amount of money such as `"0.05 USD"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct CostDto(pub(super) Cost);

impl<'de> Deserialize<'de> for CostDto {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("an amount is a string with a currency: \"0.05 USD\"");
        let text = String::deserialize(deserializer).map_err(|_| wrong())?;
        money(&text).map(Self).ok_or_else(wrong)
    }
}

fn money(text: &str) -> Option<Cost> {
    Cost::from_dollars(text.trim().strip_suffix("USD")?.trim().parse().ok()?)
}

/// Parses a duration of at most a week.
pub(super) fn duration(text: &str) -> Option<Duration> {
    parse_duration(text).filter(|time| *time <= Duration::from_secs(7 * 86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_last_a_week_at_most() {
        assert_eq!(duration("7d"), Some(Duration::from_secs(604_800)));
        assert_eq!(duration("169h"), None);
    }

    #[test]
    fn sizes_require_a_unit() {
        for (text, bytes) in [("50MB", 50_000_000), ("32 MiB", 32 << 20), ("1gib", 1 << 30), ("7 b", 7)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for wrong in
            ["", "MB", "5", "1.5MB", "-1MB", "5 parsecs", "99999999999999999999GB", "18446744073709551615KB"]
        {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
