//! The data for a timeline of one run.
//!
//! Invariant: at most a fixed number of columns, whatever the run's length.

use hotspare_core::BreakerState;

use crate::fault_schedule::FaultSchedule;
use crate::ledger::Ledger;
use crate::rng::CounterRng;
use crate::scenario::Scenario;

/// Maximum number of columns of a timeline.
const COLUMNS: usize = 150;
/// Calls per column of a run that was timed from outside: fewer show chance.
const CALLS_PER_COLUMN: usize = 6;

/// A run in columns of equal length, in seconds.
#[derive(Clone, Debug)]
pub struct Timeline {
    pub(crate) seed: u64,
    pub(crate) length: f64,
    pub(crate) window: (f64, f64),
    pub(crate) targets: Vec<Lane>,
    pub(crate) columns: Vec<Column>,
}

/// One target's states. Times are seconds since the start of the run.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// Its name.
    pub name: String,
    /// Faults at its provider: start, end, description.
    pub faults: Vec<(f64, f64, String)>,
    /// State changes of its breaker.
    pub states: Vec<(f64, BreakerState)>,
}

/// One call of a run that was timed from outside.
#[derive(Clone, Debug, Default)]
pub struct TimedCall {
    /// When it arrived, in seconds since the start of the run.
    pub arrived: f64,
    /// Its attempts in order: the target's position, and the seconds since the arrival.
    pub starts: Vec<(usize, f64)>,
    /// Seconds from its arrival to its first content, if there was any.
    pub first_content: Option<f64>,
    /// It was not answered in full.
    pub lost: bool,
}

/// One column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Column {
    pub(crate) arrivals: u32,
    pub(crate) starts: u32,
    pub(crate) lost: u32,
    /// Dollars spent.
    pub(crate) spent: f64,
    /// First attempts, by target.
    pub(crate) first: Vec<u32>,
    /// `None` if nobody received content.
    pub(crate) ttft_p50: Option<f64>,
    pub(crate) ttft_p99: Option<f64>,
}

impl Timeline {
    pub(crate) fn of(scenario: &Scenario, seed: u64, ledger: &Ledger) -> Self {
        let secs = |nanos: u64| nanos as f64 / 1e9;
        let length = scenario.length.0.as_secs_f64();
        let schedule = FaultSchedule::new(scenario, CounterRng::new(seed));
        let lane = |(index, target): (usize, &crate::scenario::TargetDto)| {
            let windows = schedule.all(index).iter().take(400);
            let changes = ledger.changes.iter().filter(|(_, changed, _)| *changed == index);
            Lane {
                name: target.name.clone(),
                faults: windows
                    .map(|window| (secs(window.from), secs(window.until).min(length), window.describe()))
                    .collect(),
                states: changes.map(|(at, _, state)| (secs(at.as_nanos()), *state)).collect(),
            }
        };
        // The last bin only holds what happened after the end.
        let bins = &ledger.bins[..ledger.bins.len().saturating_sub(1).max(1)];
        let per = bins.len().div_ceil(COLUMNS).max(1);
        let column = |bins: &[crate::ledger::Bin]| {
            let mut column = Column { first: vec![0; scenario.targets.len()], ..Column::default() };
            let mut ttft = crate::histogram::Histogram::default();
            for bin in bins {
                column.arrivals += bin.arrivals;
                column.starts += bin.starts;
                column.lost += bin.lost;
                column.spent += bin.cost as f64 / 1e6;
                column.first.iter_mut().zip(&bin.first).for_each(|(sum, one)| *sum += one);
                ttft.merge(&bin.ttft);
            }
            let quantile = |at: f64| (!ttft.is_empty()).then(|| ttft.quantile(at));
            (column.ttft_p50, column.ttft_p99) = (quantile(0.5), quantile(0.99));
            column
        };
        let (from, until) = ledger.window();
        Self {
            seed,
            length,
            window: (secs(from).min(length), secs(until).min(length)),
            targets: scenario.targets.iter().enumerate().map(lane).collect(),
            columns: bins.chunks(per).map(column).collect(),
        }
    }

    /// The timeline of calls that were timed from outside, of a run of `length` seconds whose window is all of it.
    #[must_use]
    pub fn timed(seed: u64, length: f64, targets: Vec<Lane>, calls: &[TimedCall]) -> Self {
        let count = (calls.len() / CALLS_PER_COLUMN).clamp(1, COLUMNS);
        let empty = Column { first: vec![0; targets.len()], ..Column::default() };
        let (mut columns, mut waits) = (vec![empty; count], vec![Vec::new(); count]);
        let at = |secs: f64| ((secs / length.max(1e-9) * count as f64) as usize).min(count - 1);
        for call in calls {
            let arrived = at(call.arrived);
            columns[arrived].arrivals += 1;
            columns[arrived].lost += u32::from(call.lost);
            waits[arrived].extend(call.first_content);
            if let Some(first) =
                call.starts.first().and_then(|(target, _)| columns[arrived].first.get_mut(*target))
            {
                *first += 1;
            }
            for (_, after) in &call.starts {
                columns[at(call.arrived + after)].starts += 1;
            }
        }
        for (column, waits) in columns.iter_mut().zip(&mut waits) {
            waits.sort_unstable_by(f64::total_cmp);
            let quantile = |share: f64| (!waits.is_empty()).then(|| crate::stats::quantile(waits, share));
            (column.ttft_p50, column.ttft_p99) = (quantile(0.5), quantile(0.99));
        }
        Self { seed, length, window: (0.0, length), targets, columns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timed_calls_are_counted_in_the_columns_of_their_arrivals_and_starts() {
        let lane = |name: &str| Lane { name: name.into(), ..Lane::default() };
        let call = |arrived, lost: bool| TimedCall {
            arrived,
            starts: vec![(0, 0.0), (1, 5.0)],
            first_content: (!lost).then_some(arrived),
            lost,
        };
        let calls: Vec<TimedCall> = (0..12).map(|number| call(f64::from(number), number == 7)).collect();
        let timeline = Timeline::timed(3, 12.0, vec![lane("a"), lane("b")], &calls);
        let columns: Vec<_> =
            timeline.columns.iter().map(|one| (one.arrivals, one.starts, one.lost)).collect();
        assert_eq!(columns, [(6, 7, 0), (6, 17, 1)]);
        assert_eq!(timeline.columns[0].first, [6, 0]);
        assert_eq!(timeline.columns[1].ttft_p50, Some(9.0));
        let nobody = Timeline::timed(3, 0.0, Vec::new(), &[TimedCall { lost: true, ..TimedCall::default() }]);
        assert_eq!((nobody.columns[0].lost, nobody.columns[0].ttft_p99), (1, None));
    }
}
