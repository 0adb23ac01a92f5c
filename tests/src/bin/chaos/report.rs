//! The results of the socket tier as one self-contained page.
//!
//! In the style of the simulator's report, but without its comparisons: through sockets there is neither an oracle nor
//! another policy. Invariant: text is escaped, and every missed mark has the command that repeats it.

use std::fmt::Write;
use std::time::Duration;

use hotspare_sim::Timeline;
use hotspare_sim::report::draw_timeline;
use hotspare_sim::report::page::{self, escape};

use super::arguments::repeat_outage;
use super::runs::OutageOutcome;
use super::scenes::{Mark, Scene};
use super::{Outage, Scenario, millis};

/// One outage or scene that ran.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    what: &'static str,
    seed: u64,
    /// What happened, in sentences.
    sentences: String,
    figures: Vec<Figure>,
    /// Only of outages: the row of the overview, and the picture.
    overview: Option<Overview>,
    pub(crate) missed: Vec<String>,
}

struct Figure {
    what: String,
    measured: String,
    allowed: String,
    met: bool,
}

struct Overview {
    /// Whether any target could answer.
    is_answerable: bool,
    requests: u64,
    lost: u64,
    attempts: f64,
    added: [Duration; 2],
    calls: u64,
    breakers: String,
    timeline: Timeline,
}

impl Entry {
    /// An outage, with the time that it added to the median and to the 99th percentile.
    pub(crate) fn outage(
        scenario: &Scenario,
        seed: u64,
        outcome: OutageOutcome,
        added: [Duration; 2],
        missed: Vec<String>,
    ) -> Self {
        let attempts = scenario.attempts_per_request(&outcome);
        let (marks, most) = (scenario.marks, scenario.marks.attempts as f64 / 100.0);
        let figure = |what: &str, measured: String, allowed: String, met| Figure {
            what: what.into(),
            measured,
            allowed: format!("≤ {allowed}"),
            met,
        };
        let figures = vec![
            figure(
                "requests lost",
                outcome.lost.to_string(),
                marks.lost.to_string(),
                outcome.lost <= marks.lost,
            ),
            figure(
                "attempts per request",
                format!("{attempts:.2}"),
                format!("{most:.2}"),
                attempts * 100.0 <= marks.attempts as f64,
            ),
            figure(
                "calls to the first target",
                outcome.calls.to_string(),
                marks.calls.to_string(),
                outcome.calls <= marks.calls,
            ),
        ];
        let answered = match outcome.lost {
            0 => format!("All {} requests were answered in full.", scenario.requests),
            lost => format!(
                "{} of {} requests were answered in full; {lost} were not ({}).",
                scenario.requests.saturating_sub(lost),
                scenario.requests,
                outcome.reasons.join(", ")
            ),
        };
        let sentences = format!(
            "{answered} Beside a run without an outage, the median time to a whole answer was {:.1} ms longer, the 99th percentile {:.1} ms. The first \
             target got {} of {} attempts.",
            millis(added[0]),
            millis(added[1]),
            outcome.calls,
            outcome.attempts
        );
        let timeline = Timeline::timed(seed, outcome.length, outcome.lanes, &outcome.timed);
        let overview = Overview {
            is_answerable: !matches!(scenario.outage, Outage::All(_)),
            requests: scenario.requests,
            lost: outcome.lost,
            attempts,
            added,
            calls: outcome.calls,
            breakers: outcome.breakers,
            timeline,
        };
        Self {
            name: scenario.name,
            what: scenario.what,
            seed,
            sentences,
            figures,
            overview: Some(overview),
            missed,
        }
    }

    pub(crate) fn scene(scene: &Scene, seed: u64, marks: &[Mark], missed: Vec<String>) -> Self {
        let figure = |mark: &Mark| Figure {
            what: mark.what.into(),
            measured: mark.got.to_string(),
            allowed: match (mark.least, mark.most) {
                (least, most) if least == most => most.to_string(),
                (0, most) => format!("≤ {most}"),
                (least, most) => format!("{least} to {most}"),
            },
            met: mark.is_met(),
        };
        let figures = marks.iter().map(figure).collect();
        let sentences = match missed.len() {
            0 => "Every figure is within its bounds.".to_owned(),
            some => format!("{some} of {} figures are out of their bounds.", marks.len()),
        };
        Self { name: scene.name, what: scene.what, seed, sentences, figures, overview: None, missed }
    }

    /// Its name, with the seed if there are several.
    pub(crate) fn title_in(&self, seeds: bool) -> String {
        if seeds { format!("{}, seed {}", self.name, self.seed) } else { self.name.to_owned() }
    }

    fn passed(&self) -> bool {
        self.missed.is_empty()
    }

