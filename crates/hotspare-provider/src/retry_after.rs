//! How long a reply asks callers to wait.
//!
//! Not a decision: the health book applies caps and floors. Invariant: parsing is total; a negative, implausible or
//! unreadable value is no hint at all, and a date in the past is a pause of zero.

use std::time::{Duration, SystemTime};

use crate::timestamp::timestamp;
use crate::transport::Head;

/// The longest accepted hint, 31 days: a longer one is taken for a mistake.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(31 * 24 * 3600);

/// Reads `retry-after-ms`, then `retry-after` as seconds (fractions allowed), as an HTTP date, or with units as in
/// [`pause`].
#[must_use]
pub fn retry_after(head: &Head) -> Option<Duration> {
    let millis = head.header("retry-after-ms").and_then(|text| plain_number(text, 0.001));
    millis.or_else(|| head.header("retry-after").and_then(|text| parse(text, head.received_at)))
}

/// Reads one `retry-after` value.
fn parse(text: &str, received_at: SystemTime) -> Option<Duration> {
    let date = || {
        let date = httpdate::parse_http_date(text.trim()).ok()?;
        let pause = date.duration_since(received_at).unwrap_or(Duration::ZERO);
        (pause <= MAX_RETRY_AFTER).then_some(pause)
    };
    plain_number(text, 1.0).or_else(date).or_else(|| with_units(text).filter(|(_, rest)| rest.is_empty())?.0)
}

/// Parses `1h2m3.5s`, `250ms`, `12 seconds`, and a bare number as seconds; stops at the first other text.
#[must_use]
pub fn pause(text: &str) -> Option<Duration> {
    with_units(text)?.0
}

/// A pause stated in a sentence: "try again in 6.07s", "retry after 12 seconds", "please wait 30 seconds before",
/// "resets in 9h22m20s", "replenished in 07:01:20".
#[must_use]
pub fn retry_after_in_text(sentence: &str) -> Option<Duration> {
    let lower = sentence.to_ascii_lowercase();
    // After other words than "in", a clock shows a time of day.
    let named = |words: &str| {
        let read = if words.ends_with("in ") { pause_or_clock } else { pause };
        lower.match_indices(words).find_map(|(at, _)| read(&lower[at + words.len()..]))
    };
    let phrases = [
        "try again in ",
        "try again after ",
        "retry in ",
        "retry after ",
        "please wait ",
        "please wait for ",
        "reset in ",
        "resets in ",
        "reset after ",
        "resets after ",
        "replenished in ",
    ];
    phrases.into_iter().find_map(named)
}

/// The pause until a time stated in a sentence: "will reset at 2026-02-03 20:31:50 +0800". A time without a zone is no
/// hint.
#[must_use]
pub fn reset_in_text(sentence: &str, received_at: SystemTime) -> Option<Duration> {
    let named = |words: &str| {
        let at =
            sentence.match_indices(words).find_map(|(at, _)| timestamp(&sentence[at + words.len()..]))?;
        at.duration_since(received_at).ok().filter(|pause| *pause <= MAX_RETRY_AFTER)
    };
    ["reset at ", "resets at "].into_iter().find_map(named)
}

/// A duration with units, or as hours, minutes and seconds between colons.
fn pause_or_clock(text: &str) -> Option<Duration> {
    let mut fields = text.splitn(3, ':');
    let mut two = || fields.next().filter(|digits| digits.len() == 2)?.parse::<u64>().ok();
    let (Some(hours), Some(minutes), Some(seconds)) = (two(), two(), text.get(6..8)) else {
        return pause(text);
    };
    Some(Duration::from_secs(hours * 3_600 + minutes * 60 + seconds.parse::<u64>().ok()?))
}

/// A duration with units, and the text after it; `None` if the text does not begin with a duration.
fn with_units(text: &str) -> Option<(Option<Duration>, &str)> {
    let (mut total, mut any, mut rest) = (0.0, false, text.trim());
    loop {
        let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let Ok(number) = rest[..digits].trim_end_matches('.').parse::<f64>() else { break };
        let unit = rest[digits..].trim_start();
        let letters = unit.bytes().take_while(u8::is_ascii_alphabetic).count();
        let seconds = match &unit[..letters] {
            "ms" | "milliseconds" => 0.001,
            "s" | "sec" | "second" | "seconds" | "" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3_600.0,
            "d" | "day" | "days" => 86_400.0,
            _ => break,
        };
        total += number * seconds;
        any = true;
        rest = unit[letters..].trim_start();
        if letters == 0 {
            break;
        }
    }
    let pause = Duration::try_from_secs_f64(total).ok().filter(|pause| *pause <= MAX_RETRY_AFTER);
    any.then_some((pause, rest))
}

