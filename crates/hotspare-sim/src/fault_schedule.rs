//! The state of the providers at each moment, which underlies all outcomes.
//!
//! Not an outcome: whether a fault affects a request is a separate draw. Invariant: fixed before the run starts, by
//! scenario and seed alone, so that every policy gets the same faults.

use hotspare_core::Moment;

use crate::effect::Effect;
use crate::rng::{CounterRng, Purpose};
use crate::scenario::{FaultDto, Incidents, Scenario, Swizzle};
use crate::units::nanos;

/// Latency of a refusal in nanoseconds, unless the fault sets another.
const ERROR_LATENCY: u64 = 80_000_000;

/// The faults of a run, by target.
#[derive(Clone, Debug)]
pub(crate) struct FaultSchedule {
    windows: Vec<Vec<FaultWindow>>,
    series: Vec<Option<AvailabilitySeries>>,
}

/// A span of time during which a fault is active.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultWindow {
    pub(crate) from: u64,
    pub(crate) until: u64,
    /// Lengths of the on and off phases, in nanoseconds.
    flap: Option<(u64, u64)>,
    pub(crate) effect: Effect,
    /// Share of requests that are affected.
    pub(crate) share: f64,
    pub(crate) key: Option<u32>,
    /// Its index among the target's windows, so that overlapping windows have separate draws.
    pub(crate) number: u64,
    /// Latency of the failing reply, in nanoseconds.
    pub(crate) after: u64,
    /// Whether its start resets the connections of requests in flight.
    pub(crate) cuts_in_flight: bool,
}

/// Measured success probabilities, each valid until the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct AvailabilitySeries {
    /// Moment in nanoseconds, and the share of requests that succeed; `None` if not listed then.
    pub(crate) points: Vec<(u64, Option<f32>)>,
}

impl AvailabilitySeries {
    pub(crate) fn at(&self, now: Moment) -> Option<f32> {
        let after = self.points.partition_point(|(at, _)| *at <= now.as_nanos());
        after.checked_sub(1).and_then(|index| self.points[index].1)
    }
}

impl FaultSchedule {
    pub(crate) fn new(scenario: &Scenario, rng: CounterRng) -> Self {
        let count = scenario.targets.len();
        let mut schedule = Self { windows: vec![Vec::new(); count], series: vec![None; count] };
        for fault in &scenario.faults {
            let window = FaultWindow::new(fault, scenario);
            for (index, target) in scenario.targets.iter().enumerate() {
                if fault.on.iter().any(|name| target.is_addressed_by(name)) {
                    schedule.windows[index].push(window);
                }
            }
        }
        if let Some(incidents) = &scenario.incidents {
            schedule.add_incidents(incidents, scenario.length.nanos(), rng);
        }
        if let Some(swizzle) = &scenario.swizzle {
            schedule.add_swizzle(swizzle, rng);
        }
        for windows in &mut schedule.windows {
            for (number, window) in (0..).zip(windows) {
                window.number = number;
            }
        }
        schedule
    }

    /// Sets measured success probabilities, by target.
    pub(crate) fn with_series(mut self, series: Vec<AvailabilitySeries>) -> Self {
        self.series = series.into_iter().map(Some).collect();
        self
    }

    /// The faults active at a target now.
    pub(crate) fn active(&self, target: usize, now: Moment) -> impl Iterator<Item = &FaultWindow> {
        self.windows.get(target).into_iter().flatten().filter(move |window| window.is_active(now))
    }

    /// All faults of a target, at any time.
    pub(crate) fn all(&self, target: usize) -> &[FaultWindow] {
        self.windows.get(target).map_or(&[], Vec::as_slice)
    }

    /// When faults reset connections in flight: the moment, the target, and the fault's index there.
    pub(crate) fn cuts(&self) -> impl Iterator<Item = (Moment, usize, usize)> {
        self.windows.iter().enumerate().flat_map(|(target, windows)| {
            let cuts = windows.iter().enumerate().filter(|(_, window)| window.cuts_in_flight);
            cuts.map(move |(index, window)| (Moment::from_nanos(window.from), target, index))
        })
    }

    /// The measured success probability, if the target has one.
    pub(crate) fn measured(&self, target: usize, now: Moment) -> Option<f32> {
        self.series.get(target)?.as_ref()?.at(now)
    }

    /// Whether the target is not listed now and so cannot be used.
    pub(crate) fn is_absent(&self, target: usize, now: Moment) -> bool {
        self.series
            .get(target)
            .is_some_and(|series| series.as_ref().is_some_and(|series| series.at(now).is_none()))
    }

    /// Whether availability was measured, so that targets may be absent.
    pub(crate) fn is_measured(&self) -> bool {
        self.series.iter().any(Option::is_some)
    }

    /// Whether a target ever has a fault.
    pub(crate) fn has_faults(&self, target: usize) -> bool {
        self.windows.get(target).is_some_and(|windows| !windows.is_empty())
            || self.measured(target, Moment::ZERO).is_some()
    }

