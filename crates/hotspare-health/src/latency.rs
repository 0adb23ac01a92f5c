//! How long a target usually takes to its first content, which is the whole answer if that is not streamed.
//!
//! Not a histogram for dashboards. Long prompts take longer than short ones, so each size class of prompts has its own
//! distribution. Invariant: constant size, integers only, and a failure counts as slow, so that a target that fails
//! fast never looks fast (a plain moving average sends two thirds of all calls there).
//!
//! A call that was abandoned because another target answered first (a *censored* sample) would have taken longer than
//! it was waited for. Leaving it out would make a target look faster the more of its slow calls are abandoned; counting
//! the wait itself would do the same, only less. So it counts as one of the known calls that took longer, each of which
//! is as likely (Efron's redistribution to the right, which yields the Kaplan-Meier estimate). If
//! none took longer, it counts as longer than all that is known; once that is true of a fifth of the samples, the
//! quantile is unknown rather than wrong. A target that stays silent therefore never seems to need more than it has
//! been seen to need.

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

    /// Records that a first content had not arrived after this time, and would have arrived later.
    pub(crate) fn longer_than(&mut self, now: Moment, tokens: u64, after: Duration, steady: bool) {
        let micros = micros(after);
        self.blend(micros.max(self.average.unwrap_or(0)));
        if !steady && now.saturating_since(self.drifted_at) < DRIFT {
            return;
        }
        self.drifted_at = now;
        self.sketches[size(tokens)].get_or_insert_default().add_longer(micros);
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
        Some((Duration::from_micros(sketch.p50?), Duration::from_micros(sketch.p95?)))
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
    /// Samples that are longer than all known answers, and the highest step that is known to be too low for one.
    longer: u16,
    longer_than: u8,
    total: u32,
    /// Spreads censored samples over what they may have become.
    turn: u32,
    /// Kept up to date, so that reading costs nothing. Unknown if too many samples are longer than all known answers.
    p50: Option<u64>,
    p95: Option<u64>,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { counts: [0; STEPS], longer: 0, longer_than: 0, total: 0, turn: 0, p50: None, p95: None }
    }
}

impl Sketch {
    fn add(&mut self, micros: u64) {
        let step = step(micros);
        self.counts[step] += 1;
        if step > usize::from(self.longer_than) {
            // Those that were longer than all known answers may have been like this one.
            self.counts[step] += std::mem::take(&mut self.longer);
            self.longer_than = 0;
        }
        self.count();
    }

    /// Adds a sample that is longer than this.
    fn add_longer(&mut self, micros: u64) {
        let least = step(micros) + 1;
        let above: u64 = self.counts[least.min(STEPS)..].iter().map(|count| u64::from(*count)).sum();
        // Steps of the golden ratio spread evenly, however few there are.
        self.turn = self.turn.wrapping_add(0x9E37_79B9);
        let mut rank = (above * u64::from(self.turn)) >> 32;
        let found = self.counts.iter_mut().skip(least).find(|count| {
            let here = u64::from(**count);
            let found = rank < here;
            rank = rank.saturating_sub(here);
            found
        });
        if let Some(count) = found {
            *count += 1;
        } else {
            self.longer += 1;
            self.longer_than = self.longer_than.max(u8::try_from(least - 1).unwrap_or(u8::MAX));
        }
        self.count();
    }