fn plain_number(text: &str, unit: f64) -> Option<Duration> {
    let text = text.trim();
    // `f64` also parses "inf", "nan" and "1e9"; a header holds only digits and a point.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let pause = Duration::try_from_secs_f64(text.parse::<f64>().ok()? * unit).ok()?;
    (pause <= MAX_RETRY_AFTER).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
    use proptest::prelude::*;

    fn head(pairs: &[(&'static str, &str)]) -> Head {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let received_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_480);
        Head { status: StatusCode::TOO_MANY_REQUESTS, headers, received_at }
    }

    #[test]
    fn parses_every_retry_after_format() {
        let seconds = |text| retry_after(&head(&[("retry-after", text)]));
        assert_eq!(seconds("30"), Some(Duration::from_secs(30)));
        assert_eq!(seconds(" 1.5 "), Some(Duration::from_millis(1_500)));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:28:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(seconds("30s"), Some(Duration::from_secs(30)));
        assert_eq!(seconds("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(seconds("250ms"), Some(Duration::from_millis(250)));
        let both = head(&[("retry-after", "1"), ("retry-after-ms", "250")]);
        assert_eq!(retry_after(&both), Some(Duration::from_millis(250)));
    }

    #[test]
    fn invalid_retry_after_is_ignored() {
        for text in [
            "",
            "-1",
            "1000000000",
            "soon",
            "1e3",
            "inf",
            "NaN",
            "1.2.3",
            "30s or so",
            "Fri, 01 Jan 9999 00:00:00 GMT",
        ] {
            assert_eq!(retry_after(&head(&[("retry-after", text)])), None, "{text:?}");
        }
    }

    #[test]
    fn parses_pauses_with_units() {
        for (text, expected) in [
            ("16s", Some(16_000)),
            ("16.302655129s.", Some(16_302)),
            ("9h54m12.5s", Some(35_652_500)),
            ("500ms", Some(500)),
            ("0s", Some(0)),
            ("2d", Some(172_800_000)),
            ("12 seconds.", Some(12_000)),
            ("16", Some(16_000)),
            ("", None),
            ("soon", None),
            ("1.2.3s", None),
            ("99999h", None),
            ("-1s", None),
        ] {
            assert_eq!(pause(text).map(|pause| pause.as_millis()), expected, "{text}");
        }
    }

    #[test]
    fn parses_pauses_in_sentences() {
        for (sentence, expected) in [
            ("Please try again in 6.07s. Visit", Some(6_070)),
            ("Try again in 1m2.5s.", Some(62_500)),
            ("Please retry after 12 seconds.", Some(12_000)),
            ("limit: 1000000\nPlease retry in 49.02s.", Some(49_020)),
            ("Please wait 42 seconds before retrying.", Some(42_000)),
            ("Please retry after a while, or try again in 250ms", Some(250)),
            ("Please wait and try again in 3s", Some(3_000)),
            ("please try again after 1 seconds", Some(1_000)),
            ("try again in a while", None),
            ("please wait 5 times", None),
            ("", None),
            ("All accounts have exhausted their quota (reset after 140h 21m 10s)", Some(505_270_000)),
            ("Too many requests. Please wait for 15 seconds", Some(15_000)),
            ("Individual quota reached. Resets in 9h22m20s.", Some(33_740_000)),
            ("The limit resets after every 5 messages", None),
            ("Out of call volume quota. Quota will be replenished in 07:01:20.", Some(25_280_000)),
            ("Quota will be replenished in 3 days.", Some(259_200_000)),
        ] {
            assert_eq!(retry_after_in_text(sentence).map(|pause| pause.as_millis()), expected, "{sentence}");
        }
    }

    #[test]
    fn parses_the_time_of_a_reset() {
        let received_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_770_121_900);
        for (sentence, expected) in [
            (
                "You have exceeded the 5-hour usage quota. It will reset at 2026-02-03 20:31:50 +0800 CST.",
                Some(10),
            ),
            ("5-hour usage limit reached, resets at 2026-02-03T12:31:50Z (2056)", Some(10)),
            ("It will reset at 2026-02-03 20:31:50", None),
            ("It will reset at 2026-02-03 20:31:39 +0800", None),
            ("It will reset at 2027-02-03 20:31:50 +0800", None),
            ("It will reset at noon", None),
        ] {
            let pause = reset_in_text(sentence, received_at);
            assert_eq!(pause.map(|pause| pause.as_secs()), expected, "{sentence}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_bounded(text in "[ -~]{0,40}", secs in 0u64..4_000_000_000) {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
            prop_assert!(parse(&text, at).is_none_or(|pause| pause <= MAX_RETRY_AFTER));
            let sentence = format!("retry in {text}");
            prop_assert!(retry_after_in_text(&sentence).is_none_or(|pause| pause <= MAX_RETRY_AFTER));
        }
    }
}
