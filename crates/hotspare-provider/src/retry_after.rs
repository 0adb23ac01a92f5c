//! How long a reply asks to be left alone.
//!
//! Not a decision: caps and floors are the health book's. Invariant: total; nonsense (negative, absurd, unreadable) is
//! no hint at all, and a date in the past is a pause of zero.

use std::time::{Duration, SystemTime};

use crate::transport::Head;

/// Beyond this, a hint is a mistake: 31 days.
const ABSURD: Duration = Duration::from_secs(31 * 24 * 3600);

/// Reads `retry-after-ms`, then `retry-after` as seconds (fractions allowed) or as an HTTP date.
#[must_use]
pub fn retry_after(head: &Head) -> Option<Duration> {
    let millis = head.header("retry-after-ms").and_then(|text| number(text, 0.001));
    millis.or_else(|| head.header("retry-after").and_then(|text| parse(text, head.received_at)))
}

/// Reads one `retry-after` value.
fn parse(text: &str, received_at: SystemTime) -> Option<Duration> {
    number(text, 1.0).or_else(|| {
        let date = httpdate::parse_http_date(text.trim()).ok()?;
        let pause = date.duration_since(received_at).unwrap_or(Duration::ZERO);
        (pause <= ABSURD).then_some(pause)
    })
}

fn number(text: &str, unit: f64) -> Option<Duration> {
    let text = text.trim();
    // `f64` also reads "inf", "nan" and "1e9"; a header holds digits.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let pause = Duration::try_from_secs_f64(text.parse::<f64>().ok()? * unit).ok()?;
    (pause <= ABSURD).then_some(pause)
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
    fn reads_every_spelling() {
        let seconds = |text| retry_after(&head(&[("retry-after", text)]));
        assert_eq!(seconds("30"), Some(Duration::from_secs(30)));
        assert_eq!(seconds(" 1.5 "), Some(Duration::from_millis(1_500)));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:28:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO));
        let both = head(&[("retry-after", "1"), ("retry-after-ms", "250")]);
        assert_eq!(retry_after(&both), Some(Duration::from_millis(250)));
    }

    #[test]
    fn nonsense_is_no_hint() {
        for text in
            ["", "-1", "1000000000", "soon", "1e3", "inf", "NaN", "1.2.3", "Fri, 01 Jan 9999 00:00:00 GMT"]
        {
            assert_eq!(retry_after(&head(&[("retry-after", text)])), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn total_and_bounded(text in "[ -~]{0,40}", secs in 0u64..4_000_000_000) {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
            prop_assert!(parse(&text, at).is_none_or(|pause| pause <= ABSURD));
        }
    }
}
