//! The report: one self-contained page for people deciding whether to trust Hotspare.
//!
//! Computes no figures: it shows those of the summary. Invariant: no script, font or URL is loaded; what colour shows
//! is also stated in words; text from files is escaped.

mod markdown;
mod svg;

use std::fmt::Write;

use crate::marks::Measure;
use crate::stats::Estimate;
use crate::summary::{MarkResult, ScenarioRuns};

pub use markdown::{regret_table, replace_section, tables};

/// What was run, how, and how long it took.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// The command that repeats it.
    pub command: String,
    /// Seeds of each scenario.
    pub seeds: u32,
    /// Requests of the player under test.
    pub requests: u64,
    /// Requests of all players.
    pub total_requests: u64,
    /// Virtual time of the player under test, in seconds.
    pub virtual_secs: f64,
    /// Wall time, in seconds.
    pub wall_secs: f64,
}

const STYLE: &str = include_str!("report/style.css");

/// The page.
#[must_use]
pub fn html(provenance: &Provenance, runs: &[ScenarioRuns]) -> String {
    let mut page = String::with_capacity(1 << 20);
    let _ = writeln!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Hotspare under fire</title>\n<style>{STYLE}</style>\n<main>"
    );
    verdict(&mut page, provenance, runs);
    versus(&mut page, runs);
    index(&mut page, runs);
    for run in runs {
        section(&mut page, run);
    }
    let _ = writeln!(
        page,
        "<footer><p>Repeat it: <code>{}</code></p><p>The engine that was tried is the one that serves production: the same machine, \
         the same health, the same strategies. Only time, providers and callers were simulated. Every player meets the same requests, \
         the same outages and the same luck, so that differences are differences of policy.</p></footer>\n</main>\n</html>",
        escape(&provenance.command)
    );
    page
}

