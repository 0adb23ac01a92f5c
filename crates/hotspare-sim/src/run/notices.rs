//! What the world reports when a call was advanced: breakers that changed their state, and calls to wake.
//!
//! Decides nothing. Invariant: each report is taken once, in the order in which it was made.

use hotspare_engine::Input;

use super::{ActiveCall, PlayerState, Simulation};

impl Simulation<'_> {
    /// Collects breaker changes and calls to wake.
    pub(super) fn apply_notices(&mut self, call: &ActiveCall) {
        let world = call.world;
        let PlayerState::Engine(engine) = &mut self.player else { return };
        let current = world + 1 == engine.worlds.len();
        for change in engine.worlds[world].take_notices() {
            if !current {
                continue;
            }
            self.invariants.transition(&change, call.attempts.iter().filter_map(|attempt| attempt.scopes));
            self.hash = crate::rng::mix(self.hash ^ change.scope.index() as u64 ^ (change.to as u64) << 40);
            for &index in engine.targets_by_scope.get(&change.scope).into_iter().flatten() {
                let target = &engine.fleet.targets()[index];
                let state = target
                    .key_indices()
                    .map(|key| self.invariants.state(&target.scopes(key).as_array()))
                    .min();
                let state = state.unwrap_or_default();
                if state != engine.breaker_states[index] {
                    engine.breaker_states[index] = state;
                    self.ledger.changed(change.at, index, state);
                    self.log.breaker_changed(change.at, index, state, change.reason);
                }
            }
        }
        for ticket in engine.worlds[world].take_woken() {
            engine.woken.extend(engine.tickets.get(&(world, ticket)));
        }
    }

    /// Wakes calls for which there may be capacity.
    pub(super) fn wake_waiting(&mut self) {
        loop {
            let PlayerState::Engine(engine) = &mut self.player else { return };
            let Some((slot, generation)) = engine.woken.pop() else { return };
            self.with_call(slot, generation, |simulation, conn, call| {
                simulation.feed(call, Input::Woken);
                simulation.drive(conn, call)
            });
        }
    }
}
