//! The target with the lowest failure rate over minutes and days.
//!
//! Not about speed or price. Invariant: unless a draw explores, targets of equal rates keep the order written.

use std::cmp::Reverse;

use hotspare_core::TargetId;

use crate::scene::{Choice, Ranking, Reason, Scene};
use crate::strategy::Strategy;

/// One call in this many explores the second choice.
const EXPLORE: u64 = 500;
/// One call in this many explores a degraded target: only calls in time end that state.
const EXPLORE_DEGRADED: u64 = 50;

/// Prefers the target that fails least.
///
/// Use it when several hosts serve the same model and none is preferred. Providers are rarely down but often slightly
/// unhealthy: one that fails one call in fifty costs those requests a second attempt, and no breaker opens for that.
/// This strategy ranks targets by their recorded failure rates; equal rates keep the order written. One call in 500
/// goes to the second choice, to keep its rate current; exploring more often or further down costs more first attempts
/// than it gains. Targets that have become slow rank last, and one call in fifty goes to one of them, to find out
/// whether it has recovered.
#[derive(Clone, Debug)]
pub struct MostReliable {
    members: Vec<TargetId>,
}

impl MostReliable {
    /// A strategy over these targets.
    pub fn new(targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        Self { members: targets.into_iter().map(Into::into).collect() }
    }
}

impl Strategy for MostReliable {
    fn name(&self) -> &'static str {
        "most-reliable"
    }

    fn members(&self) -> Vec<TargetId> {
        self.members.clone()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        let view = |index: usize| &scene.candidates[index].view;
        let mut order: Vec<usize> = (0..scene.candidates.len()).collect();
        // Stable sort: equals keep the order written.
        order.sort_by_key(|&index| {
            (Reverse(view(index).usable), view(index).degraded, view(index).expected_failure_ppm)
        });
        let usable = order.iter().take_while(|index| view(**index).usable).count();
        let steady = order.iter().take_while(|index| view(**index).usable && !view(**index).degraded).count();
        let explored = scene.draw.and_then(|draw| {
            let place = if steady > 1 && draw.is_multiple_of(EXPLORE) {
                1
            } else if usable > steady && steady > 0 && draw.is_multiple_of(EXPLORE_DEGRADED) {
                let degraded = (usable - steady) as u64;
                steady + usize::try_from(draw / EXPLORE_DEGRADED % degraded).unwrap_or(0)
            } else {
                return None;
            };
            let explored = order.remove(place);
            order.insert(0, explored);
            Some(explored)
        });
        let reason = |index: usize| match explored {
            Some(explored) if explored == index => Reason::Explored,
            _ => Reason::MostReliable { expected_ppm: view(index).expected_failure_ppm },
        };
        Ranking { choices: order.into_iter().map(|index| Choice::new(index, reason(index))).collect() }
    }
}
