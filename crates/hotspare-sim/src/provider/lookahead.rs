//! What a provider would do with a request.
//!
//! For oracles only. Invariant: read-only: it uses no quota, no slot and no draw.

use hotspare_core::Moment;

use super::{InboundRequest, Provider, Providers};
use crate::reply::Reply;

impl Providers {
    /// Nanoseconds until a request that arrives now would get its first content; `None` if it would not get a complete
    /// answer. `answer_secs`: the mean duration of an answer in seconds, to estimate the time in a queue.
    pub(crate) fn peek_ttft(
        &self,
        now: Moment,
        target: usize,
        request: &InboundRequest<'_>,
        answer_secs: f64,
    ) -> Option<u64> {
        let mut provider = self.list[target].clone();
        if provider.reject(now, target, request, self.rng).is_some() {
            return None;
        }
        let wait = provider.queue_delay()? * answer_secs;
        match provider.reply(now, target, request, self.rng) {
            Reply::Completion(completion) => Some(completion.ttft_if_complete()? + crate::units::nanos(wait)),
            Reply::Rejection(..) | Reply::Silence { .. } => None,
        }
    }

    /// How long a request that arrives now would wait for a slot, as a multiple of an answer's usual length; `None` if it
    /// would be refused because capacity, a quota or a limit on growth is exhausted. `most`: requests per second that a
    /// fault lets through.
    pub(crate) fn admission_delay(
        &self,
        now: Moment,
        target: usize,
        request: &InboundRequest<'_>,
        most: Option<f64>,
    ) -> Option<f64> {
        let provider = &self.list[target];
        let tokens = (request.spec.prompt_tokens + u64::from(request.spec.output_tokens)) as f64;
        let quotas = provider.quotas.get(request.key).into_iter().flatten().zip([1.0, tokens]);
        let fits = quotas
            .filter_map(|(bucket, need)| Some((bucket.clone()?, need)))
            .all(|(mut bucket, need)| bucket.wait(now, need).is_none());
        let grows = provider.growth.clone().is_none_or(|mut growth| growth.admits(now));
        let passes = most.is_none_or(|rate| provider.rate_cap.clone().take_at_rate(now, rate));
        if fits && grows && passes { provider.queue_delay() } else { None }
    }
}

impl Provider {
    fn queue_delay(&self) -> Option<f64> {
        let Some(capacity) = self.config.capacity.filter(|capacity| self.busy >= capacity.places) else {
            return Some(0.0);
        };
        let ahead = self.queue.len();
        (ahead < capacity.queue as usize).then(|| (ahead + 1) as f64 / f64::from(capacity.places.max(1)))
    }
}
