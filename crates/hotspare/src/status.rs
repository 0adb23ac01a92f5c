//! What an operator sees of a client's targets, and may do to them.
//!
//! Not what a call does. Invariant: looking changes nothing.

use hotspare_core::{Cost, Error, Kind, ModelProfile, TargetId, TargetView};
use hotspare_engine::{Counts, KeyStatus};

use crate::client::Client;

/// A target's state, for people and metrics.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TargetStatus {
    /// Its name.
    pub id: TargetId,
    /// Name of its wire.
    pub wire: &'static str,
    /// The provider's name of the model.
    pub model: String,
    /// What is known of the model.
    pub profile: ModelProfile,
    /// Its keys, in the order in which they were given; none where no key is needed.
    pub keys: Vec<KeyStatus>,
    /// What took its model out of service; a key's own trouble stands with the key.
    pub disabled_by: Option<Kind>,
    /// Its health.
    pub view: TargetView,
    /// Its counts.
    pub counts: Counts,
    /// Calls queued for it.
    pub queued: usize,
    /// What it cost in the period of its limit, if it has one.
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

    /// Whether no host can be reached, so that our own network is suspected rather than each of them.
    #[must_use]
    pub fn network_is_suspected(&self) -> bool {
        let now = self.shared().clock.now();
        self.shared().with_world(|world| world.network_is_suspected(now))
    }

    /// Takes a target out of service until [`Client::uncordon`]. Calls in flight continue.
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

    /// Enables a target's disabled keys and model at once, without waiting for a re-check: the cause (a rejected key, no credit,
    /// an unknown model) was fixed. Other targets that share them get them back, too.
    ///
    /// # Errors
    /// If there is no such target.
    pub fn enable(&self, target: &str) -> Result<(), Error> {
        let place = self.place(target)?;
        self.shared().with_world(|world| world.enable(place));
        Ok(())
    }

    /// Reads the sources of all keys again. Those that hold another key now use it from the next attempt on, and are in
    /// service at once. Returns how many that were.
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
