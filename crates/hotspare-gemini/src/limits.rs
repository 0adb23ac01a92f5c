//! Quotas, as error bodies tell of them; replies have no headers for it.
//!
//! Invariant: total; a text that is no duration is no hint.

use std::time::Duration;

use serde_json::Value;

/// Beyond this, a pause is no matter of a minute's allowance.
const LONG: Duration = Duration::from_secs(3_600);
/// Beyond this, a hint is a mistake: 31 days.
const ABSURD: Duration = Duration::from_secs(31 * 24 * 3_600);

/// What a refusal says of the quota that it is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Quota {
    /// How long to wait.
    pub(crate) retry_after: Option<Duration>,
    /// It is not a matter of minutes: a day's allowance is used up.
    pub(crate) used_up: bool,
}

impl Quota {
    /// Reads `google.rpc.QuotaFailure` and `google.rpc.RetryInfo`, and the message where they are missing.
    pub(crate) fn read(details: &[Value], message: &str) -> Self {
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let retry_after = details
            .iter()
            .find_map(|detail| duration(detail["retryDelay"].as_str()?))
            .or_else(|| duration(message.split_once("retry in ")?.1.split_whitespace().next()?));
        let mut violations = details.iter().filter_map(|detail| detail["violations"].as_array()).flatten();
        let lower = message.to_ascii_lowercase();
        let daily = ["per_day", "perday", "per day"].iter().any(|word| lower.contains(word));
        let daily = daily
            || violations.any(|violation| {
                text(violation, "quotaId").contains("PerDay")
                    || text(violation, "quotaMetric").contains("per_day")
            });
        Self { retry_after, used_up: daily || retry_after.is_some_and(|pause| pause > LONG) }
    }
}

/// `16.302655129s`, `9h54m12s`, `500ms`; a full stop at the end is the sentence's.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim_end_matches(['.', ',']);
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, after) = rest.split_at(digits);
        let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0)];
        let (unit, seconds) = units.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        total += number.parse::<f64>().ok()? * seconds;
        rest = &after[unit.len()..];
    }
    Duration::try_from_secs_f64(total).ok().filter(|pause| *pause <= ABSURD && !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("16s", Some(16_000)),
            ("16.302655129s.", Some(16_302)),
            ("9h54m12.5s", Some(35_652_500)),
            ("500ms", Some(500)),
            ("0s", Some(0)),
            ("2d", Some(172_800_000)),
            ("", None),
            ("soon", None),
            ("16", None),
            ("1.2.3s", None),
            ("99999h", None),
            ("-1s", None),
        ] {
            assert_eq!(duration(text).map(|pause| pause.as_millis()), expected, "{text}");
        }
    }

    #[test]
    fn a_minute_and_a_day() {
        let failure = |id: &str, value: &str| {
            [json!({"violations": [{"quotaId": id, "quotaValue": value}]}), json!({"retryDelay": "7s"})]
        };
        let minute = Quota::read(&failure("RequestsPerMinutePerProjectPerModel", "10"), "");
        assert_eq!(minute, Quota { retry_after: Some(Duration::from_secs(7)), used_up: false });
        assert!(Quota::read(&failure("RequestsPerDayPerProjectPerModel-FreeTier", "50"), "").used_up);
        // No allowance of this model at all: nothing is said of the key's other models.
        assert!(!Quota::read(&failure("InputTokensPerModelPerMinute-FreeTier", "0"), "").used_up);
        assert!(Quota::read(&[], "Please retry in 9h54m1s.").used_up);
        assert!(Quota::read(&[], "Quota exceeded for aiplatform.googleapis.com/requests_per_day.").used_up);
        assert!(!Quota::read(&[], "limit: 1000000\nPlease retry in 49.02s.").used_up);
    }
}
