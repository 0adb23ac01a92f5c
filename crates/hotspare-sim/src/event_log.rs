//! The event log of one run: what each caller, attempt, breaker and provider did, in order, as text for people.
//!
//! Not the hash that shows two runs to be equal. Invariant: a run with a log has the same events as one without.

use std::fmt;
use std::time::Duration;

use hotspare_core::{BreakerState, Error, Moment, StartKind};
use hotspare_engine::AttemptStart;
use hotspare_health::Reason;

use crate::fault_schedule::FaultSchedule;
use crate::invariants::Breach;
use crate::ledger::RequestOutcome;
use crate::scenario::Scenario;
use crate::workload::RequestSpec;

/// What a log entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The request with this number; the first is 0.
    Request(u64),
    /// A target, by name.
    Target(String),
    /// The run itself.
    Run,
}

/// An entry of the event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Time since the start of the run.
    pub at: Duration,
    /// What it is about.
    pub subject: Subject,
    /// What happened.
    pub what: String,
}

impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = match &self.subject {
            Subject::Request(number) => format!("request {number}"),
            Subject::Target(name) => format!("target {name}"),
            Subject::Run => "run".into(),
        };
        write!(f, "{:>12.6} s  {subject:<16} {}", self.at.as_secs_f64(), self.what)
    }
}

/// The start or the end of a fault.
#[derive(Debug)]
struct FaultEdge {
    at: u64,
    begins: bool,
    target: usize,
    what: String,
}

/// Writes the entries of a run, if someone wants them.
pub(crate) struct EventLog<'a> {
    sink: Option<&'a mut dyn FnMut(&LogEntry)>,
    names: Vec<String>,
    /// Starts and ends of faults that are still to come, the next one last. At the same time, ends come before starts.
    edges: Vec<FaultEdge>,
    breaches: usize,
}

impl<'a> EventLog<'a> {
    /// A log for `sink`. `player` has the names of the player's targets, in the scenario's order.
    pub(crate) fn new(
        sink: Option<&'a mut dyn FnMut(&LogEntry)>,
        scenario: &Scenario,
        faults: &FaultSchedule,
        player: &[&str],
    ) -> Self {
        let mut log = Self { sink, names: Vec::new(), edges: Vec::new(), breaches: 0 };
        if log.sink.is_none() {
            return log;
        }
        for (index, target) in scenario.targets.iter().enumerate() {
            log.names.push(player.get(index).map_or_else(|| target.name.clone(), |name| (*name).to_owned()));
            for fault in faults.all(index) {
                let what = fault.describe();
                let mut edge =
                    |at, begins, what| log.edges.push(FaultEdge { at, begins, target: index, what });
                edge(fault.until, false, format!("a fault ends: {what}"));
                edge(fault.from, true, format!("a fault begins: {what}"));
            }
        }
        log.edges.sort_by_key(|edge| std::cmp::Reverse((edge.at, edge.begins)));
        log
    }

    fn write(&mut self, at: Moment, subject: Subject, what: String) {
        if let Some(sink) = &mut self.sink {
            sink(&LogEntry { at: at.saturating_since(Moment::ZERO), subject, what });
        }
    }

    /// Something about a request.
    fn request(&mut self, now: Moment, number: u64, what: impl FnOnce(&[String]) -> String) {
        if self.sink.is_some() {
            let what = what(&self.names);
            self.write(now, Subject::Request(number), what);
        }
    }

    /// Something about a target.
    fn target(&mut self, now: Moment, target: usize, what: impl FnOnce() -> String) {
        if self.sink.is_some() {
            let name = self.names.get(target).cloned().unwrap_or_default();
            self.write(now, Subject::Target(name), what());
        }
    }

    /// Virtual time has advanced to `now`.
    pub(crate) fn advanced(&mut self, now: Moment) {
        while self.edges.last().is_some_and(|edge| edge.at <= now.as_nanos()) {
            let Some(FaultEdge { at, target, what, .. }) = self.edges.pop() else { return };
            self.target(Moment::from_nanos(at), target, || what);
        }
    }

