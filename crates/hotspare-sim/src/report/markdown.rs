//! The tables of a Markdown document, and where they go.
//!
//! Not prose: people write a document's text, a command its figures. Invariant: only what lies between a table's own
//! markers is replaced, and a document without them is an error, not appended to.

use std::fmt::Write;

use crate::digest::Digest;
use crate::marks::Measure;
use crate::metrics::{GoalStatus, headlines};
use crate::stats::{Estimate, quantile};
use crate::summary::{Regret, ScenarioRuns};

use super::verdict_text::overall_regret;
use super::{Provenance, grouped, verdict_text};

/// The tables of these runs, each with the name of its section.
#[must_use]
pub fn tables(provenance: &Provenance, runs: &[ScenarioRuns]) -> Vec<(&'static str, String)> {
    let mut all = vec![("scenarios", scenarios(provenance, runs))];
    if runs.iter().any(|run| run.players.len() > 1) {
        all.extend([("versus", versus(provenance, runs)), ("metrics", metrics(provenance, runs))]);
        all.push(("regret", heading(provenance) + &regret_table(runs)));
    }
    all
}

/// Replaces the text between the markers of a section.
///
/// # Errors
/// If the document has no such section.
pub fn replace_section(document: &str, name: &str, text: &str) -> Result<String, String> {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let missing = || format!("the document has no `{}` that is followed by `{end}`", begin.trim_end());
    let (before, rest) = document.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}{}\n{end}{after}", text.trim_end()))
}

fn heading(provenance: &Provenance) -> String {
    format!("`{}`\n\n", provenance.command)
}

fn scenarios(provenance: &Provenance, runs: &[ScenarioRuns]) -> String {
    let mut out = heading(provenance);
    let _ = writeln!(
        out,
        "{}\n\n{} requests of the route under test in {:.1} virtual days. Means over seeds during the faults; a mark must hold in 99 % of seeds.\n",
        verdict_text(runs),
        grouped(provenance.requests),
        provenance.virtual_secs / 86_400.0
    );
    out.push_str("| scenario | what goes wrong | seeds | answered | lost | first try | starts per request | first content, 99 % | marks |\n");
    out.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for (run, (name, digests)) in runs.iter().flat_map(|run| run.tested().iter().map(move |one| (run, one))) {
        let cell = |measure: Measure| {
            run.estimate(name, measure).map_or("–".into(), |value| measure.show(value.mean))
        };
        let lost: f64 = digests.iter().filter_map(|digest| digest.value(Measure::Lost)).sum();
        let _ = writeln!(
            out,
            "| `{}`{} | {}{} | {} | {} | {} | {} | {} | {} | {} |",
            run.name,
            if run.tested().len() > 1 { format!(", {name}") } else { String::new() },
            run.what,
            run.shortened().map_or_else(String::new, |part| format!(" ({part})")),
            digests.len(),
            cell(Measure::Available),
            grouped(lost as u64),
            cell(Measure::FirstTry),
            cell(Measure::Attempts),
            cell(Measure::TtftP99),
            marks(digests)
        );
    }
    out
}

/// How many marks were reached, and by how much the others were missed.
fn marks(digests: &[Digest]) -> String {
    let marks = ScenarioRuns::marks_in(digests);
    let reached = marks.iter().filter(|mark| mark.passed()).count();
    let mut text = format!("{reached} of {}", marks.len());
    match marks.iter().filter(|mark| mark.runs == 0).count() {
        0 => {}
        some => {
            let _ = write!(text, ", {some} not judged");
        }
    }
    for mark in marks.iter().filter(|mark| mark.failed()) {
        let median = match mark.values.is_empty() {
            true => "never".into(),
            false => mark.measure.show(quantile(&mark.values, 0.5)),
        };
        let _ = write!(text, "; **{}**: median {median}, held in {} of {}", mark.mark, mark.held, mark.runs);
    }
    match digests.iter().filter(|digest| !digest.breaches.is_empty()).count() {
        0 => text,
        some => format!("{text}; **an invariant was violated in {some} runs**"),
    }
}

