//! Results of a suite: players compared with each other and with the oracle.
//!
//! Invariant: players are compared in pairs on the same seeds; a figure that was not measured is left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::marks::Measure;
use crate::run::Player;
use crate::scenario::Scenario;
use crate::stats::Estimate;
use crate::verdict::Verdict;

/// If the oracle's first tries beat a random order by less than this, they say nothing about routing.
const WORTHWHILE: f64 = 0.01;

/// Runs of one scenario by several players.
#[derive(Clone, Debug, Default)]
pub struct ScenarioRuns {
    /// The scenario's name.
    pub name: String,
    /// What goes wrong.
    pub what: String,
    /// Seconds during which faults occur.
    pub outage: f64,
    /// Seconds of one run.
    pub length: f64,
    /// Seconds of the scenario at full length.
    pub full_length: f64,
    /// Seconds of one run after the faults end.
    pub after_outage: f64,
    /// Number of targets that no fault ever affects.
    pub healthy_targets: usize,
    /// Whether a fault may affect the first target, which then has to recover.
    pub first_target_may_fail: bool,
    /// By player, in the order of seeds. The first are those under test.
    pub players: Vec<(String, Vec<Digest>)>,
    /// Number of players under test: their marks are judged, the others are for comparison.
    pub tested: usize,
}

/// A mark over all seeds.
#[derive(Clone, Debug)]
pub struct MarkResult {
    /// The mark, formatted for display.
    pub mark: String,
    /// What was measured.
    pub measure: Measure,
    /// Number of runs that reached it.
    pub held: usize,
    /// Number of runs that were long enough to judge it.
    pub runs: usize,
    /// The measured values.
    pub values: Vec<f64>,
    /// The first seed that missed it.
    pub missed: Option<u64>,
}

impl MarkResult {
    /// Whether it held in 99 % of the runs that could be judged.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.runs > 0 && self.held * 100 >= self.runs * 99
    }

    /// Whether any run could be judged, and too many missed it.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.runs > 0 && !self.passed()
    }
}

/// How far one run is from the oracle's on the same seed. A part that does not apply is `None`; none is below 0.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Regret {
    /// The share of the oracle's gain in first tries over a random order that is missing, if that gain is worthwhile.
    pub(crate) first_tries: Option<f64>,
    /// How much longer the 99th percentile of time to first content is.
    pub(crate) wait: Option<f64>,
    /// How much later a recovered target gets its share back, relative to the length of the outage. A player that never
    /// gives it back counts as late by the rest of the run.
    pub(crate) lag: Option<f64>,
    /// Starts per request beyond the oracle's.
    pub(crate) starts: Option<f64>,
}

