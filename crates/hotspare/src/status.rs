//! A client's targets as an operator sees them, and what an operator may do to them.
//!
//! Not part of any call. Invariant: reading the status changes nothing.

use hotspare_core::{Cost, Error, Kind, ModelProfile, TargetId, TargetView};
use hotspare_engine::{Counts, KeyStatus};

use crate::client::Client;

/// A target's state, for display and metrics.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TargetStatus {
    /// Its name.
    pub id: TargetId,
    /// Name of its wire.
    pub wire: &'static str,
    /// The model's name at the provider.
    pub model: String,
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

impl Client {
    /// All targets with their health and counts.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetStatus> {
        let shared = self.shared();
        let now = shared.clock.now();
        let fleet = shared.fleet.targets().iter().zip(&shared.targets);
        shared.with_world(|world| {
            world.advance(now);
            fleet
                .enumerate()
                .map(|(place, (target, connected))| TargetStatus {
                    id: target.id.clone(),
                    wire: target.wire,
                    model: connected.model.to_string(),
                    profile: target.profile.clone(),
                    keys: (0..connected.keys.len()).map(|key| world.key_status(now, place, key)).collect(),
                    disabled_by: world.disabled_by(place),
                    view: world.view(now, place, 0),
                    counts: world.counts(place).clone(),
                    queued: world.queued(place),
                    spent: world.spent(now, place),
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
    pub fn cordon(&self, target: &str) -> Result<(), Error> {
        self.set_cordoned(target, true)
    }

    /// Puts a cordoned target back into service.
    ///
    /// # Errors
    /// If there is no such target.
    pub fn uncordon(&self, target: &str) -> Result<(), Error> {
        self.set_cordoned(target, false)
    }

    fn set_cordoned(&self, target: &str, cordoned: bool) -> Result<(), Error> {
        let place = self.place(target)?;
        self.shared().with_world(|world| world.set_cordoned(place, cordoned));
        Ok(())
    }

    /// Enables a target's disabled keys and model at once, without waiting for a re-check, after the cause (a rejected
    /// key, no credit, an unknown model) has been fixed. This also applies to other targets that share them.
    ///
    /// # Errors
    /// If there is no such target.
    pub fn enable(&self, target: &str) -> Result<(), Error> {
        let place = self.place(target)?;
        self.shared().with_world(|world| world.enable(place));
        Ok(())
    }

    /// Re-reads the sources of all keys. New keys are used from the next attempt on and are in service at once. Returns
    /// the number of keys that changed.
    pub fn reload_keys(&self) -> usize {
        let mut renewed = 0;
        for (place, target) in self.shared().targets.iter().enumerate() {
            for (key, slot) in target.keys.iter().enumerate() {
                if slot.reload() {
                    renewed += 1;
                    self.shared().with_world(|world| world.renew_key(place, key));
                }
            }
        }
        renewed
    }

    fn place(&self, target: &str) -> Result<usize, Error> {
        let place = self.shared().fleet.find(target);
        place.ok_or_else(|| Error::new(Kind::Config, format!("there is no target `{target}`")))
    }
}
