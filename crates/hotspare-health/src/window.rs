//! Outcomes of the recent past, counted exactly.
//!
//! A ring of ten buckets over the window's length. Not a timer: the ring is read and written at a `now` that the caller
//! passes, which also discards what is older than the window. Invariant: counts cover the last window, to within one
//! bucket, at any traffic rate; only late calls in a row are counted without regard to time, because a quiet target has
//! few calls within any window.

use std::time::Duration;

use hotspare_core::Moment;

const BUCKETS: u64 = 10;

/// What a failure weighs, as shares of a full failure, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight {
    /// As experienced by the caller; used for ranking.
    pub(crate) felt: u32,
    /// As evidence against the target; used by the rules that open the breaker.
    pub(crate) evidence: u32,
}

impl Weight {
    /// The same weight for both.
    pub(crate) const fn alike(milli: u32) -> Self {
        Self { felt: milli, evidence: milli }
    }
}

/// Counts per bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Tally {
    /// Calls that succeeded or failed.
    pub(crate) calls: u32,
    /// Failures among them as evidence against the target, in thousandths.
    pub(crate) failures_milli: u64,
    /// Failures among them as experienced by callers, in thousandths.
    pub(crate) felt_milli: u64,
    /// Calls whose first content was late.
    pub(crate) late: u32,
    /// Calls whose first content arrived in time, or that ended before it was late.
    pub(crate) in_time: u32,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failures_milli += other.failures_milli;
        self.felt_milli += other.felt_milli;
        self.late += other.late;
        self.in_time += other.in_time;
    }

    fn subtract(&mut self, part: &Self) {
        self.calls -= part.calls;
        self.failures_milli -= part.failures_milli;
        self.felt_milli -= part.felt_milli;
        self.late -= part.late;
        self.in_time -= part.in_time;
    }
}

/// A sliding window.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    width: u64,
    /// Number of the newest bucket since the origin.
    newest: u64,
    ring: [Tally; BUCKETS as usize],
    /// Of all buckets, so that looking does not add them up.
    sum: Tally,
    /// Late calls since the last one in time.
    late_in_a_row: u32,
}

impl Window {
    pub(crate) fn new(length: Duration) -> Self {
        let width = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX) / BUCKETS;
        Self {
            width: width.max(1),
            newest: 0,
            ring: Default::default(),
            sum: Tally::default(),
            late_in_a_row: 0,
        }
    }

    /// A call has succeeded; `timed` if it was already counted as late or in time.
    pub(crate) fn success(&mut self, now: Moment, timed: bool) {
        self.failure(now, Weight::alike(0), timed);
    }

    pub(crate) fn failure(&mut self, now: Moment, weight: Weight, timed: bool) {
        let outcome = Tally {
            calls: 1,
            failures_milli: weight.evidence.into(),
            felt_milli: weight.felt.into(),
            late: 0,
            in_time: u32::from(!timed),
        };
        self.add(now, &outcome);
        if !timed {
            self.late_in_a_row = 0;
        }
    }

    pub(crate) fn late(&mut self, now: Moment) {
        self.late_in_a_row = self.late_in_a_row.saturating_add(1);
        self.add(now, &Tally { late: 1, ..Tally::default() });
    }

    pub(crate) fn in_time(&mut self, now: Moment) {
        self.late_in_a_row = 0;
        self.add(now, &Tally { in_time: 1, ..Tally::default() });
    }

    pub(crate) fn clear(&mut self) {
        self.ring = Default::default();
        self.sum = Tally::default();
        self.late_in_a_row = 0;
    }

    /// Late calls since the last one in time, however long ago they were.
    pub(crate) fn late_in_a_row(&self) -> u32 {
        self.late_in_a_row
    }

    /// What happened within the window that ends at `now`.
    pub(crate) fn total(&self, now: Moment) -> Tally {
        let mut total = self.sum;
        for bucket in self.passed(now) {
            total.subtract(&self.ring[bucket]);
        }
        total
    }

    fn add(&mut self, now: Moment, outcome: &Tally) {
        for bucket in self.passed(now) {
            self.sum.subtract(&self.ring[bucket]);
            self.ring[bucket] = Tally::default();
        }
        self.newest = self.newest.max(now.as_nanos() / self.width);
        self.ring[index(self.newest)].add(outcome);
        self.sum.add(outcome);
    }

    /// The buckets whose places time has taken since the newest one was written.
    fn passed(&self, now: Moment) -> impl Iterator<Item = usize> + use<> {
        let passed = (now.as_nanos() / self.width).saturating_sub(self.newest).min(BUCKETS);
        let oldest = self.newest % BUCKETS + 1;
        (oldest..oldest + passed).map(index)
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number % BUCKETS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUSY: Weight = Weight { felt: 1_000, evidence: 250 };

    proptest! {
        /// Compared with a simple model: a list of all outcomes with their buckets.
        #[test]
        fn window_matches_a_list_model(steps in prop::collection::vec((0u64..4_000, any::<bool>()), 1..200)) {
            let mut window = Window::new(Duration::from_secs(10));
            let mut list: Vec<(u64, bool)> = Vec::new();
            let mut millis = 0;
            for (gap, failed) in steps {
                millis += gap;
                let now = Moment::from_nanos(millis * 1_000_000);
                if failed { window.failure(now, BUSY, false) } else { window.success(now, false) }
                list.push((millis / 1_000, failed));
                let recent = list.iter().filter(|(second, _)| millis / 1_000 - second < 10);
                let failures = recent.clone().filter(|(_, failed)| *failed).count() as u64;
                let total = window.total(now);
                prop_assert_eq!(u64::from(total.calls), recent.count() as u64);
                prop_assert_eq!((total.failures_milli, total.felt_milli), (failures * 250, failures * 1_000));
            }
            prop_assert_eq!(window.total(Moment::from_nanos((millis + 11_000) * 1_000_000)), Tally::default());
        }
    }
}