/// The name of a part, and the part.
pub(crate) type RegretPart = (&'static str, fn(&Regret) -> Option<f64>);

impl Regret {
    /// The parts by name.
    pub(crate) const PARTS: [RegretPart; 4] = [
        ("first tries", |regret| regret.first_tries),
        ("wait", |regret| regret.wait),
        ("late return", |regret| regret.lag),
        ("starts", |regret| regret.starts),
    ];

    /// The mean of the parts that apply.
    pub(crate) fn mean(&self) -> f64 {
        let parts = Self::PARTS.map(|(_, part)| part(self));
        let count = parts.iter().flatten().count();
        parts.iter().flatten().sum::<f64>() / count.max(1) as f64
    }
}

impl ScenarioRuns {
    /// A summary without runs, of which the first `tested` players are under test. Figures are looked up by name, so
    /// that no two players may have the same one.
    #[must_use]
    pub fn new(scenario: &Scenario, players: &[Player], tested: usize) -> Self {
        let names: BTreeSet<&str> = players.iter().map(Player::name).collect();
        debug_assert_eq!(names.len(), players.len(), "{}: players share a name", scenario.name);
        let [from, until] = scenario.window;
        Self {
            name: scenario.name.clone(),
            what: scenario.what.clone(),
            outage: until.0.saturating_sub(from.0).as_secs_f64(),
            length: scenario.length.0.as_secs_f64(),
            full_length: scenario.full_length().0.as_secs_f64(),
            after_outage: scenario.length.0.saturating_sub(until.0).as_secs_f64(),
            healthy_targets: scenario.healthy_targets(),
            first_target_may_fail: scenario.first_target_may_fail(),
            players: players.iter().map(|player| (player.name().to_owned(), Vec::new())).collect(),
            tested,
        }
    }

    /// The runs of the first player, with which the others are compared.
    #[must_use]
    pub fn under_test(&self) -> &[Digest] {
        self.players.first().map_or(&[], |(_, runs)| runs)
    }

    /// The players under test.
    #[must_use]
    pub fn tested(&self) -> &[(String, Vec<Digest>)] {
        &self.players[..self.tested.min(self.players.len())]
    }

    /// The scenario's marks, for each player under test in turn.
    pub fn marks(&self) -> impl Iterator<Item = MarkResult> {
        self.tested().iter().flat_map(|(_, runs)| Self::marks_in(runs))
    }

    /// The scenario's marks in the runs of one player.
    #[must_use]
    pub fn marks_in(runs: &[Digest]) -> Vec<MarkResult> {
        let count = runs.first().map_or(0, |run| run.judged.len());
        let result = |index: usize| {
            let judged =
                || runs.iter().filter_map(move |run| run.judged.get(index).map(|judged| (run.seed, judged)));
            let with = |verdict: Verdict| judged().filter(move |(_, judged)| judged.verdict == verdict);
            let first = &runs[0].judged[index];
            MarkResult {
                mark: first.mark.clone(),
                measure: first.measure,
                held: with(Verdict::Reached).count(),
                runs: runs.len() - with(Verdict::NotJudged).count(),
                values: judged().filter_map(|(_, judged)| judged.value).collect(),
                missed: with(Verdict::Missed).map(|(seed, _)| seed).next(),
            }
        };
        (0..count).map(result).collect()
    }

    /// Runs of the players under test in which an invariant was violated.
    pub fn breached(&self) -> impl Iterator<Item = &Digest> {
        self.tested().iter().flat_map(|(_, runs)| runs).filter(|run| !run.breaches.is_empty())
    }

    /// Whether all marks could be judged and were reached, and no invariant was violated.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.breached().next().is_none() && self.marks().all(|mark| mark.passed())
    }

    /// Whether a mark was missed or an invariant violated.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.breached().next().is_some() || self.marks().any(|mark| mark.failed())
    }

    /// How much of the scenario was run, if not all of it: `12 min of 90 d`.
    #[must_use]
    pub fn shortened(&self) -> Option<String> {
        let show = |secs: f64| match secs {
            secs if secs >= 86_400.0 => format!("{:.3} d", secs / 86_400.0),
            secs if secs >= 3_600.0 => format!("{:.3} h", secs / 3_600.0),
            secs if secs >= 60.0 => format!("{:.3} min", secs / 60.0),
            secs => format!("{secs:.3} s"),
        };
        let short = |secs: f64| {
            let text = show(secs);
            let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        };
        (self.length < self.full_length)
            .then(|| format!("{} of {}", short(self.length), short(self.full_length)))
    }

    /// A measure of one player over all seeds.
    #[must_use]
    pub fn estimate(&self, player: &str, measure: Measure) -> Option<Estimate> {
        let values: Vec<f64> = self.runs(player)?.iter().filter_map(|run| run.value(measure)).collect();
        Estimate::of(&values)
    }

    pub(crate) fn runs(&self, player: &str) -> Option<&[Digest]> {
        self.players.iter().find(|(name, _)| name == player).map(|(_, runs)| runs.as_slice())
    }

    /// How far a player is from the oracle: the mean over seeds.
    #[must_use]
    pub fn regret(&self, player: &str) -> Option<Estimate> {
        let values: Vec<f64> = self.regrets(player)?.iter().map(Regret::mean).collect();
        Estimate::of(&values)
    }

    /// How far a player is from the oracle, seed by seed.
    pub(crate) fn regrets(&self, player: &str) -> Option<Vec<Regret>> {
        let (own, oracle) = (self.runs(player)?, self.runs("oracle")?);
        let random = self.runs("random");
        let by_seed: BTreeMap<u64, &Digest> = oracle.iter().map(|run| (run.seed, run)).collect();
        let regrets = own.iter().enumerate().filter_map(|(index, run)| {
            let best = by_seed.get(&run.seed)?;
            let random = random.and_then(|runs| runs.get(index)).filter(|random| random.seed == run.seed);
            Some(self.regret_of(run, best, random))
        });
        Some(regrets.collect())
    }

    /// log10 of the ratio of requests lost by the player to those lost by the oracle, with one added to each.
    #[must_use]
    pub fn nines_gap(&self, player: &str) -> Option<f64> {
        let lost = |player: &str| {
            let runs = self.runs(player)?;
            let lost: f64 = runs.iter().filter_map(|run| run.value(Measure::Lost)).sum();
            Some(lost + 1.0)
        };
        Some((lost(player)? / lost("oracle")?).log10())
    }

    /// Seconds by which the first target got its share back later than with the oracle, if its traffic left and could
    /// return. A player that never gives it back counts as late by the rest of the run.
    pub(crate) fn lag(&self, run: &Digest, best: &Digest) -> Option<f64> {
        let oracle = best.value(Measure::RecoveredAfter).filter(|_| self.first_target_may_fail)?;
        match run.value(Measure::RecoveredAfter) {
            Some(own) if own <= 0.0 => None,
            Some(own) => Some((own - oracle).max(0.0)),
            None => Some((self.after_outage - oracle).max(0.0)),
        }
    }

    fn regret_of(&self, run: &Digest, best: &Digest, random: Option<&Digest>) -> Regret {
        let both = |measure: Measure| run.value(measure).zip(best.value(measure));
        let random = random.and_then(|run| run.value(Measure::FirstTry));
        let first_tries = both(Measure::FirstTry).zip(random).and_then(|((own, oracle), random)| {
            let gain = oracle - random;
            (gain > WORTHWHILE).then(|| (1.0 - (own - random) / gain).max(0.0))
        });
        let wait = both(Measure::TtftP99)
            .filter(|(_, oracle)| *oracle > 0.0)
            .map(|(own, oracle)| ((own - oracle) / oracle).max(0.0));
        let lag = self.lag(run, best).filter(|_| self.outage > 0.0).map(|lag| lag / self.outage);
        let starts = both(Measure::Attempts).map(|(own, oracle)| (own - oracle).max(0.0));
        Regret { first_tries, wait, lag, starts }
    }
}
