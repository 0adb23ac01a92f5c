//! What an application's listeners are told, and who listens.
//!
//! Not how a change is noticed or logged. Invariant: a listener that panics harms no call.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{BreakerState, Kind, Scope, TargetId};

use crate::report::CallReport;

/// A breaker's state change, with names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerChange {
    /// The name of what changed: a host, a model at a host, a key.
    pub scope_name: String,
    /// Its level.
    pub scope: Scope,
    /// The targets affected.
    pub targets: Vec<TargetId>,
    /// Before.
    pub from: BreakerState,
    /// After.
    pub to: BreakerState,
    /// Why.
    pub reason: String,
}

/// A key or model that went out of service or came back, with names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceChange {
    /// The name of what changed: a model at a host, a key.
    pub scope_name: String,
    /// Its level.
    pub scope: Scope,
    /// The targets affected.
    pub targets: Vec<TargetId>,
    /// Whether it is in service now.
    pub in_service: bool,
    /// What took it out of service: [`Kind::Auth`], [`Kind::QuotaExhausted`], [`Kind::ModelUnavailable`] and the like.
    pub kind: Kind,
    /// Time until a request checks whether it works again; `None` if it is in service.
    pub recheck_after: Option<Duration>,
}

/// A callback of the application.
pub(crate) type Listener<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// The application's listeners.
#[derive(Clone, Default)]
pub(crate) struct Observer {
    pub(crate) on_call: Vec<Listener<CallReport>>,
    pub(crate) on_transition: Vec<Listener<BreakerChange>>,
    pub(crate) on_service_change: Vec<Listener<ServiceChange>>,
}

/// Calls all listeners. They run inside whichever call noticed the change, which is often unrelated, so panics are
/// caught.
pub(crate) fn notify<T>(listeners: &[Listener<T>], change: &T) {
    for listener in listeners {
        if catch_unwind(AssertUnwindSafe(|| listener(change))).is_err() {
            tracing::error!(target: "hotspare", "a listener of the application panicked");
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
