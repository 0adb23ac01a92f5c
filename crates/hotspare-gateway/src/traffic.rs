//! What callers got: counts and times of their requests.
//!
//! Not attempts, those are the client's to count: a request that took three of them is one here. Invariant: every request for
//! an answer is counted once, when its answer has left, has failed, or has lost its caller.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hotspare::{Client, Error, Histogram, Kind};

use crate::refusal::{self, CALLER_DEADLINE, CANCELLED};
use crate::upload::Room;

/// What is counted of all callers.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// By route; the empty name is for requests that never got to one.
    routes: Mutex<BTreeMap<String, Calls>>,
    under_way: AtomicUsize,
    connections: AtomicUsize,
}

/// What is counted of one route's callers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    /// `served`, `cancelled`, or why not.
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    /// From request to first content, of streams.
    pub(crate) first_content: Histogram,
    /// From request to the last byte, of requests that were served.
    pub(crate) duration: Histogram,
}

const SERVED: &str = "served";

impl Traffic {
    /// Nothing was counted yet, but every series is there: one that begins with its first failure hides that one.
    pub(crate) fn of(client: &Client) -> Arc<Self> {
        let names = client.names();
        let routes = names.iter().filter_map(|name| client.route_for(name));
        let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
        let outcomes = kinds.chain(refusal::OUTCOMES).chain([SERVED]).map(|outcome| (outcome, 0));
        let none = Calls { outcomes: outcomes.collect(), ..Calls::default() };
        let routes = routes.chain([""]).map(|route| (route.to_owned(), none.clone())).collect();
        Arc::new(Self { routes: Mutex::new(routes), ..Self::default() })
    }

    /// A request has come in.
    pub(crate) fn begin(self: &Arc<Self>) -> RequestGuard {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let traffic = Arc::clone(self);
        RequestGuard {
            traffic,
            route: String::new(),
            begun: Instant::now(),
            first_content: None,
            outcome: CANCELLED,
            deadline: None,
            room: None,
        }
    }

    /// A connection was accepted; it counts until this is dropped.
    pub(crate) fn connect(self: &Arc<Self>) -> Connection {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connection(Arc::clone(self))
    }

    /// Requests whose answer has not ended.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Open connections.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// All routes with their counts.
    pub(crate) fn routes(&self) -> BTreeMap<String, Calls> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection(Arc<Traffic>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One request. It counts when it is dropped, as one whose caller left unless something else was said.
#[derive(Debug)]
pub(crate) struct RequestGuard {
    traffic: Arc<Traffic>,
    route: String,
    begun: Instant,
    first_content: Option<Duration>,
    outcome: &'static str,
    /// The time that the caller gave.
    deadline: Option<Duration>,
    /// The memory of its body.
    room: Option<Room>,
}

impl RequestGuard {
    /// Its body is kept until it has its answer.
    pub(crate) fn holds(&mut self, room: Room) {
        self.room = Some(room);
    }

    /// The caller gave it so much time.
    pub(crate) fn has(&mut self, deadline: Option<Duration>) {
        self.deadline = deadline;
    }

    /// It is for this route.
    pub(crate) fn takes(&mut self, route: Option<&str>) {
        route.unwrap_or_default().clone_into(&mut self.route);
    }

    /// The first content of its stream is here.
    pub(crate) fn content(&mut self) {
        self.first_content.get_or_insert_with(|| self.begun.elapsed());
    }

    /// It has its answer.
    pub(crate) fn served(mut self) {
        self.outcome = SERVED;
    }

    /// It has none, or only a part of one.
    pub(crate) fn failed(mut self, error: &Error) {
        // A route's own limit, where it is shorter, ends a call before the caller's time is over.
        let is_callers = self.deadline.is_some_and(|deadline| self.begun.elapsed() >= deadline);
        self.outcome = match error.kind() {
            Kind::Deadline if is_callers => CALLER_DEADLINE,
            _ => refusal::outcome(error),
        };
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.traffic.under_way.fetch_sub(1, Ordering::Relaxed);
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
            calls.duration.record(self.begun.elapsed());
        }
    }
}
