//! The headline figures of a suite of runs, each with its confidence interval, its goal, and what it was measured over.
//!
//! Not a verdict on scenarios: marks judge those. Invariant: a figure that was not measured is left out, never guessed,
//! and every interval comes from resampled runs (or scenarios), so that the same runs give the same text.

use crate::digest::Digest;
use crate::marks::Measure;
use crate::stats::{Estimate, quantile};
use crate::summary::ScenarioRuns;

/// Scenarios in which failures are reported at once, and those in which they are not reported at all.
const FAIL_FAST: [&str; 7] =
    ["clean-end", "error-event", "half-errors", "malformed", "refused", "status-503", "tenth-errors"];
const SILENT: [&str; 4] = ["silence", "slow-start-20", "slow-start-5", "unreachable"];
/// Scenarios in which a share of calls fails until the breaker opens: a name and the share.
const DETECTION_SCENARIOS: [(&str, f64); 3] = [("refused", 1.0), ("status-503", 1.0), ("half-errors", 0.5)];
/// The failure rate of a healthy target, and the required odds for opening: the assumptions of the bound on detection. The
/// bound takes a refused connection for no stronger evidence than another failure, which breakers do.
const BASELINE_FAILURE_RATE: f64 = 0.02;
const REQUIRED_ODDS: f64 = 1e5;

/// One figure.
#[derive(Clone, Debug)]
pub struct Headline {
    /// Its number and name.
    pub name: String,
    /// What it was measured over.
    pub over: String,
    /// The figure, with its interval where it has one.
    pub figure: String,
    /// The goal.
    pub goal: String,
    /// Whether the goal is met.
    pub standing: GoalStatus,
}

/// How a figure compares with its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoalStatus {
    /// The goal is met.
    Reached,
    /// The goal is missed.
    Missed,
    /// Too little was run to tell.
    Unknown,
}

impl From<bool> for GoalStatus {
    fn from(reached: bool) -> Self {
        if reached { Self::Reached } else { Self::Missed }
    }
}

/// The figures for these runs. The first player is the one under test; comparisons need the players `oracle`, `random`
/// and `unhedged` as well.
#[must_use]
pub fn headlines(runs: &[ScenarioRuns]) -> Vec<Headline> {
    let suite = Suite { runs };
    let mut all = vec![suite.regret(), suite.nines_gap(), suite.routing()];
    all.push(suite.wait("fail-fast", &FAIL_FAST, 0.10));
    all.push(suite.wait("silent", &SILENT, 0.25));
    all.extend(DETECTION_SCENARIOS.iter().map(|(name, share)| suite.detection(name, *share)));
    all.extend([
        suite.recovery(0.5, 35.0),
        suite.recovery(0.99, 60.0),
        suite.amplification("anywhere", |_| true, 1.25),
        suite.amplification("healthy", is_healthy, 1.06),
        suite.waste("hotspare", "with hedges", 0.03),
        suite.waste("unhedged", "without", 0.003),
        suite.hedges(),
        suite.ejections("opened", Measure::OpensOfTheWell, 0.05),
        suite.ejections("degraded", Measure::DegradesOfTheWell, 1.0),
        suite.quota("429s of starts", Measure::Refused, |value| value <= 0.01, "≤ 1 %"),
        suite.quota("used of what there is", Measure::Used, |value| value >= 0.95, "≥ 95 %"),
        suite.integrity(),
    ]);
    all.into_iter().flatten().collect()
}

fn is_healthy(run: &ScenarioRuns) -> bool {
    run.name.starts_with("healthy")
}

struct Suite<'a> {
    runs: &'a [ScenarioRuns],
}

fn headline(
    name: &str,
    over: &str,
    figure: String,
    goal: &str,
    standing: impl Into<GoalStatus>,
) -> Option<Headline> {
    let [name, over, goal] = [name, over, goal].map(str::to_owned);
    Some(Headline { name, over, figure, goal, standing: standing.into() })
}

/// A mean with its interval.
fn with_interval(value: Estimate, show: impl Fn(f64) -> String) -> String {
    format!("{} ({} to {})", show(value.mean), show(value.low), show(value.high))
}

fn percent(value: f64) -> String {
    format!("{:.2} %", value * 100.0)
}

fn decimal(value: f64) -> String {
    format!("{value:.3}")
}

