//! State shared by all clones of a client.
//!
//! Invariant: immutable once built, except for the world behind its lock, which is held for microseconds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hotspare_core::TargetId;
use hotspare_engine::{Fleet, KeyIndex, PerTarget, Route, RouteIndex, TargetIndex, World};
use hotspare_normalize::PromptTemplate;
use hotspare_provider::Provider;

use crate::background::BackgroundTask;
use crate::clock::Clock;
use crate::key::KeySlot;
use crate::observe::log_slowness_changes;
use crate::observer::Observer;
use crate::reports::{Batch, Reports};
use crate::validators::Validators;
use crate::wake::WakeSignals;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) fleet: Arc<Fleet>,
    /// In the fleet's order.
    pub(crate) targets: PerTarget<ConnectedTarget>,
    pub(crate) routes: Vec<Arc<Route>>,
    /// By route: prompt templates it sets for some of its targets.
    pub(crate) prompts: Vec<BTreeMap<TargetIndex, NamedTemplate>>,
    /// Further names of routes; `*` matches every other name.
    pub(crate) aliases: Vec<(String, RouteIndex)>,
    pub(crate) observer: RwLock<Observer>,
    pub(crate) validators: Arc<Validators>,
    pub(crate) wake_signals: WakeSignals,
    pub(crate) prober: BackgroundTask,
    reports: Reports,
    world: Mutex<World>,
}

/// A target with everything needed to send to it.
#[derive(Debug)]
pub(crate) struct ConnectedTarget {
    pub(crate) id: TargetId,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) model: Arc<str>,
    pub(crate) keys: Vec<Arc<KeySlot>>,
    pub(crate) prompt: Option<NamedTemplate>,
    pub(crate) base_url: Option<String>,
    /// Whether its last request was for embeddings or, before the first one, whether its model is known to provide
    /// them.
    pub(crate) embeds: AtomicBool,
}

/// A target's prompt template, with its name for the trail.
#[derive(Clone)]
pub(crate) struct NamedTemplate {
    pub(crate) name: String,
    pub(crate) template: Arc<dyn PromptTemplate>,
}

/// A template may be confidential, so only its name is shown.
impl fmt::Debug for NamedTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedTemplate({})", self.name)
    }
}

impl Shared {
    pub(crate) fn new(
        fleet: Arc<Fleet>,
        targets: PerTarget<ConnectedTarget>,
        routes: Vec<Arc<Route>>,
        prompts: Vec<BTreeMap<TargetIndex, NamedTemplate>>,
        aliases: Vec<(String, RouteIndex)>,
        world: World,
    ) -> Self {
        Self {
            clock: Clock::start(),
            fleet,
            targets,
            routes,
            prompts,
            aliases,
            observer: RwLock::default(),
            validators: Arc::default(),
            wake_signals: WakeSignals::default(),
            prober: BackgroundTask::default(),
            reports: Reports::default(),
            world: Mutex::new(world),
        }
    }

    /// The prompt template of a target in a route: the route's, else its own.
    pub(crate) fn prompt(&self, route: RouteIndex, target: TargetIndex) -> Option<&NamedTemplate> {
        let of_route = self.prompts.get(route.position()).and_then(|prompts| prompts.get(&target));
        of_route.or(self.targets[target].prompt.as_ref())
    }

    /// The keys of a target, with their places; none if it needs no key.
    pub(crate) fn keys(&self, target: TargetIndex) -> impl Iterator<Item = (KeyIndex, &Arc<KeySlot>)> {
        self.fleet[target].key_indices().zip(&self.targets[target].keys)
    }

    /// Acts on the world under its lock, then handles the consequences outside the lock: wakes calls for which there is
    /// room, and reports what has changed.
    pub(crate) fn with_world<T>(&self, action: impl FnOnce(&mut World) -> T) -> T {
        let (result, woken, stirred) = {
            // A panic elsewhere does not invalidate the world: its state is consistent between any two calls.
            let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
            let result = action(&mut world);
            if world.is_quiet() {
                return result;
            }
            self.reports.push(Batch {
                breakers: world.take_notices(),
                service: world.take_service_changes(),
                slowness: world.take_slowness_changes(),
                network: world.take_network_change(),
            });
            (result, world.take_woken(), world.take_stirred())
        };
        // Wake waiting calls first: listeners may take their time.
        if !woken.is_empty() {
            self.wake_signals.wake(&woken);
        }
        if stirred {
            self.prober.wake(self.clock.now());
        }
        self.reports.report(|batch| {
            let observer = self.observer.read().unwrap_or_else(PoisonError::into_inner).clone();
            log_slowness_changes(&self.fleet, &batch.slowness);
            observer.log_breaker_changes(&self.fleet, batch.breakers);
            observer.log_service_changes(&self.fleet, batch.service);
            if let Some(change) = &batch.network {
                observer.log_network_change(&self.fleet, change);
            }
        });
        result
    }
}
