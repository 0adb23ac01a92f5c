//! Detects that our own network is down.
//!
//! Why: when several unrelated hosts become unreachable at the same time, the common cause is nearly always local. If
//! each of their breakers opened, callers would wait out growing cooldowns for hosts that were healthy all along. So
//! while the local network is suspected, connection failures count against no host, each host is tried once a second,
//! and the first sign of life from any host ends the suspicion.
//!
//! Suspected: at least two hosts could not be reached twice in a row and within the last minute, and no call that began
//! after the latest of these outages started has shown a sign of life. Hosts that are not called, or that answer, are
//! never held back. One host alone is never enough: that is what breakers are for.
//!
//! Invariant: no host is held back for longer than a second at a time, and none that has answered since it failed.

use std::collections::BTreeMap;
use std::time::Duration;

use hotspare_core::Moment;

use crate::permit::ScopeId;

/// This many hosts must fail, each this often in a row.
const HOSTS: usize = 2;
const IN_A_ROW: u32 = 2;
/// Time after which a failure is forgotten if no other follows.
const MEMORY: Duration = Duration::from_secs(60);
/// Interval at which each host is tried while the network is suspected.
const PAUSE: Duration = Duration::from_secs(1);

/// What is known about the reachability of hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    /// Hosts that were unreachable at the last attempt.
    lost: BTreeMap<ScopeId, Lost>,
    /// When the latest call began that has shown a sign of life.
    heard: Option<Moment>,
    suspected: bool,
    told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lost {
    in_a_row: u32,
    since: Moment,
    last: Moment,
    asked: Moment,
}

/// The local network has come under suspicion, or is no longer suspected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkChange {
    /// Whether it is suspected now.
    pub suspected: bool,
    /// The hosts that are unreachable.
    pub hosts: Vec<ScopeId>,
}

impl Network {
    /// A host could not be reached. Returns whether the local network is suspected, so that the failure does not count
    /// against the host.
    pub(crate) fn lost(&mut self, now: Moment, host: ScopeId) -> bool {
        let new = Lost { in_a_row: 0, since: now, last: now, asked: now };
        let lost = self.lost.entry(host).or_insert(new);
        if now.saturating_since(lost.last) > MEMORY {
            *lost = new;
        }
        lost.in_a_row = lost.in_a_row.saturating_add(1);
        lost.last = now.max(lost.last);
        self.suspected = self.judge(now);
        self.suspected
    }

    /// A host has shown a sign of life, in a call that began at `began`. Existing streams may continue while no new
    /// connection can be made (for example without DNS), so they say nothing about calls that begin later.
    pub(crate) fn heard(&mut self, now: Moment, host: ScopeId, began: Moment) {
        if self.lost.get(&host).is_some_and(|lost| began >= lost.since) {
            self.lost.remove(&host);
        }
        self.heard = self.heard.max(Some(began));
        self.suspected = self.judge(now);
    }

    /// A call to a host begins.
    pub(crate) fn asked(&mut self, now: Moment, host: ScopeId) {
        if let Some(lost) = self.lost.get_mut(&host) {
            lost.asked = now;
        }
    }

    /// Until when a host is held back, if it is.
    pub(crate) fn held_until(&self, now: Moment, host: ScopeId) -> Option<Moment> {
        if !self.is_suspected(now) {
            return None;
        }
        let lost = self.failing(now).find(|(failing, _)| **failing == host)?.1;
        let until = lost.asked.max(lost.since) + PAUSE;
        (until > now).then_some(until)
    }

    pub(crate) fn is_suspected(&self, now: Moment) -> bool {
        self.suspected && self.judge(now)
    }

    /// Hosts that are unreachable, and since when.
    pub(crate) fn hosts(&self, now: Moment) -> Vec<(ScopeId, Moment)> {
        self.failing(now).map(|(host, lost)| (*host, lost.since)).collect()
    }

