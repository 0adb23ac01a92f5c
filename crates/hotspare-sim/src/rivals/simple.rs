//! Rivals without breakers.
//!
//! Not oracles: each sees the outcomes of its own requests. Invariant: a rival tries a target at most once per request, except
//! the one that repeats the first.

use std::time::Duration;

use hotspare_core::{Kind, Moment};

use super::{Observation, Rival, untried};

/// The configured order.
#[derive(Debug)]
pub(super) struct Static(pub(super) usize);

impl Rival for Static {
    fn choose(&mut self, _: &Observation<'_>, tried: &[usize], _: u64) -> Option<usize> {
        untried(self.0, tried).next()
    }
}

/// A random order for each request.
#[derive(Debug)]
pub(super) struct Random(pub(super) usize);

impl Rival for Random {
    fn choose(&mut self, _: &Observation<'_>, tried: &[usize], draw: u64) -> Option<usize> {
        let left = untried(self.0, tried).count() as u64;
        untried(self.0, tried).nth(usize::try_from(draw.checked_rem(left)?).ok()?)
    }
}

/// The first target, repeatedly.
#[derive(Debug)]
pub(super) struct RetrySame;

impl Rival for RetrySame {
    fn choose(&mut self, _: &Observation<'_>, tried: &[usize], _: u64) -> Option<usize> {
        tried.iter().all(|target| *target == 0).then_some(0)
    }
}

/// A moving average of successes, α = 0.02, best first; ties in the configured order.
#[derive(Debug)]
pub(super) struct Ewma(Vec<f64>);

impl Ewma {
    pub(super) fn new(targets: usize) -> Self {
        Self(vec![1.0; targets])
    }
}

impl Rival for Ewma {
    fn choose(&mut self, _: &Observation<'_>, tried: &[usize], _: u64) -> Option<usize> {
        untried(self.0.len(), tried)
            .reduce(|best, target| if self.0[target] > self.0[best] { target } else { best })
    }

    fn outcome(&mut self, _: Moment, target: usize, failed: Option<Kind>, _: Duration) {
        let new = if failed.is_none() { 1.0 } else { 0.0 };
        self.0[target] += 0.02 * (new - self.0[target]);
    }
}
