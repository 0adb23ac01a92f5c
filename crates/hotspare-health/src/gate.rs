//! Pauses of a scope that have nothing to do with its health.
//!
//! Not a breaker: a provider that asks for a pause, or a key without funds, works as intended. Invariant: a requested
//! pause is never shortened, and never counts as a failure.

use std::time::Duration;

use hotspare_core::Moment;

use crate::permit::Cause;

/// Longest hint that is honoured, also as the time until a disabled scope is re-checked; a longer one is treated as this.
pub(crate) const LONGEST_HOLD: Duration = Duration::from_secs(3_600);
/// A longer hint is a mistake of the server, since no rate limit is counted over more than a month: it counts as none.
pub(crate) const LONGEST_HINT: Duration = Duration::from_secs(31 * 86_400);
/// A hint shorter than this is trusted once: if the call after it is refused again, the pause is at least this long.
const LEAST_AGAIN: Duration = Duration::from_secs(1);
/// Pause after the first refusal without a hint, and the longest that it grows to.
const UNKNOWN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// How long to wait for the call that re-checks a disabled scope before another is let through. If that call fails, it
/// disables the scope again; if its caller leaves, the next call has to find out.
const RECHECK: Duration = Duration::from_secs(60);

/// How long the first call after a pause is the only one let through. A refusal arrives well within that time; a call
/// that is neither refused nor answered by then has been accepted.
const RESUME_PROBE: Duration = Duration::from_millis(500);

/// A scope's gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Gate {
    held_until: Moment,
    /// Number of consecutive refusals without a hint.
    unexplained: u32,
    /// A hinted pause was requested, and nothing has succeeded since.
    hinted: bool,
    /// While it is disabled: when one call may check whether it is back.
    disabled: Option<Moment>,
    /// When it last asked for a pause or was disabled: a success of a call that began earlier says nothing about that.
    closed_at: Moment,
    /// No call has followed the pause yet.
    unproven: bool,
    /// Until when the first call after a pause is the only one let through.
    resume_probe_until: Moment,
}

impl Gate {
    pub(crate) fn check(&self, now: Moment) -> Result<(), (Cause, Moment)> {
        let disabled = self.disabled.unwrap_or(Moment::ZERO);
        // Reports the obstacle that lasts longest.
        let (cause, until) = if disabled >= self.held_until.max(self.resume_probe_until) {
            (Cause::Disabled, disabled)
        } else if self.held_until >= self.resume_probe_until {
            (Cause::RateLimited, self.held_until)
        } else {
            (Cause::ResumeProbe, self.resume_probe_until)
        };
        if now < until { Err((cause, until)) } else { Ok(()) }
    }

    /// Lets a call through. If the scope is disabled, the call re-checks it and puts off the next re-check.
    pub(crate) fn pass(&mut self, now: Moment) {
        // Otherwise all calls that waited for the end of a pause would start at the same instant and be refused
        // together.
        if std::mem::take(&mut self.unproven) {
            self.resume_probe_until = now + RESUME_PROBE;
        }
        if let Some(until) = &mut self.disabled {
            *until = now + RECHECK;
        }
    }

    pub(crate) fn hold(&mut self, now: Moment, until: Moment) {
        if until > now + LONGEST_HINT {
            return self.hold_unknown(now);
        }
        // Refusals of calls that were in flight when the pause began do not count again.
        if now >= self.held_until {
            self.pause(now);
            if std::mem::replace(&mut self.hinted, true) {
                self.held_until = now + LEAST_AGAIN;
            }
        }
        self.held_until = self.held_until.max(until.min(now + LONGEST_HOLD));
    }

    pub(crate) fn hold_unknown(&mut self, now: Moment) {
        let growth = 1u32.checked_shl(self.unexplained.min(16)).unwrap_or(u32::MAX);
        let pause = UNKNOWN.0.saturating_mul(growth).min(UNKNOWN.1);
        // Refusals of calls that were in flight when the pause began repeat it; they do not lengthen it.
        if now >= self.held_until {
            self.pause(now);
            self.unexplained = self.unexplained.saturating_add(1);
            self.held_until = now + pause;
        }
    }

    /// Starts a pause.
    fn pause(&mut self, now: Moment) {
        self.closed_at = now;
        self.unproven = true;
        self.resume_probe_until = Moment::ZERO;
    }

    /// A call that began at `began` is being answered: it was not refused.
    pub(crate) fn answered(&mut self, began: Moment) {
        if began >= self.closed_at {
            self.resume_probe_until = Moment::ZERO;
        }
    }

    pub(crate) fn disable(&mut self, now: Moment, until: Moment) {
        self.closed_at = now;
        self.disabled = self.disabled.max(Some(until.min(now + LONGEST_HOLD)));
    }

    pub(crate) fn enable(&mut self) {
        self.disabled = None;
    }

    /// A call that began at `began` has succeeded.
    pub(crate) fn success(&mut self, began: Moment) {
        if began < self.closed_at {
            return;
        }
        self.unexplained = 0;
        self.hinted = false;
        self.unproven = false;
        self.resume_probe_until = Moment::ZERO;
        self.disabled = None;
    }

    /// Whether it is disabled, or was and no call has confirmed yet that it is back.
    pub(crate) fn is_out_of_service(&self) -> bool {
        self.disabled.is_some()
    }

