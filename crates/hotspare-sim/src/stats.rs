//! Means and their confidence intervals.
//!
//! Invariant: the same values give the same interval on every machine; resampling uses numbered draws.

use crate::rng::{CounterRng, Purpose};

/// Number of bootstrap resamples.
const RESAMPLES: u64 = 1_000;

/// A mean over seeds with its 95 % bootstrap interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Number of values.
    pub count: usize,
}

impl Estimate {
    /// The estimate for these values; `None` if there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        Self::ratio(values, &vec![1.0; values.len()])
    }

    /// The estimate for the ratio of the two sums, resampled in pairs; `None` if there are no values.
    #[must_use]
    pub fn ratio(values: &[f64], over: &[f64]) -> Option<Self> {
        let count = values.len().min(over.len());
        if count == 0 {
            return None;
        }
        let share = |picks: &mut dyn Iterator<Item = usize>| {
            let (mut part, mut whole) = (0.0, 0.0);
            for at in picks {
                part += values[at];
                whole += over[at];
            }
            part / whole
        };
        let mean = share(&mut (0..count));
        let rng = CounterRng::new(count as u64);
        let mut means: Vec<f64> = (0..RESAMPLES)
            .map(|round| {
                let pick = |n: u64| (rng.draw(Purpose::Resample, [round, n, 0]) % count as u64) as usize;
                share(&mut (0..count as u64).map(pick))
            })
            .collect();
        means.sort_by(f64::total_cmp);
        let at = |share: f64| means[((RESAMPLES - 1) as f64 * share) as usize];
        Some(Self { mean, low: at(0.025), high: at(0.975), count })
    }
}

/// The value that this share of the values does not exceed; 0 if there are none.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_interval_contains_the_mean_and_shrinks() {
        let values = |n: u64| (0..n).map(|n| (n * 7 % 13) as f64).collect::<Vec<_>>();
        let (few, many) = (Estimate::of(&values(13)).unwrap(), Estimate::of(&values(1_300)).unwrap());
        assert!(few.low <= few.mean && few.mean <= few.high);
        assert!((few.mean - 6.0).abs() < 1e-9 && many.high - many.low < (few.high - few.low) / 5.0);
        assert_eq!(Estimate::of(&[]), None);
        let half = Estimate::ratio(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]).unwrap();
        assert_eq!((half.mean, half.low, half.high), (0.5, 0.5, 0.5));
        assert_eq!((quantile(&[3.0, 1.0, 2.0], 0.5), quantile(&[3.0, 1.0, 2.0], 1.0)), (2.0, 3.0));
    }
}
