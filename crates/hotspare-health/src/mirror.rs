//! What is left of a scope's quota at its provider, as far as replies tell.
//!
//! Not a limiter: what a reply reports replaces the estimate. Invariant: what was granted after the request that
//! reports was sent is subtracted from its report, and a report that covers a call is not corrected by the call's end,
//! so that nothing counts twice; nothing that a reply says or that a call uses blocks the scope beyond the time in
//! which its bucket fills.

use hotspare_core::{Moment, RateLimits};

use crate::quota::Quota;

/// The mirror of one scope's quota.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Mirror {
    quota: Quota,
    /// Requests and tokens granted so far.
    requests: u64,
    tokens: u64,
    /// Number of the latest request whose reply has reported.
    reported: Option<u64>,
    answers: Usual,
    /// Answers are counted in another bucket.
    prompts_only: bool,
}

/// A call's place among all that were granted, and what was reserved for it. Part of its permit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Grant {
    /// Number of requests granted, with this one.
    requests: u64,
    /// Tokens granted, with this one.
    tokens: u64,
    /// Tokens reserved for it.
    reserved: u64,
}

impl Mirror {
    /// When there is enough for a request whose prompt has this many tokens; `None` if that is now. An answer is
    /// expected to be no longer than almost all others were: one that is longer than what is left is refused, and
    /// room that is kept free is not lost, because it stays in the bucket.
    pub(crate) fn wait(&self, now: Moment, prompt: u64) -> Option<Moment> {
        self.quota.wait(now, prompt.saturating_add(if self.prompts_only { 0 } else { self.answers.most() }))
    }

    /// Reserves one request with this prompt and the usual answer.
    pub(crate) fn take(&mut self, now: Moment, prompt: u64) -> Grant {
        let reserved = prompt.saturating_add(if self.prompts_only { 0 } else { self.answers.mean() });
        self.quota.take(now, reserved);
        self.requests = self.requests.saturating_add(1);
        self.tokens = self.tokens.saturating_add(reserved);
        Grant { requests: self.requests, tokens: self.tokens, reserved }
    }

    /// Takes over what the reply to a request reports, which was counted when the request arrived. A report on an
    /// earlier request than the last one is out of date.
    pub(crate) fn report(&mut self, now: Moment, grant: Grant, limits: &RateLimits) {
        if self.reported > Some(grant.requests) {
            return;
        }
        self.reported = Some(grant.requests);
        self.prompts_only = limits.output_tokens.is_some();
        self.quota.learn(now, limits);
        let requests = self.requests.saturating_sub(grant.requests);
        self.quota.take_all(now, requests, self.tokens.saturating_sub(grant.tokens));
    }

    /// Takes what a call has used by its end: prompt and answer as the provider counted them, no answer if there was
    /// none. `prompt` is what the prompt was estimated to have when the call was granted.
    pub(crate) fn end(&mut self, now: Moment, grant: Grant, prompt: u64, used: Used) {
        let answer = used.answer.unwrap_or(0);
        let all = used.prompt.saturating_add(if self.prompts_only { 0 } else { answer });
        if self.reported < Some(grant.requests) {
            self.quota.correct(now, grant.reserved, all);
        }
        if used.answer.is_some() && !self.prompts_only {
            // Also what the estimate of the prompt lacked. No call can use more than the bucket holds.
            self.answers.learn(all.saturating_sub(prompt).min(self.quota.most_tokens()));
        }
    }
}

/// Tokens that a call has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Used {
    /// Tokens of its prompt; 0 if it was refused.
    pub prompt: u64,
    /// Tokens of its answer, if it was answered.
    pub answer: Option<u64>,
}

/// How many tokens calls use beyond their prompts: mean and mean deviation, with less weight the older they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Usual {
    /// In sixteenths of a token; `None` before the first call.
    mean: Option<u64>,
    deviation: u64,
}

/// Weight of what is known against the next call. A power of two.
const MEMORY: u64 = 16;
/// Number of mean deviations above the mean that almost no call exceeds, as for timeouts in RFC 6298.
const DEVIATIONS: u64 = 4;
/// A longer answer is treated as this, because a count may be garbage.
const LONGEST_ANSWER: u64 = 1 << 32;

impl Usual {
    fn mean(&self) -> u64 {
        self.mean.unwrap_or(0) / MEMORY
    }

    /// What almost no call exceeds.
    fn most(&self) -> u64 {
        self.mean() + DEVIATIONS * self.deviation / MEMORY
    }

    fn learn(&mut self, tokens: u64) {
        let tokens = tokens.min(LONGEST_ANSWER);
        let Some(mean) = self.mean else {
            self.mean = Some(tokens * MEMORY);
            self.deviation = tokens * MEMORY / 2;
            return;
        };
        self.deviation = self.deviation - self.deviation / MEMORY + tokens.abs_diff(self.mean());
        self.mean = Some(mean - mean / MEMORY + tokens);
    }
}

#[cfg(test)]
mod tests;