fn versus(provenance: &Provenance, runs: &[ScenarioRuns]) -> String {
    let mut out = heading(provenance);
    out.push_str("| who | answered | lost | first try | starts per request | first content, 99 % | regret (95 %) |\n|---|---|---|---|---|---|---|\n");
    let names = runs.first().map_or(&[][..], |run| &run.players);
    for (name, _) in names {
        let mean = |measure: Measure| {
            let values: Vec<f64> =
                runs.iter().filter_map(|run| Some(run.estimate(name, measure)?.mean)).collect();
            Estimate::of(&values).map_or("–".into(), |value| measure.show(value.mean))
        };
        let lost = runs.iter().filter_map(|run| run.estimate(name, Measure::Lost));
        let lost: f64 = lost.map(|lost| lost.mean * lost.count as f64).sum();
        let regret = overall_regret(runs, name).map_or("–".into(), |regret| {
            format!("{:.3} ({:.3} to {:.3})", regret.mean, regret.low, regret.high)
        });
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} | {regret} |",
            mean(Measure::Available),
            grouped(lost as u64),
            mean(Measure::FirstTry),
            mean(Measure::Attempts),
            mean(Measure::TtftP99)
        );
    }
    out
}

/// Where the regret of the player under test comes from, largest first. Scenarios that contribute less than 1 % each share
/// one row.
#[must_use]
pub fn regret_table(runs: &[ScenarioRuns]) -> String {
    let mut rows: Vec<(&str, Vec<Regret>, Estimate)> = runs
        .iter()
        .filter_map(|run| {
            let name = &run.players.first()?.0;
            Some((run.name.as_str(), run.regrets(name)?, run.regret(name)?))
        })
        .collect();
    rows.sort_by(|one, other| other.2.mean.total_cmp(&one.2.mean));
    let sum: f64 = rows.iter().map(|(_, _, regret)| regret.mean).sum();
    let mut out = String::from("| scenario | regret (95 %) | of the sum |");
    for (part, _) in Regret::PARTS {
        let _ = write!(out, " {part} |");
    }
    out.push_str("\n|---|---|---|---|---|---|---|\n");
    let (shown, rest): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.2.mean >= sum / 100.0);
    for (name, regrets, all) in &shown {
        let _ = write!(
            out,
            "| `{name}` | {:.3} ({:.3} to {:.3}) | {:.1} % |",
            all.mean,
            all.low,
            all.high,
            all.mean / sum * 100.0
        );
        for (_, part) in Regret::PARTS {
            let values: Vec<f64> = regrets.iter().filter_map(part).collect();
            let mean = Estimate::of(&values).map_or("–".into(), |value| format!("{:.3}", value.mean));
            let _ = write!(out, " {mean} |");
        }
        out.push('\n');
    }
    if !rest.is_empty() {
        let share: f64 = rest.iter().map(|(_, _, regret)| regret.mean).sum::<f64>() / sum.max(1e-9);
        let _ = writeln!(out, "| {} others | | {:.1} % | | | | |", rest.len(), share * 100.0);
    }
    out
}

fn metrics(provenance: &Provenance, runs: &[ScenarioRuns]) -> String {
    let mut out = heading(provenance);
    out.push_str("| figure | taken over | value (95 %) | goal | |\n|---|---|---|---|---|\n");
    for line in headlines(runs) {
        let reached = match line.standing {
            GoalStatus::Reached => "reached",
            GoalStatus::Missed => "**missed**",
            GoalStatus::Unknown => "not enough hours",
        };
        let _ =
            writeln!(out, "| {} | {} | {} | {} | {reached} |", line.name, line.over, line.figure, line.goal);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_replaces_only_the_text_between_its_markers() {
        let document = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n";
        let placed = replace_section(document, "x", "new\n").unwrap();
        assert_eq!(placed, "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n");
        assert_eq!(replace_section(&placed, "x", "new").unwrap(), placed, "idempotent");
        assert!(replace_section(document, "y", "new").unwrap_err().contains("begin y"));
    }
}
