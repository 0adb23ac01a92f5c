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

/// A run in columns of equal length, in seconds.
#[derive(Clone, Debug)]
pub struct Timeline {
    pub(crate) seed: u64,
    pub(crate) length: f64,
    pub(crate) window: (f64, f64),
    pub(crate) targets: Vec<Lane>,
    pub(crate) columns: Vec<Column>,
}

/// One target's states.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) name: String,
    /// Faults at its provider: start, end, description.
    pub(crate) faults: Vec<(f64, f64, String)>,
    /// State changes of its breaker.
    pub(crate) states: Vec<(f64, BreakerState)>,
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
}
