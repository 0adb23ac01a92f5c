//! The order written, with unhealthy targets moved back.
//!
//! Not a breaker, which blocks. Invariant: targets that are equally healthy keep the order written.

use std::cmp::Reverse;

use hotspare_core::{TargetId, TargetView};

use crate::scene::{Choice, Ranking, Reason, Scene};
use crate::strategy::Strategy;

/// Minimum number of recent calls for judging a failure rate.
const MIN_SAMPLES: u32 = 10;
/// Granularity of failure rates: targets within one step of each other keep their written order. Providers fail 2 % of
/// calls on an ordinary day (2.1 % at the mean of 462 recorded endpoints).
const STEP_BP: u32 = 200;

/// Priority order, corrected by health.
///
/// Use it when a preferred target that fails one call in ten should not cost every tenth request its first attempt. A
/// breaker does not open for that; this strategy ranks the target behind the healthy ones until it recovers. To keep
/// noise from reordering targets, a difference counts only above a margin and a minimum number of calls.
#[derive(Clone, Debug)]
pub struct HealthAware {
    members: Vec<TargetId>,
}

impl HealthAware {
    /// A strategy over these targets, the preferred one first.
    pub fn new(targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        Self { members: targets.into_iter().map(Into::into).collect() }
    }
}

impl Strategy for HealthAware {
    fn name(&self) -> &'static str {
        "health-aware"
    }

    fn members(&self) -> Vec<TargetId> {
        self.members.clone()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        let of = scene.candidates.len();
        let mut order: Vec<usize> = (0..of).collect();
        // Stable sort: equals keep the order written.
        order.sort_by_key(|&index| {
            let view = &scene.candidates[index].view;
            (Reverse(view.usable), ill(view, scene.draw))
        });
        let moved = |place: usize, index: usize| place > index;
        let choices = order
            .into_iter()
            .enumerate()
            .map(|(place, index)| {
                let view = &scene.candidates[index].view;
                let reason = if moved(place, index) && view.degraded && view.failure_rate_bp < STEP_BP {
                    Reason::Degraded
                } else if moved(place, index) {
                    Reason::Unhealthy { failure_rate_bp: view.failure_rate_bp, usable: view.usable }
                } else {
                    Reason::Listed { place: index + 1, of }
                };
                Choice::new(index, reason)
            })
            .collect();
        Ranking { choices }
    }
}

/// By how many steps a target is moved back. One call in fifty ignores health, to find out whether targets have
/// recovered; a target that returns from an outage gets traffic as its weight rises, and one that has become slow gets
/// a tenth.
fn ill(view: &TargetView, draw: Option<u64>) -> u32 {
    if draw.is_some_and(|draw| draw.is_multiple_of(50)) {
        return 0;
    }
    let ramping = u64::from(view.weight_bp) < draw.map_or(5_000, |draw| draw % 10_000);
    let failing = if view.samples >= MIN_SAMPLES { view.failure_rate_bp / STEP_BP } else { 0 };
    failing + u32::from(ramping)
}
