//! What all clones of a client share.
//!
//! Invariant: built once and never changed, but for the world behind its lock, which is held for microseconds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hotspare_core::TargetId;
use hotspare_engine::{Fleet, Route, World};
use hotspare_normalize::PromptTemplate;
use hotspare_provider::Provider;

use crate::clock::Clock;
use crate::keeper_task::KeeperTask;
use crate::key::KeySlot;
use crate::observe::Observer;
use crate::validators::Validators;
use crate::wake::WakeSignals;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) fleet: Arc<Fleet>,
    /// By place in the fleet.
    pub(crate) targets: Vec<Connected>,
    pub(crate) routes: Vec<Arc<Route>>,
    /// By route: prompts of its own for some of its targets.
    pub(crate) prompts: Vec<BTreeMap<usize, Prompt>>,
    /// Further names of routes; `*` takes every other name.
    pub(crate) aliases: Vec<(String, usize)>,
    pub(crate) observer: RwLock<Observer>,
    pub(crate) validators: Validators,
    pub(crate) wake_signals: WakeSignals,
    pub(crate) keeper: KeeperTask,
    world: Mutex<World>,
}

/// A target that can be talked to.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) id: TargetId,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) model: Arc<str>,
    pub(crate) keys: Vec<Arc<KeySlot>>,
    pub(crate) prompt: Option<Prompt>,
    /// Whether it was last asked for vectors, or nobody has asked yet and its model is known to give them.
    pub(crate) embeds: AtomicBool,
}

/// A target's prompt template, and its name for the trail.
#[derive(Clone)]
pub(crate) struct Prompt {
    pub(crate) name: String,
    pub(crate) template: Arc<dyn PromptTemplate>,
}

/// A template may hold what is confidential: the name says enough.
impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prompt({})", self.name)
    }
}

impl Shared {
    pub(crate) fn new(
        fleet: Arc<Fleet>,
        targets: Vec<Connected>,
        routes: Vec<Arc<Route>>,
        prompts: Vec<BTreeMap<usize, Prompt>>,
        aliases: Vec<(String, usize)>,
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
            validators: Validators::default(),
            wake_signals: WakeSignals::default(),
            keeper: KeeperTask::default(),
            world: Mutex::new(world),
        }
    }

    /// The prompt that a target has in a route: the route's for it, or its own.
    pub(crate) fn prompt(&self, route: usize, target: usize) -> Option<&Prompt> {
        let of_route = self.prompts.get(route).and_then(|prompts| prompts.get(&target));
        of_route.or(self.targets[target].prompt.as_ref())
    }

    /// Does something with the world, and outside its lock what follows from it: breakers that changed are told, calls
    /// for which there is room are woken.
    pub(crate) fn with_world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let (result, notices, service, network, woken, stirred) = {
            // A panic elsewhere does not make it unusable: its state is consistent between any two calls.
            let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
            (
                act(&mut world),
                world.take_notices(),
                world.take_service_changes(),
                world.take_network_change(),
                world.take_woken(),
                world.take_stirred(),
            )
        };
        // First what others wait for: listeners may take their time.
        if !woken.is_empty() {
            self.wake_signals.wake(&woken);
        }
        if stirred {
            self.keeper.wake();
        }
        if !notices.is_empty() || !service.is_empty() || network.is_some() {
            let observer = self.observer.read().unwrap_or_else(PoisonError::into_inner).clone();
            observer.speak(&self.fleet, notices);
            observer.speak_of_service(&self.fleet, service);
            if let Some(news) = &network {
                observer.speak_of_network(&self.fleet, news);
            }
        }
        result
    }
}
