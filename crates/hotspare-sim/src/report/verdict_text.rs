//! The results in a few sentences, for people.
//!
//! Invariant: what was not judged is not said to hold.

use super::grouped;
use crate::digest::Digest;
use crate::marks::Measure;
use crate::stats::Estimate;
use crate::summary::ScenarioRuns;

/// The verdict in a sentence.
#[must_use]
pub fn verdict_text(runs: &[ScenarioRuns]) -> String {
    let breaches: usize = runs.iter().map(|run| run.breached().count()).sum();
    let count: usize = runs.iter().flat_map(ScenarioRuns::tested).map(|(_, digests)| digests.len()).sum();
    let runs_text = if count == 1 { "run" } else { "runs" };
    let safety = match breaches {
        0 => format!(
            "All invariants held in {count} simulated {runs_text}: no call was lost track of, no text was repeated, no promised pause \
             was shortened."
        ),
        _ => format!(
            "An invariant was violated in {breaches} of {count} {runs_text}. This is a bug; commands to reproduce it are below."
        ),
    };
    let marks = marks_text(runs);
    let regret: Vec<f64> =
        runs.iter().filter_map(|run| Some(run.regret(&run.players.first()?.0)?.mean)).collect();
    let distance = if regret.is_empty() {
        String::new()
    } else {
        let mean = regret.iter().sum::<f64>() / regret.len() as f64;
        format!(
            " On average its regret is {:.1} %, measured against an oracle that knows every provider's state{}.",
            mean * 100.0,
            answer_rates(runs).unwrap_or_default()
        )
    };
    format!("{safety} {marks}{distance}")
}

/// Whether the marks were reached or, if there are none, how many requests were lost.
fn marks_text(runs: &[ScenarioRuns]) -> String {
    let judged = runs.iter().flat_map(ScenarioRuns::marks).filter(|mark| mark.runs > 0).count();
    let unjudged = runs.iter().flat_map(ScenarioRuns::marks).count() - judged;
    let unjudged = match unjudged {
        0 => String::new(),
        1 => " One mark was not judged: the run was too short for it.".into(),
        some => format!(" {some} marks were not judged: the runs were too short for them."),
    };
    if judged == 0 {
        return losses_text(runs) + &unjudged;
    }
    let seeds = runs.iter().map(|run| run.under_test().len()).max().unwrap_or(0);
    let in_runs = match seeds {
        1 if runs.len() == 1 => "in its only run".to_owned(),
        1 => "in one run each".to_owned(),
        0..100 => format!("in every run (at most {seeds} per scenario)"),
        _ => "in at least 99 % of runs".to_owned(),
    };
    let failed = runs.iter().filter(|run| run.failed()).count();
    match (failed, runs.len()) {
        (0, 1) => format!("The scenario reached every mark that was judged {in_runs}.{unjudged}"),
        (0, all) => format!("All {all} scenarios reached every mark that was judged {in_runs}.{unjudged}"),
        (_, 1) => format!("The scenario missed marks, which are listed below.{unjudged}"),
        (_, all) => format!(
            "{} of {all} scenarios reached every mark that was judged {in_runs}; those that the others missed are listed \
             below.{unjudged}",
            all - failed
        ),
    }
}

/// One scenario in a few sentences, for each player under test.
pub(super) fn scenario_text(run: &ScenarioRuns) -> Vec<String> {
    let one = run.tested().len() == 1;
    let is_compared = |name: &str| name != "oracle" && run.runs("oracle").is_some();
    let text = |(name, digests): &(String, Vec<Digest>)| {
        let with_oracle = |measure: Measure| {
            let own = run.estimate(name, measure)?.mean;
            let oracle = run.estimate("oracle", measure).filter(|_| is_compared(name));
            let oracle = oracle.map(|oracle| format!(" (oracle: {})", measure.show(oracle.mean)));
            Some((own, format!("{}{}", measure.show(own), oracle.unwrap_or_default())))
        };
        let lost: f64 = digests.iter().filter_map(|run| run.value(Measure::Lost)).sum();
        let (available, answered) = with_oracle(Measure::Available)?;
        let mut text = if one { String::new() } else { format!("{name}: ") };
        text.push_str(&match available {
            all if all >= 1.0 && lost == 0.0 => "Every request was answered.".to_owned(),
            _ => format!("{answered} of requests were answered; {} were lost.", grouped(lost as u64)),
        });
        if let Some((_, first)) = with_oracle(Measure::FirstTry) {
            text.push_str(&format!(" The first target tried answered {first}."));
        }
        if let Some((_, wait)) = with_oracle(Measure::TtftP99) {
            text.push_str(&format!(" 99 of 100 callers waited at most {wait} for first content."));
        }
        if let Some((starts, _)) = with_oracle(Measure::Attempts) {
            text.push_str(&match (starts - 1.0) * 100.0 {
                more if more >= 0.05 => {
                    format!(" Providers got {more:.1} % more requests than callers sent.")
                }
                _ => " Providers got no more requests than callers sent.".to_owned(),
            });
        }
        Some(text)
    };
    run.tested().iter().filter_map(text).collect()
}

