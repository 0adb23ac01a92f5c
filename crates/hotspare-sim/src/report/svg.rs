//! The timeline of one run as a scalable picture.
//!
//! Four bands over one time axis: each target's provider and breaker, the traffic shares, the time to first content,
//! and losses with extra starts and spend. Invariant: everything lies within the view box, whatever the figures.

use std::fmt::Write;

use hotspare_core::BreakerState;

use super::page::escape;
use crate::timeline::{Column, Lane, Timeline};

/// The plot's left edge, its right edge, and the total width.
const LEFT: f64 = 92.0;
const RIGHT: f64 = 868.0;
const WIDTH: f64 = 880.0;
/// Heights of a lane and of a band.
const LANE: f64 = 18.0;
const BAND: f64 = 64.0;
/// Number of target colours in the style sheet.
const COLOURS: usize = 12;

pub(super) fn draw(page: &mut String, timeline: &Timeline) {
    let lanes = timeline.targets.len() as f64 * LANE;
    let (share, wait, loss) =
        (26.0 + lanes + 22.0, 26.0 + lanes + 2.0 * 22.0 + BAND, 26.0 + lanes + 3.0 * 22.0 + 2.0 * BAND);
    let height = loss + BAND + 24.0;
    let _ = write!(
        page,
        "<figure><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"timeline\"><g class=\"axis\">"
    );
    let at = |secs: f64| LEFT + (RIGHT - LEFT) * (secs / timeline.length.max(1e-9)).clamp(0.0, 1.0);
    let (from, until) = (at(timeline.window.0), at(timeline.window.1));
    let _ = write!(
        page,
        "<rect class=\"window\" x=\"{from:.1}\" y=\"14\" width=\"{:.1}\" height=\"{:.1}\"/>",
        until - from,
        height - 34.0
    );
    draw_axis(page, timeline.length, height - 8.0, height - 20.0, &at);
    page.push_str("</g>");
    for (index, lane) in timeline.targets.iter().enumerate() {
        draw_lane(page, lane, 20.0 + index as f64 * LANE, timeline.length, &at);
    }
    draw_title(page, share - 6.0, "share of first starts");
    draw_traffic(page, timeline, share);
    draw_ttft(page, timeline, wait);
    draw_losses(page, timeline, loss);
    page.push_str("</svg><figcaption>");
    draw_legend(page, timeline);
    page.push_str("</figcaption></figure>");
}

fn draw_axis(page: &mut String, length: f64, y: f64, bottom: f64, at: &dyn Fn(f64) -> f64) {
    let steps = [
        0.1,
        0.2,
        0.5,
        1.0,
        2.0,
        5.0,
        10.0,
        30.0,
        60.0,
        120.0,
        300.0,
        600.0,
        1_800.0,
        3_600.0,
        14_400.0,
        86_400.0,
        604_800.0,
        2_592_000.0,
    ];
    let step = steps.into_iter().find(|step| length / step <= 10.0).unwrap_or(length);
    let label = |secs: f64| match step {
        step if step >= 86_400.0 => format!("{:.0} d", secs / 86_400.0),
        step if step >= 3_600.0 => format!("{:.0} h", secs / 3_600.0),
        step if step < 1.0 => format!("{secs:.1} s"),
        step if step < 10.0 => format!("{secs:.0} s"),
        _ => format!("{:.0}:{:02.0}", (secs / 60.0).floor(), secs % 60.0),
    };
    let mut secs = 0.0;
    while secs <= length {
        let x = at(secs);
        let anchor = if x > RIGHT - 12.0 { "end" } else { "middle" };
        let _ = write!(
            page,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"14\" y2=\"{bottom:.1}\"/><text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            label(secs)
        );
        secs += step;
    }
}

fn draw_title(page: &mut String, y: f64, text: &str) {
    let _ = write!(page, "<text class=\"title\" x=\"{LEFT}\" y=\"{y:.1}\">{text}</text>");
}

/// Draws a lane: its upper half is the provider's state, its lower half the breaker's.
fn draw_lane(page: &mut String, lane: &Lane, y: f64, length: f64, at: &dyn Fn(f64) -> f64) {
    let _ = write!(
        page,
        "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
        LEFT - 8.0,
        y + 11.0,
        escape(&shorten(&lane.name))
    );
    let _ = write!(
        page,
        "<rect class=\"closed\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"6\" rx=\"1\"/>",
        y + 7.0,
        RIGHT - LEFT
    );
    for (from, until, what) in &lane.faults {
        let _ = write!(
            page,
            "<rect class=\"fault\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"5\" rx=\"1\"><title>{} has a fault: {}</title></rect>",
            at(*from),
            (at(*until) - at(*from)).max(1.0),
            escape(&lane.name),
            escape(what)
        );
    }
    for (index, (from, state)) in lane.states.iter().enumerate() {
        let until = lane.states.get(index + 1).map_or(length, |(at, _)| *at);
        let class = match state {
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half",
            _ => continue,
        };
        let _ = write!(
            page,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"6\"><title>{}: {state} from {from:.1} s</title></rect>",
            at(*from),
            y + 7.0,
            (at(until) - at(*from)).max(0.6),
            escape(&lane.name)
        );
    }
}

