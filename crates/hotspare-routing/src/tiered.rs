//! Strategies one after another.
//!
//! When: two accounts share the load, and a third provider stands by in case both are down.

use hotspare_core::TargetId;

use crate::scene::{Ranking, Scene, Start};
use crate::strategy::Strategy;

/// A tier of targets before another.
#[derive(Debug)]
pub struct Tiered {
    tiers: Vec<Box<dyn Strategy>>,
}

impl Tiered {
    /// These tiers, the preferred one first.
    #[must_use]
    pub fn new(tiers: Vec<Box<dyn Strategy>>) -> Self {
        Self { tiers }
    }
}

impl Strategy for Tiered {
    fn name(&self) -> &'static str {
        "tiered"
    }

    fn members(&self) -> Vec<TargetId> {
        self.tiers.iter().flat_map(|tier| tier.members()).collect()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        let mut ranking = Ranking::default();
        for (level, tier) in self.tiers.iter().enumerate() {
            let members = tier.members();
            let places: Vec<usize> = (0..scene.candidates.len())
                .filter(|&index| members.contains(scene.candidates[index].target))
                .collect();
            let candidates: Vec<_> = places.iter().map(|&index| scene.candidates[index].clone()).collect();
            for mut choice in tier.rank(&scene.among(&candidates)).choices {
                let Some(&place) = places.get(choice.index) else { continue };
                if ranking.choices.iter().any(|before| before.index == place) {
                    continue;
                }
                choice.index = place;
                // A lower tier waits for the one above it to fail, however it would start on its own.
                if level > 0 && !ranking.choices.is_empty() {
                    choice.start = Start::AfterFailure;
                }
                ranking.choices.push(choice);
            }
        }
        ranking
    }

    fn width(&self) -> usize {
        self.tiers.first().map_or(1, |tier| tier.width())
    }

    fn hedge_budget_bp(&self) -> Option<u32> {
        self.tiers.first().and_then(|tier| tier.hedge_budget_bp())
    }
}
