//! What a first-time reader needs to know: what the pictures, the columns, the marks and the policies are.
//!
//! Explains only what is on the page. Invariant: every measure and every policy has an explanation.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::page::escape;
use crate::marks::Measure;
use crate::rivals::RivalKind;
use crate::summary::ScenarioRuns;

/// The explanations, folded until the reader opens them.
pub(super) fn draw(page: &mut String, runs: &[ScenarioRuns]) {
    let _ = write!(
        page,
        "<details class=\"guide\"><summary>How to read this page</summary>\
         <p>A <b>scenario</b> is a load, some targets (providers) and what goes wrong with them. It is run several times with different \
         random numbers (<b>seeds</b>). Figures count the requests that arrive while things go wrong: the tinted span of each picture.</p>\
         <p>Each <b>picture</b> shows one run from left to right, in four parts. At the top, two bars for each target: the upper one is red while \
         its provider has a fault; the lower one is green while Hotspare's circuit breaker lets requests through, red while it is open, yellow while \
         it tests the target. Then the share of requests that each target is tried for first; the time that callers wait for first \
         content; and what it costs: lost requests, requests sent to providers beyond one per request, and spend.</p>\
         <p>A <b>mark</b> is a promise about a scenario. It has to hold in 99 % of the seeds; <i>worst 1 %</i> is the value that 99 % of the \
         seeds stay within.</p>"
    );
    list(page, "Columns", &columns(runs));
    list(page, "Measures in the marks", &measures(runs));
    list(page, "Policies", &policies(runs));
    page.push_str("</details>\n");
}

type Entries = Vec<(String, &'static str)>;

fn list(page: &mut String, title: &str, entries: &Entries) {
    if entries.is_empty() {
        return;
    }
    let _ = write!(page, "<h4>{title}</h4><dl>");
    for (name, what) in entries {
        let _ = write!(page, "<div><dt>{}</dt><dd>{what}</dd></div>", escape(name));
    }
    page.push_str("</dl>");
}

fn columns(runs: &[ScenarioRuns]) -> Entries {
    if runs.iter().all(|run| run.players.len() < 2) {
        return Vec::new();
    }
    [
        ("answered", "Share of requests answered in full."),
        ("first try", "Share answered by the first target tried, or by a faster second attempt while the first was healthy."),
        ("starts", "Requests sent to providers per request of a caller. 1.05 is 5 % more load."),
        ("wait, 99 %", "99 of 100 callers whose requests were answered waited at most this long for first content."),
        (
            "regret",
            "Distance from the oracle: the mean of the first tries that it gains over a random order and that are missing, how much longer the 99 % \
             wait is, how much later a recovered target is used again, and extra starts. 0 is as good as knowing every provider's state.",
        ),
    ]
    .map(|(name, what)| (name.to_owned(), what))
    .into()
}

/// The measures of the marks on the page.
fn measures(runs: &[ScenarioRuns]) -> Entries {
    let used: BTreeMap<Measure, ()> =
        runs.iter().flat_map(ScenarioRuns::marks).map(|mark| (mark.measure, ())).collect();
    used.into_keys().map(|measure| (measure.to_string(), measure.what())).collect()
}

/// The policies on the page that are compared with.
fn policies(runs: &[ScenarioRuns]) -> Entries {
    let Some(run) = runs.iter().max_by_key(|run| run.players.len()).filter(|run| run.players.len() > 1)
    else {
        return Vec::new();
    };
    run.players.iter().filter_map(|(name, _)| Some((name.clone(), policy(name)?))).collect()
}

fn policy(name: &str) -> Option<&'static str> {
    Some(match name {
        "hotspare" => "Hotspare on the route that the scenario describes. The marks are for this one.",
        "unhedged" => "The scenario's own route without second attempts beside a slow first one.",
        "defaults" => "Hotspare on a route that names only its targets: what you get without settings.",
        name => RivalKind::find(name)?.what(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_of_a_comparison_is_explained() {
        for name in
            ["hotspare", "unhedged", "defaults"].into_iter().chain(RivalKind::ALL.map(RivalKind::name))
        {
            assert!(policy(name).is_some(), "{name}");
        }
        assert_eq!(policy("my.toml"), None, "the reader knows what it is");
    }

    #[test]
    fn only_what_is_on_the_page_is_explained() {
        let mut page = String::new();
        draw(
            &mut page,
            &[ScenarioRuns { players: vec![("hotspare".into(), Vec::new())], ..ScenarioRuns::default() }],
        );
        assert!(page.contains("How to read this page"));
        for absent in ["Policies", "Columns", "Measures"] {
            assert!(!page.contains(absent), "{absent}");
        }
    }
}
