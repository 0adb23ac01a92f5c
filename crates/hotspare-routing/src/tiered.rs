//! Strategies in order of preference.
//!
//! Not a strategy over targets: each tier ranks its own. Invariant: no target of a tier precedes one of the tiers before
//! it, and none is listed twice.

use std::sync::Arc;

use hotspare_core::TargetId;

use crate::scene::{Ranking, Scene, Start};
use crate::strategy::Strategy;

/// Tiers of targets: a tier is used once the tiers before it have failed. Each has a strategy of its own.
///
/// Use it when, for example, two accounts share the load and a third provider stands by in case both are down.
///
/// ```
/// use hotspare_routing::{Sequential, Tiered, Weighted};
///
/// let accounts = Weighted::new([("account-a", 1), ("account-b", 1)]);
/// let strategy = Tiered::new(vec![Box::new(accounts), Box::new(Sequential::new(["other-provider"]))]);
/// ```
#[derive(Clone, Debug)]
pub struct Tiered {
    tiers: Vec<Arc<dyn Strategy>>,
}

impl Tiered {
    /// A strategy over these tiers, the preferred one first.
    #[must_use]
    pub fn new(tiers: Vec<Box<dyn Strategy>>) -> Self {
        Self { tiers: tiers.into_iter().map(Arc::from).collect() }
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
                // A lower tier waits for the one above it to fail, however it would start on its own: it starts like that
                // only if none above it has a candidate.
                if level > 0 && !ranking.choices.is_empty() {
                    choice.start = Start::AfterFailure;
                }
                ranking.choices.push(choice);
            }
        }
        ranking
    }

    fn width(&self) -> usize {
        self.tiers.iter().map(|tier| tier.width()).max().unwrap_or(1)
    }

    fn hedge_budget_bp(&self) -> Option<u32> {
        self.tiers.iter().filter_map(|tier| tier.hedge_budget_bp()).max()
    }
}
