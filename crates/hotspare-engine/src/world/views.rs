//! The health of targets as strategies and humans see it.
//!
//! Not an admission. Invariant: reading changes nothing.

use std::time::Duration;

use hotspare_core::{Moment, TargetView};

use super::World;
use super::obstacles::Asker;
use crate::fleet::Route;
use crate::index::TargetIndex;
use crate::plan::TypicalLatency;

impl World {
    /// The health of a route's members, in the same order, for a prompt of about this many tokens. `stream` is whether
    /// the caller wants a stream: latencies are those of answers that arrive in the same way.
    #[must_use]
    pub fn views(&self, now: Moment, route: &Route, prompt_tokens: u64, stream: bool) -> Vec<TargetView> {
        let view = |&place: &TargetIndex| {
            let streams = stream || self.streams_upstream(route, place);
            self.view_of(now, place, prompt_tokens, streams)
        };
        route.members.iter().map(view).collect()
    }

    /// Whether the route requests a stream from a target although the caller wants none.
    pub(crate) fn streams_upstream(&self, route: &Route, place: TargetIndex) -> bool {
        route.rules.stream_upstream && !self.targets[place].unstreamed_only
    }

    /// The health of one target; with several keys, that of the first usable one, or else of the one that may be usable
    /// soonest.
    #[must_use]
    pub fn view(&self, now: Moment, place: TargetIndex, prompt_tokens: u64) -> TargetView {
        self.view_of(now, place, prompt_tokens, true)
    }

    /// The median time to first content, if known, of answers that arrive as a stream or not.
    pub(crate) fn median_to_first_content(
        &self,
        now: Moment,
        place: TargetIndex,
        prompt_tokens: u64,
        streams: bool,
    ) -> Option<Duration> {
        self.view_of(now, place, prompt_tokens, streams).latency_p50
    }

    /// The usual time to the first content of a stream, if known.
    pub(crate) fn usual_first_content(
        &self,
        now: Moment,
        place: TargetIndex,
        prompt_tokens: u64,
    ) -> Option<TypicalLatency> {
        TypicalLatency::of(&self.view_of(now, place, prompt_tokens, true))
    }

    fn view_of(&self, now: Moment, place: TargetIndex, prompt_tokens: u64, streams: bool) -> TargetView {
        let target = &self.fleet[place];
        let in_flight = self.targets[place].counts.in_flight;
        let views = target
            .key_indices()
            .map(|key| self.book.view(now, &target.scopes(key).as_array(), prompt_tokens));
        let best = views.min_by_key(|view| (!view.usable, view.until.unwrap_or(Moment::MAX)));
        let mut out = TargetView::default();
        if let Some(view) = best {
            out.usable = view.usable;
            out.usable_in = view.until.map(|until| until.saturating_since(now));
            out.breaker = view.state;
            out.failure_rate_bp = view.failure_rate_bp;
            out.expected_failure_ppm = view.expected_failure_ppm;
            out.weight_bp = view.weight_bp;
            let times = if streams { view.streamed } else { view.unstreamed };
            (out.latency, out.latency_p50, out.latency_p95) = (times.average, times.p50, times.p95);
            out.degraded = view.degraded;
            out.samples = view.samples;
            for obstacle in self.obstacles(now, place, prompt_tokens, Asker::Onlooker) {
                out.usable = false;
                let pause = obstacle.ends_at().map(|until| until.saturating_since(now));
                out.usable_in = out.usable_in.max(pause);
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
