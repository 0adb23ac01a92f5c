//! Probes that carry no caller's request.
//!
//! Not when to send them: the prober decides that. Invariant: a probe respects the same limits as calls, and takes no
//! slot that a call waits for.

use hotspare_core::Moment;
use hotspare_health::{Admission, CallProfile, Permit};

use super::World;
use super::obstacles::{Asker, Obstacle};
use crate::index::{KeyIndex, TargetIndex};

impl World {
    /// When a request with this key would show whether something has recovered, if anything there is unhealthy or out
    /// of service.
    pub(crate) fn probe_at(&self, now: Moment, place: TargetIndex, key: KeyIndex) -> Option<Moment> {
        let at = self.book.probe_at(now, &self.fleet[place].scopes(key).as_array())?;
        let obstacles = self.obstacles(now, place, 0, Asker::Request(None));
        // A probe is one small request, so it need not wait behind calls that wait for the operator's limit.
        let mut obstacles = obstacles.filter(|obstacle| *obstacle != Obstacle::Queued);
        obstacles.try_fold(at.max(now), |at, obstacle| Some(at.max(obstacle.ask_again_at(now)?)))
    }

    /// Number of calls' attempts at a target whose end said something about its health.
    pub(crate) fn settled(&self, place: TargetIndex) -> u64 {
        self.targets[place].settled
    }

    /// Requests admission of a probe with exactly this key.
    pub(crate) fn admit_probe(&mut self, now: Moment, place: TargetIndex, key: KeyIndex) -> Option<Permit> {
        if self.probe_at(now, place, key)? > now {
            return None;
        }
        let scopes = self.fleet[place].scopes(key).as_array();
        // A probe's answer is unstreamed and short.
        let mut call = CallProfile::default();
        (call.unstreamed, call.answers_briefly) = (true, true);
        let Admission::Granted(permit) = self.book.admit_call(now, &scopes, call) else { return None };
        self.targets[place].begin_probe(now);
        self.advance(now);
        Some(permit)
    }
}
