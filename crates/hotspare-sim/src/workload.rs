//! The requests of a run: when they arrive, and what they ask for.
//!
//! Invariant: request number n of a seed is the same request for every policy.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{ChatRequest, Moment, Request};

use crate::fault_schedule::normal;
use crate::rng::{CounterRng, Purpose};
use crate::scenario::{Load, Scenario};
use crate::units::nanos;

/// Longest answer, in tokens.
pub(crate) const MAX_OUTPUT_TOKENS: u32 = 20_000;

/// One request, before any attempt to answer it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestSpec {
    pub(crate) number: u64,
    pub(crate) stream: bool,
    pub(crate) invalid: bool,
    pub(crate) prompt_tokens: u64,
    pub(crate) output_tokens: u32,
    /// Factor on the usual time to first content.
    pub(crate) ttft_times: f64,
    pub(crate) cancels_after: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    /// Index of the prepared request body.
    pub(crate) body: usize,
}

/// A recorded arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// Seconds since the first arrival.
    pub at: f64,
    /// Prompt tokens.
    pub prompt: u64,
    /// Output tokens.
    pub output: u32,
}

/// The arrivals of one run.
#[derive(Debug)]
pub(crate) struct Workload<'a> {
    load: &'a Load,
    rng: CounterRng,
    recorded: Option<&'a [Arrival]>,
    /// Number of the next request.
    number: u64,
    crowd: u32,
    crowd_at: Moment,
    bodies: Vec<Request>,
}

impl<'a> Workload<'a> {
    pub(crate) fn new(scenario: &'a Scenario, rng: CounterRng, recorded: Option<&'a [Arrival]>) -> Self {
        let load = &scenario.load;
        let long = load.long_prompts.as_ref().map(|long| long.tokens);
        let sizes = std::iter::once(load.prompt_tokens).chain(long);
        // A token is about four bytes; a message adds four tokens.
        let body = |tokens: u64| {
            let bytes = usize::try_from(tokens.saturating_sub(4).saturating_mul(4)).unwrap_or(0).min(4 << 20);
            Request::from(ChatRequest::to("trial").user("x".repeat(bytes)))
        };
        Self {
            load,
            rng,
            recorded,
            number: 0,
            crowd: load.crowd,
            crowd_at: Moment::from_nanos(load.crowd_at.unwrap_or(scenario.window[0]).nanos()),
            bodies: sizes.map(body).collect(),
        }
    }

