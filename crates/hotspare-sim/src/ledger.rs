//! Counts what happened in a run.
//!
//! Not a verdict: marks judge. Invariant: memory is independent of the number of requests; every request that arrived
//! is counted once, when it ends, in each span of time in which it arrived.

use std::collections::BTreeMap;

use hotspare_core::{BreakerState, Kind, Moment};

use crate::histogram::Histogram;
use crate::marks::{Mark, Measure};
use crate::scenario::Scenario;

/// Maximum number of bins.
const BINS: u64 = 7_200;
/// Length of a bin, in nanoseconds, unless the run is so long that there would be too many.
const SHORTEST_BIN: u64 = 1_000_000_000;
/// First starts before the window without which a target's share is not known: the standard error of a share is then
/// at most 5 points, half of the tenth by which a target may miss its former share.
const MIN_STARTS_FOR_SHARE: u32 = 100;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    /// Answered in full.
    Answered,
    /// The caller disconnected.
    Cancelled,
    /// Not answered; `kind` is the error that the caller received. `cut`: after the first content.
    Lost { kind: Kind, cut: bool },
    /// Rejected as invalid.
    Invalid,
    /// It arrived while no target existed; it is not counted for any player.
    Unserved,
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FinishedRequest {
    pub(crate) arrived: Moment,
    pub(crate) now: Moment,
    pub(crate) outcome: RequestOutcome,
    pub(crate) attempts: u32,
    pub(crate) first_target: Option<usize>,
    /// Nanoseconds from arrival to first content.
    pub(crate) ttft: Option<u64>,
    /// The first attempt failed or met a fault, and did not give the answer.
    pub(crate) affected: bool,
    pub(crate) hedged: bool,
    /// Longest gap after first content, in nanoseconds.
    pub(crate) silence: u64,
    pub(crate) cost: u64,
    pub(crate) wasted: u64,
}

/// Counts of requests that arrived within one span of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) answered: u64,
    pub(crate) lost: u64,
    pub(crate) cut: u64,
    pub(crate) cancelled: u64,
    pub(crate) invalid: u64,
    pub(crate) first_try: u64,
    pub(crate) affected: u64,
    pub(crate) hedged: u64,
    pub(crate) attempts: u64,
    pub(crate) ttft: Histogram,
    pub(crate) error_latency: Histogram,
    pub(crate) silence: f64,
    pub(crate) cost: u64,
    pub(crate) wasted: u64,
    /// First attempts, by target.
    pub(crate) first: Vec<u64>,
    /// All attempts started within the span, and those of them that were rate-limited, by target.
    pub(crate) starts: Vec<u64>,
    pub(crate) refused: Vec<u64>,
}

impl Tally {
    fn new(targets: usize) -> Self {
        Self {
            first: vec![0; targets],
            starts: vec![0; targets],
            refused: vec![0; targets],
            ..Self::default()
        }
    }

    fn ended(&mut self, end: &FinishedRequest) {
        if end.outcome == RequestOutcome::Unserved {
            return;
        }
        self.requests += 1;
        self.attempts += u64::from(end.attempts);
        self.cost += end.cost;
        self.wasted += end.wasted;
        self.hedged += u64::from(end.hedged);
        self.silence = self.silence.max(end.silence as f64 / 1e9);
        if let Some(first) = end.first_target {
            self.first[first] += 1;
        }
        match end.outcome {
            RequestOutcome::Answered => {
                self.answered += 1;
                self.affected += u64::from(end.affected);
                self.first_try += u64::from(!end.affected);
            }
            RequestOutcome::Cancelled => self.cancelled += 1,
            RequestOutcome::Invalid => self.invalid += 1,
            RequestOutcome::Unserved => {}
            RequestOutcome::Lost { cut, .. } => {
                self.lost += 1;
                self.cut += u64::from(cut);
                self.affected += 1;
                self.error_latency.record(end.now.saturating_since(end.arrived).as_nanos() as u64);
            }
        }
        if let Some(ttft) = end.ttft {
            self.ttft.record(ttft);
        }
    }

    /// Requests that should have been answered.
    pub(crate) fn eligible(&self) -> u64 {
        self.answered + self.lost
    }
}

/// One column of a timeline.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bin {
    pub(crate) arrivals: u32,
    pub(crate) starts: u32,
    pub(crate) lost: u32,
    pub(crate) cost: u64,
    pub(crate) first: Vec<u32>,
    /// Only recorded for a run that is to be shown.
    pub(crate) ttft: Histogram,
}

/// The counts of a run.
#[derive(Debug)]
pub(crate) struct Ledger {
    spans: Vec<((u64, u64), Tally)>,
    pub(crate) bins: Vec<Bin>,
    pub(crate) bin: u64,
    pub(crate) detail: bool,
    pub(crate) kinds: BTreeMap<Kind, u64>,
    /// State changes of the targets' breakers.
    pub(crate) changes: Vec<(Moment, usize, BreakerState)>,
    opens: Vec<(Moment, usize)>,
    /// Places whose breaker has opened since the window began.
    opened: Vec<bool>,
    /// When a target was marked slow.
    degrades: Vec<(Moment, usize)>,
    /// Outcomes of calls that began within the window, by target, until its breaker first opened there.
    outcomes: Vec<u64>,
    targets: usize,
    window: (u64, u64),
    /// Whether a provider is healthy throughout, by target.
    healthy: Vec<bool>,
    pub(crate) quota_used: Vec<Option<f64>>,
}

