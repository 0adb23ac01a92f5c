//! Times of day as hosts write them in headers and messages.
//!
//! Does not guess a zone: without one, the text is no time. Invariant: parsing is total.

use std::time::{Duration, SystemTime};

/// Parses a time at the start of a text: RFC 3339, also with a space or ` at ` for the `T`, without seconds, with a space
/// before the offset, and an offset without a colon or `UTC` or `GMT` for `Z`. Fractions of a second are dropped, and what
/// follows is ignored.
#[must_use]
pub fn timestamp(text: &str) -> Option<SystemTime> {
    let number = |text: &str, from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(text, 0, 4)?, number(text, 5, 7)?, number(text, 8, 10)?);
    let time = text.get(10..)?;
    let time = ["T", "t", " at ", " "].iter().find_map(|joint| time.strip_prefix(joint))?;
    let (hour, minute) = (number(time, 0, 2)?, number(time, 3, 5)?);
    let (second, rest) =
        if time.get(5..6) == Some(":") { (number(time, 6, 8)?, time.get(8..)?) } else { (0, time.get(5..)?) };
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "days from civil").
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted / 400, shifted % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let rest = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset(rest.trim_start())?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// Whether a text begins with a word in any case.
fn begins_with(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(word))
}

/// Seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone.starts_with(['Z', 'z']) || ["utc", "gmt"].iter().any(|name| begins_with(zone, name)) {
        return Some(0);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let number = |from: usize| digits.get(from..from + 2)?.parse::<i64>().ok();
    let minutes = if digits.get(2..3) == Some(":") { number(3)? } else { number(2)? };
    Some(sign * (number(0)? * 3_600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_timestamps_with_a_zone() {
        let seconds =
            |text| timestamp(text).map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2024-02-29T12:00:01.5Z"), Some(1_709_208_001));
        assert_eq!(seconds("2000-03-01T02:00:00+02:00"), Some(951_868_800));
        assert_eq!(seconds("2000-03-01 02:00:00 +0200 CST. Wait"), Some(951_868_800));
        assert_eq!(seconds("2000-02-29 22:00:00 -0200"), Some(951_868_800));
        assert_eq!(seconds("2000-03-01 00:00:00 UTC."), Some(951_868_800));
        assert_eq!(seconds("2000-03-01 at 00:00 gmt"), Some(951_868_800));
        for wrong in [
            "",
            "soon",
            "2024-13-01T00:00:00Z",
            "2024-01-01",
            "ä024-01-01T00:00:00Z",
            "2026-01-23 01:17:54",
            "2026-01-23x01:17:54Z",
            "2026-01-23 01",
            "2026-01-23 01:17:54 +é8",
            "2026-01-23 01:17:54 +08",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,60}", time in "[0-9TZ:. +-]{15,30}") {
            let _ = timestamp(&text);
            let _ = timestamp(&time);
        }
    }
}
