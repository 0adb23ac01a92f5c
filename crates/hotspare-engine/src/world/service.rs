//! What is out of service, and why: keys and models that failed permanently, and targets that an operator took out.
//!
//! Not breakers: what is out of service cannot work until it is fixed, or must not be used. Invariant: each change is
//! reported once, in either direction, however many calls notice it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hotspare_core::{BreakerState, Kind, Moment};
use hotspare_health::{HealthOutcome, ScopeId, Verdict};

use super::{NOTICE_LIMIT, World};
use crate::ending::Ending;
use crate::index::{KeyIndex, TargetIndex};

/// A key or a model went out of service, or came back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceChange {
    /// It is in service again.
    Back {
        /// The scope.
        scope: ScopeId,
        /// What had disabled it.
        why: Kind,
    },
    /// It is disabled.
    Out {
        /// The scope.
        scope: ScopeId,
        /// What disabled it.
        why: Kind,
        /// How long until a request re-checks it.
        recheck: Duration,
    },
}

/// The status of one of a target's keys, including everything else that a request with it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// Whether a request with it would be admitted.
    pub usable: bool,
    /// If not, how long until it may be; `None` if unknown.
    pub usable_in: Option<Duration>,
    /// The worst state of its breakers.
    pub breaker: BreakerState,
    /// What disabled the key, or the key for this model.
    pub disabled_by: Option<Kind>,
}

/// What is out of service.
#[derive(Debug, Default)]
pub(super) struct Service {
    out: BTreeMap<ScopeId, Kind>,
    untold: VecDeque<ServiceChange>,
}

impl Service {
    pub(super) fn is_quiet(&self) -> bool {
        self.untold.is_empty()
    }

    fn tell(&mut self, change: ServiceChange) {
        if self.untold.len() == NOTICE_LIMIT {
            self.untold.pop_front();
        }
        self.untold.push_back(change);
    }
}

impl World {
    /// Takes a target out of service, or back in, on behalf of an operator.
    pub fn set_cordoned(&mut self, place: TargetIndex, cordoned: bool) {
        self.targets[place].cordoned = cordoned;
        self.stirred = true;
        self.wake(None, place);
    }

    /// A rejected key has been replaced at its source: enables it.
    pub fn renew_key(&mut self, place: TargetIndex, key: KeyIndex) {
        let scopes = self.fleet[place].scopes(key);
        self.book.enable(scopes.credential);
        self.book.enable(scopes.credential_model);
        self.note_back();
        self.wake(None, place);
    }

    /// Enables a target's model and keys without waiting for a re-check, once an operator has fixed what disabled them.
    pub fn enable(&mut self, place: TargetIndex) {
        let target = &self.fleet[place];
        self.book.enable(target.scopes(KeyIndex::FIRST).model);
        for key in self.fleet[place].key_indices() {
            self.renew_key(place, key);
        }
    }

    /// What disabled a target's model.
    #[must_use]
    pub fn disabled_by(&self, place: TargetIndex) -> Option<Kind> {
        let model = &self.fleet[place].scopes(KeyIndex::FIRST).model;
        self.service.out.get(model).copied()
    }

    /// What disabled a key or a model.
    pub(crate) fn why_disabled(&self, scope: ScopeId) -> Option<Kind> {
        self.service.out.get(&scope).copied()
    }

    /// The status of one of a target's keys, counted from 0.
    #[must_use]
    pub fn key_status(&self, now: Moment, place: TargetIndex, key: KeyIndex) -> KeyStatus {
        let scopes = self.fleet[place].scopes(key);
        let view = self.book.view(now, &scopes.as_array(), 0);
        let disabled_by =
            [scopes.credential, scopes.credential_model].iter().find_map(|scope| self.service.out.get(scope));
        KeyStatus {
            usable: view.usable,
            usable_in: view.until.map(|until| until.saturating_since(now)),
            breaker: view.state,
            disabled_by: disabled_by.copied(),
        }
    }

    /// What was disabled and enabled since the last call of this method.
    pub fn take_service_changes(&mut self) -> Vec<ServiceChange> {
        self.service.untold.drain(..).collect()
    }

    /// Records what an outcome disables; called before the book takes the outcome.
    pub(super) fn note_out(&mut self, now: Moment, outcome: &HealthOutcome, ending: Ending) {
        let (Verdict::Disable { until }, Some(scope), Ending::Failed(why)) =
            (outcome.verdict, outcome.at, ending)
        else {
            return;
        };
        if self.service.out.insert(scope, why).is_none() {
            let recheck = until.saturating_since(now);
            self.service.tell(ServiceChange::Out { scope, why, recheck });
        }
    }

    /// Records what is no longer disabled.
    pub(super) fn note_back(&mut self) {
        let book = &self.book;
        let back: Vec<_> =
            self.service.out.extract_if(.., |scope, _| !book.is_out_of_service(*scope)).collect();
        for (scope, why) in back {
            self.service.tell(ServiceChange::Back { scope, why });
        }
    }
}