impl Ledger {
    pub(crate) fn new(scenario: &Scenario, healthy: Vec<bool>, detail: bool) -> Self {
        let targets = scenario.targets.len();
        let [from, until] = scenario.window;
        let mut spans =
            vec![((0, u64::MAX), Tally::new(targets)), ((from.nanos(), until.nanos()), Tally::new(targets))];
        for mark in &scenario.marks {
            let span = mark.span(scenario);
            if !spans.iter().any(|(known, _)| *known == span) {
                spans.push((span, Tally::new(targets)));
            }
        }
        let length = scenario.length.nanos().max(1);
        let bin = (length / BINS).max(SHORTEST_BIN);
        let count = usize::try_from(length / bin + 1).unwrap_or(1);
        let empty = Bin { first: vec![0; targets], ..Bin::default() };
        Self {
            spans,
            bins: vec![empty; count],
            bin,
            detail,
            kinds: BTreeMap::new(),
            changes: Vec::new(),
            opens: Vec::new(),
            opened: vec![false; targets],
            degrades: Vec::new(),
            outcomes: vec![0; targets],
            targets,
            window: (from.nanos(), until.nanos()),
            healthy,
            quota_used: vec![None; targets],
        }
    }

    fn bin_at(&mut self, now: Moment) -> Option<&mut Bin> {
        self.bins.get_mut(usize::try_from(now.as_nanos() / self.bin).ok()?)
    }

    pub(crate) fn arrived(&mut self, now: Moment) {
        if let Some(bin) = self.bin_at(now) {
            bin.arrivals += 1;
        }
    }

    pub(crate) fn started(&mut self, now: Moment, target: usize, first: bool) {
        if let Some(bin) = self.bin_at(now) {
            bin.starts += 1;
            bin.first[target] += u32::from(first);
        }
        for (_, tally) in self.tallies_at(now) {
            tally.starts[target] += 1;
        }
    }

    pub(crate) fn refused(&mut self, now: Moment, target: usize) {
        for (_, tally) in self.tallies_at(now) {
            tally.refused[target] += 1;
        }
    }

    fn tallies_at(&mut self, now: Moment) -> impl Iterator<Item = &mut ((u64, u64), Tally)> {
        let now = now.as_nanos();
        self.spans.iter_mut().filter(move |((from, until), _)| (*from..*until).contains(&now))
    }

    pub(crate) fn ended(&mut self, end: &FinishedRequest) {
        for (_, tally) in self.tallies_at(end.arrived) {
            tally.ended(end);
        }
        if let RequestOutcome::Lost { kind, .. } = end.outcome {
            *self.kinds.entry(kind).or_default() += 1;
        }
        let detail = self.detail;
        if let Some(bin) = self.bin_at(end.arrived) {
            bin.lost += u32::from(matches!(end.outcome, RequestOutcome::Lost { .. }));
            bin.cost += end.cost;
            if let (true, Some(ttft)) = (detail, end.ttft) {
                bin.ttft.record(ttft);
            }
        }
    }

    /// An attempt that started at `began` has completed or failed.
    pub(crate) fn outcome(&mut self, began: Moment, target: usize) {
        if began.as_nanos() >= self.window.0 && !self.opened[target] {
            self.outcomes[target] += 1;
        }
    }

    pub(crate) fn degraded(&mut self, now: Moment, target: usize) {
        if self.degrades.len() < 100_000 {
            self.degrades.push((now, target));
        }
    }

    pub(crate) fn changed(&mut self, now: Moment, target: usize, to: BreakerState) {
        self.opened[target] |= to == BreakerState::Open && now.as_nanos() >= self.window.0;
        if to == BreakerState::Open && self.opens.len() < 100_000 {
            self.opens.push((now, target));
        }
        if self.detail && self.changes.len() < 10_000 {
            self.changes.push((now, target, to));
        }
    }

    /// The value of a mark's measure.
    pub(crate) fn measure(&self, scenario: &Scenario, mark: &Mark) -> Option<f64> {
        let named = |name: &String| scenario.targets.iter().position(|target| target.name == *name);
        let target = mark.target.as_ref().map_or(Some(0), named)?;
        self.value(mark.measure, target, mark.span(scenario))
    }