fn column_x(timeline: &Timeline, column: usize) -> f64 {
    LEFT + (RIGHT - LEFT) * column as f64 / timeline.columns.len().max(1) as f64
}

/// Stacked areas, the first choice at the bottom.
fn draw_traffic(page: &mut String, timeline: &Timeline, top: f64) {
    let _ = write!(
        page,
        "<rect class=\"band\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAND}\"/>",
        RIGHT - LEFT
    );
    let mut below = vec![0.0f64; timeline.columns.len()];
    for target in 0..timeline.targets.len() {
        let above: Vec<f64> = timeline
            .columns
            .iter()
            .zip(&below)
            .map(|(column, below)| below + traffic_share(column, target))
            .collect();
        let y = |share: f64| top + BAND * (1.0 - share.clamp(0.0, 1.0));
        let mut path = String::new();
        for (column, share) in above.iter().enumerate() {
            let word = if column == 0 { 'M' } else { 'L' };
            let _ = write!(
                path,
                "{word}{:.1} {:.1}L{:.1} {:.1}",
                column_x(timeline, column),
                y(*share),
                column_x(timeline, column + 1),
                y(*share)
            );
        }
        for (column, share) in below.iter().enumerate().rev() {
            let _ = write!(
                path,
                "L{:.1} {:.1}L{:.1} {:.1}",
                column_x(timeline, column + 1),
                y(*share),
                column_x(timeline, column),
                y(*share)
            );
        }
        let _ = write!(
            page,
            "<path class=\"t{}\" d=\"{path}Z\"><title>{}</title></path>",
            colour(timeline, target),
            escape(&timeline.targets[target].name)
        );
        below = above;
    }
    draw_scale(page, top, "100 %", "0");
}

/// The number of a target's colour. If there are more targets than colours, the last ones share one.
fn colour(timeline: &Timeline, target: usize) -> usize {
    if timeline.targets.len() <= COLOURS { target } else { target.min(COLOURS - 1) }
}

fn traffic_share(column: &Column, target: usize) -> f64 {
    let all: u32 = column.first.iter().sum();
    if all == 0 { 0.0 } else { f64::from(column.first[target]) / f64::from(all) }
}

fn draw_scale(page: &mut String, top: f64, most: &str, least: &str) {
    let _ = write!(
        page,
        "<text class=\"scale\" x=\"{0:.1}\" y=\"{1:.1}\" text-anchor=\"end\">{most}</text><text class=\"scale\" x=\"{0:.1}\" y=\"{2:.1}\" text-anchor=\"end\">{least}</text>",
        LEFT - 8.0,
        top + 9.0,
        top + BAND
    );
}

/// A line through the values; a column without one leaves a gap.
fn polyline(timeline: &Timeline, top: f64, most: f64, value: impl Fn(&Column) -> Option<f64>) -> String {
    let mut path = String::new();
    let mut word = 'M';
    for (column, figures) in timeline.columns.iter().enumerate() {
        let Some(value) = value(figures) else {
            word = 'M';
            continue;
        };
        let y = top + BAND * (1.0 - (value / most.max(1e-9)).clamp(0.0, 1.0));
        let middle = (column_x(timeline, column) + column_x(timeline, column + 1)) / 2.0;
        let _ = write!(path, "{word}{middle:.1} {y:.1}");
        word = 'L';
    }
    path
}

fn draw_ttft(page: &mut String, timeline: &Timeline, top: f64) {
    // Of waits far below these, the differences do not matter.
    let least = (timeline.length / 20.0).min(0.5);
    let most = timeline.columns.iter().filter_map(|column| column.ttft_p99).fold(least, f64::max);
    draw_title(page, top - 6.0, "time to first content: median and 99th percentile");
    let _ = write!(
        page,
        "<rect class=\"band\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAND}\"/>",
        RIGHT - LEFT
    );
    let _ = write!(
        page,
        "<path class=\"p99\" d=\"{}\"/>",
        polyline(timeline, top, most, |column| column.ttft_p99)
    );
    let _ = write!(
        page,
        "<path class=\"p50\" d=\"{}\"/>",
        polyline(timeline, top, most, |column| column.ttft_p50)
    );
    let scale = if most < 0.5 { format!("{:.0} ms", most * 1e3) } else { format!("{most:.1} s") };
    draw_scale(page, top, &scale, "0");
}

