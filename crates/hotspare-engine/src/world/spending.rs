//! What targets and routes may spend: checked before an attempt starts, and updated when it ends.
//!
//! Not what an attempt costs: the call that starts it computes that. Invariant: an attempt counts at what it may cost at
//! most, prompt and room for its answer, until its actual cost is known; at no more than a limit as a whole.

use hotspare_core::{Cost, Moment};

use super::World;
use crate::index::{RouteIndex, TargetIndex};
use crate::spend::{Estimate, Overspent, Spend, SpendLimit};

impl World {
    /// Limits what a target may spend in a period.
    pub fn limit_spending(&mut self, place: TargetIndex, limit: SpendLimit) {
        self.targets[place].spend = Some(Spend::new(limit));
    }

    /// What a target has spent in the period of its limit; `None` without a limit.
    pub fn spent(&self, now: Moment, place: TargetIndex) -> Option<Cost> {
        self.targets[place].spend.as_ref().map(|spend| spend.spent_at(now))
    }

    /// What a route has spent, over all its targets, in the period of its limit; `None` without a limit.
    pub fn spent_by_route(&self, now: Moment, route: RouteIndex) -> Option<Cost> {
        self.routes[route.position()].spend.as_ref().map(|spend| spend.spent_at(now))
    }

    /// Whether its own limit refuses any attempt with a prompt of this many tokens, and until when, if that is known.
    pub(super) fn is_overspent(
        &self,
        now: Moment,
        place: TargetIndex,
        prompt_tokens: u64,
    ) -> Option<Option<Moment>> {
        let spend = self.targets[place].spend.as_ref()?;
        let prompt = self.fleet[place].prompt_cost(prompt_tokens)?;
        // An attempt costs something: a limit that is used up exactly refuses the next one.
        let least = prompt.max(Cost::from_micros(1));
        spend.refuses(now, Estimate::of_prompt(least)).map(|overspent| overspent.until)
    }

    /// Why an attempt that may cost this much would exceed a limit, and until when.
    pub(crate) fn overspent(
        &self,
        now: Moment,
        route: RouteIndex,
        place: TargetIndex,
        estimate: Estimate,
    ) -> Option<Overspent> {
        let of_target = self.targets[place].spend.as_ref().and_then(|spend| spend.refuses(now, estimate));
        let of_route =
            self.routes[route.position()].spend.as_ref().and_then(|spend| spend.refuses(now, estimate));
        let of_route = of_route
            .map(|one| Overspent { why: format!("of the route's budget {}", one.why), until: one.until });
        match (of_target, of_route) {
            (Some(one), Some(other)) => {
                let until = one.until.zip(other.until).map(|(one, other)| one.max(other));
                Some(Overspent { until, ..one })
            }
            (one, other) => one.or(other),
        }
    }

    /// Reserves what an attempt may cost.
    pub(crate) fn begin_spending(&mut self, route: RouteIndex, place: TargetIndex, most: Cost) {
        let spends = [self.targets[place].spend.as_mut(), self.routes[route.position()].spend.as_mut()];
        spends.into_iter().flatten().for_each(|spend| spend.begin(most));
    }
}
