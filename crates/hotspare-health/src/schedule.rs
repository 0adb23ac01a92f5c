//! When each scope is due, so that letting time pass costs nothing for scopes that are not.
//!
//! Invariant: contains exactly the scopes whose breaker has a pending change, at the time of that change.

use std::collections::BTreeSet;

use hotspare_core::Moment;

use crate::permit::ScopeId;

/// Scopes by due time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Schedule {
    due: BTreeSet<(Moment, ScopeId)>,
}

impl Schedule {
    /// Moves a scope from one time to another.
    pub(crate) fn shift(&mut self, scope: ScopeId, from: Option<Moment>, to: Option<Moment>) {
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.due.remove(&(from, scope));
        }
        if let Some(to) = to {
            self.due.insert((to, scope));
        }
    }

    /// The next scope that is due.
    pub(crate) fn due(&self, now: Moment) -> Option<ScopeId> {
        self.due.first().filter(|(at, _)| *at <= now).map(|(_, scope)| *scope)
    }

    pub(crate) fn next(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }
}
