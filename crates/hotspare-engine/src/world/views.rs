//! The health of targets as strategies and humans see it.
//!
//! Not an admission. Invariant: reading changes nothing.

use std::time::Duration;

use hotspare_core::{Moment, TargetView};
use hotspare_health::{Cause, Refusal};

use super::{World, sooner};
use crate::fleet::Route;

impl World {
    /// The health of a route's members, in the same order, for a prompt of about this many tokens. `stream` is whether
    /// the caller wants a stream: latencies are those of answers that arrive in the same way.
    #[must_use]
    pub fn views(&self, now: Moment, route: &Route, prompt_tokens: u64, stream: bool) -> Vec<TargetView> {
        let view = |&place: &usize| {
            let streams = stream || self.streams_upstream(route, place);
            self.view_of(now, place, prompt_tokens, streams)
        };
        route.members.iter().map(view).collect()
    }

    /// Whether the route requests a stream from a target although the caller wants none.
    pub(crate) fn streams_upstream(&self, route: &Route, place: usize) -> bool {
        route.rules.stream_upstream && !self.targets[place].unstreamed_only
    }

    /// The health of one target; with several keys, that of the first usable one, or else of the one that may be usable
    /// soonest.
    #[must_use]
    pub fn view(&self, now: Moment, place: usize, prompt_tokens: u64) -> TargetView {
        self.view_of(now, place, prompt_tokens, true)
    }

    /// The median time to first content, if known, of answers that arrive as a stream or not.
    pub(crate) fn median_to_first_content(
        &self,
        now: Moment,
        place: usize,
        prompt_tokens: u64,
        streams: bool,
    ) -> Option<Duration> {
        self.view_of(now, place, prompt_tokens, streams).latency_p50
    }

    /// What refuses a call of about this many tokens now, if anything: the key that may be usable soonest counts.
    pub(crate) fn obstacle(&self, now: Moment, place: usize, tokens: u64) -> Option<Refusal> {
        let target = &self.fleet.targets()[place];
        let state = &self.targets[place];
        let model = target.scopes(0).model;
        let of_target = |cause, until| Some(Refusal { scope: model, cause, until });
        if state.cordoned {
            return of_target(Cause::Cordoned, None);
        }
        if target.max_in_flight.is_some_and(|most| state.counts.in_flight >= most) {
            return of_target(Cause::Full, None);
        }
        if let Some(until) = state.own.wait(now, tokens) {
            return of_target(Cause::LimitReached, Some(until));
        }
        let mut soonest: Option<Refusal> = None;
        for key in 0..target.key_count() {
            let refusal = self.book.obstacle(now, &target.scopes(key).as_array(), tokens)?;
            if soonest.as_ref().is_none_or(|old| sooner(&refusal, old)) {
                soonest = Some(refusal);
            }
        }
        soonest
    }

    fn view_of(&self, now: Moment, place: usize, prompt_tokens: u64, streams: bool) -> TargetView {
        let target = &self.fleet.targets()[place];
        let in_flight = self.targets[place].counts.in_flight;
        let views = (0..target.key_count())
            .map(|key| self.book.view(now, &target.scopes(key).as_array(), prompt_tokens));
        let best = views.min_by_key(|view| (!view.usable, view.until.unwrap_or(Moment::MAX)));
        let mut out = TargetView::default();
        if let Some(view) = best {
            out.usable = view.usable
                && !self.targets[place].cordoned
                && target.max_in_flight.is_none_or(|most| in_flight < most);
            out.usable_in = view.until.map(|until| until.saturating_since(now));
            out.breaker = view.state;
            out.failure_rate_bp = view.failure_rate_bp;
            out.expected_failure_ppm = view.expected_failure_ppm;
            out.weight_bp = view.weight_bp;
            let times = if streams { view.streamed } else { view.unstreamed };
            (out.latency, out.latency_p50, out.latency_p95) = (times.average, times.p50, times.p95);
            out.degraded = view.degraded;
            out.samples = view.samples;
            if let Some(at) = self.targets[place].own.wait(now, prompt_tokens) {
                out.usable = false;
                out.usable_in = out.usable_in.max(Some(at.saturating_since(now)));
            }
            if let Some(until) = self.is_overspent(now, place, prompt_tokens) {
                out.usable_in = match until.map(|until| until.saturating_since(now)) {
                    Some(pause) if out.usable || out.usable_in.is_some() => out.usable_in.max(Some(pause)),
                    _ => None,
                };
                out.usable = false;
            }
            out.cordoned = self.targets[place].cordoned;
            out.disabled = view.disabled;
        }
        out.in_flight = in_flight;
        out.tokens = self.token_scale(now, place);
        out
    }
}
