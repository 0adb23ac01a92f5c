//! Whether the error of a call that no target was tried for names the right time.
//!
//! Computed from the views of the targets, not from the refusals that the call has collected. Invariant: a time that is
//! at most a quarter later than the first moment at which a target admits calls is no breach.

use std::time::Duration;

use hotspare_core::{BreakerState, Moment, TargetView};

/// Clocks and views round to whole nanoseconds.
const ROUNDING: Duration = Duration::from_millis(1);

/// What is wrong with a refusal, if anything. `view` gives a target's view at a moment, for each target of the route that
/// the caller did not exclude.
pub(super) fn breach(
    now: Moment,
    retry_after: Option<Duration>,
    targets: usize,
    view: impl Fn(Moment, usize) -> TargetView,
) -> Option<String> {
    let free_in = |target: usize| {
        let view = view(now, target);
        if view.usable { Some(Duration::ZERO) } else { view.usable_in }
    };
    let soonest = (0..targets).filter_map(free_in).min();
    let (pause, soonest) = match (retry_after, soonest) {
        (Some(pause), Some(soonest)) => (pause, soonest),
        (None, Some(soonest)) => {
            return Some(format!(
                "names no time, although a target admits calls in {:.1} s",
                soonest.as_secs_f64()
            ));
        }
        // Which slot becomes free, and when, nobody knows.
        (_, None) => return None,
    };
    // Up to a quarter is added at random, so that not all callers return at once.
    if pause > soonest + soonest / 4 + ROUNDING {
        return Some(format!(
            "names {:.1} s, although a target admits calls in {:.1} s",
            pause.as_secs_f64(),
            soonest.as_secs_f64()
        ));
    }
    // A last resort ignores an open breaker.
    let admits = |target: usize| {
        let then = view(now + pause + ROUNDING, target);
        then.usable || then.breaker != BreakerState::Closed
    };
    (!(0..targets).any(admits))
        .then(|| format!("names {:.1} s, at which no target admits calls", pause.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Targets that become usable after so many seconds.
    fn check(retry_after: Option<f64>, usable_after: &[u64]) -> Option<String> {
        let view = |at: Moment, target: usize| {
            let after = Moment::ZERO + Duration::from_secs(usable_after[target]);
            let mut view = TargetView::default();
            view.usable = at >= after;
            view.usable_in = (!view.usable).then(|| after.saturating_since(at));
            view
        };
        breach(Moment::ZERO, retry_after.map(Duration::from_secs_f64), usable_after.len(), view)
    }

    #[test]
    fn a_refusal_without_a_time_or_with_a_wrong_one_is_a_breach() {
        assert_eq!(check(Some(12.0), &[30, 10]), None, "up to a quarter more");
        assert!(check(None, &[30, 10]).is_some_and(|what| what.contains("no time")));
        assert!(check(Some(30.0), &[30, 10]).is_some_and(|what| what.contains("in 10.0 s")));
        assert!(check(Some(1.0), &[30, 10]).is_some_and(|what| what.contains("no target admits")));
    }
}
