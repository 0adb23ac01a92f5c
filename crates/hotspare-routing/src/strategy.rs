//! What a strategy is: the trait that each of this crate's, and of an application's, implements.
//!
//! Not a choice: [`Ranking`] is one. Invariant: strategies are shared by all calls of a route and read only what they
//! are given.

use std::fmt;
use std::sync::Arc;

use hotspare_core::TargetId;

use crate::scene::{Ranking, Scene};

/// Orders targets.
///
/// It proposes; health decides: a target that is blocked when its turn comes is skipped. So a strategy need not check
/// whether a target is usable, only which one it prefers. Invariant: it reads and never changes anything, and the same
/// scene gives the same ranking.
pub trait Strategy: fmt::Debug + Send + Sync {
    /// Its name in plans and messages; of a strategy that a configuration can name, that name. One that is made of
    /// another may have the other's name.
    fn name(&self) -> &'static str;

    /// The targets that it chooses among, in the order written.
    fn members(&self) -> Vec<TargetId>;

    /// Orders the candidates: each at most once, best first.
    fn rank(&self, scene: &Scene<'_>) -> Ranking;

    /// Maximum number of targets that start at once, which bounds the cost of a call without failures.
    fn width(&self) -> usize {
        1
    }

    /// The share of calls that may be hedged, in hundredths of a per cent, if it hedges.
    fn hedge_budget_bp(&self) -> Option<u32> {
        None
    }
}

const _: fn(&dyn Strategy) = |_| ();

impl<S: Strategy + ?Sized> Strategy for Box<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn members(&self) -> Vec<TargetId> {
        (**self).members()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        (**self).rank(scene)
    }

    fn width(&self) -> usize {
        (**self).width()
    }

    fn hedge_budget_bp(&self) -> Option<u32> {
        (**self).hedge_budget_bp()
    }
}

impl<S: Strategy + ?Sized> Strategy for Arc<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn members(&self) -> Vec<TargetId> {
        (**self).members()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        (**self).rank(scene)
    }

    fn width(&self) -> usize {
        (**self).width()
    }

    fn hedge_budget_bp(&self) -> Option<u32> {
        (**self).hedge_budget_bp()
    }
}