    fn count(&mut self) {
        self.total += 1;
        if self.total >= FADE_AT {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.longer /= 2;
            self.total =
                self.counts.iter().map(|count| u32::from(*count)).sum::<u32>() + u32::from(self.longer);
        }
        let (half, most) = (self.total.div_ceil(2), self.total - self.total / 20);
        (self.p50, self.p95) = (None, None);
        let mut seen = 0;
        for (step, count) in self.counts.iter().enumerate() {
            let before = seen;
            seen += u32::from(*count);
            if before < half && seen >= half {
                self.p50 = Some(upper(step));
            }
            if seen >= most {
                self.p95 = Some(upper(step));
                return;
            }
        }
        // A few samples are longer than all known answers: the longest of these is not far from the percentile.
        if u32::from(self.longer) <= self.total / 5 {
            self.p95 = self.counts.iter().rposition(|count| *count > 0).map(upper);
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
        assert_eq!(latency.late_after(100_000), None, "no latency of long prompts is known");
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

    const LONG: Duration = Duration::from_secs(60);

    /// Half of the answers take a second, half a minute, and the long ones are abandoned after `patience`.
    fn half_abandoned(latency: &mut Latency, calls: u32, patience: Duration) {
        for _ in 0..calls {
            latency.sample(NOW, 0, Duration::from_secs(1), true);
            latency.longer_than(NOW, 0, patience, true);
        }
    }

    #[test]
    fn abandoned_answers_do_not_count_as_short() {
        let mut latency = Latency::default();
        half_abandoned(&mut latency, 300, Duration::from_secs(30));
        assert_eq!(latency.p50_and_p95(0), None, "half of the answers take longer than all that arrived");
        // A few callers wait for the long ones.
        (0..8).for_each(|_| latency.sample(NOW, 0, LONG, true));
        half_abandoned(&mut latency, 300, Duration::from_secs(30));
        assert!(latency.p50_and_p95(0).unwrap().1 > LONG);
    }

    #[test]
    fn longest_known_answer_stands_for_a_few_longer_ones() {
        let mut latency = Latency::default();
        for n in 0..400 {
            latency.sample(NOW, 0, Duration::from_secs(20 + n % 20), true);
            if n % 10 == 0 {
                latency.longer_than(NOW, 0, LONG, true);
            }
        }
        let (p50, p95) = latency.p50_and_p95(0).unwrap();
        assert!(
            p50 < Duration::from_secs(36) && p95 >= Duration::from_secs(39) && p95 < Duration::from_secs(45)
        );
    }

    #[test]
    fn silence_never_raises_quantiles_beyond_answers() {
        let mut latency = Latency::default();
        for n in 0..200 {
            latency.sample(NOW, 0, Duration::from_secs(if n % 10 == 0 { 9 } else { 2 }), true);
        }
        for wait in [1, 3, 20, 300] {
            for _ in 0..1_000 {
                latency.longer_than(NOW, 0, Duration::from_secs(wait), true);
                let p95 = latency.p50_and_p95(0).map(|(_, p95)| p95);
                assert!(p95 < Some(Duration::from_secs(11)), "{wait} s: {p95:?}");
            }
        }
        assert_eq!(latency.p50_and_p95(0), None);
        // Nor does what was never answered.
        let mut latency = Latency::default();
        (0..1_000).for_each(|_| latency.longer_than(NOW, 0, LONG, true));
        assert_eq!(latency.p50_and_p95(0), None);
    }

    proptest! {
        /// Abandoned at random, answers seem to take as long as they would have taken.
        #[test]
        fn abandoned_answers_count_as_they_would_have_ended(
            samples in prop::collection::vec((1.0f64..100.0, 5.0f64..200.0), 400..500),
        ) {
            let (mut latency, mut all) = (Latency::default(), Latency::default());
            for (needs, waits) in samples {
                let after = Duration::from_secs_f64(needs.min(waits));
                if needs <= waits {
                    latency.sample(NOW, 0, after, true);
                } else {
                    latency.longer_than(NOW, 0, after, true);
                }
                all.sample(NOW, 0, Duration::from_secs_f64(needs), true);
            }
            let (found, known) = (latency.p50_and_p95(0), all.p50_and_p95(0).unwrap());
            prop_assert!(found.is_none_or(|(p50, p95)| p50 > known.0.mul_f64(0.75)
                && p50 < known.0.mul_f64(1.35) && p95 > known.1.mul_f64(0.8)), "{found:?} {known:?}");
        }

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