/// The verdict in a sentence.
#[must_use]
pub fn verdict_text(runs: &[ScenarioRuns]) -> String {
    let marked = runs.iter().any(|run| !run.marks().is_empty());
    let breaches: usize = runs.iter().map(|run| run.breached().count()).sum();
    let worlds: usize = runs.iter().map(|run| run.under_test().len()).sum();
    let safety = match breaches {
        0 => format!(
            "In {worlds} simulated worlds no invariant broke: no call was lost track of, no word came twice, no promise was broken."
        ),
        _ => format!(
            "In {breaches} of {worlds} simulated worlds an invariant broke. That is a bug; the lines that repeat it are below."
        ),
    };
    let seeds = runs.iter().map(|run| run.under_test().len()).max().unwrap_or(0);
    let worlds_of = match seeds {
        0..100 => format!("in every world (at most {seeds} for each)"),
        _ => "in at least 99 of 100 worlds".to_owned(),
    };
    let failed = runs.iter().filter(|run| run.failed()).count();
    let unjudged: usize =
        runs.iter().map(|run| run.marks().iter().filter(|mark| mark.runs == 0).count()).sum();
    let unjudged = match unjudged {
        0 => String::new(),
        1 => " One mark was not judged: the run was too short for it.".into(),
        some => format!(" {some} marks were not judged: the runs were too short for them."),
    };
    let marks = if !marked {
        let digests = || runs.iter().flat_map(ScenarioRuns::under_test);
        let lost: f64 = digests().filter_map(|run| run.value(Measure::Lost)).sum();
        let asked: u64 = digests().map(|run| run.requests).sum();
        format!("Of {} requests {} were not answered.", grouped(asked), grouped(lost as u64))
    } else if failed == 0 {
        format!("All {} scenarios reach every mark that was judged {worlds_of}.{unjudged}", runs.len())
    } else {
        format!(
            "{} of {} scenarios reach every mark that was judged {worlds_of}; what the others miss is listed below.{unjudged}",
            runs.len() - failed,
            runs.len()
        )
    };
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

fn verdict(page: &mut String, provenance: &Provenance, runs: &[ScenarioRuns]) {
    let good = !runs.iter().any(ScenarioRuns::failed);
    let class = if good { "good" } else { "mixed" };
    let days = provenance.virtual_secs / 86_400.0;
    let _ = writeln!(
        page,
        "<header><p class=\"kicker\">Hotspare · proof by simulation</p><h1>What happens to requests when providers break</h1>\
         <p class=\"verdict {class}\">{}</p>\
         <dl class=\"facts\"><div><dt>scenarios</dt><dd>{}</dd></div><div><dt>seeds each</dt><dd>{}</dd></div>\
         <div><dt>requests</dt><dd>{}</dd></div><div><dt>virtual days</dt><dd>{days:.1}</dd></div>\
         <div><dt>wall time</dt><dd>{:.0} s</dd></div></dl></header>",
        escape(&verdict_text(runs)),
        runs.len(),
        provenance.seeds,
        grouped(provenance.requests),
        provenance.wall_secs,
    );
}

/// All players side by side, over all scenarios.
fn versus(page: &mut String, runs: &[ScenarioRuns]) {
    let names: Vec<&str> =
        runs.first().map_or(Vec::new(), |run| run.players.iter().map(|(name, _)| name.as_str()).collect());
    if names.len() < 2 {
        return;
    }
    let _ = write!(
        page,
        "<h2>Beside the usual ways</h2><p>Means over the scenarios, while things are wrong. <b>Regret</b> is the distance from the oracle \
         (0 is as good as knowing everything): missing first tries, longer waits, later recoveries and extra starts, each as a share.</p>\
         <div class=\"scroll\"><table class=\"versus\"><thead><tr><th>who</th><th>answered</th><th>lost</th><th>first try</th>\
         <th>starts per request</th><th>wait, 99 %</th><th>regret</th></tr></thead><tbody>"
    );
    for name in &names {
        let mean = |measure: Measure| {
            let values: Vec<f64> =
                runs.iter().filter_map(|run| Some(run.estimate(name, measure)?.mean)).collect();
            if values.is_empty() { f64::NAN } else { values.iter().sum::<f64>() / values.len() as f64 }
        };
        let lost: f64 = runs
            .iter()
            .filter_map(|run| run.estimate(name, Measure::Lost))
            .map(|lost| lost.mean * lost.count as f64)
            .sum();
        let regrets: Vec<f64> = runs.iter().filter_map(|run| Some(run.regret(name)?.mean)).collect();
        let regret = crate::stats::Estimate::of(&regrets);
        let class = if name == &names[0] { " class=\"ours\"" } else { "" };
        let _ = write!(
            page,
            "<tr{class}><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{:.3}</td><td>{}</td><td>{}</td></tr>",
            escape(name),
            Measure::Available.show(mean(Measure::Available)),
            grouped(lost as u64),
            Measure::FirstTry.show(mean(Measure::FirstTry)),
            mean(Measure::Attempts),
            Measure::TtftP99.show(mean(Measure::TtftP99)),
            regret.map_or("–".into(), |regret| format!(
                "{:.3} <small>{:.3} to {:.3}</small>",
                regret.mean, regret.low, regret.high
            )),
        );
    }
    page.push_str("</tbody></table></div>\n");
}

fn index(page: &mut String, runs: &[ScenarioRuns]) {
    page.push_str("<h2>Scenarios</h2><ul class=\"index\">");
    for run in runs {
        let (class, word) = match () {
            () if run.failed() => ("miss", "missed"),
            () if run.passed() => ("ok", "reached"),
            () => ("part", "not all judged"),
        };
        let _ = write!(
            page,
            "<li><a href=\"#{0}\"><span class=\"dot {class}\" title=\"{word}\"></span>{0}<span class=\"sr\"> ({word})</span></a></li>",
            escape(&run.name)
        );
    }
    page.push_str("</ul>\n");
}

fn section(page: &mut String, run: &ScenarioRuns) {
    let marks = run.marks();
    let (class, word) = match () {
        () if run.failed() => ("miss", "marks missed"),
        () if run.passed() => ("ok", "marks reached"),
        () => ("part", "not all judged"),
    };
    let _ = write!(
        page,
        "<section id=\"{0}\"><h3>{0} <span class=\"badge {class}\">{word}</span></h3><p class=\"what\">{1}{2}.</p>",
        escape(&run.name),
        escape(&sentence(&run.what)),
        run.shortened().map_or_else(String::new, |part| format!(" ({part})"))
    );
    if let Some(timeline) = run.under_test().iter().find_map(|digest| digest.timeline.as_ref()) {
        svg::draw(page, timeline);
    }
    page.push_str("<div class=\"pair\"><div class=\"scroll\"><table><thead><tr><th>mark</th><th>median</th><th>worst 1 %</th><th>held in</th></tr></thead><tbody>");
    for mark in &marks {
        row(page, mark);
    }
    page.push_str("</tbody></table></div>");
    players(page, run);
    page.push_str("</div>");
    for digest in run.breached().take(3) {
        for breach in digest.breaches.iter().take(3) {
            let _ = write!(
                page,
                "<p class=\"breach\">seed {}, after {:.3} s: {}</p>",
                digest.seed,
                breach.at.as_secs_f64(),
                escape(&breach.what)
            );
        }
    }
    page.push_str("</section>\n");
}

fn row(page: &mut String, mark: &MarkResult) {
    let lower = mark.mark.contains('≥');
    let median = crate::stats::quantile(&mark.values, 0.5);
    let worst = crate::stats::quantile(&mark.values, if lower { 0.01 } else { 0.99 });
    let class = match () {
        () if mark.failed() => "miss",
        () if mark.passed() => "ok",
        () => "part",
    };
    let show = |value: f64| if mark.values.is_empty() { "never".into() } else { mark.measure.show(value) };
    let _ = write!(
        page,
        "<tr class=\"{class}\"><th>{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
        escape(&mark.mark),
        show(median),
        show(worst),
        match mark.runs {
            0 => "not judged".into(),
            runs => format!("{} of {runs}", mark.held),
        }
    );
}

fn players(page: &mut String, run: &ScenarioRuns) {
    if run.players.len() < 2 {
        return;
    }
    page.push_str("<div class=\"scroll\"><table><thead><tr><th>who</th><th>answered</th><th>first try</th><th>starts</th><th>wait, 99 %</th><th>regret</th></tr></thead><tbody>");
    for (index, (name, _)) in run.players.iter().enumerate() {
        let cell = |measure: Measure| {
            run.estimate(name, measure).map_or("–".into(), |value| measure.show(value.mean))
        };
        let regret = run.regret(name).map_or("–".into(), |regret| format!("{:.3}", regret.mean));
        let class = if index == 0 { " class=\"ours\"" } else { "" };
        let _ = write!(
            page,
            "<tr{class}><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{regret}</td></tr>",
            escape(name),
            cell(Measure::Available),
            cell(Measure::FirstTry),
            cell(Measure::Attempts),
            cell(Measure::TtftP99),
        );
    }
    page.push_str("</tbody></table></div>");
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A number with its thousands separated.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_page_is_self_contained_and_escaped() {
        let provenance = Provenance { command: "a <b> & c".into(), ..Provenance::default() };
        let page = html(&provenance, &[ScenarioRuns { name: "<x>".into(), ..ScenarioRuns::default() }]);
        assert!(page.contains("a &lt;b&gt; &amp; c") && page.contains("&lt;x&gt;") && !page.contains("<x>"));
        for outside in ["http:", "https:", "<script", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
    }
}