    /// The invariants that have been violated so far.
    pub(crate) fn breached(&mut self, breaches: &[Breach]) {
        for breach in breaches.iter().skip(self.breaches) {
            let at = Moment::ZERO + breach.at;
            self.write(at, Subject::Run, format!("INVARIANT VIOLATED: {}", breach.what));
        }
        self.breaches = breaches.len();
    }

    pub(crate) fn arrived(&mut self, now: Moment, spec: &RequestSpec) {
        self.request(now, spec.number, |_| {
            let manner = if spec.stream { "" } else { ", unstreamed" };
            let fault = if spec.invalid { ", malformed" } else { "" };
            format!(
                "arrives: {} prompt tokens, {} to answer{manner}{fault}",
                spec.prompt_tokens, spec.output_tokens
            )
        });
    }

    /// Attempt `number` of a request was sent; the first is 1.
    pub(crate) fn sent(&mut self, now: Moment, request: u64, number: usize, target: usize, key: usize) {
        self.request(now, request, |names| {
            let key = if key == 0 { String::new() } else { format!(", key {}", key + 1) };
            format!("attempt {number} starts at {}{key}", names[target])
        });
    }

    /// Why the engine starts the attempt that follows.
    pub(crate) fn decided(&mut self, now: Moment, request: u64, start: &AttemptStart) {
        let why = match start.kind {
            StartKind::Retry => "tries a target again",
            StartKind::Failover => "moves on to another target",
            StartKind::Hedge => "hedges: the attempt takes longer than usual",
            StartKind::LastResort => "tries a blocked target as a last resort",
            StartKind::Race => "races several targets",
            // The first attempt goes without saying.
            _ => return,
        };
        self.request(now, request, |_| match &start.resume {
            Some(_) => format!("{why}, which continues the answer"),
            None => why.to_owned(),
        });
    }

    pub(crate) fn failed(&mut self, now: Moment, request: u64, number: usize, target: usize, error: &Error) {
        self.request(now, request, |names| {
            let pause = error
                .retry_after()
                .map_or_else(String::new, |pause| format!(", retry after {:.3} s", pause.as_secs_f64()));
            format!("attempt {number} at {} fails: {}{pause}", names[target], error.kind())
        });
    }

    pub(crate) fn dropped(&mut self, now: Moment, request: u64, number: usize, target: usize) {
        self.request(now, request, |names| format!("attempt {number} at {} is dropped", names[target]));
    }

    pub(crate) fn first_content(&mut self, now: Moment, request: u64, since_arrival: Duration) {
        self.request(now, request, |_| {
            format!("its caller gets first content, after {:.3} s", since_arrival.as_secs_f64())
        });
    }

    pub(crate) fn ended(
        &mut self,
        now: Moment,
        request: u64,
        outcome: &RequestOutcome,
        took: Duration,
        starts: usize,
    ) {
        self.request(now, request, |_| {
            let what = match outcome {
                RequestOutcome::Answered => "is answered".to_owned(),
                RequestOutcome::Cancelled => "ends: its caller has left".to_owned(),
                RequestOutcome::Invalid => "ends: it was malformed".to_owned(),
                RequestOutcome::Unserved => "ends: no target exists".to_owned(),
                RequestOutcome::Lost { kind, cut: false } => format!("is LOST: {kind}"),
                RequestOutcome::Lost { kind, cut: true } => {
                    format!("is LOST after a part of its answer: {kind}")
                }
            };
            let attempts = if starts == 1 { "attempt" } else { "attempts" };
            format!("{what}, after {:.3} s and {starts} {attempts}", took.as_secs_f64())
        });
    }

    pub(crate) fn breaker_changed(&mut self, at: Moment, target: usize, to: BreakerState, reason: Reason) {
        self.target(at, target, || format!("breaker is {to}: {reason}"));
    }

    pub(crate) fn slow_changed(&mut self, now: Moment, target: usize, is_slow: bool) {
        self.target(now, target, || {
            if is_slow { "is degraded: many of its calls are late" } else { "is no longer degraded" }.into()
        });
    }

    pub(crate) fn restarted(&mut self, now: Moment) {
        if self.sink.is_some() {
            self.write(now, Subject::Run, "the process is replaced; health starts anew".into());
        }
    }
}

#[cfg(test)]
mod tests;
