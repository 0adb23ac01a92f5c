//! Counts and durations of clients' requests.
//!
//! Not attempts, which the client counts: a request with three attempts is one here. Invariant: every request for an
//! answer is counted once, when its answer was sent, it failed, or its client disconnected.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hotspare::{CallOptions, Client, Error, Histogram, Kind};

use crate::refusal::{self, CALLER_DEADLINE, CANCELLED};
use crate::upload::BodyMemory;

/// Counts over all clients.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// By route; the empty name is for requests that did not reach one.
    routes: Mutex<BTreeMap<String, RouteCounts>>,
    in_flight: AtomicUsize,
    connections: AtomicUsize,
}

/// Counts of one route's requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteCounts {
    /// `served`, `cancelled`, or the reason for the failure.
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    /// Time from request to first content, for streams.
    pub(crate) first_content: Histogram,
    /// Time from request to last byte, for requests that were served.
    pub(crate) duration: Histogram,
}

const SERVED: &str = "served";

impl Traffic {
    /// Starts with every series at zero: a series that appears with its first failure would hide that failure from
    /// rates.
    pub(crate) fn new(client: &Client) -> Arc<Self> {
        let names = client.names();
        let routes = names.iter().filter_map(|name| client.route_for(name));
        let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
        let outcomes = kinds.chain(refusal::OUTCOMES).chain([SERVED]).map(|outcome| (outcome, 0));
        let zero = RouteCounts { outcomes: outcomes.collect(), ..RouteCounts::default() };
        let routes = routes.chain([""]).map(|route| (route.to_owned(), zero.clone())).collect();
        Arc::new(Self { routes: Mutex::new(routes), ..Self::default() })
    }

    /// Registers a request.
    pub(crate) fn begin(self: &Arc<Self>) -> RequestGuard {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let traffic = Arc::clone(self);
        RequestGuard {
            traffic,
            route: String::new(),
            started: Instant::now(),
            first_content: None,
            outcome: CANCELLED,
            deadline: None,
            first_content_deadline: None,
            memory: None,
        }
    }

    /// Registers an open connection until the guard is dropped.
    pub(crate) fn connect(self: &Arc<Self>) -> ConnectionGuard {
        self.connections.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard(Arc::clone(self))
    }

    /// Number of in-flight requests.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Number of open connections.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// All routes with their counts.
    pub(crate) fn routes(&self) -> BTreeMap<String, RouteCounts> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct ConnectionGuard(Arc<Traffic>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One request. It is counted when dropped: as cancelled, unless another outcome was set.
#[derive(Debug)]
pub(crate) struct RequestGuard {
    traffic: Arc<Traffic>,
    route: String,
    started: Instant,
    first_content: Option<Duration>,
    outcome: &'static str,
    /// The caller's deadlines, for the whole answer and for its first content.
    deadline: Option<Duration>,
    first_content_deadline: Option<Duration>,
    /// The memory reserved for its body.
    memory: Option<BodyMemory>,
}

impl RequestGuard {
    /// Keeps the body's memory reserved until the request is answered.
    pub(crate) fn hold_memory(&mut self, memory: BodyMemory) {
        self.memory = Some(memory);
    }

    /// Sets the caller's deadlines.
    pub(crate) fn set_deadlines(&mut self, options: &CallOptions) {
        self.deadline = options.deadline;
        self.first_content_deadline = options.first_content_deadline;
    }

    /// Sets the route.
    pub(crate) fn set_route(&mut self, route: Option<&str>) {
        route.unwrap_or_default().clone_into(&mut self.route);
    }

    /// Records that the first content of its stream has arrived.
    pub(crate) fn mark_first_content(&mut self) {
        self.first_content.get_or_insert_with(|| self.started.elapsed());
    }

    /// Ends the request as served.
    pub(crate) fn served(mut self) {
        self.outcome = SERVED;
    }

    /// Ends the request as failed, including one that was answered in part.
    pub(crate) fn failed(mut self, error: &Error) {
        // A shorter limit of the route ends a call before the caller's deadline.
        let first_content = self.first_content_deadline.filter(|_| self.first_content.is_none());
        let deadlines = [self.deadline, first_content];
        let is_callers = deadlines.into_iter().flatten().any(|deadline| self.started.elapsed() >= deadline);
        self.outcome = match error.kind() {
            Kind::Deadline if is_callers => CALLER_DEADLINE,
            _ => refusal::outcome(error),
        };
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.traffic.in_flight.fetch_sub(1, Ordering::Relaxed);
        let mut routes = self.traffic.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = match routes.get_mut(&self.route) {
            Some(calls) => calls,
            None => routes.entry(std::mem::take(&mut self.route)).or_default(),
        };
        *calls.outcomes.entry(self.outcome).or_default() += 1;
        if let Some(time) = self.first_content {
            calls.first_content.record(time);
        }
        if self.outcome == SERVED {
            calls.duration.record(self.started.elapsed());
        }
    }
}
