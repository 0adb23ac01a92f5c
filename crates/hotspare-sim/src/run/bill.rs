//! What providers charge for the attempts of a call.
//!
//! Not the engine's own estimate: a provider that accepted a request charges for its prompt, whether or not the answer
//! was used. Invariant: only the attempt that answered counts as useful spend.

use hotspare_core::{Price, Usage};

use super::{ActiveCall, Attempt, PlayerState, Simulation};
use crate::reply::Reply;
use crate::scenario::PriceDto;

/// Dollars per million tokens if neither the route nor the scenario sets a price: an output token costs four times as
/// much as a prompt token, as at most hosts.
const NOMINAL: PriceDto = PriceDto { input: 1.0, output: 4.0 };

impl Simulation<'_> {
    /// Micro-dollars for all attempts of a call, and for those that paid for no answer.
    pub(super) fn bill(&self, call: &ActiveCall, answered: bool) -> (u64, u64) {
        let (mut all, mut bought) = (0, 0);
        for (index, attempt) in call.attempts.iter().enumerate() {
            // Rejections, queueing and silence are free.
            let Some(Reply::Completion(completion)) = &attempt.reply else { continue };
            let tokens = completion.delivered.saturating_sub(attempt.from);
            let usage = Usage::reported(Some(call.spec.prompt_tokens), Some(tokens.into()));
            let cost = self.price(attempt).cost(&usage).micros();
            all += cost;
            if answered && call.served == Some(index) {
                bought += cost;
            }
        }
        (all, all - bought)
    }

    fn price(&self, attempt: &Attempt) -> Price {
        let known = match &self.player {
            PlayerState::Engine(engine) => engine.fleet.targets()[attempt.target].profile.price,
            PlayerState::Rival(_) => self.scenario.targets[attempt.target].price.map(PriceDto::price),
        };
        known.unwrap_or_else(|| NOMINAL.price())
    }
}
