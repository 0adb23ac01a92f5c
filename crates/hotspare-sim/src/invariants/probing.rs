//! Whether the first target of a route is tried again soon after its cooldown.
//!
//! Not the router's own schedule, which is what is tested: the bound follows from the longest cooldown. Time counts only
//! while calls arrive that could have been the probe; a target that asked for a pause is left out until the pause is
//! over. Invariant: a router that gives one call in thirty to a half-open target is reported less than once in a million waits.

use std::time::Duration;

use hotspare_core::{Error, Hold, Moment};

/// Calls that arrive after the longest cooldown without one of them trying the target.
const MAX_CALLS: u32 = 500;
/// The longest that a pause holds a target: a disabled one is tried again, and longer hints are cut, after an hour.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// A pause that a target asked for without saying how long.
const UNSAID_PAUSE: Duration = Duration::from_secs(60);

/// How long a target that is not closed has gone without a try.
#[derive(Clone, Debug, Default)]
pub(super) struct ProbeWait {
    /// When the first call arrived since it left Closed, or since the last try.
    since: Option<Moment>,
    /// Calls that arrived after the longest cooldown.
    calls: u32,
    paused_until: Moment,
}

impl ProbeWait {
    /// The target is tried, is closed, or has a probe in flight.
    pub(super) fn reset(&mut self) {
        self.since = None;
        self.calls = 0;
    }

    /// A call at the target has failed.
    pub(super) fn failed(&mut self, now: Moment, error: &Error) {
        let pause = match (error.retry_after(), error.policy().hold) {
            (_, Hold::Disable) => LONGEST_PAUSE,
            (Some(hint), _) => hint.min(LONGEST_PAUSE),
            (None, Hold::Ease | Hold::Until) => UNSAID_PAUSE,
            (None, _) => return,
        };
        self.paused_until = self.paused_until.max(now + pause);
    }

    /// A call arrives that may try the target. What is wrong, if the target should have been tried by now.
    pub(super) fn call(&mut self, now: Moment, longest: Duration) -> Option<String> {
        if now < self.paused_until {
            self.reset();
            return None;
        }
        let since = *self.since.get_or_insert(now);
        self.calls += u32::from(now > since + longest);
        if self.calls <= MAX_CALLS {
            return None;
        }
        let waited = now.saturating_since(since);
        self.reset();
        Some(format!(
            "was not tried for {:.0} s, although its longest cooldown ended {MAX_CALLS} calls ago",
            waited.as_secs_f64()
        ))
    }
}

#[cfg(test)]
mod tests {
    use hotspare_core::Kind;

    use super::*;

    /// What is reported of a target that is never tried, by the number of the call; there are ten calls a second.
    fn reported(wait: &mut ProbeWait, tried_at: Option<u32>) -> Option<u32> {
        (0..2_000u32).find(|call| {
            if tried_at == Some(*call) {
                wait.reset();
            }
            wait.call(Moment::ZERO + Duration::from_millis(u64::from(*call) * 100), Duration::from_secs(45))
                .is_some()
        })
    }

    #[test]
    fn a_target_that_is_not_tried_again_is_a_breach() {
        assert_eq!(reported(&mut ProbeWait::default(), None), Some(951), "45 s and 500 calls");
        assert_eq!(
            reported(&mut ProbeWait::default(), Some(900)),
            Some(1_851),
            "a try starts the wait again"
        );
    }

    #[test]
    fn a_pause_that_was_asked_for_is_not_counted() {
        let mut wait = ProbeWait::default();
        let error = Error::new(Kind::RateLimited, "busy").with_retry_after(Duration::from_secs(30));
        wait.failed(Moment::ZERO, &error);
        assert_eq!(reported(&mut wait, None), Some(1_251));
        wait = ProbeWait::default();
        wait.failed(Moment::ZERO, &Error::new(Kind::Auth, "no"));
        assert_eq!(reported(&mut wait, None), None);
    }
}
