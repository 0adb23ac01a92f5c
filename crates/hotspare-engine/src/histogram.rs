//! Durations, counted in buckets.
//!
//! Not quantiles: the monitoring system derives those. Invariant: the buckets are the same everywhere and never change,
//! so that histograms of several processes can be added up.

use std::time::Duration;

/// A histogram of durations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Counts by bucket; the last one is for durations beyond the last bound.
    counts: [u64; Self::BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// Inclusive upper bounds of the buckets in milliseconds: the defaults of Prometheus clients, continued in the same
    /// steps up to the duration of a long answer.
    pub const BOUNDS: [u64; 16] = [
        5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    ];

    /// Counts a duration.
    pub fn record(&mut self, time: Duration) {
        let bucket = Self::BOUNDS.partition_point(|bound| Duration::from_millis(*bound) < time);
        self.counts[bucket] += 1;
        self.sum = self.sum.saturating_add(time);
    }

    /// Number of recorded durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Sum of all recorded durations.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// For each bound, how many durations did not exceed it.
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
    fn bucket_bounds_are_inclusive_and_overflow_is_counted() {
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
