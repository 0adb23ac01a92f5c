//! A failed call's attempts, as the wires that callers use report them.
//!
//! Not the trail itself: texts worded by providers are left out. Invariant: the same on every wire.

use hotspare_core::{Error, Outcome, UsageSource};
use serde_json::{Value, json};

/// The error's attempts as JSON; `None` if there was none.
#[must_use]
pub fn attempts(error: &Error) -> Option<Value> {
    let attempts: Vec<Value> = error
        .trail()
        .attempts
        .iter()
        .map(|attempt| {
            let (kind, status) = match &attempt.outcome {
                Outcome::Failed { kind, status, .. } => (kind.as_str(), *status),
                Outcome::Cancelled { .. } => ("cancelled", None),
                _ => ("served", None),
            };
            let ms = u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX);
            let mut entry = json!({"target": attempt.target, "kind": kind, "status": status, "ms": ms});
            let usage = &attempt.usage;
            if usage.total().is_some() {
                let estimated = usage.source == UsageSource::Estimated;
                entry["usage"] =
                    json!({"input": usage.input, "output": usage.output, "estimated": estimated});
            }
            if !attempt.violations.is_empty() {
                entry["violations"] = json!(attempt.violations);
            }
            entry
        })
        .collect();
    (!attempts.is_empty()).then(|| attempts.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use hotspare_core::{Attempt, Kind, StartKind, Trail, Usage};

    use super::*;

    #[test]
    fn attempts_contain_no_text_of_a_provider() {
        let begun =
            |target: &str| Attempt::begun(target.into(), StartKind::First, "first".into(), Duration::ZERO);
        let (mut failed, mut lost) = (begun("main"), begun("spare"));
        failed.outcome =
            Outcome::Failed { kind: Kind::BadOutput, status: Some(200), message: "their words".into() };
        failed.violations.push("severity: missing".into());
        failed.usage = Usage::estimated(Some(5), Some(3));
        lost.outcome = Outcome::Cancelled { reason: "the caller left".into() };
        let mut trail = Trail::default();
        trail.attempts = vec![failed, lost];
        let error = Error::new(Kind::BadOutput, "their words");
        assert_eq!(attempts(&error), None);
        assert_eq!(
            attempts(&error.with_trail(Arc::new(trail))),
            Some(json!([
                {
                    "target": "main", "kind": "bad_output", "status": 200, "ms": 0,
                    "usage": {"input": 5, "output": 3, "estimated": true}, "violations": ["severity: missing"],
                },
                {"target": "spare", "kind": "cancelled", "status": null, "ms": 0},
            ]))
        );
    }
}
