//! The first that works, in the order written.
//!
//! When: one target is preferred for its quality or price, and the others stand by. It takes no figures into account;
//! a target whose breaker is open is passed over when its turn comes.

use hotspare_core::TargetId;

use crate::scene::{Choice, Ranking, Reason, Scene};
use crate::strategy::Strategy;

/// Sequential fallback in priority order.
#[derive(Clone, Debug)]
pub struct Sequential {
    members: Vec<TargetId>,
}

impl Sequential {
    /// These targets, the preferred one first.
    pub fn new(targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        Self { members: targets.into_iter().map(Into::into).collect() }
    }
}

impl Strategy for Sequential {
    fn name(&self) -> &'static str {
        "sequential"
    }

    fn members(&self) -> Vec<TargetId> {
        self.members.clone()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        listed(scene)
    }
}

/// The order written.
pub(crate) fn listed(scene: &Scene<'_>) -> Ranking {
    let of = scene.candidates.len();
    let choices = (0..of).map(|index| Choice::new(index, Reason::Listed { place: index + 1, of })).collect();
    Ranking { choices }
}
