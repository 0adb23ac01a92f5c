//! The first target that works, in the order written.
//!
//! Not influenced by statistics. Invariant: the order is the one written.

use hotspare_core::TargetId;

use crate::scene::{Choice, Ranking, Reason, Scene};
use crate::strategy::Strategy;

/// Sequential fallback: the first target that works, in the order written.
///
/// Use it when one target is preferred for its quality or price and the others stand by. It ignores statistics; a
/// target whose breaker is open is skipped.
///
/// ```
/// use hotspare_routing::Sequential;
///
/// let strategy = Sequential::new(["main", "spare"]);
/// ```
#[derive(Clone, Debug)]
pub struct Sequential {
    members: Vec<TargetId>,
}

impl Sequential {
    /// A strategy over these targets, the preferred one first.
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
