//! Targets in turn.
//!
//! Not a memory: the turn is counted by the route and comes with the scene. Invariant: usable targets keep their cyclic
//! order and precede the others.

use hotspare_core::TargetId;

use crate::scene::{Choice, Ranking, Reason, Scene};
use crate::strategy::Strategy;

/// Takes targets in turn.
///
/// Use it when equal targets should get equal traffic, call by call.
#[derive(Clone, Debug)]
pub struct RoundRobin {
    members: Vec<TargetId>,
}

impl RoundRobin {
    /// A strategy over these targets.
    pub fn new(targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        Self { members: targets.into_iter().map(Into::into).collect() }
    }
}

impl Strategy for RoundRobin {
    fn name(&self) -> &'static str {
        "round-robin"
    }

    fn members(&self) -> Vec<TargetId> {
        self.members.clone()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        let of = scene.candidates.len();
        let first = usize::try_from(scene.turn % of.max(1) as u64).unwrap_or(0);
        let mut order: Vec<usize> = (0..of).map(|step| (first + step) % of).collect();
        order.sort_by_key(|&index| !scene.candidates[index].view.usable);
        let choices =
            order.into_iter().map(|index| Choice::new(index, Reason::Turn { turn: scene.turn })).collect();
        Ranking { choices }
    }
}
