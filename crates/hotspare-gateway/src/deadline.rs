//! The caller's deadlines, from request headers.
//!
//! `x-hotspare-deadline` and `x-request-timeout` hold a duration with its unit, such as `20s` or `1500ms`;
//! `x-envoy-expected-rq-timeout-ms`, which Envoy sets by itself, holds milliseconds. The route's own limit applies as
//! well. The official OpenAI and Anthropic clients state in headers of their own after how many seconds without a byte
//! they give up: within that time an answer must begin, or its keep-alives. Invariant: the shortest of several headers
//! applies, and a header that is meant for gateways and cannot be parsed is an error, never ignored.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use hotspare::{Error, Kind};
use hotspare_core::parse_duration;

/// Headers whose value has a unit.
static WITH_UNIT: [HeaderName; 2] =
    [HeaderName::from_static("x-hotspare-deadline"), HeaderName::from_static("x-request-timeout")];
/// Header with a value in milliseconds.
static ENVOY_MILLIS: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// Headers in which official clients state their time-outs, in seconds; for statistics, so anything else is ignored.
static OF_CLIENTS: [HeaderName; 2] =
    [HeaderName::from_static("x-stainless-read-timeout"), HeaderName::from_static("x-stainless-timeout")];

/// After how long without a byte an official client gives up, if it says so.
pub(crate) fn of_client(headers: &HeaderMap) -> Option<Duration> {
    let values = OF_CLIENTS.iter().flat_map(|name| headers.get_all(name));
    let seconds = values.filter_map(|value| value.to_str().ok()?.trim().parse().ok());
    let times = seconds.filter_map(|seconds| Duration::try_from_secs_f64(seconds).ok());
    times.filter(|time| !time.is_zero()).min()
}

/// The caller's deadline, if a header sets one.
///
/// # Errors
/// If a header is not a duration, or is zero.
pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let mut shortest: Option<Duration> = None;
    for name in WITH_UNIT.iter().chain([&ENVOY_MILLIS]) {
        // A proxy may have added a second header of the same name.
        for value in headers.get_all(name) {
            let deadline = parse(name, value)?;
            shortest = Some(shortest.map_or(deadline, |shortest| shortest.min(deadline)));
        }
    }
    Ok(shortest)
}

fn parse(name: &HeaderName, value: &HeaderValue) -> Result<Duration, Error> {
    let text = value.to_str().unwrap_or_default().trim();
    let (parsed, form) = if *name == ENVOY_MILLIS {
        (text.parse().ok().map(Duration::from_millis), "milliseconds")
    } else {
        (parse_duration(text), "a duration such as 20s or 1500ms")
    };
    parsed.filter(|deadline| !deadline.is_zero()).ok_or_else(|| {
        let what = format!("the header {name} must be {form}, greater than zero");
        Error::new(Kind::InvalidRequest, what).with_code("invalid_deadline")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(pairs: &[(&'static str, &'static str)]) -> Result<Option<Duration>, Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        from_headers(&headers)
    }

    #[test]
    fn official_clients_say_when_they_give_up() {
        let seconds = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for (name, value) in OF_CLIENTS.iter().zip(values) {
                headers.append(name, HeaderValue::from_static(value));
            }
            of_client(&headers).map(|time| time.as_secs_f64())
        };
        assert_eq!(seconds(&["5.0", "600"]), Some(5.0));
        assert_eq!(seconds(&["None", "20"]), Some(20.0));
        for ignored in ["", "None", "0", "-1", "NaN", "inf", "soon"] {
            assert_eq!(seconds(&[ignored]), None, "{ignored}");
        }
    }

    #[test]
    fn shortest_deadline_header_wins_and_invalid_values_are_rejected() {
        assert_eq!(parsed(&[]).unwrap(), None);
        assert_eq!(parsed(&[("x-hotspare-deadline", "1.5s")]).unwrap(), Some(Duration::from_millis(1_500)));
        let several = [("x-request-timeout", "1m"), ("x-envoy-expected-rq-timeout-ms", "250")];
        assert_eq!(parsed(&several).unwrap(), Some(Duration::from_millis(250)));
        let twice = |first, second| parsed(&[("x-request-timeout", first), ("x-request-timeout", second)]);
        assert_eq!(twice("1m", "250ms").unwrap(), Some(Duration::from_millis(250)));
        assert_eq!(twice("250ms", "1m").unwrap(), Some(Duration::from_millis(250)));
        assert_eq!(twice("1m", "soon").unwrap_err().code(), Some("invalid_deadline"));
        assert_eq!(parsed(&[("x-hotspare-deadline", "1h")]).unwrap(), Some(Duration::from_secs(3_600)));
        for wrong in ["20", "", "soon", "-1s", "0s", "1e400s", "99999999999999999999999s"] {
            let error = parsed(&[("x-hotspare-deadline", wrong)]).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidRequest, "{wrong}");
        }
    }
}