/// Bars for lost requests; one line for starts beyond one per request, and one for spend.
fn draw_losses(page: &mut String, timeline: &Timeline, top: f64) {
    let worst = timeline.columns.iter().map(|column| column.lost).max().unwrap_or(0);
    let extra = |column: &Column| {
        if column.arrivals == 0 {
            0.0
        } else {
            (f64::from(column.starts) / f64::from(column.arrivals) - 1.0).max(0.0)
        }
    };
    let most_extra = timeline.columns.iter().map(extra).fold(0.1, f64::max);
    let most_spent = timeline.columns.iter().map(|column| column.spent).fold(1e-9, f64::max);
    let lost: u32 = timeline.columns.iter().map(|column| column.lost).sum();
    let spent: f64 = timeline.columns.iter().map(|column| column.spent).sum();
    draw_title(
        page,
        top - 6.0,
        &format!(
            "run with seed {}: {lost} lost · at most {:.0} % extra starts{}",
            timeline.seed,
            most_extra * 100.0,
            if spent > 0.0 { format!(" · {spent:.2} USD spent") } else { String::new() }
        ),
    );
    let _ = write!(
        page,
        "<rect class=\"band\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAND}\"/>",
        RIGHT - LEFT
    );
    for (column, figures) in timeline.columns.iter().enumerate().filter(|(_, figures)| figures.lost > 0) {
        let height = (BAND * f64::from(figures.lost) / f64::from(worst.max(1))).max(2.0);
        let _ = write!(
            page,
            "<rect class=\"lost\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{} lost</title></rect>",
            column_x(timeline, column),
            top + BAND - height,
            (RIGHT - LEFT) / timeline.columns.len() as f64,
            figures.lost
        );
    }
    let _ = write!(
        page,
        "<path class=\"extra\" d=\"{}\"/>",
        polyline(timeline, top, most_extra, |column| Some(extra(column)))
    );
    if spent > 0.0 {
        let line = polyline(timeline, top, most_spent * 1.25, |column| Some(column.spent));
        let _ = write!(page, "<path class=\"spent\" d=\"{line}\"/>");
    }
    draw_scale(
        page,
        top,
        &if worst > 0 { format!("{worst} lost") } else { format!("{:.0} %", most_extra * 100.0) },
        "0",
    );
}

fn draw_legend(page: &mut String, timeline: &Timeline) {
    for (target, lane) in timeline.targets.iter().enumerate().take(COLOURS) {
        let rest = timeline.targets.len() - target;
        let name =
            if target == COLOURS - 1 && rest > 1 { format!("{rest} others") } else { shorten(&lane.name) };
        let _ = write!(page, "<span><i class=\"k t{target}\"></i>{}</span>", escape(&name));
    }
    page.push_str(
        "<span><i class=\"k fault\"></i>provider fault</span><span><i class=\"k open\"></i>breaker open</span>\
         <span><i class=\"k half\"></i>half-open</span><span><i class=\"k p99\"></i>99th percentile</span><span><i class=\"k p50\"></i>median</span>\
         <span><i class=\"k lost\"></i>lost</span><span><i class=\"k extra\"></i>extra starts</span>",
    );
    if timeline.columns.iter().any(|column| column.spent > 0.0) {
        page.push_str("<span><i class=\"k spent\"></i>spend</span>");
    }
}

fn shorten(name: &str) -> String {
    if name.chars().count() > 13 { name.chars().take(12).chain(['…']).collect() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(targets: usize, waits: &[Option<f64>]) -> Timeline {
        let lane = |index| Lane { name: format!("n{index}"), faults: Vec::new(), states: Vec::new() };
        let column = |wait: &Option<f64>| Column {
            first: vec![1; targets],
            ttft_p50: *wait,
            ttft_p99: *wait,
            ..Column::default()
        };
        Timeline {
            seed: 7,
            length: 10.0,
            window: (0.0, 10.0),
            targets: (0..targets).map(lane).collect(),
            columns: waits.iter().map(column).collect(),
        }
    }

    fn drawn(timeline: &Timeline) -> String {
        let mut page = String::new();
        draw(&mut page, timeline);
        page
    }

    #[test]
    fn time_without_answers_is_a_gap_and_not_a_wait_of_zero() {
        let path = |waits: &[Option<f64>]| {
            let page = drawn(&timeline(1, waits));
            page.split_once("class=\"p99\" d=\"").unwrap().1.split('"').next().unwrap().to_owned()
        };
        assert_eq!(path(&[Some(1.0), Some(1.0), Some(1.0)]).matches('M').count(), 1);
        let gap = path(&[Some(1.0), None, Some(1.0)]);
        assert_eq!((gap.matches('M').count(), gap.matches('L').count()), (2, 0), "{gap}");
    }

    #[test]
    fn every_colour_is_explained() {
        let page = drawn(&timeline(12, &[Some(1.0)]));
        assert!(page.contains("k t11\"></i>n11<") && !page.contains("others"));
        let page = drawn(&timeline(14, &[Some(1.0)]));
        assert!(page.contains("k t11\"></i>3 others<") && !page.contains("t12"));
        assert!(page.contains("run with seed 7"));
        for colour in 0..COLOURS {
            assert!(super::super::page::STYLE.contains(&format!(".k.t{colour}{{")), "{colour}");
        }
    }
}
