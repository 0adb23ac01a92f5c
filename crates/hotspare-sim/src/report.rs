//! The report: one self-contained page for people deciding whether to trust Hotspare.
//!
//! Computes no figures: it shows those of the summary. Invariant: no script, font or URL is loaded; what colour shows
//! is also stated in words; text from files is escaped.

mod guide;
mod markdown;
pub mod page;
mod svg;
mod verdict_text;

use std::fmt::Write;

use crate::marks::Measure;
use crate::summary::{MarkResult, ScenarioRuns};
use crate::timeline::Timeline;

pub use markdown::{regret_table, replace_section, tables};
pub use verdict_text::verdict_text;

use page::escape;
use verdict_text::{overall_regret, scenario_text};

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

/// The page.
#[must_use]
pub fn html(provenance: &Provenance, runs: &[ScenarioRuns]) -> String {
    let mut page = page::begin("Hotspare: simulated outages");
    verdict(&mut page, provenance, runs);
    guide::draw(&mut page, runs);
    versus(&mut page, runs);
    index(&mut page, runs);
    for run in runs {
        section(&mut page, run);
    }
    let _ = writeln!(
        page,
        "<footer><p>To repeat: <code>{}</code></p><p>The engine under test is the one used in production, with the same health \
         tracking and the same strategies. Only time, providers and callers are simulated. Every policy gets the same requests, \
         outages and random draws, so that results differ only by policy.</p></footer>\n</main>\n</html>",
        escape(&provenance.command)
    );
    page
}

/// Adds the picture of a run to a page.
pub fn draw_timeline(page: &mut String, timeline: &Timeline) {
    svg::draw(page, timeline);
}

fn verdict(page: &mut String, provenance: &Provenance, runs: &[ScenarioRuns]) {
    let good = !runs.iter().any(ScenarioRuns::failed);
    let class = if good { "good" } else { "mixed" };
    let days = provenance.virtual_secs / 86_400.0;
    let _ = writeln!(
        page,
        "<header><p class=\"kicker\">Hotspare · simulation</p><h1>What happens to requests when providers fail</h1>\
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
    let tested = runs.first().map_or(0, |run| run.tested().len());
    let _ = write!(
        page,
        "<h2>Comparison</h2><p>Means over the scenarios, during their faults. <b>Regret</b> is the distance from the oracle \
         (0 means as good as knowing every provider's state): lost first tries, longer waits, later recoveries and extra starts, each as \
         a share.</p>\
         <div class=\"scroll\"><table class=\"versus\"><thead><tr><th>policy</th><th>answered</th><th>lost</th><th>first try</th>\
         <th>starts per request</th><th>wait, 99 %</th><th>USD per 1,000</th><th>regret</th></tr></thead><tbody>"
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
        let regret = overall_regret(runs, name);
        let class = if names.iter().take(tested).any(|one| one == name) { " class=\"ours\"" } else { "" };
        let _ = write!(
            page,
            "<tr{class}><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{:.3}</td><td>{}</td><td>{:.2}</td><td>{}</td></tr>",
            escape(name),
            Measure::Available.show(mean(Measure::Available)),
            grouped(lost as u64),
            Measure::FirstTry.show(mean(Measure::FirstTry)),
            mean(Measure::Attempts),
            Measure::TtftP99.show(mean(Measure::TtftP99)),
            mean(Measure::Cost),
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
    for text in scenario_text(run) {
        let _ = write!(page, "<p class=\"result\">{}</p>", escape(&text));
    }
    if let Some(timeline) = run.under_test().iter().find_map(|digest| digest.timeline.as_ref()) {
        svg::draw(page, timeline);
    }
    let class = if run.players.len() > 1 { "pair" } else { "alone" };
    let _ = write!(page, "<div class=\"{class}\"><div class=\"scroll\">");
    for (name, digests) in run.tested() {
        let heading = if run.tested().len() > 1 { escape(name) } else { "mark".to_owned() };
        let _ = write!(
            page,
            "<table><thead><tr><th>{heading}</th><th>median</th><th>worst 1 %</th><th>held in</th></tr></thead><tbody>"
        );
        for mark in ScenarioRuns::marks_in(digests) {
            row(page, &mark);
        }
        page.push_str("</tbody></table>");
    }
    page.push_str("</div>");
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
        "<tr class=\"{class}\"><th title=\"{}\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
        escape(mark.measure.what()),
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
    page.push_str("<div class=\"scroll\"><table><thead><tr><th>policy</th><th>answered</th><th>first try</th><th>starts</th><th>wait, 99 %</th><th>USD per 1,000</th><th>regret</th></tr></thead><tbody>");
    for (index, (name, _)) in run.players.iter().enumerate() {
        let cell = |measure: Measure| {
            run.estimate(name, measure).map_or("–".into(), |value| measure.show(value.mean))
        };
        let regret = run.regret(name).map_or("–".into(), |regret| {
            format!("{:.3} <small>{:.3} to {:.3}</small>", regret.mean, regret.low, regret.high)
        });
        let class = if index < run.tested().len() { " class=\"ours\"" } else { "" };
        let _ = write!(
            page,
            "<tr{class}><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{regret}</td></tr>",
            escape(name),
            cell(Measure::Available),
            cell(Measure::FirstTry),
            cell(Measure::Attempts),
            cell(Measure::TtftP99),
            run.estimate(name, Measure::Cost).map_or("–".into(), |value| format!("{:.2}", value.mean)),
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
