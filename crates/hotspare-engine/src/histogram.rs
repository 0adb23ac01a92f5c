//! How long something took, in buckets.
//!
//! Not a quantile: whoever scrapes makes those, over the time and the targets that they like. Invariant: the buckets are the
//! same everywhere and for ever, so that histograms of several processes add up.

use std::time::Duration;

/// Durations, counted by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// By bucket, the last one for what is beyond the last bound.
    counts: [u64; Self::BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// Upper bounds of the buckets in milliseconds, each bound included: those that Prometheus' clients have by default, and
    /// on in the same steps to the time that a long answer takes.
    pub const BOUNDS: [u64; 16] = [
        5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    ];

    /// Counts a duration.
    pub fn record(&mut self, time: Duration) {
        let bucket = Self::BOUNDS.partition_point(|bound| Duration::from_millis(*bound) < time);
        self.counts[bucket] += 1;
        self.sum = self.sum.saturating_add(time);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// For each bound how many were no longer.
    pub fn up_to(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut count = 0;
        Self::BOUNDS.iter().zip(&self.counts).map(move |(bound, more)| {
            count += more;
            (Duration::from_millis(*bound), count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_nothing_is_lost_beyond_the_last() {
        let mut histogram = Histogram::default();
        for millis in [0, 5, 6, 500_000, 500_001] {
            histogram.record(Duration::from_millis(millis));
        }
        let up_to: Vec<u64> = histogram.up_to().map(|(_, count)| count).collect();
        assert_eq!((up_to[0], up_to[1], up_to[14], up_to[15]), (2, 3, 3, 4));
        assert_eq!(histogram.count(), 5);
        assert_eq!(histogram.sum(), Duration::from_millis(1_000_012));
    }
}
