//! What providers charge for the attempts of a call.
//!
//! Not the engine's own estimate: a provider that accepted a request charges for its prompt, whether or not the answer
//! was used. Invariant: only the attempt that answered counts as useful spend.

use hotspare_core::{Price, Usage};

use super::{Cast, Going, Live, Stage};
use crate::reply::Reply;
use crate::scenario::PriceDto;

/// Dollars per million tokens if neither the route nor the scenario sets a price: an output token costs four times as
/// much as a prompt token, as at most hosts.
const NOMINAL: PriceDto = PriceDto { input: 1.0, output: 4.0 };

impl Stage<'_> {
    /// Micro-dollars for all attempts of a call, and for those that paid for no answer.
    pub(super) fn bill(&self, live: &Live, answered: bool) -> (u64, u64) {
        let (mut all, mut bought) = (0, 0);
        for (index, going) in live.going.iter().enumerate() {
            // A refusal is free; so are queueing and a silence.
            let Some(Reply::Speech(speech)) = &going.reply else { continue };
            let tokens = speech.told.saturating_sub(going.from);
            let usage = Usage::reported(Some(live.wanted.prompt_tokens), Some(tokens.into()));
            let cost = self.price(going).cost(&usage).micros();
            all += cost;
            if answered && live.served == Some(index) {
                bought += cost;
            }
        }
        (all, all - bought)
    }

    fn price(&self, going: &Going) -> Price {
        let known = match &self.cast {
            Cast::Engine(cast) => cast.fleet.targets()[going.place].profile.price,
            Cast::Rival(_) => self.scenario.targets[going.place].price.map(PriceDto::price),
        };
        known.unwrap_or_else(|| NOMINAL.price())
    }
}