    /// A change that has not been reported yet.
    pub(crate) fn take_change(&mut self, now: Moment) -> Option<NetworkChange> {
        let suspected = self.is_suspected(now);
        (std::mem::replace(&mut self.told, suspected) != suspected)
            .then(|| NetworkChange { suspected, hosts: self.failing(now).map(|(host, _)| *host).collect() })
    }

    fn failing(&self, now: Moment) -> impl Iterator<Item = (&ScopeId, &Lost)> {
        self.lost
            .iter()
            .filter(move |(_, lost)| lost.in_a_row >= IN_A_ROW && now.saturating_since(lost.last) <= MEMORY)
    }

    fn judge(&self, now: Moment) -> bool {
        let latest = self.failing(now).map(|(_, lost)| lost.since).max();
        self.failing(now).count() >= HOSTS && self.heard.is_none_or(|heard| Some(heard) < latest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    const A: ScopeId = ScopeId(0);
    const B: ScopeId = ScopeId(1);
    const C: ScopeId = ScopeId(2);

    #[test]
    fn suspects_the_network_when_two_hosts_fail_not_one() {
        let mut network = Network::default();
        network.heard(at(0), C, at(0));
        let said: Vec<bool> = (1..20).map(|step| network.lost(at(step * 100), A)).collect();
        assert!(said.iter().all(|said| !said), "one host is down: {said:?}");
        assert!(!network.lost(at(2_000), B) && network.lost(at(2_100), B));
        assert_eq!(
            network.take_change(at(2_100)).map(|change| (change.suspected, change.hosts)),
            Some((true, vec![A, B]))
        );
        assert_eq!(network.held_until(at(2_100), B), Some(at(3_000)));
        assert_eq!(network.held_until(at(2_100), C), None, "it has not failed");
        network.heard(at(2_400), C, at(1_900));
        assert!(network.is_suspected(at(2_400)), "an old stream proves nothing");
        network.heard(at(2_500), C, at(2_450));
        assert!(!network.is_suspected(at(2_500)) && network.held_until(at(2_500), B).is_none());
        assert!(
            !network.lost(at(2_600), A) && !network.lost(at(2_700), B),
            "a host answers, so the failing hosts are at fault"
        );
        assert_eq!(network.take_change(at(2_700)).map(|change| change.suspected), Some(false));
        assert_eq!(network.take_change(at(2_700)), None, "reported once");
    }

    #[test]
    fn suspicion_expires_after_a_minute() {
        let mut network = Network::default();
        for host in [A, B, A, B] {
            network.lost(at(0), host);
        }
        assert!(network.is_suspected(at(60_000)) && !network.is_suspected(at(60_001)));
    }

    proptest! {
        /// In any sequence of events: suspicion requires two failing hosts without a sign of life in between; a host
        /// that has answered since is never held back, and no host for longer than a second.
        #[test]
        fn suspicion_requires_failures_on_two_hosts(steps in prop::collection::vec((0u32..4, 0u8..3, 0u64..1_500), 1..120)) {
            let mut network = Network::default();
            let (mut now, mut silent) = (at(0), [0u32; 4]);
            for (host, what, gap) in steps {
                now = now + Duration::from_millis(gap);
                let scope = ScopeId(host);
                match what {
                    0 => { network.heard(now, scope, now); silent[host as usize] = 0; }
                    1 => { network.lost(now, scope); silent[host as usize] += 1; }
                    _ => network.asked(now, scope),
                }
                if what == 0 { prop_assert!(!network.is_suspected(now)); }
                if network.is_suspected(now) {
                    prop_assert!(silent.iter().filter(|times| **times >= 2).count() >= 2);
                }
                for host in 0..4u32 {
                    let held = network.held_until(now, ScopeId(host));
                    prop_assert!(held.is_none() || silent[host as usize] >= 2);
                    prop_assert!(held.is_none_or(|until| until.saturating_since(now) <= PAUSE));
                }
            }
        }
    }
}
