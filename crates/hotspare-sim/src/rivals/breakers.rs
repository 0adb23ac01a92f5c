//! Rivals with one breaker per target, with the defaults of well-known libraries.
//!
//! Models of their documented rules, not their code. If every target is barred, the configured order is used, as a
//! careful user of such a library would do.

use std::collections::VecDeque;
use std::time::Duration;

use hotspare_core::{Kind, Moment};

use super::{Observation, Rival, untried};

/// Three failures within 60 s bar a target for 60 s; then it is used again.
#[derive(Debug)]
pub(super) struct SimpleBreaker(Vec<(VecDeque<Moment>, Moment)>);

impl SimpleBreaker {
    pub(super) fn new(targets: usize) -> Self {
        Self(vec![(VecDeque::new(), Moment::ZERO); targets])
    }
}

impl Rival for SimpleBreaker {
    fn choose(&mut self, observation: &Observation<'_>, tried: &[usize], _: u64) -> Option<usize> {
        let count = self.0.len();
        untried(count, tried)
            .find(|target| observation.now >= self.0[*target].1)
            .or_else(|| untried(count, tried).next())
    }

    fn outcome(&mut self, now: Moment, target: usize, failed: Option<Kind>, _: Duration) {
        let (failures, until) = &mut self.0[target];
        if failed.is_none() {
            return;
        }
        failures.push_back(now);
        while failures.front().is_some_and(|at| now.saturating_since(*at) > Duration::from_secs(60)) {
            failures.pop_front();
        }
        if failures.len() >= 3 {
            *until = now + Duration::from_secs(60);
            failures.clear();
        }
    }
}

/// A count window of 100 calls, evaluated once it is full; open for 60 s; ten probes decide.
#[derive(Clone, Debug, Default)]
struct Window {
    calls: VecDeque<bool>,
    until: Option<Moment>,
    probes: u32,
    results: Vec<bool>,
}

/// Like resilience4j with its defaults.
#[derive(Debug)]
pub(super) struct Resilience4jLike(Vec<Window>);

impl Resilience4jLike {
    pub(super) fn new(targets: usize) -> Self {
        Self(vec![Window::default(); targets])
    }
}

impl Rival for Resilience4jLike {
    fn choose(&mut self, observation: &Observation<'_>, tried: &[usize], _: u64) -> Option<usize> {
        let count = self.0.len();
        let open = |window: &Window| match window.until {
            None => true,
            Some(until) => observation.now >= until && window.probes < 10,
        };
        let target = untried(count, tried)
            .find(|target| open(&self.0[*target]))
            .or_else(|| untried(count, tried).next())?;
        if self.0[target].until.is_some_and(|until| observation.now >= until) {
            self.0[target].probes += 1;
        }
        Some(target)
    }

    fn outcome(&mut self, now: Moment, target: usize, failed: Option<Kind>, _: Duration) {
        let window = &mut self.0[target];
        let failing = |results: &mut dyn Iterator<Item = &bool>| results.filter(|failed| **failed).count();
        match window.until {
            None => {
                window.calls.push_back(failed.is_some());
                if window.calls.len() > 100 {
                    window.calls.pop_front();
                }
                if window.calls.len() == 100 && failing(&mut window.calls.iter()) >= 50 {
                    *window = Window { until: Some(now + Duration::from_secs(60)), ..Window::default() };
                }
            }
            Some(until) if now >= until => {
                window.results.push(failed.is_some());
                if window.results.len() >= 10 {
                    let bad = failing(&mut window.results.iter()) >= 5;
                    *window =
                        Window { until: bad.then(|| now + Duration::from_secs(60)), ..Window::default() };
                }
            }
            Some(_) => {}
        }
    }

    /// Returns an unused permission.
    fn released(&mut self, began: Moment, target: usize) {
        let window = &mut self.0[target];
        if window.until.is_some_and(|until| began >= until) {
            window.probes = window.probes.saturating_sub(1);
        }
    }
}

/// Like Envoy's outlier detection with its defaults: five failures in a row eject for 30 s times the number of
/// ejections so far, at most 300 s; never more than a tenth of the hosts, but at least one.
#[derive(Debug)]
pub(super) struct EnvoyLike(Vec<(u32, u32, Moment)>);

impl EnvoyLike {
    pub(super) fn new(targets: usize) -> Self {
        Self(vec![(0, 0, Moment::ZERO); targets])
    }
}

impl Rival for EnvoyLike {
    fn choose(&mut self, observation: &Observation<'_>, tried: &[usize], _: u64) -> Option<usize> {
        let count = self.0.len();
        let ejected = self.0.iter().filter(|host| host.2 > observation.now).count();
        // With fewer than half of the hosts left, health is ignored (panic mode).
        let panic = (count - ejected) * 2 < count;
        let fit = |target: &usize| panic || self.0[*target].2 <= observation.now;
        untried(count, tried).find(fit).or_else(|| untried(count, tried).next())
    }

    fn outcome(&mut self, now: Moment, target: usize, failed: Option<Kind>, _: Duration) {
        let most = (self.0.len() / 10).max(1);
        let ejected = self.0.iter().filter(|host| host.2 > now).count();
        let (run, times, until) = &mut self.0[target];
        // Rate limits and rejected keys are not failures of the service.
        let bad =
            failed.is_some_and(|kind| !matches!(kind, Kind::RateLimited | Kind::GrowthLimited | Kind::Auth));
        *run = if bad { *run + 1 } else { 0 };
        if *run >= 5 && ejected < most && *until <= now {
            *times += 1;
            *until = now + Duration::from_secs(30).saturating_mul(*times).min(Duration::from_secs(300));
            *run = 0;
        }
    }
}