/// How many requests each player under test lost.
fn losses_text(runs: &[ScenarioRuns]) -> String {
    let tested = runs.first().map_or(&[][..], ScenarioRuns::tested);
    let one = tested.len() == 1;
    let text = |(index, (name, _)): (usize, &(String, Vec<Digest>))| {
        let digests =
            || runs.iter().filter_map(|run| run.tested().get(index)).flat_map(|(_, digests)| digests);
        let lost: f64 = digests().filter_map(|run| run.value(Measure::Lost)).sum();
        let requests: u64 = digests().map(|run| run.requests).sum();
        let who = if one { String::new() } else { format!("{name}: ") };
        format!("{who}{} of {} requests were not answered.", grouped(lost as u64), grouped(requests))
    };
    tested.iter().enumerate().map(text).collect::<Vec<_>>().join(" ")
}

/// The mean regret of a player over the scenarios; over its runs if there is only one scenario.
pub(super) fn overall_regret(runs: &[ScenarioRuns], player: &str) -> Option<Estimate> {
    if let [run] = runs {
        return run.regret(player);
    }
    let regrets: Vec<f64> = runs.iter().filter_map(|run| Some(run.regret(player)?.mean)).collect();
    Estimate::of(&regrets)
}

/// Regret does not count lost requests, so they are listed next to it.
fn answer_rates(runs: &[ScenarioRuns]) -> Option<String> {
    let pairs = runs.iter().filter_map(|run| {
        let answered = |name: &str| Some(run.estimate(name, Measure::Available)?.mean);
        Some((answered(&run.players.first()?.0)?, answered("oracle")?))
    });
    let (own, oracle): (Vec<f64>, Vec<f64>) = pairs.unzip();
    let mean = |values: &[f64]| Some(Estimate::of(values)?.mean);
    Some(format!(
        "; it answers {} of the requests where the oracle answers {}",
        Measure::Available.show(mean(&own)?),
        Measure::Available.show(mean(&oracle)?)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Player, RunOptions, Scenario, run};

    fn runs(mark: &str, length: u64, seeds: u64) -> ScenarioRuns {
        let text = format!("what = \"x\"\nlength = \"20s\"\nwindow = [\"5s\", \"15s\"]\nmarks = [{mark}]");
        let mut scenario = Scenario::parse("short", &text).unwrap();
        scenario.set_length(std::time::Duration::from_secs(length));
        let player = Player::from(scenario.setup().unwrap());
        let mut runs = ScenarioRuns::new(&scenario, std::slice::from_ref(&player), 1);
        for seed in 1..=seeds {
            let outcome = run(&scenario, &player, seed, &RunOptions::default()).unwrap();
            runs.players[0].1.push(Digest::of(&scenario, seed, outcome));
        }
        runs
    }

    #[test]
    fn only_what_was_judged_is_said_to_hold() {
        let reached = r#"{ measure = "available", at_least = "90%" }"#;
        let missed = r#"{ measure = "attempts", at_most = 0.5 }"#;
        let text = |mark, length, seeds| verdict_text(&[runs(mark, length, seeds)]);
        let all = text(reached, 20, 2);
        assert!(
            all.contains("The scenario reached every mark that was judged in every run (at most 2"),
            "{all}"
        );
        assert!(text(missed, 20, 1).contains("The scenario missed marks"));
        let short = text(reached, 6, 1);
        assert!(short.contains("requests were not answered. One mark was not judged"), "{short}");
        assert!(!short.contains("reached"), "{short}");
        assert!(text("", 20, 1).contains("requests were not answered."));
    }

    #[test]
    fn a_scenario_is_told_in_sentences() {
        let mut runs = runs("", 20, 2);
        let own = scenario_text(&runs).concat();
        assert!(own.starts_with("Every request was answered. The first target tried answered "), "{own}");
        assert!(own.contains("99 of 100 callers waited at most ") && !own.contains("oracle"), "{own}");
        let digests = runs.players[0].1.clone();
        runs.players.push(("oracle".into(), digests));
        let compared = scenario_text(&runs).concat();
        assert_eq!(compared.matches(" (oracle: ").count(), 2, "{compared}");
        let at = |measure| crate::DIGEST_MEASURES.iter().position(|one| *one == measure).unwrap();
        for digest in &mut runs.players[0].1 {
            digest.values[at(Measure::Available)] = Some(0.9);
            digest.values[at(Measure::Lost)] = Some(1_000.0);
            digest.values[at(Measure::Attempts)] = Some(1.25);
        }
        let lossy = scenario_text(&runs).concat();
        assert!(
            lossy.starts_with(
                "90.000 % (oracle: 100.000 %) of requests were answered; 2\u{202f}000 were lost."
            ),
            "{lossy}"
        );
        assert!(lossy.contains("25.0 % more requests"), "{lossy}");
    }

    #[test]
    fn regret_over_one_scenario_has_the_interval_of_its_seeds() {
        let mut runs = runs("", 20, 4);
        let own = runs.players[0].1.clone();
        let mut oracle = own.clone();
        for (index, digest) in oracle.iter_mut().enumerate() {
            let starts = crate::DIGEST_MEASURES.iter().position(|one| *one == Measure::Attempts).unwrap();
            digest.values[starts] = digest.values[starts].map(|starts| starts - 0.1 * index as f64);
        }
        runs.players.push(("oracle".into(), oracle));
        let name = runs.players[0].0.clone();
        let regret = overall_regret(&[runs], &name).unwrap();
        assert!(regret.low < regret.mean && regret.mean < regret.high, "{regret:?}");
    }
}
