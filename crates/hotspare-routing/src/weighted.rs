//! Shares of traffic.
//!
//! Not an order of preference. Invariant: among usable targets, each comes first as often as its weight times its share of
//! normal traffic says.

use hotspare_core::TargetId;

use crate::scene::{Choice, Ranking, Reason, Scene};
use crate::strategy::Strategy;

/// Distributes calls by weight. The targets that follow in case of failure are drawn in the same way.
///
/// Use it when a new model should get a tenth of the traffic, or two accounts should share the load. A target that
/// returns from an outage gets its share back step by step.
#[derive(Clone, Debug)]
pub struct Weighted {
    members: Vec<(TargetId, u32)>,
}

impl Weighted {
    /// These targets with their weights; a target of weight 0 is used only if no other is left.
    pub fn new(targets: impl IntoIterator<Item = (impl Into<TargetId>, u32)>) -> Self {
        Self { members: targets.into_iter().map(|(target, weight)| (target.into(), weight)).collect() }
    }

    fn weight(&self, target: &TargetId) -> u64 {
        let written = self.members.iter().find(|(member, _)| member == target);
        written.map_or(0, |(_, weight)| u64::from(*weight))
    }
}

impl Strategy for Weighted {
    fn name(&self) -> &'static str {
        "weighted"
    }

    fn members(&self) -> Vec<TargetId> {
        self.members.iter().map(|(target, _)| target.clone()).collect()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        let mut left: Vec<(usize, u64)> = scene
            .candidates
            .iter()
            .enumerate()
            .map(|(index, candidate)| {
                let share = if candidate.view.usable { u64::from(candidate.view.weight_bp) } else { 0 };
                (index, self.weight(candidate.target) * share)
            })
            .collect();
        let mut choices = Vec::with_capacity(left.len());
        let mut draw = scene.draw;
        while !left.is_empty() {
            let of: u64 = left.iter().map(|(_, weight)| weight).sum();
            let heaviest = left.iter().map(|(_, weight)| *weight).max().unwrap_or(0);
            let mut point = draw.map_or(0, |draw| draw % of.max(1));
            let at = left
                .iter()
                .position(|(_, weight)| {
                    let hit = if draw.is_some() { point < *weight } else { *weight == heaviest };
                    point = point.saturating_sub(*weight);
                    hit
                })
                .unwrap_or(0);
            let (index, weight) = left.remove(at);
            choices.push(Choice::new(index, Reason::Weighted { weight, of }));
            draw = draw.map(|draw| draw.rotate_left(23).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
        Ranking { choices }
    }
}
