//! How long a target usually takes to its first content, which is the whole answer if that is not streamed.
//!
//! Not a histogram for dashboards. Long prompts take longer than short ones, so each size class of prompts has its own
//! distribution. Invariant: constant size, integers only, and a failure counts as slow, so that a target that fails
//! fast never looks fast (a plain moving average sends two thirds of all calls there).

use std::time::Duration;

use hotspare_core::Moment;

/// Latency that a failure counts as, unless the target is slower anyway.
const PENALTY: Duration = Duration::from_secs(5);
/// Steps of a distribution: eight per doubling, from 1 ms to 17 minutes, because a whole answer may take long.
const STEPS: usize = 160;
/// Number of samples at which the old ones are halved.
const FADE_AT: u32 = 512;
/// Minimum number of samples for a quantile.
const MIN_SAMPLES: u32 = 20;
/// Minimum number of samples for judging lateness.
const SURE_SAMPLES: u32 = 50;
/// Upper bounds of the size classes of prompts in tokens; the last class is unbounded.
const SIZES: [u64; 4] = [1_024, 4_096, 16_384, 65_536];
/// While a target deviates from its norm, only one sample per this time enters its distributions: a slow hour does not
/// become the norm, while a permanently slower model is the norm after about half an hour.
const DRIFT: Duration = Duration::from_secs(60);

/// Latency of one scope, for streams or for whole answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Latency {
    /// Moving average, in microseconds.
    average: Option<u64>,
    /// By size class; classes without samples take no memory.
    sketches: [Option<Box<Sketch>>; SIZES.len() + 1],
    /// When a sample last entered a distribution.
    drifted_at: Moment,
}

impl Default for Latency {
    fn default() -> Self {
        Self { average: None, sketches: std::array::from_fn(|_| None), drifted_at: Moment::ZERO }
    }
}

impl Latency {
    /// Records the time to first content, or for how long there was none. `steady` is false while the target deviates
    /// from its norm.
    pub(crate) fn sample(&mut self, now: Moment, tokens: u64, after: Duration, steady: bool) {
        let micros = micros(after);
        self.blend(micros);
        if !steady && now.saturating_since(self.drifted_at) < DRIFT {
            return;
        }
        self.drifted_at = now;
        self.sketches[size(tokens)].get_or_insert_default().add(micros);
    }

    pub(crate) fn failure(&mut self) {
        let slow = self.average.unwrap_or(0).max(micros(PENALTY));
        self.blend(slow);
    }

    pub(crate) fn average(&self) -> Option<Duration> {
        self.average.map(Duration::from_micros)
    }

    /// Median and 95th percentile of the time to first content of comparable prompts, overestimated by at most an eighth.
    pub(crate) fn p50_and_p95(&self, tokens: u64) -> Option<(Duration, Duration)> {
        self.quantiles(tokens, MIN_SAMPLES)
    }

    /// Time after which a prompt of this size is late, if enough is known.
    pub(crate) fn late_after(&self, tokens: u64) -> Option<Duration> {
        self.quantiles(tokens, SURE_SAMPLES).map(|(_, p95)| p95)
    }

    fn quantiles(&self, tokens: u64, least: u32) -> Option<(Duration, Duration)> {
        let sketch = self.sketches[size(tokens)].as_deref().filter(|sketch| sketch.total >= least)?;
        Some((Duration::from_micros(sketch.p50), Duration::from_micros(sketch.p95)))
    }

    /// Moving average with weight 1/8: about the last fifteen samples count.
    fn blend(&mut self, micros: u64) {
        self.average = Some(match self.average {
            None => micros,
            Some(average) => average - average / 8 + micros / 8,
        });
    }
}

/// A distribution in which old samples fade.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sketch {
    counts: [u16; STEPS],
    total: u32,
    /// Kept up to date, so that reading costs nothing.
    p50: u64,
    p95: u64,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { counts: [0; STEPS], total: 0, p50: 0, p95: 0 }
    }
}

impl Sketch {
    fn add(&mut self, micros: u64) {
        self.counts[step(micros)] += 1;
        self.total += 1;
        if self.total >= FADE_AT {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().map(|count| u32::from(*count)).sum();
        }
        let (half, most) = (self.total.div_ceil(2), self.total - self.total / 20);
        let mut seen = 0;
        for (step, count) in self.counts.iter().enumerate() {
            let before = seen;
            seen += u32::from(*count);
            if before < half && seen >= half {
                self.p50 = upper(step);
            }
            if seen >= most {
                self.p95 = upper(step);
                break;
            }
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn size(tokens: u64) -> usize {
    SIZES.iter().filter(|most| tokens > **most).count()
}

/// Eight steps per doubling: the position of the highest bit and the three bits below it.
fn step(micros: u64) -> usize {
    let scaled = (micros / 125).max(8);
    let high = scaled.ilog2();
    let low = (scaled >> (high - 3)) & 7;
    let index = u64::from(high - 3) * 8 + low;
    usize::try_from(index).unwrap_or(STEPS).min(STEPS - 1)
}

fn upper(step: usize) -> u64 {
    let high = u32::try_from(step / 8).unwrap_or(0);
    ((step as u64 % 8) + 9) * (125 << high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Moment = Moment::ZERO;

    #[test]
    fn fast_failures_do_not_lower_latency() {
        let (mut healthy, mut failing) = (Latency::default(), Latency::default());
        for _ in 0..50 {
            healthy.sample(NOW, 10, Duration::from_millis(800), true);
            failing.failure();
        }
        assert!(failing.average() > healthy.average());
    }

    #[test]
    fn long_prompts_are_tracked_separately() {
        let mut latency = Latency::default();
        for _ in 0..60 {
            latency.sample(NOW, 100, Duration::from_millis(500), true);
        }
        assert!(latency.late_after(100) < Some(Duration::from_millis(600)));
        assert_eq!(latency.late_after(100_000), None, "nobody knows what is late for a long one");
    }

    #[test]
    fn brief_slowness_keeps_the_baseline_but_lasting_slowness_moves_it() {
        let mut latency = Latency::default();
        for _ in 0..400 {
            latency.sample(NOW, 100, Duration::from_millis(500), true);
        }
        let usual = latency.p50_and_p95(100);
        let mut slow = |from: u64, until: u64| {
            for second in from..until {
                latency.sample(NOW + Duration::from_secs(second), 100, Duration::from_secs(5), false);
            }
            latency.p50_and_p95(100)
        };
        assert_eq!(slow(0, 600), usual, "ten minutes at one call a second");
        assert!(slow(600, 3_600).unwrap().1 > Duration::from_secs(4));
    }

    proptest! {
        #[test]
        fn latency_steps_are_within_an_eighth(micros in 1_000u64..60_000_000) {
            let top = upper(step(micros));
            prop_assert!(top >= micros && top - micros <= micros / 7, "{micros} {top}");
        }

        #[test]
        fn quantiles_are_within_a_sixth(samples in prop::collection::vec(1_000u64..10_000_000, 20..400)) {
            let mut latency = Latency::default();
            let mut sorted = samples.clone();
            for &sample in &samples {
                latency.sample(NOW, 0, Duration::from_micros(sample), true);
            }
            sorted.sort_unstable();
            let (p50, p95) = latency.p50_and_p95(0).unwrap();
            let ranks = [(p95, sorted.len() - sorted.len() / 20), (p50, sorted.len().div_ceil(2))];
            for (found, rank) in ranks {
                let (found, exact) = (micros(found), sorted[rank - 1]);
                prop_assert!(found >= exact && found <= exact + exact / 6, "{found} {exact}");
            }
        }
    }
}
