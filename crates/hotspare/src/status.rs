//! A client's targets as an operator sees them, and what an operator may do to them.
//!
//! Not part of any call. Invariant: reading the status changes nothing.

use std::sync::Arc;

use hotspare_core::{Cost, Error, Kind, ModelProfile, TargetId, TargetView};
use hotspare_engine::{Counts, KeyStatus, Route, TargetIndex};

use crate::client::Client;
use crate::nearest::nearest;

/// A target's state, for display and metrics.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TargetStatus {
    /// Its name.
    pub id: TargetId,
    /// Name of its wire.
    pub wire: &'static str,
    /// The model's name at the provider.
    pub model: String,
    /// The address of its API; `None` for a custom provider or wire.
    pub base_url: Option<String>,
    /// The model's profile.
    pub profile: ModelProfile,
    /// Its keys, in the order in which they were added; empty if it needs none.
    pub keys: Vec<KeyStatus>,
    /// Why its model is out of service, if it is; a key's own trouble is listed with the key.
    pub disabled_by: Option<Kind>,
    /// Its health.
    pub view: TargetView,
    /// Its counts.
    pub counts: Counts,
    /// Calls waiting for it.
    pub queued: usize,
    /// What it cost in the current period of its spend limit, if it has one.
    pub spent: Option<Cost>,
}

/// A route's state, for display and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteStatus {
    /// Its name.
    pub name: String,
    /// Its targets, in the order written.
    pub targets: Vec<TargetId>,
    /// How many of them would admit a request now.
    pub usable: usize,
    /// What it cost in the current period of its spend limit, if it has one.
    pub spent: Option<Cost>,
}

impl Client {
    /// All routes, without those that each target has under its own name.
    #[must_use]
    pub fn routes(&self) -> Vec<RouteStatus> {
        let shared = self.shared();
        let now = shared.clock.now();
        let is_own = |route: &Route| matches!(route.members[..], [index] if shared.fleet.find(&route.name) == Some(index));
        let routes = shared.routes.iter().filter(|route| !is_own(route));
        shared.with_world(|world| {
            world.advance(now);
            let status = |route: &Arc<Route>| RouteStatus {
                name: route.name.clone(),
                targets: route.members.iter().map(|&index| shared.targets[index].id.clone()).collect(),
                usable: world.views(now, route, 0, true).iter().filter(|view| view.usable).count(),
                spent: world.spent_by_route(now, route.index),
            };
            routes.map(status).collect()
        })
    }

    /// All targets with their health and counts.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetStatus> {
        let shared = self.shared();
        let now = shared.clock.now();
        let fleet = shared.fleet.targets().iter().zip(shared.targets.indexed());
        shared.with_world(|world| {
            world.advance(now);
            fleet
                .map(|(target, (index, connected))| TargetStatus {
                    id: target.id.clone(),
                    wire: target.wire,
                    model: connected.model.to_string(),
                    base_url: connected.base_url.clone(),
                    profile: target.profile.clone(),
                    keys: shared.keys(index).map(|(key, _)| world.key_status(now, index, key)).collect(),
                    disabled_by: world.disabled_by(index),
                    view: world.view(now, index, 0),
                    counts: world.counts(index).clone(),
                    queued: world.queued(index),
                    spent: world.spent(now, index),
                })
                .collect()
        })
    }

    /// Whether no host can be reached, so that the local network is suspected rather than every host.
    #[must_use]
    pub fn network_is_suspected(&self) -> bool {
        let now = self.shared().clock.now();
        self.shared().with_world(|world| world.network_is_suspected(now))
    }

    /// Takes a target out of service until [`Client::uncordon`]. In-flight calls continue.
    ///
    /// # Errors
    /// If there is no such target.
    pub fn cordon(&self, target: impl AsRef<str>) -> Result<(), Error> {
        self.set_cordoned(target.as_ref(), true)
    }

    /// Puts a cordoned target back into service.
    ///
    /// # Errors
    /// If there is no such target.
    pub fn uncordon(&self, target: impl AsRef<str>) -> Result<(), Error> {
        self.set_cordoned(target.as_ref(), false)
    }

    fn set_cordoned(&self, target: &str, cordoned: bool) -> Result<(), Error> {
        let index = self.target_index(target)?;
        self.shared().with_world(|world| world.set_cordoned(index, cordoned));
        Ok(())
    }

    /// Enables a target's disabled keys and model at once, without waiting for a re-check, after the cause (a rejected
    /// key, no credit, an unknown model) has been fixed. This also applies to other targets that share them.
    ///
    /// # Errors
    /// If there is no such target.
    pub fn enable(&self, target: impl AsRef<str>) -> Result<(), Error> {
        let index = self.target_index(target.as_ref())?;
        self.shared().with_world(|world| world.enable(index));
        Ok(())
    }

    /// Re-reads the sources of all keys. New keys are used from the next attempt on and are in service at once. Returns
    /// the number of keys that changed. A key whose source cannot be read within a second stays in use, and the log says
    /// so.
    pub async fn reload_keys(&self) -> usize {
        let shared = self.shared();
        let slots = shared.targets.indexed().flat_map(|(index, target)| {
            shared.keys(index).map(move |(key, slot)| (index, key, target, slot))
        });
        let reloading = slots.map(async |(index, key, target, slot)| {
            let changed = slot.reload().await.unwrap_or_else(|what| {
                tracing::warn!(target: "hotspare", target = %target.id, key = key.position() + 1, "{what}: the last key stays in use");
                false
            });
            if changed {
                shared.with_world(|world| world.renew_key(index, key));
            }
            usize::from(changed)
        });
        futures::future::join_all(reloading).await.into_iter().sum()
    }

    pub(crate) fn target_index(&self, target: &str) -> Result<TargetIndex, Error> {
        let index = self.shared().fleet.find(target);
        index.ok_or_else(|| {
            let names = self.shared().targets.iter().map(|target| target.id.to_string()).collect();
            let what = format!("unknown target `{target}`; did you mean {}?", nearest(target, names));
            Error::new(Kind::Config, what)
        })
    }
}