    /// The request, excluding absent targets. Each has its own end user, so that strategies which keep a user's requests
    /// together still spread them.
    pub(crate) fn request<'b>(
        &mut self,
        spec: &RequestSpec,
        absent: impl Iterator<Item = &'b str>,
    ) -> Cow<'_, Request> {
        let mut absent = absent.peekable();
        let body = &mut self.bodies[spec.body];
        if let Request::Chat(chat) = body {
            // No other reference is left by now, so this does not copy the prompt.
            let chat = Arc::make_mut(chat);
            chat.end_user = Some(spec.number.to_string());
            if absent.peek().is_some() {
                return Cow::Owned(Request::from(chat.clone().without(absent)));
            }
        }
        Cow::Borrowed(body)
    }

    /// When the next request arrives; `None` at the end of a record.
    pub(crate) fn next(&mut self, now: Moment) -> Option<Moment> {
        if let Some(recorded) = self.recorded {
            let arrival = recorded.get(usize::try_from(self.number).ok()?)?;
            return Some(Moment::from_nanos(nanos(arrival.at)).max(now));
        }
        if self.crowd > 0 && now >= self.crowd_at {
            self.crowd -= 1;
            return Some(now);
        }
        let gap = gap(self.load.cv, self.rng, self.number) / (self.load.rate * self.burst_factor(now));
        let next = now + Duration::from_nanos(nanos(gap).max(1));
        if self.crowd > 0 && next >= self.crowd_at {
            self.crowd -= 1;
            return Some(self.crowd_at);
        }
        Some(next)
    }

    /// The request that arrives now.
    pub(crate) fn take(&mut self) -> RequestSpec {
        let number = self.number;
        self.number += 1;
        let load = self.load;
        let unit = |purpose| self.rng.unit(purpose, [number, 0, 0]);
        let long = load.long_prompts.as_ref().filter(|long| unit(Purpose::Prompt) < long.share.0);
        let recorded = self.recorded.and_then(|recorded| recorded.get(usize::try_from(number).ok()?));
        let leave = load.leave.as_ref().filter(|leave| unit(Purpose::Leave) < leave.share.0);
        // Half to one and a half times the usual length.
        let output = load.output_tokens as f64 * (0.5 + unit(Purpose::Output));
        RequestSpec {
            number,
            stream: unit(Purpose::Stream) < load.stream.0,
            invalid: unit(Purpose::Invalid) < load.invalid.0,
            prompt_tokens: recorded
                .map_or(long.map_or(load.prompt_tokens, |long| long.tokens), |one| one.prompt),
            output_tokens: recorded.map_or(output as u32, |one| one.output).clamp(1, MAX_OUTPUT_TOKENS),
            ttft_times: long.map_or(1.0, |long| long.ttft_times),
            cancels_after: leave.map(|leave| leave.after.0),
            deadline: load.deadline.map(|deadline| deadline.0),
            body: usize::from(long.is_some()),
        }
    }

    fn burst_factor(&self, now: Moment) -> f64 {
        let now = now.as_nanos();
        let active =
            self.load.bursts.iter().filter(|burst| (burst.from.nanos()..burst.until.nanos()).contains(&now));
        active.map(|burst| burst.times).product()
    }
}

/// A gap between arrivals with mean 1: exponential, constant, or Gamma with this coefficient of variation.
fn gap(cv: f64, rng: CounterRng, number: u64) -> f64 {
    let unit = |what: u64| rng.unit(Purpose::Arrival, [number, what, 0]);
    if cv == 0.0 {
        return 1.0;
    }
    if cv == 1.0 {
        return -libm::log(1.0 - unit(0));
    }
    let shape = 1.0 / (cv * cv);
    // Marsaglia and Tsang 2000; for a shape below 1, draws with a shape one higher and corrects.
    let boosted = if shape < 1.0 { shape + 1.0 } else { shape };
    let d = boosted - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    for round in 0..64u64 {
        let x = normal(unit(3 * round + 1), unit(3 * round + 2));
        let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
        let u = unit(3 * round + 3);
        if v > 0.0 && libm::log(1.0 - u) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            let correction = if shape < 1.0 { libm::pow(1.0 - unit(0), 1.0 / shape) } else { 1.0 };
            return d * v * correction / shape;
        }
    }
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_its_own_end_user() {
        let text = "what = \"nothing\"\nlength = \"60s\"\nwindow = [\"1s\", \"60s\"]";
        let scenario = Scenario::parse("none", text).unwrap();
        let mut workload = Workload::new(&scenario, CounterRng::new(1), None);
        let mut user = |absent: &[&str]| {
            let spec = workload.take();
            workload.request(&spec, absent.iter().copied()).end_user().map(str::to_owned)
        };
        assert_eq!(user(&[]).as_deref(), Some("0"));
        assert_eq!(user(&["main"]).as_deref(), Some("1"));
    }

    #[test]
    fn gaps_match_mean_and_variation() {
        for cv in [0.0, 0.5, 1.0, 2.0, 4.0] {
            let gaps: Vec<f64> = (0..40_000).map(|number| gap(cv, CounterRng::new(3), number)).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let variance =
                gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / gaps.len() as f64;
            assert!((mean - 1.0).abs() < 0.08, "cv {cv}: mean {mean}");
            assert!((variance.sqrt() - cv).abs() < 0.15 * cv.max(0.1), "cv {cv}: {}", variance.sqrt());
        }
    }
}
