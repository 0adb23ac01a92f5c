//! What providers charge for the attempts of a call.
//!
//! Not the engine's own estimate, which is checked against it: a provider that accepted a request charges for its prompt,
//! whether or not the answer was used. Invariant: only the attempt that answered counts as useful spend.

use hotspare_core::{Price, Trail, Usage, UsageSource};

use super::{ActiveCall, PlayerState, SimulatedAttempt, Simulation};
use crate::reply::Reply;
use crate::scenario::PriceDto;

/// Dollars per million tokens if neither the route nor the scenario sets a price: an output token costs four times as
/// much as a prompt token, as at most hosts.
const NOMINAL: PriceDto = PriceDto { input: 1.0, output: 4.0 };

/// The tokens of prompt and answer that an attempt is charged for. Rejections, queueing and silence are free, and so is a
/// connection that the provider loses before its first token.
fn charged(call: &ActiveCall, attempt: &SimulatedAttempt) -> Option<(u64, u64)> {
    let Some(Reply::Completion(completion)) = &attempt.reply else { return None };
    let output = completion.delivered.saturating_sub(attempt.from);
    (completion.started || !attempt.failed).then_some((call.spec.prompt_tokens, output.into()))
}

/// Whether the tokens of an attempt reach the caller. Of an unstreamed answer that fails none does, so that no estimate
/// can know what was written.
fn arrives(attempt: &SimulatedAttempt) -> bool {
    attempt.stream
        || matches!(&attempt.reply, Some(Reply::Completion(reply)) if reply.ttft_if_complete().is_some())
}

impl Simulation<'_> {
    /// Checks that the trail has each attempt's tokens as the provider counts them, or says that they are an estimate. An
    /// estimate may not be less than what was delivered.
    pub(super) fn check_bill(&mut self, call: &ActiveCall, trail: &Trail) {
        if trail.attempts.len() != call.attempts.len() {
            let (noted, made) = (trail.attempts.len(), call.attempts.len());
            self.invariants.record(self.now, || format!("the trail has {noted} attempts of {made}"));
        }
        for (attempt, entry) in call.attempts.iter().zip(&trail.attempts) {
            let Some((input, output)) = charged(call, attempt) else { continue };
            let received = if arrives(attempt) { output } else { 0 };
            let noted = &entry.usage;
            let is_equal = (noted.input, noted.output) == (Some(input), Some(output));
            let is_estimate = noted.source == UsageSource::Estimated
                && noted.input.is_some()
                && noted.output.is_some_and(|noted| noted >= received);
            let price = self.fleet_price(attempt.target);
            let is_priced = entry.cost == price.map(|price| price.cost(noted));
            if !(is_equal || is_estimate) || !is_priced {
                let (outcome, noted, cost) = (&entry.outcome, *noted, entry.cost);
                self.invariants.record(self.now, || {
                    format!(
                        "the provider charges {input} and {output} tokens for an attempt ({outcome:?}), the trail has {noted:?}, {cost:?}"
                    )
                });
            }
        }
    }

    fn fleet_price(&self, target: usize) -> Option<Price> {
        match &self.player {
            PlayerState::Engine(engine) => engine.fleet.targets()[target].profile.price,
            PlayerState::Rival(_) => None,
        }
    }

    /// Micro-dollars for all attempts of a call, and for those that paid for no answer.
    pub(super) fn bill(&self, call: &ActiveCall, answered: bool) -> (u64, u64) {
        let (mut all, mut bought) = (0, 0);
        for (index, attempt) in call.attempts.iter().enumerate() {
            let Some((input, output)) = charged(call, attempt) else { continue };
            let usage = Usage::reported(Some(input), Some(output));
            let cost = self.price(attempt).cost(&usage).micros();
            all += cost;
            if answered && call.served == Some(index) {
                bought += cost;
            }
        }
        (all, all - bought)
    }

    fn price(&self, attempt: &SimulatedAttempt) -> Price {
        let known = match &self.player {
            PlayerState::Engine(engine) => engine.fleet.targets()[attempt.target].profile.price,
            PlayerState::Rival(_) => self.scenario.targets[attempt.target].price.map(PriceDto::price),
        };
        known.unwrap_or_else(|| NOMINAL.price())
    }
}
