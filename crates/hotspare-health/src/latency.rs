//! How long a target usually takes to its first content.
//!
//! Not a histogram for dashboards. Invariant: constant size, integers only, and a failure counts as slow, so that a target
//! that fails fast never looks fast (a plain moving average sends two thirds of all calls there).

use std::time::Duration;

/// What a failure counts as, unless the target is slower than that anyway.
const PENALTY: Duration = Duration::from_secs(5);
/// Buckets of the distribution: eight per doubling, from 1 ms on.
const BUCKETS: usize = 128;
/// From so many samples on, old ones fade.
const FADE_AT: u32 = 512;
/// Fewer samples than this make no quantile.
const MIN_SAMPLES: u32 = 20;

/// Latency figures of one scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Latency {
    /// Moving average, in microseconds.
    average: Option<u64>,
    counts: [u32; BUCKETS],
    total: u32,
}

impl Default for Latency {
    fn default() -> Self {
        Self { average: None, counts: [0; BUCKETS], total: 0 }
    }
}

impl Latency {
    pub(crate) fn first_content(&mut self, after: Duration) {
        let micros = micros(after);
        self.blend(micros);
        self.counts[bucket(micros)] += 1;
        self.total += 1;
        if self.total >= FADE_AT {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
    }

    pub(crate) fn failure(&mut self) {
        let slow = self.average.unwrap_or(0).max(micros(PENALTY));
        self.blend(slow);
    }

    pub(crate) fn average(&self) -> Option<Duration> {
        self.average.map(Duration::from_micros)
    }

    /// The time that 95 % of first contents kept, to within a tenth.
    pub(crate) fn p95(&self) -> Option<Duration> {
        if self.total < MIN_SAMPLES {
            return None;
        }
        let rank = self.total - self.total / 20;
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_micros(upper(at)))
    }

    /// An eighth of each new sample: about the last fifteen count.
    fn blend(&mut self, micros: u64) {
        self.average = Some(match self.average {
            None => micros,
            Some(average) => average - average / 8 + micros / 8,
        });
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Eight buckets per doubling: the position of the highest bit and the three bits below it.
fn bucket(micros: u64) -> usize {
    let scaled = (micros / 125).max(8);
    let high = scaled.ilog2();
    let low = (scaled >> (high - 3)) & 7;
    let index = u64::from(high - 3) * 8 + low;
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

fn upper(bucket: usize) -> u64 {
    let high = u32::try_from(bucket / 8).unwrap_or(0);
    ((bucket as u64 % 8) + 9) * (125 << high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fast_failure_never_looks_fast() {
        let (mut healthy, mut failing) = (Latency::default(), Latency::default());
        for _ in 0..50 {
            healthy.first_content(Duration::from_millis(800));
            failing.failure();
        }
        assert!(failing.average() > healthy.average());
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_value_to_a_tenth(micros in 1_000u64..60_000_000) {
            let top = upper(bucket(micros));
            prop_assert!(top >= micros && top - micros <= micros / 7, "{micros} {top}");
        }

        #[test]
        fn p95_lies_where_it_should(samples in prop::collection::vec(1_000u64..10_000_000, 20..400)) {
            let mut latency = Latency::default();
            let mut sorted = samples.clone();
            for &sample in &samples {
                latency.first_content(Duration::from_micros(sample));
            }
            sorted.sort_unstable();
            let exact = sorted[sorted.len() - sorted.len() / 20 - 1];
            let found = micros(latency.p95().unwrap());
            prop_assert!(found >= exact && found <= exact + exact / 6, "{found} {exact}");
        }
    }
}
