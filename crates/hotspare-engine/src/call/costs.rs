//! Whether an attempt can be paid for, and how long its answer may be.
//!
//! Not what it costs in the end: its tokens decide that. Invariant: under a request's limit, nothing starts at an unknown
//! price, nor unless the limit covers the prompt and an answer that uses the room reserved for it.

use hotspare_core::{Cost, Moment};

use super::Call;
use crate::attempt::AttemptState;
use crate::plan::PlannedTarget;
use crate::world::World;

impl Call {
    /// Why the request's own limit rules a target out.
    pub(super) fn exceeds_max_cost(&self, choice: &PlannedTarget) -> Option<String> {
        let most = self.spec.max_cost?;
        let Some(cost) = choice.most_cost(&self.fleet) else {
            let why = "its price is not known, and the request limits its cost: set `price` in its `profile`";
            return Some(why.to_owned());
        };
        let spent = self.trail.cost().unwrap_or_default();
        let answer = choice.answer_tokens();
        (spent + cost > most).then(|| {
            format!(
                "its prompt and an answer of {answer} tokens would cost {cost} on top of {spent}, the request allows {most}"
            )
        })
    }

    /// The next target that does not have to wait for what is in flight, which may turn out to cost less than the room
    /// reserved for it.
    pub(super) fn next_payable(&mut self) -> Option<PlannedTarget> {
        let index = self.waiting.iter().position(|choice| !self.awaits_costs(choice))?;
        self.waiting.remove(index)
    }

    fn awaits_costs(&self, choice: &PlannedTarget) -> bool {
        let (Some(most), Some(cost)) = (self.spec.max_cost, choice.most_cost(&self.fleet)) else {
            return false;
        };
        self.attempts.iter().any(AttemptState::is_live) && self.spent_or_reserved() + cost > most
    }

    /// Why a spending limit of the target or the route rules a target out, if it does: then the call learns from the
    /// final error when it may be paid for.
    pub(super) fn check_spending(
        &mut self,
        now: Moment,
        world: &World,
        choice: &PlannedTarget,
    ) -> Option<String> {
        let why = self.overspent(now, world, choice)?;
        self.unaffordable.extend(choice.estimate(&self.fleet).map(|estimate| (choice.target, estimate)));
        Some(why)
    }

    /// Why a spending limit of the target or the route would rule a target out.
    pub(super) fn overspent(&self, now: Moment, world: &World, choice: &PlannedTarget) -> Option<String> {
        let estimate = choice.estimate(&self.fleet)?;
        world.overspent(now, self.route.index, choice.target, estimate).map(|overspent| overspent.why)
    }

    /// The longest answer that the request's limit pays for, if it has one.
    pub(super) fn affordable_answer(&self, choice: &PlannedTarget) -> Option<u64> {
        let price = self.fleet[choice.target].profile.price?;
        let left = self.spec.max_cost?.saturating_sub(self.spent_or_reserved());
        price.answer_within(left, choice.prompt_tokens)
    }

    /// The cost of all attempts so far; those in flight count with the room for their answers.
    fn spent_or_reserved(&self) -> Cost {
        let live = self.attempts.iter().filter(|attempt| attempt.is_live());
        let reserved = live.filter_map(|attempt| attempt.choice.most_cost(&self.fleet));
        self.trail.cost().unwrap_or_default() + reserved.sum()
    }
}
