//! A second attempt if the first content is late.
//!
//! Not an order: that is the inner strategy's, and so is the name. Invariant: at most one choice is a hedge, a target that is
//! usable and not slow itself.

use std::time::Duration;

use hotspare_core::TargetId;

use crate::scene::{Ranking, Scene, Start};
use crate::strategy::Strategy;

/// Hedging on top of another strategy: a second attempt if the first content is later than usual.
///
/// Use it when a few calls are much slower than the rest and lower latency is worth a little money. The second attempt
/// goes to another target after the 95th percentile of the time to first content, and only for a small share of calls,
/// because answering general slowness with more load makes it worse. For the same reason nothing is hedged while every
/// target is slower than usual, and no target that is slow itself serves as a hedge.
///
/// ```
/// use hotspare_routing::{Hedge, Hedged, Sequential};
///
/// let strategy = Hedged::new(Sequential::new(["main", "spare"]), Hedge::at_p95().budget_bp(200));
/// ```
#[derive(Clone, Debug)]
pub struct Hedged<S> {
    inner: S,
    hedge: Hedge,
}

/// When to hedge, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hedge {
    /// A fixed delay; `None` takes the current 95th percentile of the first choice, and does not hedge until that is
    /// known.
    pub delay: Option<Duration>,
    /// Never sooner than this. Default 300 ms.
    pub floor: Duration,
    /// Share of calls that may be hedged, in hundredths of a per cent. Default 500 (5 %).
    pub budget_bp: u32,
}

impl Hedge {
    /// After the 95th percentile of the time to first content.
    #[must_use]
    pub const fn at_p95() -> Self {
        Self { delay: None, floor: Duration::from_millis(300), budget_bp: 500 }
    }

    /// After a fixed time.
    #[must_use]
    pub const fn after(delay: Duration) -> Self {
        Self { delay: Some(delay), floor: Duration::ZERO, budget_bp: 500 }
    }

    /// Share of calls that may be hedged, in hundredths of a per cent.
    #[must_use]
    pub const fn budget_bp(mut self, share: u32) -> Self {
        self.budget_bp = share;
        self
    }
}

impl<S: Strategy> Hedged<S> {
    /// Hedges the first usable choice of `inner` with the second.
    pub const fn new(inner: S, hedge: Hedge) -> Self {
        Self { inner, hedge }
    }
}

impl<S: Strategy> Strategy for Hedged<S> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn members(&self) -> Vec<TargetId> {
        self.inner.members()
    }

    fn rank(&self, scene: &Scene<'_>) -> Ranking {
        let mut ranking = self.inner.rank(scene);
        // Unusable choices are skipped: the first usable one serves, the next one is its hedge.
        let view = |index: usize| scene.candidates.get(index).map(|candidate| &candidate.view);
        let mut usable = ranking
            .choices
            .iter_mut()
            .filter_map(|choice| Some((view(choice.index).filter(|view| view.usable)?, choice)));
        let known = usable.next().and_then(|(first, _)| first.latency_p95);
        if let Some(delay) = self.hedge.delay.or(known)
            && let Some((view, second)) = usable.next()
            && second.start == Start::AfterFailure
            // A slow spare is no help, so nothing is hedged while every target is slow.
            && !view.degraded
        {
            second.start = Start::After(delay.max(self.hedge.floor));
        }
        ranking
    }

    fn width(&self) -> usize {
        self.inner.width()
    }

    fn hedge_budget_bp(&self) -> Option<u32> {
        Some(self.hedge.budget_bp)
    }
}
