//! What is left of a scope's quota at its provider, as far as replies tell.
//!
//! Not a limiter: what a reply reports replaces the estimate, unless the report is too old to tell more. Invariant: what
//! was granted after the request that reports was sent is subtracted from its report, less what ended calls did not use,
//! and a report that covers a call is not corrected by the call's end, so that nothing counts twice; nothing that a reply
//! says or that a call uses blocks the scope beyond the time in which its bucket fills.

use std::collections::BTreeMap;

use hotspare_core::{Moment, RateLimits};

use crate::quota::Quota;

/// The mirror of one scope's quota.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Mirror {
    quota: Quota,
    /// Requests and tokens granted so far.
    requests: u64,
    tokens: u64,
    /// Numbers of the latest requests whose replies have reported requests and tokens.
    requests_reported: Option<u64>,
    tokens_reported: Option<u64>,
    /// Calls that have ended and that no report covers, by their numbers.
    ended: BTreeMap<u64, Ended>,
    answers: Usual,
    /// Answers are counted in another bucket.
    prompts_only: bool,
}

/// A call's place among all that were granted, and what was reserved for it. Part of its permit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Grant {
    /// When it was granted, which is when the provider counts it.
    at: Moment,
    /// Number of requests granted, with this one.
    requests: u64,
    /// Tokens granted, with this one.
    tokens: u64,
    /// Tokens reserved for it.
    reserved: u64,
}

/// Tokens of a call that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ended {
    reserved: u64,
    used: u64,
}

/// Most ended calls that are kept for a report on an earlier one; beyond that the earliest count as what was reserved for
/// them.
const ENDED: usize = 256;
/// The room that is kept free for an unusually long answer is at most this part of the bucket, because few answers, or
/// long ones, would otherwise demand a full bucket.
const ROOM: u64 = 4;

/// Most calls whose lengths are unknown that count, because some never tell.
const RUNNING: u64 = 63;

impl Mirror {
    /// When there is enough for a request whose prompt has this many tokens; `None` if that is now. An answer is
    /// expected to be no longer than almost all others were: one that is longer than what is left is refused, and
    /// room that is kept free is not lost, because it stays in the bucket.
    pub(crate) fn wait(&self, now: Moment, prompt: u64) -> Option<Moment> {
        self.quota.wait(now, prompt.saturating_add(if self.prompts_only { 0 } else { self.most() }))
    }

    /// As [`Mirror::wait`], for a request whose answer is too short to matter.
    pub(crate) fn wait_for_prompt(&self, now: Moment, prompt: u64) -> Option<Moment> {
        self.quota.wait(now, prompt)
    }

    /// Reserves one request with this prompt and the usual answer.
    pub(crate) fn take(&mut self, now: Moment, prompt: u64) -> Grant {
        let answer = if self.prompts_only { 0 } else { self.answers.mean() };
        self.take_prompt(now, prompt.saturating_add(answer))
    }

    /// Reserves one request of this many tokens, and nothing for its answer.
    pub(crate) fn take_prompt(&mut self, now: Moment, reserved: u64) -> Grant {
        self.quota.take(now, reserved);
        self.requests = self.requests.saturating_add(1);
        self.tokens = self.tokens.saturating_add(reserved);
        Grant { at: now, requests: self.requests, tokens: self.tokens, reserved }
    }

    /// Takes over what the reply to a request reports, which was counted when the request arrived. A report on an
    /// earlier request than the last one is out of date, and one without a bucket says nothing about that bucket.
    pub(crate) fn report(&mut self, now: Moment, grant: Grant, limits: &RateLimits) {
        let number = Some(grant.requests);
        if let Some(allowance) = limits.requests.filter(|_| self.requests_reported <= number) {
            let later = self.requests.saturating_sub(grant.requests);
            if self.quota.learn_requests(grant.at, now, &allowance, later) {
                self.requests_reported = number;
            }
        }
        if let Some(allowance) = limits.tokens.filter(|_| self.tokens_reported <= number) {
            self.prompts_only = limits.output_tokens.is_some();
            if self.quota.learn_tokens(grant.at, now, &allowance, self.used_since(grant)) {
                // Of what is subtracted from an old report, some was taken from what has flowed in and was never there. So
                // the ends of those calls correct nothing.
                let covered = if self.quota.is_old(grant.at, now) { self.requests } else { grant.requests };
                self.tokens_reported = Some(covered);
                self.ended = self.ended.split_off(&covered.saturating_add(1));
            }
        }
    }

    /// Tokens of all that was granted after this: what was used by calls that have ended, and reserved for the others.
    fn used_since(&self, grant: Grant) -> u64 {
        let (mut reserved, mut used) = (0_u64, 0_u64);
        for ended in self.ended.range(grant.requests.saturating_add(1)..).map(|(_, ended)| ended) {
            reserved = reserved.saturating_add(ended.reserved);
            used = used.saturating_add(ended.used);
        }
        self.tokens.saturating_sub(grant.tokens).saturating_sub(reserved).saturating_add(used)
    }

    /// Takes what a call has used by its end: prompt and answer as the provider counted them, no answer if there was
    /// none. `prompt` is what the prompt was estimated to have when the call was granted.
    pub(crate) fn end(&mut self, now: Moment, grant: Grant, prompt: u64, used: Used) {
        let answer = used.answer.unwrap_or(0);
        let all = used.prompt.saturating_add(if self.prompts_only { 0 } else { answer });
        let most = self.quota.most_tokens();
        if self.tokens_reported < Some(grant.requests) {
            self.quota.correct(now, grant.reserved, all);
            if most > 0 {
                self.ended.insert(grant.requests, Ended { reserved: grant.reserved, used: all.min(most) });
            }
            if self.ended.len() > ENDED {
                self.ended.pop_first();
            }
        }
        if used.answer.is_some() && !self.prompts_only && most > 0 {
            // Also what the estimate of the prompt lacked. No call can use more than the bucket holds.
            self.answers.learn(all.saturating_sub(prompt).min(most));
        }
    }

    /// Tokens beyond the prompt that are almost always enough for a call, and for those of which neither a report nor their
    /// end has told how long they are. The deviation of a sum of so many grows with the root of their number.
    fn most(&self) -> u64 {
        let running = self.requests.saturating_sub(self.tokens_reported.unwrap_or(0));
        let running = running.saturating_sub(self.ended.len() as u64).min(RUNNING);
        let margin = self.answers.margin().saturating_mul((running + 1).isqrt());
        self.answers.mean() + margin.min(self.quota.most_tokens() / ROOM)
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

    /// How far almost no call exceeds the mean.
    fn margin(&self) -> u64 {
        DEVIATIONS * self.deviation / MEMORY
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
