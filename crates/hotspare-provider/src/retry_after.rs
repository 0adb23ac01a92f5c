//! How long a reply asks callers to wait.
//!
//! Not a decision: the health book applies caps and floors. Invariant: parsing is total; a negative, implausible or
//! unreadable value is no hint at all, and a date in the past is a pause of zero.

use std::time::{Duration, SystemTime};

use crate::pause::{MAX_RETRY_AFTER, duration};
use crate::timestamp::timestamp;
use crate::transport::Head;

/// Reads `retry-after-ms`, then `retry-after` as seconds (fractions allowed), as an HTTP date, or with units as in
/// [`pause`](crate::pause).
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
    plain_number(text, 1.0)
        .or_else(date)
        .or_else(|| duration(&text.to_ascii_lowercase()).filter(|(_, rest)| rest.is_empty())?.0)
}

/// The pause until a time stated in a sentence: "will reset at 2026-02-03 20:31:50 +0800", "regain access on 2026-02-01 at
/// 00:00 UTC". A time without a zone is no hint.
#[must_use]
pub fn reset_in_text(sentence: &str, received_at: SystemTime) -> Option<Duration> {
    let lower = sentence.to_ascii_lowercase();
    let named = |words: &str| {
        let at = lower.match_indices(words).find_map(|(at, _)| timestamp(&lower[at + words.len()..]))?;
        at.duration_since(received_at).ok().filter(|pause| *pause <= MAX_RETRY_AFTER)
    };
    let phrases = [
        "reset at ",
        "resets at ",
        "reset on ",
        "resets on ",
        "again at ",
        "again after ",
        "retry at ",
        "retry after ",
        "access on ",
        "available at ",
        "until ",
    ];
    phrases.into_iter().find_map(named)
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
            ("You have reached your limit. You will regain access on 2026-02-04 at 00:00 UTC.", Some(41_300)),
            ("Please retry after 2026-02-03T12:31:50Z", Some(10)),
            ("Too many requests, try again at 2026-02-03 12:31:50 GMT.", Some(10)),
            ("RESETS AT 2026-02-03T12:31:50Z", Some(10)),
            ("Blocked until 2026-02-03T12:31Z", None),
            ("Blocked until 2026-02-03T12:32Z", Some(20)),
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
            let reset = reset_in_text(&format!("resets at {text}"), at);
            prop_assert!(reset.is_none_or(|pause| pause <= MAX_RETRY_AFTER));
        }
    }
}