impl Suite<'_> {
    fn find(&self, name: &str) -> Option<&ScenarioRuns> {
        self.runs.iter().find(|run| run.name == name)
    }

    /// Runs of the player under test, paired with another player's on the same seed.
    fn paired_with<'b>(run: &'b ScenarioRuns, other: &str) -> impl Iterator<Item = (&'b Digest, &'b Digest)> {
        Self::paired(Some(run.under_test()), run.runs(other))
    }

    /// Runs of two players, paired by seed.
    fn paired<'b>(
        one: Option<&'b [Digest]>,
        other: Option<&'b [Digest]>,
    ) -> impl Iterator<Item = (&'b Digest, &'b Digest)> {
        let pairs = one.unwrap_or_default().iter().zip(other.unwrap_or_default());
        pairs.filter(|(one, other)| one.seed == other.seed)
    }

    /// The statement about the whole suite: a mean over scenarios, so that no single one can stand for all.
    fn regret(&self) -> Option<Headline> {
        let own = |run: &ScenarioRuns| Some(run.regret(&run.players.first()?.0)?.mean);
        let value = Estimate::of(&self.runs.iter().filter_map(own).collect::<Vec<_>>())?;
        let over = format!("{} scenarios, mean", value.count);
        let figure = with_interval(value, percent);
        headline("Σ regret against the oracle", &over, figure, "≤ 5 %", value.mean <= 0.05)
    }

    fn nines_gap(&self) -> Option<Headline> {
        let name = |run: &ScenarioRuns| run.players.first().map(|(name, _)| name.clone());
        let gaps: Vec<(f64, &str)> = self
            .runs
            .iter()
            .filter_map(|run| Some((run.nines_gap(&name(run)?)?, run.name.as_str())))
            .collect();
        let values: Vec<f64> = gaps.iter().map(|(gap, _)| *gap).collect();
        let beyond: Vec<&str> = gaps.iter().filter(|(gap, _)| *gap > 0.05).map(|(_, name)| *name).collect();
        let which = if beyond.is_empty() { "none".into() } else { beyond.join(", ") };
        let figure = format!("{}; beyond: {which}", with_interval(Estimate::of(&values)?, decimal));
        headline("M1 nines lost to the oracle", "all scenarios", figure, "≤ 0.05 each", beyond.is_empty())
    }

    fn routing(&self) -> Option<Headline> {
        let won = |run: &ScenarioRuns| {
            let mean = |player: &str| Some(run.estimate(player, Measure::FirstTry)?.mean);
            let (own, random, best) = (mean(&run.players.first()?.0)?, mean("random")?, mean("oracle")?);
            (best - random > 0.01).then(|| (own - random) / (best - random))
        };
        let values: Vec<f64> = self.runs.iter().filter_map(won).collect();
        let value = Estimate::of(&values)?;
        let over = format!("{} scenarios in which there is 1 % to win", values.len());
        headline("M2 first tries won", &over, with_interval(value, decimal), "≥ 0.97", value.mean >= 0.97)
    }

    fn wait(&self, what: &str, names: &[&str], goal: f64) -> Option<Headline> {
        let runs = names.iter().filter_map(|name| self.find(name));
        let ratio = |(own, best): (&Digest, &Digest)| {
            let (own, best) = (own.value(Measure::TtftP99)?, best.value(Measure::TtftP99)?);
            (best > 0.0).then(|| own / best - 1.0)
        };
        let values: Vec<f64> = runs
            .flat_map(|run| Self::paired(run.runs("unhedged"), run.runs("oracle")).filter_map(ratio))
            .collect();
        let value = Estimate::of(&values)?;
        let (name, goal_text) =
            (format!("M3 wait of 99 % in {what} outages"), format!("≤ {}", percent(goal)));
        headline(
            &name,
            "both without hedges: `unhedged` against the oracle",
            with_interval(value, percent),
            &goal_text,
            value.mean <= goal,
        )
    }

    /// Outcomes that a sequential test with these odds needs on average (Wald), divided by those that were used.
    fn detection(&self, name: &str, share: f64) -> Option<Headline> {
        let part = |p: f64, q: f64| if p > 0.0 { p * libm::log(p / q) } else { 0.0 };
        let bound = libm::log(REQUIRED_ODDS)
            / (part(share, BASELINE_FAILURE_RATE) + part(1.0 - share, 1.0 - BASELINE_FAILURE_RATE));
        let run = self.find(name)?;
        let used: Vec<f64> =
            run.under_test().iter().filter_map(|run| run.value(Measure::OutcomesToOpen)).collect();
        let values: Vec<f64> = used.iter().map(|used| bound / used.max(1.0)).collect();
        let value = Estimate::of(&values)?;
        let goal = if share < 1.0 { 0.85 } else { 0.7 };
        let figure = format!("{}; {:.0} ends of calls", with_interval(value, decimal), quantile(&used, 0.5));
        let goal_text = format!("≥ {goal}");
        headline(
            &format!("M4 detection, `{name}`"),
            "the least that a test needs",
            figure,
            &goal_text,
            value.mean >= goal,
        )
    }

    fn recovery(&self, share: f64, goal: f64) -> Option<Headline> {
        let values: Vec<f64> = self
            .runs
            .iter()
            .flat_map(|run| Self::paired_with(run, "oracle").filter_map(|(own, best)| run.lag(own, best)))
            .collect();
        Estimate::of(&values)?;
        let value = quantile(&values, share);
        let over = format!("{} returns of a first choice", values.len());
        let name = format!("M5 back later than the oracle, {:.0} %", share * 100.0);
        headline(&name, &over, format!("{value:.1} s"), &format!("≤ {goal:.0} s"), value <= goal)
    }

    fn amplification(
        &self,
        over: &str,
        which: impl Fn(&ScenarioRuns) -> bool,
        goal: f64,
    ) -> Option<Headline> {
        let most = |run: &ScenarioRuns| {
            let values = run.under_test().iter().filter_map(|run| run.value(Measure::Amplification));
            values.reduce(f64::max).map(|most| (most, run.name.clone()))
        };
        let (value, name) = self
            .runs
            .iter()
            .filter(|run| which(run))
            .filter_map(most)
            .reduce(|one, other| if other.0 > one.0 { other } else { one })?;
        let figure = format!("{value:.3} in `{name}`");
        headline("M6 most starts per arrival in 10 s", over, figure, &format!("≤ {goal}"), value <= goal)
    }

    fn waste(&self, player: &str, what: &str, goal: f64) -> Option<Headline> {
        let value = self.find("healthy")?.estimate(player, Measure::Waste)?;
        let name = format!("M7 spend that bought nothing, {what}");
        headline(
            &name,
            "`healthy`",
            with_interval(value, percent),
            &format!("≤ {}", percent(goal)),
            value.mean <= goal,
        )
    }

    fn hedges(&self) -> Option<Headline> {
        let run = self.find("healthy")?;
        let gain = |(own, unhedged): (&Digest, &Digest)| {
            let (waits, was) = (own.value(Measure::TtftP99)?, unhedged.value(Measure::TtftP99)?);
            let more = own.value(Measure::Attempts)? - unhedged.value(Measure::Attempts)?;
            (more > 0.0).then(|| (1.0 - waits / was) / more)
        };
        let values: Vec<f64> = Self::paired_with(run, "unhedged").filter_map(gain).collect();
        let value = Estimate::of(&values)?;
        let show = |value: f64| format!("{value:.1} %");
        let name = "M8 shorter wait of 99 % per 1 % more starts";
        headline(
            name,
            "`healthy`, with and without hedges",
            with_interval(value, show),
            "≥ 8 %",
            value.mean >= 8.0,
        )
    }

    /// Events per 1,000 hours of a healthy target, with the upper limit of the 95 % interval.
    fn ejections(&self, what: &str, measure: Measure, goal: f64) -> Option<Headline> {
        let (mut events, mut hours) = (0.0, 0.0);
        for run in self.runs.iter().filter(|run| run.healthy_targets > 0) {
            let values: Vec<f64> = run.under_test().iter().filter_map(|run| run.value(measure)).collect();
            events += values.iter().sum::<f64>();
            hours += values.len() as f64 * run.healthy_targets as f64 * run.outage.min(run.length) / 3_600.0;
        }
        (hours > 0.0).then_some(())?;
        // Byar's approximation of the upper end of an exact Poisson interval.
        let least = events + 1.0;
        let root = 1.0 - 1.0 / (9.0 * least) + 1.96 / (3.0 * libm::sqrt(least));
        let most = least * root * root * root / hours * 1_000.0;
        let rate = events / hours * 1_000.0;
        let figure = format!("{rate:.2} (95 %: below {most:.2}): {events:.0} in {hours:.0} target-hours");
        let name = format!("M9 healthy targets {what} per 1,000 h");
        let standing = match () {
            () if rate > goal => GoalStatus::Missed,
            () if most > goal => GoalStatus::Unknown,
            () => GoalStatus::Reached,
        };
        headline(&name, "targets that nothing is wrong with", figure, &format!("≤ {goal}"), standing)
    }

    fn quota(&self, what: &str, measure: Measure, good: fn(f64) -> bool, goal: &str) -> Option<Headline> {
        let run = self.find("quota-told")?;
        let value = run.estimate(&run.players.first()?.0, measure)?;
        headline(
            &format!("M10 quota: {what}"),
            "`quota-told`",
            with_interval(value, percent),
            goal,
            good(value.mean),
        )
    }

    fn integrity(&self) -> Option<Headline> {
        let runs = || self.runs.iter().flat_map(ScenarioRuns::under_test);
        let (requests, breaches) = (
            runs().map(|run| run.requests).sum::<u64>(),
            runs().map(|run| run.breaches.len()).sum::<usize>(),
        );
        (requests > 0).then_some(())?;
        // None in n tries: with 95 % confidence fewer than 3 in n (the rule of three).
        let most = 3.0 / (requests as f64 / 1e6);
        let figure = match breaches {
            0 => format!("0 in {requests} requests (95 %: below {most:.2} in a million)"),
            some => format!("{some} in {requests} requests"),
        };
        headline(
            "M12 words lost, doubled or mixed; leases leaked; any other broken invariant",
            "everything",
            figure,
            "0",
            breaches == 0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Player, RivalKind, RunOptions, Scenario, run};

    #[test]
    fn headline_figures_match_their_runs_and_a_worse_player_scores_lower() {
        let play = |trial: fn(&Scenario) -> Player| {
            let mut all = Vec::new();
            for name in ["refused", "half-errors"] {
                let scenario = Scenario::find(name).unwrap();
                let players = [trial(&scenario), RivalKind::Random.into(), RivalKind::Oracle.into()];
                let mut runs = ScenarioRuns::new(&scenario, &players, 1);
                for (player, (_, digests)) in players.iter().zip(&mut runs.players) {
                    let outcome = run(&scenario, player, 1, &RunOptions::default()).unwrap();
                    digests.push(Digest::of(&scenario, 1, outcome));
                }
                all.push(runs);
            }
            headlines(&all)
        };
        let figure = |lines: &[Headline], name: &str| {
            lines
                .iter()
                .find(|line| line.name.starts_with(name))
                .map(|line| (line.figure.clone(), line.standing))
        };
        let ours = play(|scenario| scenario.setup().unwrap().into());
        let theirs = play(|_| RivalKind::RetrySame.into());
        let (found, fast) = figure(&ours, "M4 detection, `refused`").unwrap();
        assert!(
            fast == GoalStatus::Reached && found.ends_with("; 4 ends of calls"),
            "three failures, and what else ended meanwhile: {found}"
        );
        assert_eq!(figure(&ours, "M1").map(|(_, standing)| standing), Some(GoalStatus::Reached));
        assert_eq!(figure(&theirs, "M1").map(|(_, standing)| standing), Some(GoalStatus::Missed));
        for (lines, standing) in [(&ours, GoalStatus::Reached), (&theirs, GoalStatus::Missed)] {
            let regret = figure(lines, "Σ regret").unwrap();
            assert_eq!(regret.1, standing, "{regret:?}");
        }
        assert_eq!(figure(&theirs, "M4"), None, "a rival without a breaker detects nothing");
        assert_eq!(figure(&ours, "M8"), None, "no run without hedges");
    }

    /// Runs of one scenario in which the first target recovers after these seconds: own, the oracle's.
    fn returns(own: Option<f64>, oracle: Option<f64>) -> Option<String> {
        let scenario = Scenario::find("refused").unwrap();
        let players = [Player::from(scenario.setup().unwrap()), RivalKind::Oracle.into()];
        let mut runs = ScenarioRuns::new(&scenario, &players, 1);
        let at =
            crate::digest::DIGEST_MEASURES.iter().position(|one| *one == Measure::RecoveredAfter).unwrap();
        for ((player, (_, digests)), recovered) in players.iter().zip(&mut runs.players).zip([own, oracle]) {
            let mut digest =
                Digest::of(&scenario, 1, run(&scenario, player, 1, &RunOptions::default()).unwrap());
            digest.values[at] = recovered;
            digests.push(digest);
        }
        let line = headlines(&[runs]).into_iter().find(|line| line.name.starts_with("M5"));
        line.map(|line| line.figure)
    }

    #[test]
    fn a_target_that_never_returns_is_late_by_the_rest_of_the_run() {
        assert_eq!(returns(Some(25.0), Some(5.0)).as_deref(), Some("20.0 s"));
        // The window ends at minute 5 of 10.
        assert_eq!(returns(None, Some(5.0)).as_deref(), Some("295.0 s"));
        assert_eq!(returns(Some(0.0), Some(5.0)), None, "its traffic never left");
        assert_eq!(returns(Some(25.0), None), None, "not even the oracle could return");
    }
}