    /// The name of its place in the page.
    fn anchor(&self) -> String {
        format!("{}-{}", self.name, self.seed)
    }
}

/// The page. `command` repeats everything on it, which took `wall`.
pub(crate) fn html(command: &str, wall: Duration, entries: &[Entry]) -> String {
    let mut page = page::begin("Hotspare: outages through sockets");
    header(&mut page, wall, entries);
    guide(&mut page);
    let seeds = entries.iter().any(|entry| entry.seed != entries[0].seed);
    overview(&mut page, entries, seeds);
    let (outages, scenes): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().partition(|entry| entry.overview.is_some());
    for (title, part) in [("Outages", outages), ("Scenes of several steps", scenes)] {
        if part.is_empty() {
            continue;
        }
        let _ = write!(page, "<h2>{title}</h2>");
        if part[0].overview.is_none() {
            index(&mut page, &part, seeds);
        }
        part.iter().for_each(|entry| section(&mut page, entry, seeds));
    }
    let _ = writeln!(
        page,
        "<footer><p>To repeat: <code>{}</code></p><p>Every request went through the shipped client to servers on this machine: real \
         connections, real time, three wires. Times depend on the machine, so the marks are counts.</p></footer>\n</main>\n</html>",
        escape(command)
    );
    page
}

fn header(page: &mut String, wall: Duration, entries: &[Entry]) {
    let failed = entries.iter().filter(|entry| !entry.passed()).count();
    let outages = || entries.iter().filter_map(|entry| entry.overview.as_ref());
    let (requests, lost): (u64, u64) =
        outages().fold((0, 0), |sum, one| (sum.0 + one.requests, sum.1 + one.lost));
    let verdict = match failed {
        0 => "Every scenario reached its marks.".to_owned(),
        some => format!(
            "{some} of {} scenarios missed a mark; the commands that repeat them are below.",
            entries.len()
        ),
    };
    // Where every target fails, losses are the right outcome, so they are not counted among the others.
    let avoidable: u64 = outages().filter(|one| one.is_answerable).map(|one| one.lost).sum();
    let losses = match (requests, avoidable, lost) {
        (0, ..) => String::new(),
        (_, 0, 0) => " No request was lost.".into(),
        (_, 0, all) => format!(
            " No request was lost that any target could have answered; {all} were sent while all were down."
        ),
        (_, 1, _) => " One request was lost that another target could have answered.".into(),
        (_, some, _) => format!(" {some} requests were lost that another target could have answered."),
    };
    let _ = writeln!(
        page,
        "<header><p class=\"kicker\">Hotspare · sockets</p><h1>What happens to requests when providers fail</h1>\
         <p class=\"verdict {}\">{verdict}{losses}</p>\
         <dl class=\"facts\"><div><dt>scenarios</dt><dd>{}</dd></div><div><dt>requests in outages</dt><dd>{requests}</dd></div>\
         <div><dt>wall time</dt><dd>{:.0} s</dd></div></dl></header>",
        if failed == 0 { "good" } else { "mixed" },
        entries.len(),
        wall.as_secs_f64(),
    );
}

fn guide(page: &mut String) {
    page.push_str(
        "<details class=\"guide\"><summary>How to read this page</summary>\
         <p>In an <b>outage</b>, the first of three servers on this machine fails in a named way while requests arrive every 5 ms, every \
         other one streamed. An answer counts only if its text is complete, word for word. A <b>scene</b> has several steps and figures of \
         its own.</p>\
         <p>Each <b>picture</b> shows the run from left to right. At the top, two bars for each target: the upper one is red while its server \
         has a fault; the lower one is green while the circuit breaker lets requests through, red while it is open, yellow while it tests the \
         target. Then the share of requests that each target is tried for first; the time that callers wait for first content, which is the \
         whole answer if it is not streamed; and lost requests, with the attempts beyond one per request.</p>\
         <p><b>Added</b> is by how much the median and the 99th percentile of the times to a whole answer exceed those of a run without an outage. \
         Limits are shorter than the shipped ones: 300 ms to first content and between tokens. <b>Breakers</b> are the states at the end, in the \
         order of the route.</p></details>\n",
    );
}

