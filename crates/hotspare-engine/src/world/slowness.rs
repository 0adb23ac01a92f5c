//! Which models have become slower than usual, for the log.
//!
//! Not the judgement, which the book makes, nor what follows from it. Invariant: each change is reported once, in either
//! direction, and at most one is pending per model.

use std::collections::{BTreeMap, BTreeSet};

use hotspare_health::ScopeId;

use super::World;
use crate::index::{KeyIndex, TargetIndex};

/// A model became slower than usual, or no longer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlownessChange {
    /// The model's scope.
    pub scope: ScopeId,
    /// Whether it is slower than usual now.
    pub degraded: bool,
}

/// Which models are slower than usual.
#[derive(Debug, Default)]
pub(super) struct Slowness {
    degraded: BTreeSet<ScopeId>,
    untold: BTreeMap<ScopeId, bool>,
}

impl Slowness {
    pub(super) fn is_quiet(&self) -> bool {
        self.untold.is_empty()
    }
}

impl World {
    /// Which models became slower than usual, or recovered, since the last call of this method.
    pub fn take_slowness_changes(&mut self) -> Vec<SlownessChange> {
        let untold = std::mem::take(&mut self.slowness.untold);
        untold.into_iter().map(|(scope, degraded)| SlownessChange { scope, degraded }).collect()
    }

    /// Records whether a target's model is slower than usual; called after the book has learned of its calls.
    pub(super) fn note_slowness(&mut self, place: TargetIndex) {
        let scope = self.fleet[place].scopes(KeyIndex::FIRST).model;
        let degraded = self.book.is_degraded(scope);
        let changed = match degraded {
            true => self.slowness.degraded.insert(scope),
            false => self.slowness.degraded.remove(&scope),
        };
        if changed {
            self.slowness.untold.insert(scope, degraded);
        }
    }
}
