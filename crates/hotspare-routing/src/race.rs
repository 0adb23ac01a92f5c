//! The same request to several targets at once.
//!
//! Not a hedge, which waits. Invariant: at most `width` choices start at once, and only one while every target is slow.

use hotspare_core::TargetId;

use crate::scene::{Choice, Ranking, Reason, Scene, Start};
use crate::sequential::listed;
use crate::strategy::Strategy;

/// Sends a request to several targets at once; the first good answer wins.
///
/// Use it when the time to first token matters more than money: every racer is paid for, the losers until they are
/// cancelled. A fast error never wins; the others continue. While every target is slower than usual there is no race,
/// because the load is too high already.
#[derive(Clone, Debug)]
pub struct Race {
    members: Vec<TargetId>,
    width: usize,
}

impl Race {
    /// A race of these targets, two at once.
    pub fn new(targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        Self { members: targets.into_iter().map(Into::into).collect(), width: 2 }
    }

    /// Sets how many start at once; at least one.
    #[must_use]
    pub fn at_once(mut self, width: usize) -> Self {
        self.width = width.max(1);
        self
    }
}

impl Strategy for Race {
    fn name(&self) -> &'static str {
        "race"
    }

    fn members(&self) -> Vec<TargetId> {
        self.members.clone()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        let mut ranking = listed(scene);
        // A target that would not be admitted must not take one of the starting places.
        ranking.choices.sort_by_key(|choice| !scene.candidates[choice.index].view.usable);
        let usable = scene.candidates.iter().filter(|candidate| candidate.view.usable).count();
        let width = if scene.is_slow_throughout() { 1 } else { self.width.min(usable.max(1)) };
        if width == 1 {
            return ranking;
        }
        for choice in ranking.choices.iter_mut().take(width) {
            *choice = Choice { index: choice.index, start: Start::AtOnce, reason: Reason::Raced { width } };
        }
        ranking
    }

    fn width(&self) -> usize {
        self.width
    }
}
