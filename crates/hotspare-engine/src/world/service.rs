//! What is out of service, and why: keys and models that failed for good, and targets that an operator took out.
//!
//! Not breakers: what is out of service cannot work until somebody mends it, or must not. Invariant: what goes out is told
//! once, and so is what comes back, however many calls find out meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hotspare_core::{BreakerState, Kind, Moment};
use hotspare_health::{Outcome, ScopeId, Verdict};

use super::{NOTICE_LIMIT, World};
use crate::ending::Ending;

/// A key or a model went out of service, or came back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceChange {
    /// It is in service again.
    Back {
        /// What.
        scope: ScopeId,
        /// What had taken it out.
        why: Kind,
    },
    /// It is left alone.
    Out {
        /// What.
        scope: ScopeId,
        /// What takes it out.
        why: Kind,
        /// How long until a request finds out whether it is back.
        recheck: Duration,
    },
}

/// One of a target's keys, with all that a request with it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// Whether a request with it would be admitted.
    pub usable: bool,
    /// If not, how long until it may be; `None` if nobody knows.
    pub usable_in: Option<Duration>,
    /// The worst state of its breakers.
    pub breaker: BreakerState,
    /// What took the key, or the key for this model, out of service.
    pub disabled_by: Option<Kind>,
}

/// What is out of service.
#[derive(Debug, Default)]
pub(super) struct Service {
    out: BTreeMap<ScopeId, Kind>,
    untold: VecDeque<ServiceChange>,
}

impl Service {
    fn tell(&mut self, change: ServiceChange) {
        if self.untold.len() == NOTICE_LIMIT {
            self.untold.pop_front();
        }
        self.untold.push_back(change);
    }
}

impl World {
    /// Takes a target out of service, or back in, by an operator's will.
    pub fn set_cordoned(&mut self, place: usize, cordoned: bool) {
        self.targets[place].cordoned = cordoned;
        self.wake(place);
    }

    /// A key that was rejected has been replaced at its source: it is in service again.
    pub fn renew_key(&mut self, place: usize, key: usize) {
        let [_, _, credential, credential_model] = self.fleet.targets()[place].scopes(key);
        self.book.enable(credential);
        self.book.enable(credential_model);
        self.note_back();
        self.wake(place);
    }

    /// Puts a target's model and keys into service again without waiting for their re-check: somebody has mended what took
    /// them out.
    pub fn enable(&mut self, place: usize) {
        let target = &self.fleet.targets()[place];
        self.book.enable(target.scopes(0)[1]);
        for key in 0..self.fleet.targets()[place].key_count() {
            self.renew_key(place, key);
        }
    }

    /// What took a target's model out of service.
    #[must_use]
    pub fn disabled_by(&self, place: usize) -> Option<Kind> {
        let [_, model, ..] = self.fleet.targets()[place].scopes(0);
        self.service.out.get(&model).copied()
    }

    /// One of a target's keys, counted from 0.
    #[must_use]
    pub fn key_status(&self, now: Moment, place: usize, key: usize) -> KeyStatus {
        let scopes = self.fleet.targets()[place].scopes(key);
        let [.., credential, credential_model] = scopes;
        let view = self.book.view(now, &scopes, 0);
        let disabled_by = [credential, credential_model].iter().find_map(|scope| self.service.out.get(scope));
        KeyStatus {
            usable: view.usable,
            usable_in: view.until.map(|until| until.saturating_since(now)),
            breaker: view.state,
            disabled_by: disabled_by.copied(),
        }
    }

    /// What went out of service and came back since the last time somebody asked.
    pub fn take_service_changes(&mut self) -> Vec<ServiceChange> {
        self.service.untold.drain(..).collect()
    }

    /// An outcome that the book has not heard of yet may put something out of service.
    pub(super) fn note_out(&mut self, now: Moment, outcome: &Outcome, ending: Ending) {
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

    /// Something may have come back.
    pub(super) fn note_back(&mut self) {
        let book = &self.book;
        let back: Vec<_> =
            self.service.out.extract_if(.., |scope, _| !book.is_out_of_service(*scope)).collect();
        for (scope, why) in back {
            self.service.tell(ServiceChange::Back { scope, why });
        }
    }
}
