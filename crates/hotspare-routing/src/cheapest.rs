//! The cheapest target that works.
//!
//! Not a limit on cost. Invariant: targets of equal prices keep the order written, and those without a known price follow.

use hotspare_core::{Cost, TargetId, Usage};

use crate::scene::{Choice, Ranking, Reason, Scene};
use crate::strategy::Strategy;

/// Assumed length of an answer in tokens; a lower output limit replaces it.
const USUAL_ANSWER: u64 = 500;

/// Prefers the cheapest target.
///
/// Use it when any of the models will do. The price is that of the request at hand: its prompt, as each target counts
/// it, and an answer of a usual length or of its output limit if that is lower. Targets with equal prices keep the order written; those
/// without a known price come last.
#[derive(Clone, Debug)]
pub struct Cheapest {
    members: Vec<TargetId>,
}

impl Cheapest {
    /// A strategy over these targets.
    pub fn new(targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        Self { members: targets.into_iter().map(Into::into).collect() }
    }
}

impl Strategy for Cheapest {
    fn name(&self) -> &'static str {
        "cheapest"
    }

    fn members(&self) -> Vec<TargetId> {
        self.members.clone()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        let answer = scene.request.max_output().unwrap_or(USUAL_ANSWER).min(USUAL_ANSWER);
        let price = |index: usize| {
            let candidate = &scene.candidates[index];
            let usage = Usage::estimated(Some(candidate.prompt_tokens), Some(answer));
            candidate.profile.price.map(|price| price.cost(&usage))
        };
        let mut order: Vec<usize> = (0..scene.candidates.len()).collect();
        order.sort_by_key(|&index| {
            (!scene.candidates[index].view.usable, price(index).unwrap_or(Cost::from_micros(u64::MAX)))
        });
        let choices = order
            .into_iter()
            .map(|index| Choice::new(index, Reason::Cheapest { price: price(index) }))
            .collect();
        Ranking { choices }
    }
}
