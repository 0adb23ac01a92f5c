//! Quotas as reported in error bodies; replies have no headers for them.
//!
//! Invariant: total; text that is not a duration is no hint.

use std::time::Duration;

use hotspare_provider::{pause, retry_after_in_text};
use serde_json::Value;

/// The longest pause that a per-minute quota can cause.
const PER_MINUTE_MAX: Duration = Duration::from_secs(3_600);

/// The quota that a refusal is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Quota {
    /// How long to wait.
    pub(crate) retry_after: Option<Duration>,
    /// Whether it will not refill within minutes, such as a daily quota that is used up.
    pub(crate) used_up: bool,
}

impl Quota {
    /// Reads `google.rpc.QuotaFailure` and `google.rpc.RetryInfo`, or the message if they are missing.
    pub(crate) fn read(details: &[Value], message: &str) -> Self {
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let retry_after = details
            .iter()
            .find_map(|detail| {
                let delay = detail["retryDelay"].as_str();
                pause(delay.or_else(|| detail["metadata"]["quotaResetDelay"].as_str())?)
            })
            .or_else(|| retry_after_in_text(message));
        let mut violations = details.iter().filter_map(|detail| detail["violations"].as_array()).flatten();
        let lower = message.to_ascii_lowercase();
        let daily = ["per_day", "perday", "per day"].iter().any(|word| lower.contains(word));
        let daily = daily
            || violations.any(|violation| {
                text(violation, "quotaId").contains("PerDay")
                    || text(violation, "quotaMetric").contains("per_day")
            });
        Self { retry_after, used_up: daily || retry_after.is_some_and(|pause| pause > PER_MINUTE_MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tells_daily_quotas_from_per_minute_quotas() {
        let failure = |id: &str, value: &str| {
            [json!({"violations": [{"quotaId": id, "quotaValue": value}]}), json!({"retryDelay": "7s"})]
        };
        let minute = Quota::read(&failure("RequestsPerMinutePerProjectPerModel", "10"), "");
        assert_eq!(minute, Quota { retry_after: Some(Duration::from_secs(7)), used_up: false });
        assert!(Quota::read(&failure("RequestsPerDayPerProjectPerModel-FreeTier", "50"), "").used_up);
        // This model has no quota at all, which says nothing about the key's other models.
        assert!(!Quota::read(&failure("InputTokensPerModelPerMinute-FreeTier", "0"), "").used_up);
        assert!(Quota::read(&[], "Please retry in 9h54m1s.").used_up);
        assert!(Quota::read(&[], "Quota exceeded for aiplatform.googleapis.com/requests_per_day.").used_up);
        assert!(!Quota::read(&[], "limit: 1000000\nPlease retry in 49.02s.").used_up);
    }
}
