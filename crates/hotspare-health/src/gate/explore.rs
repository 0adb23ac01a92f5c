//! Explores every order of holds, quotas, refused growth and time, up to a bound, and checks the invariants of a
//! scope's gates.
//!
//! Bound: paths of up to 7 inputs, time in steps of 2 s. States are distinguished by all of their fields.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use hotspare_core::{Allowance, RateLimits};

use super::*;
use crate::growth::Growth;
use crate::mirror::{Grant, Mirror, Used};

const TICK: Duration = Duration::from_secs(2);
const DEPTH: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// A hinted pause of this many seconds.
    Hold(u64),
    HoldUnknown,
    /// Disabled, to be re-checked after this many seconds.
    Disable(u64),
    Enable,
    Ease,
    /// A reply reports that this many of four requests and as much of 40 tokens are left, and that both buckets are full
    /// again in 8 s.
    Left(u64),
    /// A call goes through, if it may.
    Start,
    Succeed,
    Tick,
}

#[derive(Clone, Hash)]
struct Scope {
    gate: Gate,
    quota: Mirror,
    /// The latest call that went through.
    grant: Grant,
    growth: Growth,
    now: Moment,
    /// End of the longest pause that was requested.
    promised: Moment,
}

impl Scope {
    /// When a call may go through, by the same rules as in a book.
    fn ready_at(&self, now: Moment) -> Moment {
        let gate = match self.gate.check(now) {
            Ok(()) => now,
            Err((_, until)) => until,
        };
        let quota = self.quota.wait(now, 1).unwrap_or(now);
        gate.max(quota).max(self.growth.ready_at(now))
    }

    fn apply(&mut self, input: Input) -> Result<(), String> {
        let secs = Duration::from_secs;
        match input {
            Input::Hold(pause) => {
                self.gate.hold(self.now, self.now + secs(pause));
                self.promised = self.promised.max(self.now + secs(pause));
            }
            Input::HoldUnknown => self.gate.hold_unknown(self.now),
            Input::Disable(pause) => self.gate.disable(self.now, self.now + secs(pause)),
            Input::Enable => self.gate.enable(),
            Input::Ease => self.growth.ease(self.now),
            Input::Left(left) => {
                let mut limits = RateLimits::default();
                limits.requests = Allowance::new(4, left, Some(secs(8)));
                limits.tokens = Allowance::new(40, 10 * left, Some(secs(8)));
                self.quota.report(self.now, self.grant, &limits);
            }
            Input::Start => {
                if self.ready_at(self.now) != self.now {
                    return Ok(());
                }
                if self.now < self.promised {
                    return Err("admitted before a promised pause was over".into());
                }
                self.gate.pass(self.now);
                self.grant = self.quota.take(self.now, 1);
                self.growth.start(self.now);
                // A re-check that never reports must leave the next one to another call.
                if self.ready_at(self.now) > self.now + RECHECK {
                    return Err("an admitted call delayed the next one".into());
                }
            }
            Input::Succeed => {
                self.gate.success(self.now);
                self.quota.end(self.now, self.grant, 1, Used { prompt: 1, answer: Some(12) });
            }
            Input::Tick => self.now = self.now + TICK,
        }
        self.check()
    }

    fn check(&self) -> Result<(), String> {
        let at = self.ready_at(self.now);
        if at.saturating_since(self.now) > LONGEST_HOLD {
            return Err(format!("a wait of {:?}", at.saturating_since(self.now)));
        }
        // A call that arrives at the promised time is let through: waiting does not postpone it further.
        if self.ready_at(at) != at {
            return Err("reported a time at which it was still closed".into());
        }
        Ok(())
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

#[test]
fn invariants_hold_for_every_order_of_pauses_and_quotas() {
    let inputs = [
        Input::Hold(3),
        Input::Hold(9_999),
        Input::HoldUnknown,
        Input::Disable(4),
        Input::Disable(9),
        Input::Disable(9_999),
        Input::Enable,
        Input::Ease,
        Input::Left(0),
        Input::Left(1),
        Input::Start,
        Input::Succeed,
        Input::Tick,
    ];
    let now = Moment::ZERO + Duration::from_secs(120);
    let mut quota = Mirror::default();
    let start = Scope {
        gate: Gate::default(),
        grant: quota.take(now, 1),
        quota,
        growth: Growth::default(),
        now,
        promised: Moment::ZERO,
    };
    let mut seen = BTreeSet::from([start.fingerprint()]);
    let mut queue = VecDeque::from([(start, Vec::new())]);
    let mut edges = 0u64;
    while let Some((scope, path)) = queue.pop_front() {
        for input in inputs {
            edges += 1;
            let mut next = scope.clone();
            let mut path = path.clone();
            path.push(input);
            if let Err(broken) = next.apply(input) {
                panic!("{broken}\nafter {path:?}");
            }
            if path.len() < DEPTH && seen.insert(next.fingerprint()) {
                queue.push_back((next, path));
            }
        }
    }
    println!("gates: {} states, {edges} edges", seen.len());
    assert!(seen.len() > 1_000, "the exploration is not empty: {}", seen.len());
}
