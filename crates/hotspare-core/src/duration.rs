//! Durations written as text: a number and its unit.
//!
//! Not a policy: callers refuse zero and set their own upper bounds. Invariant: a duration without a unit is rejected,
//! not guessed.

use std::time::Duration;

/// Parses a duration such as `250ms`, `1.5s` or `2 h`. Units are `us`, `ms`, `s`, `m`, `h` and `d`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let number: f64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "us" => 0.000_001,
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * unit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_require_a_number_and_a_unit() {
        for (text, nanos) in [
            ("5us", 5_000),
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            (" 2 m ", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("90d", 7_776_000_000_000_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text).map(|time| time.as_nanos()), Some(nanos), "{text}");
        }
        let too_long = format!("{}s", "9".repeat(400));
        for wrong in
            ["", "20", "s", ".s", "1.2.3s", "-1s", "+1s", "1e400s", "NaNs", "1 week", "ä1s", &too_long]
        {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
}
