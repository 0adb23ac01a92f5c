//! Whether a target that returns gets only the share of traffic that its ramp allows.
//!
//! Not the router's own weight, which is what is tested: the share follows from the time since the breaker closed. Only
//! calls count in which every other target is healthy, so that nothing but the ramp moves the first try. Invariant: a
//! router that keeps the ramp is reported less than once in a million ramps.

use std::time::Duration;

use hotspare_core::Moment;

/// The least share, right after the breaker closed, and the share of calls that ignore health: one in fifty.
const LEAST_SHARE: f64 = 0.1;
const REGARDLESS: f64 = 0.02;

/// First tries at one target during its ramps.
#[derive(Clone, Debug, Default)]
pub(super) struct RampCount {
    /// Number of calls, and the sum of the shares that they allow.
    calls: u32,
    allowed: f64,
    /// First tries at the target.
    tries: u32,
}

/// The share of first tries that a target may get this long after its breaker closed; `None` once the ramp is over.
pub(super) fn share(now: Moment, closed_at: Moment, ramp: Duration) -> Option<f64> {
    let passed = now.saturating_since(closed_at);
    (passed < ramp).then(|| (passed.as_secs_f64() / ramp.as_secs_f64()).max(LEAST_SHARE))
}

impl RampCount {
    pub(super) fn add(&mut self, share: f64, is_tried: bool) {
        self.calls += 1;
        self.allowed += share + (1.0 - share) * REGARDLESS;
        self.tries += u32::from(is_tried);
    }

    /// What is wrong, if anything. The bound is five standard deviations of the number of tries, and one.
    pub(super) fn breach(&self) -> Option<String> {
        let most = self.allowed + 5.0 * libm::sqrt(self.allowed) + 1.0;
        (f64::from(self.tries) > most).then(|| {
            format!(
                "of {} first tries in ramps, {} went to the target; {:.0} were allowed on average",
                self.calls, self.tries, self.allowed
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_traffic_during_a_ramp_is_a_breach_and_a_rising_share_is_not() {
        let (mut rising, mut all) = (RampCount::default(), RampCount::default());
        let ramp = Duration::from_secs(10);
        for call in 0..200u32 {
            let now = Moment::from_nanos(u64::from(call) * 50_000_000);
            let share = share(now, Moment::ZERO, ramp).unwrap();
            // Spread evenly: of every ten calls, as many as the share allows.
            rising.add(share, f64::from(call % 10) < share * 10.0);
            all.add(share, true);
        }
        assert_eq!(rising.breach(), None);
        assert!(all.breach().is_some_and(|what| what.starts_with("of 200 first tries in ramps, 200")));
        assert_eq!(share(Moment::from_nanos(10_000_000_000), Moment::ZERO, ramp), None);
    }
}
