//! Listeners: what an application is told besides its answers.
//!
//! Not how a change is noticed or logged. Invariant: a listener runs outside all locks.

use std::sync::{Arc, PoisonError};

use crate::client::Client;
use crate::observer::{BreakerChange, ServiceChange};
use crate::report::CallReport;

impl Client {
    /// Registers a listener for breaker state changes. With [`Scope::None`], it reports that the local network is
    /// suspected to be down, or works again.
    ///
    /// Listeners run outside all locks, on a task that noticed a change, so they should not block. Changes are reported one
    /// at a time, in the order in which they happened: one that is noticed while a listener runs is reported after it, by
    /// the same task. A panic is caught and logged. Listeners live as long as the client: one that holds a clone of the client keeps it alive
    /// forever.
    ///
    /// ```no_run
    /// # fn page(_: String) {}
    /// # fn run(client: &hotspare::Client) {
    /// client.on_transition(|change| {
    ///     if change.to == hotspare::BreakerState::Open {
    ///         page(format!("{}: {}", change.scope_name, change.reason));
    ///     }
    /// });
    /// # }
    /// ```
    ///
    /// [`Scope::None`]: hotspare_core::Scope::None
    pub fn on_transition(&self, listener: impl Fn(&BreakerChange) + Send + Sync + 'static) {
        let mut observer = self.shared().observer.write().unwrap_or_else(PoisonError::into_inner);
        observer.on_transition.push(Arc::new(listener));
    }

    /// Registers a listener for keys and models that go out of service or come back: a rejected key, an account without
    /// credit, a model that its host has removed. Unlike an open breaker, this usually needs a person to fix it.
    ///
    /// Listeners run under the same rules as those of [`Client::on_transition`].
    ///
    /// ```no_run
    /// # fn page(_: String) {}
    /// # fn run(client: &hotspare::Client) {
    /// client.on_service_change(|change| {
    ///     if !change.in_service {
    ///         page(format!("{}: {}", change.scope_name, change.kind.summary()));
    ///     }
    /// });
    /// # }
    /// ```
    pub fn on_service_change(&self, listener: impl Fn(&ServiceChange) + Send + Sync + 'static) {
        let mut observer = self.shared().observer.write().unwrap_or_else(PoisonError::into_inner);
        observer.on_service_change.push(Arc::new(listener));
    }

    /// Registers a listener for calls that have ended: whole answers, streams, embeddings. A request that is refused before
    /// any target is considered, such as one for an unknown route, is no call.
    ///
    /// Listeners run under the same rules as those of [`Client::on_transition`].
    ///
    /// ```no_run
    /// use hotspare::CallEnd;
    ///
    /// # fn run(client: &hotspare::Client) {
    /// client.on_call(|report| {
    ///     let outcome = match &report.end {
    ///         CallEnd::Served(_) => "served",
    ///         CallEnd::Failed(error) => error.kind().as_str(),
    ///         _ => "dropped",
    ///     };
    ///     println!("{} {outcome} {:?} {:?}", report.route, report.duration, report.trail.cost());
    /// });
    /// # }
    /// ```
    pub fn on_call(&self, listener: impl Fn(&CallReport) + Send + Sync + 'static) {
        let mut observer = self.shared().observer.write().unwrap_or_else(PoisonError::into_inner);
        observer.on_call.push(Arc::new(listener));
    }
}
