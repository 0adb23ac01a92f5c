//! A histogram of durations with a fixed number of buckets.
//!
//! Invariant: constant size, and quantiles are accurate to within 2.2 % (32 buckets per doubling).

/// From 1 ms to 18 hours.
const BUCKETS: usize = 26 * 32;

/// A histogram of durations.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u32>,
    total: u64,
    max: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Vec::new(), total: 0, max: 0.0 }
    }
}

impl Histogram {
    /// Counts a duration in nanoseconds.
    pub(crate) fn record(&mut self, nanos: u64) {
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        self.counts[bucket_index(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos as f64 / 1e9);
    }

    /// Adds the counts of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// Whether nothing was counted.
    pub(crate) const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The duration in seconds that this share of the counted ones did not exceed; 0 if there are none.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = ((self.total as f64 * share).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        at.map_or(0.0, |at| midpoint(at).min(self.max))
    }
}

/// The bucket: position of the highest bit, and the five bits below it.
fn bucket_index(nanos: u64) -> usize {
    let scaled = (nanos / 31_250).max(32);
    let high = scaled.ilog2();
    let low = (scaled >> (high - 5)) & 31;
    ((high as usize - 5) * 32 + low as usize).min(BUCKETS - 1)
}

fn midpoint(bucket: usize) -> f64 {
    let scale = 2f64.powi(i32::try_from(bucket / 32).unwrap_or(0));
    (32.5 + (bucket % 32) as f64) * scale * 31_250e-9
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_within_a_fortieth(mut times in prop::collection::vec(1_000_000u64..1_000_000_000_000, 1..300), share in 0.01f64..1.0) {
            let mut histogram = Histogram::default();
            times.iter().for_each(|time| histogram.record(*time));
            times.sort_unstable();
            let rank = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len());
            let exact = times[rank - 1] as f64 / 1e9;
            prop_assert!((histogram.quantile(share) - exact).abs() <= exact * 0.025 , "{} {exact}", histogram.quantile(share));
        }
    }
}