    pub(crate) fn is_disabled(&self, now: Moment) -> bool {
        self.disabled.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod explore;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(secs)
    }

    #[test]
    fn pause_is_never_shortened_and_is_capped_at_an_hour() {
        let mut gate = Gate::default();
        gate.hold(at(0), at(30));
        gate.hold(at(1), at(5));
        assert_eq!(gate.check(at(29)), Err((Cause::RateLimited, at(30))));
        assert_eq!(gate.check(at(30)), Ok(()));
        gate.hold(at(30), at(5 * 86_400));
        assert_eq!(gate.check(at(31)), Err((Cause::RateLimited, at(3_630))));
    }

    #[test]
    fn hint_of_years_is_ignored() {
        let mut gate = Gate::default();
        gate.hold(at(0), at(1_000_000_000));
        assert_eq!(gate.check(at(1)), Err((Cause::RateLimited, at(5))));
        gate.hold(at(5), Moment::MAX);
        assert_eq!(gate.check(at(6)), Err((Cause::RateLimited, at(15))), "the pause doubles");
    }

    #[test]
    fn repeated_zero_hints_back_off() {
        let mut gate = Gate::default();
        let millis = |ms| Moment::ZERO + Duration::from_millis(ms);
        gate.hold(millis(0), millis(0));
        assert_eq!(gate.check(millis(0)), Ok(()), "honored once");
        gate.hold(millis(1), millis(1));
        assert_eq!(gate.check(millis(1_000)), Err((Cause::RateLimited, millis(1_001))));
        gate.success(millis(1_001));
        gate.hold(millis(2_000), millis(2_200));
        assert_eq!(gate.check(millis(2_200)), Ok(()), "a short hint that proves right is honored");
    }

    #[test]
    fn unhinted_pause_doubles_once_per_round() {
        let mut gate = Gate::default();
        gate.hold_unknown(at(0));
        gate.hold_unknown(at(1));
        assert_eq!(gate.check(at(4)), Err((Cause::RateLimited, at(5))));
        gate.hold_unknown(at(5));
        assert_eq!(gate.check(at(6)), Err((Cause::RateLimited, at(15))));
        gate.success(at(16));
        gate.hold_unknown(at(20));
        assert_eq!(gate.check(at(21)), Err((Cause::RateLimited, at(25))));
    }

    #[test]
    fn disabled_scope_admits_one_call_per_recheck() {
        let mut gate = Gate::default();
        gate.disable(at(0), at(600));
        assert!(gate.check(at(599)).is_err());
        assert!(gate.check(at(600)).is_ok());
        gate.pass(at(600));
        assert!(gate.check(at(601)).is_err());
        // The caller of the re-check left: a minute later another call checks, and is refused.
        assert!(gate.check(at(660)).is_ok());
        gate.pass(at(660));
        gate.disable(at(661), at(1_261));
        assert!(gate.check(at(1_260)).is_err());
        gate.pass(at(1_261));
        gate.success(at(1_261));
        assert!(gate.check(at(1_262)).is_ok());
    }

    #[test]
    fn recheck_is_put_off_by_an_hour_at_most() {
        for until in [at(30 * 86_400), Moment::MAX] {
            let mut gate = Gate::default();
            gate.disable(at(0), until);
            assert!(gate.check(at(3_599)).is_err() && gate.check(at(3_600)).is_ok(), "{until:?}");
        }
    }

    /// Otherwise all calls that waited for the end of a pause are refused together.
    #[test]
    fn one_trial_call_goes_first_after_a_pause() {
        let mut gate = Gate::default();
        let millis = |ms| Moment::ZERO + Duration::from_millis(ms);
        gate.hold(at(0), at(5));
        assert!(gate.check(at(5)).is_ok());
        gate.pass(at(5));
        let refused = gate.check(at(5));
        assert_eq!(refused, Err((Cause::ResumeProbe, millis(5_500))), "another call is testing");
        gate.hold(millis(5_080), at(10));
        assert!(gate.check(millis(9_999)).is_err() && gate.check(at(10)).is_ok());
        gate.pass(at(10));
        gate.answered(at(4));
        assert!(gate.check(at(10)).is_err(), "it began before the pause");
        gate.answered(at(10));
        assert!(gate.check(at(10)).is_ok(), "the first call was not refused");
        gate.pass(at(10));
        assert!(gate.check(at(10)).is_ok(), "only the first call goes alone");
        gate.hold_unknown(at(20));
        gate.pass(at(25));
        assert!(
            gate.check(millis(25_499)).is_err() && gate.check(millis(25_500)).is_ok(),
            "a silent first call does not block others"
        );
    }

    /// Streams that were in flight when the key was disabled end successfully one by one; none of them re-enables it.
    #[test]
    fn older_successes_do_not_reenable_a_disabled_scope() {
        let mut gate = Gate::default();
        gate.disable(at(10), at(610));
        gate.success(at(9));
        assert!(gate.check(at(11)).is_err());
        let mut gate = Gate::default();
        gate.hold_unknown(at(10));
        gate.success(at(9));
        gate.hold_unknown(at(15));
        assert_eq!(gate.check(at(16)), Err((Cause::RateLimited, at(25))));
    }
}