    /// A measure for one target and span.
    pub(crate) fn value(&self, measure: Measure, target: usize, span: (u64, u64)) -> Option<f64> {
        let tally = self.spans.iter().find(|(known, _)| *known == span).map(|(_, tally)| tally)?;
        // A share of nothing is undefined.
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        let quantile =
            |histogram: &Histogram, at: f64| (!histogram.is_empty()).then(|| histogram.quantile(at));
        let if_any = |count: f64| (tally.requests > 0).then_some(count);
        let inside = |list: &[(Moment, usize)], target: usize| {
            let inside = move |at: Moment| (span.0..span.1).contains(&at.as_nanos());
            list.iter().filter(|(at, at_target)| *at_target == target && inside(*at)).count()
        };
        let of_healthy = |list: &[(Moment, usize)]| {
            (0..self.targets)
                .filter(|target| self.healthy[*target])
                .map(|target| inside(list, target))
                .sum::<usize>()
        };
        Some(match measure {
            Measure::Affected => if_any(tally.affected as f64)?,
            Measure::Amplification => self.amplification()?,
            Measure::Attempts => share(tally.attempts, tally.requests)?,
            Measure::Available => share(tally.answered, tally.eligible())?,
            // Costs are in millionths of a dollar.
            Measure::Cost => share(tally.cost, tally.requests)? / 1_000.0,
            Measure::Cut => share(tally.cut, tally.eligible())?,
            Measure::FirstTry => share(tally.first_try, tally.eligible())?,
            Measure::Hedged => share(tally.hedged, tally.requests)?,
            Measure::Lost => if_any(tally.lost as f64)?,
            Measure::OpenAfter => {
                let from = Moment::from_nanos(self.window.0);
                let after = |at: Moment| at.saturating_since(from).as_secs_f64();
                self.opens.iter().find(|(at, one)| *one == target && *at >= from).map(|(at, _)| after(*at))?
            }
            Measure::DegradesOfTheWell => of_healthy(&self.degrades) as f64,
            Measure::Opens => inside(&self.opens, target) as f64,
            Measure::OpensOfTheWell => of_healthy(&self.opens) as f64,
            Measure::OutcomesToOpen => {
                self.value(Measure::OpenAfter, target, span)?;
                self.outcomes[target] as f64
            }
            Measure::RecoveredAfter => self.recovered_after(target)?,
            Measure::Refused => share(tally.refused[target], tally.starts[target])?,
            Measure::ToldAfter => quantile(&tally.error_latency, 0.99)?,
            Measure::Share => share(tally.first[target], tally.first.iter().sum())?,
            Measure::Silence => if_any(tally.silence)?,
            Measure::Starts => tally.starts[target] as f64,
            Measure::TtftP50 => quantile(&tally.ttft, 0.5)?,
            Measure::TtftP95 => quantile(&tally.ttft, 0.95)?,
            Measure::TtftP99 => quantile(&tally.ttft, 0.99)?,
            Measure::Used => self.quota_used[target]?,
            Measure::Waste => share(tally.wasted, tally.cost)?,
        })
    }

    /// The most starts per arrival over any ten seconds with at least 50 arrivals. Not measured in a run whose bins are
    /// longer than a second: ten seconds cannot be told apart there.
    fn amplification(&self) -> Option<f64> {
        let width = self.bins_in(10)?;
        let ratio = |bins: &[Bin]| {
            let arrivals: u32 = bins.iter().map(|bin| bin.arrivals).sum();
            let starts: u32 = bins.iter().map(|bin| bin.starts).sum();
            if arrivals < 50 { 0.0 } else { f64::from(starts) / f64::from(arrivals) }
        };
        Some(self.bins.windows(width.min(self.bins.len())).map(ratio).fold(0.0, f64::max))
    }

    /// Seconds from the window's end until the target first has 90 % of its share before the window, over five seconds.
    /// 0 if its share never fell below that in the window: nothing left, so nothing has to return. Not measured if there
    /// were too few starts before the window, or bins are longer than a second.
    fn recovered_after(&self, target: usize) -> Option<f64> {
        let width = self.bins_in(5)?;
        let index = |nanos: u64| usize::try_from(nanos / self.bin).unwrap_or(usize::MAX).min(self.bins.len());
        let all = |bins: &[Bin]| bins.iter().flat_map(|bin| &bin.first).sum::<u32>();
        let share = |bins: &[Bin]| {
            let own: u32 = bins.iter().map(|bin| bin.first[target]).sum();
            match all(bins) {
                0 => None,
                all => Some(f64::from(own) / f64::from(all)),
            }
        };
        let (from, until) = (index(self.window.0), index(self.window.1));
        let (before, during, after) = (&self.bins[..from], &self.bins[from..until], &self.bins[until..]);
        let needed = 0.9 * share(before).filter(|_| all(before) >= MIN_STARTS_FOR_SHARE)?;
        let spans = |bins: &'_ [Bin]| width.min(bins.len().max(1));
        let has_left =
            during.windows(spans(during)).any(|bins| share(bins).is_some_and(|share| share < needed));
        if !has_left {
            return Some(0.0);
        }
        let has_returned = |bins: &[Bin]| share(bins).is_some_and(|share| share >= needed);
        let at = after.windows(spans(after)).position(has_returned)?;
        Some((at + 1) as f64 * self.bin as f64 / 1e9)
    }

    /// The number of bins in this many seconds, if a bin is one second.
    fn bins_in(&self, seconds: u64) -> Option<usize> {
        (self.bin <= SHORTEST_BIN).then(|| usize::try_from(seconds).unwrap_or(1))
    }

    /// The window in nanoseconds.
    pub(crate) fn window(&self) -> (u64, u64) {
        self.window
    }
}