    /// Clustered arrivals (hyperexponential gaps), log-normal lengths; a partial incident fails a share of requests.
    fn add_incidents(&mut self, incidents: &Incidents, length: u64, rng: CounterRng) {
        let mean_gap = 30.0 * 86_400.0 / incidents.per_month.max(0.001);
        for target in 0..self.windows.len() {
            let unit = |number: u64, what: u64| rng.unit(Purpose::Incident, [target as u64, number, what]);
            let mut at = 0.0;
            for number in 0.. {
                // One gap in five is long: the coefficient of variation is about 2.
                let scale = if unit(number, 0) < 0.2 { 3.4 } else { 0.4 };
                at += -libm::log(1.0 - unit(number, 1)) * mean_gap * scale;
                if nanos(at) >= length {
                    break;
                }
                let lasts = incidents.median.0.as_secs_f64()
                    * libm::exp(incidents.sigma * normal(unit(number, 2), unit(number, 3)));
                let partial = unit(number, 4) < incidents.partial.0;
                let share = if partial { 0.02 + 0.5 * unit(number, 5) * unit(number, 6) } else { 1.0 };
                self.windows[target].push(FaultWindow {
                    from: nanos(at),
                    until: nanos(at + lasts),
                    flap: None,
                    effect: Effect::Wire(hotspare_chaos::Fault::Status(if unit(number, 7) < 0.5 {
                        500
                    } else {
                        503
                    })),
                    share,
                    key: None,
                    number: 0,
                    after: ERROR_LATENCY,
                    cuts_in_flight: false,
                });
            }
        }
    }

    fn add_swizzle(&mut self, swizzle: &Swizzle, rng: CounterRng) {
        let count = self.windows.len() as u64;
        let (every, end) = (swizzle.every.nanos().max(1), swizzle.until.nanos());
        let rounds = end / every;
        for round in 0..rounds {
            let draw = |what: u64| rng.draw(Purpose::Swizzle, [round, what, 0]);
            let target = usize::try_from(draw(0) % count).unwrap_or(0);
            let Some(effect) = swizzle.effects.get((draw(1) % swizzle.effects.len().max(1) as u64) as usize)
            else {
                return;
            };
            let from = round * every;
            let until = (from + draw(2) % (every * 6)).min(end);
            self.windows[target].push(FaultWindow {
                from,
                until,
                flap: None,
                effect: *effect,
                share: 1.0,
                key: None,
                number: 0,
                after: ERROR_LATENCY,
                cuts_in_flight: false,
            });
        }
    }
}

/// A number with this many decimals, or with more if it would otherwise be written as zero.
fn rounded(value: f64, decimals: usize) -> String {
    let mut written = (decimals..=9).map(|decimals| format!("{value:.decimals$}"));
    let shows = |text: &String| text.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    written.find(shows).unwrap_or_else(|| format!("{value:.decimals$}"))
}

impl FaultWindow {
    fn new(fault: &FaultDto, scenario: &Scenario) -> Self {
        Self {
            from: fault.from.unwrap_or(scenario.window[0]).nanos(),
            until: fault.until.unwrap_or(scenario.window[1]).nanos(),
            flap: fault.flap.map(|flap| (flap.on.nanos(), flap.off.nanos())),
            effect: fault.effect,
            share: fault.share.map_or(1.0, |share| share.0),
            key: fault.key,
            number: 0,
            after: fault.after.map_or(ERROR_LATENCY, crate::units::Span::nanos),
            cuts_in_flight: fault.cuts_in_flight,
        }
    }

    /// Its effect, and how often it has it, for people.
    pub(crate) fn describe(&self) -> String {
        let share = match self.share {
            share if share < 1.0 => format!(", {} % of requests", rounded(share * 100.0, 0)),
            _ => String::new(),
        };
        let key = self.key.map_or_else(String::new, |key| format!(", key {}", key + 1));
        let flap = self.flap.map_or_else(String::new, |(on, off)| {
            let secs = |nanos: u64| rounded(nanos as f64 / 1e9, 1);
            format!(", {} s on and {} s off", secs(on), secs(off))
        });
        format!("{}{share}{key}{flap}", self.effect)
    }

    fn is_active(&self, now: Moment) -> bool {
        let now = now.as_nanos();
        let inside = (self.from..self.until).contains(&now);
        let turn = self.flap.is_none_or(|(on, off)| (now - self.from.min(now)) % (on + off).max(1) < on);
        inside && turn
    }

    /// Whether an affected request gets no answer.
    pub(crate) fn is_fatal(&self) -> bool {
        use hotspare_chaos::Fault;
        !matches!(
            self.effect,
            Effect::TtftTimes(_)
                | Effect::GapTimes(_)
                | Effect::AtMost(_)
                | Effect::Wire(Fault::SlowDrip(_) | Fault::SlowFirstToken(_))
        )
    }
}

/// A normal draw from two uniform ones (Box–Muller).
pub(crate) fn normal(a: f64, b: f64) -> f64 {
    libm::sqrt(-2.0 * libm::log(1.0 - a)) * libm::cos(2.0 * std::f64::consts::PI * b)
}