fn overview(page: &mut String, entries: &[Entry], seeds: bool) {
    let rows: Vec<(&Entry, &Overview)> =
        entries.iter().filter_map(|entry| Some((entry, entry.overview.as_ref()?))).collect();
    if rows.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Overview</h2><div class=\"scroll\"><table><thead><tr><th>outage</th><th>requests</th><th>lost</th><th>attempts per request</th>\
         <th>added, 50 %</th><th>added, 99 %</th><th>calls to the first</th><th>breakers</th><th>marks</th></tr></thead><tbody>",
    );
    for (entry, one) in rows {
        let (class, word) = if entry.passed() { ("ok", "reached") } else { ("miss", "missed") };
        let _ = write!(
            page,
            "<tr class=\"{class}\"><th><a href=\"#{}\">{}</a></th><td>{}</td><td>{}</td><td>{:.2}</td><td>{:.1} ms</td><td>{:.1} ms</td><td>{}</td>\
             <td>{}</td><td>{word}</td></tr>",
            escape(&entry.anchor()),
            escape(&entry.title_in(seeds)),
            one.requests,
            one.lost,
            one.attempts,
            millis(one.added[0]),
            millis(one.added[1]),
            one.calls,
            escape(&one.breakers),
        );
    }
    page.push_str("</tbody></table></div>\n");
}

fn index(page: &mut String, entries: &[&Entry], seeds: bool) {
    page.push_str("<ul class=\"index\">");
    for entry in entries {
        let (class, word) = if entry.passed() { ("ok", "reached") } else { ("miss", "missed") };
        let _ = write!(
            page,
            "<li><a href=\"#{}\"><span class=\"dot {class}\" title=\"{word}\"></span>{}<span class=\"sr\"> ({word})</span></a></li>",
            escape(&entry.anchor()),
            escape(&entry.title_in(seeds)),
        );
    }
    page.push_str("</ul>\n");
}

fn section(page: &mut String, entry: &Entry, seeds: bool) {
    let (class, word) = if entry.passed() { ("ok", "marks reached") } else { ("miss", "marks missed") };
    let title = entry.title_in(seeds);
    let mut what = entry.what.chars();
    let first = what.next().into_iter().flat_map(char::to_uppercase);
    let what: String = first.chain(what).collect();
    let _ = write!(
        page,
        "<section id=\"{}\"><h3>{} <span class=\"badge {class}\">{word}</span></h3><p class=\"what\">{}.</p><p class=\"result\">{}</p>",
        escape(&entry.anchor()),
        escape(&title),
        escape(&what),
        escape(&entry.sentences),
    );
    if let Some(one) = &entry.overview {
        draw_timeline(page, &one.timeline);
    }
    page.push_str("<div class=\"alone scroll\"><table><thead><tr><th>figure</th><th>measured</th><th>allowed</th><th>mark</th></tr></thead><tbody>");
    for Figure { what, measured, allowed, met } in &entry.figures {
        let (class, word) = if *met { ("ok", "reached") } else { ("miss", "missed") };
        let _ = write!(
            page,
            "<tr class=\"{class}\"><th>{}</th><td>{measured}</td><td>{allowed}</td><td>{word}</td></tr>",
            escape(what)
        );
    }
    page.push_str("</tbody></table></div>");
    for missed in &entry.missed {
        let _ = write!(page, "<p class=\"breach\">{}</p>", escape(missed));
    }
    let _ = writeln!(
        page,
        "<p class=\"what\">To repeat: <code>{}</code></p></section>",
        escape(&repeat_outage(entry.name, entry.seed))
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{scenarios, scenes};

    fn page(lost: u64) -> String {
        let (scenario, scene) = (&scenarios()[0], &scenes::all()[0]);
        let outcome =
            OutageOutcome { lost, reasons: vec!["<b>".into()], length: 1.0, ..OutageOutcome::default() };
        let missed = scenario.breaches(&outcome);
        let outage = Entry::outage(scenario, 7, outcome, [Duration::from_millis(3); 2], missed);
        let mark = Mark { what: "opened", got: 1, least: 1, most: 2 };
        html("a <b> & c", Duration::from_secs(9), &[outage, Entry::scene(scene, 7, &[mark], Vec::new())])
    }

    #[test]
    fn page_is_self_contained_and_escaped() {
        let page = page(1);
        assert!(page.contains("a &lt;b&gt; &amp; c") && page.contains("(&lt;b&gt;)"), "{page}");
        for outside in ["http:", "https:", "<script", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.ends_with("</html>\n"));
    }

    #[test]
    fn missed_mark_is_named_with_the_command_that_repeats_it() {
        let (passed, failed) = (page(0), page(1));
        assert!(passed.contains("Every scenario reached its marks. No request was lost."), "{passed}");
        assert!(!passed.contains("missed"), "{passed}");
        assert!(failed.contains("1 of 2 scenarios missed a mark"), "{failed}");
        assert!(failed.contains("One request was lost that another target could have answered"), "{failed}");
        assert!(failed.contains("lost 1 &gt; 0"), "{failed}");
        for page in [passed, failed] {
            assert!(page.contains("cargo xtask chaos --tier socket --scenario refused --seed 7"));
            assert!(page.contains("1 to 2"), "the bounds of a scene's figure");
        }
    }
}
