//! What a provider would do with a request.
//!
//! For oracles only. Invariant: a look changes nothing: it uses no quota, no slot and no draw.

use hotspare_core::Moment;

use super::{Ask, Provider, Providers};
use crate::reply::Reply;

impl Providers {
    /// Nanoseconds until a request that arrives now would get its first content; `None` if it would not get a complete
    /// answer. `serving`: the usual length of an answer in seconds, to estimate the time in a queue.
    pub(crate) fn foresee(&self, now: Moment, place: usize, ask: &Ask<'_>, serving: f64) -> Option<u64> {
        let mut provider = self.list[place].clone();
        if provider.turned_away(now, place, ask, self.chance).is_some() {
            return None;
        }
        let wait = provider.turns_to_wait()? * serving;
        match provider.reply(now, place, ask, self.chance) {
            Reply::Speech(speech) => Some(speech.whole_after()? + crate::words::nanos(wait)),
            Reply::Refusal(..) | Reply::Silence { .. } => None,
        }
    }

    /// How long a request that arrives now would wait for a slot, as a multiple of an answer's usual length; `None` if it
    /// would be refused because capacity, a quota or a limit on growth is exhausted. `most`: requests per second that a
    /// fault lets through.
    pub(crate) fn room(&self, now: Moment, place: usize, ask: &Ask<'_>, most: Option<f64>) -> Option<f64> {
        let provider = &self.list[place];
        let tokens = (ask.wanted.prompt_tokens + u64::from(ask.wanted.output_tokens)) as f64;
        let quotas = provider.quotas.get(ask.key).into_iter().flatten().zip([1.0, tokens]);
        let fits = quotas
            .filter_map(|(bucket, need)| Some((bucket.clone()?, need)))
            .all(|(mut bucket, need)| bucket.wait(now, need).is_none());
        let grows = provider.growth.clone().is_none_or(|mut growth| growth.admits(now));
        let passes = most.is_none_or(|rate| provider.let_through.clone().with_rate(now, rate));
        if fits && grows && passes { provider.turns_to_wait() } else { None }
    }
}

impl Provider {
    fn turns_to_wait(&self) -> Option<f64> {
        let Some(capacity) = self.target.capacity.filter(|capacity| self.busy >= capacity.places) else {
            return Some(0.0);
        };
        let ahead = self.line.len();
        (ahead < capacity.queue as usize).then(|| (ahead + 1) as f64 / f64::from(capacity.places.max(1)))
    }
}
