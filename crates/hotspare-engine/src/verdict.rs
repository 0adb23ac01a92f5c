//! Maps a failure to the outcome that is reported to the health book.
//!
//! Not a second policy: everything here is derived from [`Error::policy`]. Invariant: a failure touches at most one
//! scope of the permit, and none if the target is not to blame and nothing is held.

use std::time::Duration;

use hotspare_core::{Error, Evidence, Hold, Moment};
use hotspare_health::{HealthOutcome, Verdict};

use crate::fleet::Target;
use crate::index::KeyIndex;

/// How long a key, model or quota that failed permanently stays disabled before one request re-checks it.
const RECHECK: Duration = Duration::from_secs(600);

/// The outcome of a failed attempt. `weight` is the share of a full failure in thousandths.
pub(crate) fn outcome(
    now: Moment,
    error: &Error,
    target: &Target,
    key: KeyIndex,
    weight: u32,
) -> HealthOutcome {
    let policy = error.policy();
    let Some(scope) = target.scope(key, policy.scope) else { return HealthOutcome::neutral() };
    let hinted = error.retry_after().map(|pause| now + pause);
    let verdict = match (policy.hold, policy.evidence) {
        (Hold::Disable, _) => Verdict::Disable { until: (now + RECHECK).max(hinted.unwrap_or(now)) },
        (Hold::Ease, _) => Verdict::Ease { until: hinted },
        (Hold::Until, _) => match hinted {
            Some(until) => Verdict::Hold { until },
            None => Verdict::HoldUnknown,
        },
        (_, Evidence::None) => return HealthOutcome::neutral(),
        (hold, evidence) => {
            let not_before = (hold == Hold::Floor).then_some(hinted).flatten();
            match evidence {
                Evidence::Path => Verdict::Unreachable { weight_milli: weight },
                Evidence::Soft => Verdict::Shed { not_before },
                _ => Verdict::Failure { weight_milli: weight, not_before },
            }
        }
    };
    HealthOutcome::at(scope, verdict)
}
