//! The screen at one moment.
//!
//! Read-only: it counts nothing and injects no faults. Invariant: every figure comes from a counter of the client, of
//! the load generators or of the event log.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hotspare::{BreakerState, TargetStatus};

use super::act::ACTS;
use super::event_log::{EventLog, Splice};
use super::frame::{Frame, Line, Style};
use super::load::Score;
use super::{PROVIDERS, Progress};

/// How often traffic shares are updated.
const SAMPLE: Duration = Duration::from_secs(1);
/// Width of a full bar, in characters.
const BAR: f64 = 18.0;

/// Draws the demonstration.
#[derive(Debug)]
pub(crate) struct Screen {
    address: SocketAddr,
    /// Answers served per target when the shares were last updated.
    before: Vec<u64>,
    shares: Vec<f64>,
    sampled: Option<Instant>,
}

impl Screen {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, before: Vec::new(), shares: Vec::new(), sampled: None }
    }

    /// A request for viewers to try, in lines that fit a terminal and can be copied as they are.
    pub(crate) fn curl(&self) -> [String; 2] {
        [
            format!("curl {}/v1/chat/completions \\", self.address),
            r#"  -d '{"model":"demo","messages":[{"role":"user","content":"hi"}]}'"#.to_owned(),
        ]
    }

    /// The current screen.
    pub(crate) fn frame(
        &mut self,
        progress: Progress,
        targets: &[TargetStatus],
        [mine, plain]: [&Score; 2],
        event_log: &EventLog,
    ) -> Frame {
        self.sample(targets);
        let mut frame = Frame::default();
        let clock = |time: Duration| format!("{:02}:{:02}", time.as_secs() / 60, time.as_secs() % 60);
        frame.push(Line::default().put(Style::Strong, "hotspare demo").put(
            Style::Faint,
            format!(
                "   3 embedded providers, real sockets      act {}/{} · {} of {}",
                progress.act + 1,
                ACTS.len(),
                clock(progress.passed),
                clock(progress.length)
            ),
        ));
        frame.push(Line::default().put(Style::Faint, "try it now:"));
        for line in self.curl() {
            frame.push(Line::default().put(Style::Faint, line));
        }
        frame.space();
        frame.push(Line::default().put(Style::Strong, format!("NOW: {}", ACTS[progress.act].title)));
        frame.space();
        self.table(&mut frame, targets);
        frame.space();
        scores(&mut frame, mine, plain);
        frame.space();
        if let Some(splice) = event_log.splice() {
            splice_lines(&mut frame, &splice);
            frame.space();
        }
        for line in event_log.latest(4) {
            frame.push(Line::default().put(Style::Faint, line));
        }
        frame
    }

    fn sample(&mut self, targets: &[TargetStatus]) {
        if self.sampled.is_some_and(|at| at.elapsed() < SAMPLE) {
            return;
        }
        self.sampled = Some(Instant::now());
        let served: Vec<u64> = targets.iter().map(|target| target.counts.served).collect();
        let recent: Vec<u64> = served
            .iter()
            .enumerate()
            .map(|(at, now)| now - self.before.get(at).copied().unwrap_or(0).min(*now))
            .collect();
        let all = recent.iter().sum::<u64>().max(1);
        self.shares = recent.iter().map(|count| *count as f64 / all as f64).collect();
        self.before = served;
    }

    fn table(&self, frame: &mut Frame, targets: &[TargetStatus]) {
        frame.push(Line::default().put(
            Style::Faint,
            format!(
                "{:<8}{:<11}{:<14}{:<24}{:>12}{:>12}",
                "target", "wire", "breaker", "share of answers", "first token", "calls now"
            ),
        ));
        for (at, (target, (_, wire))) in targets.iter().zip(PROVIDERS).enumerate() {
            let share = self.shares.get(at).copied().unwrap_or(0.0);
            let (style, breaker) = breaker(target);
            let bar = "█".repeat((share * BAR).round() as usize);
            let latency =
                target.view.latency.map_or_else(|| "–".to_owned(), |time| format!("{} ms", time.as_millis()));
            let calls = match target.counts.in_flight {
                0 => "standby".to_owned(),
                calls => calls.to_string(),
            };
            frame.push(
                Line::default()
                    .put(Style::Plain, format!("{:<8}{:<11}", target.id.as_str(), wire.host()))
                    .put(style, format!("{breaker:<14}"))
                    .put(Style::Good, format!("{bar:<18}"))
                    .put(Style::Plain, format!("{:>4.0} %{latency:>12}{calls:>12}", share * 100.0)),
            );
        }
    }
}

fn breaker(target: &TargetStatus) -> (Style, String) {
    let left = target.view.usable_in.map(|left| format!(" {:.1} s", left.as_secs_f64())).unwrap_or_default();
    match target.view.breaker {
        BreakerState::Open => (Style::Bad, format!("OPEN{left}")),
        BreakerState::HalfOpen => (Style::Warn, "HALF-OPEN".into()),
        BreakerState::Closed if !target.view.usable => (Style::Warn, format!("WAITS{left}")),
        BreakerState::Closed => (Style::Good, "CLOSED".into()),
    }
}

/// The scores of both kinds of callers.
pub(crate) fn scores(frame: &mut Frame, mine: &Score, plain: &Score) {
    frame.push(Line::default().put(
        Style::Faint,
        format!(
            "{:<12}{:>14}{:>7}{:>12}{:>15}{:>9}",
            "", "answered", "lost", "slowest", "calls wasted", "cost"
        ),
    ));
    for (name, score) in [("hotspare", mine), ("plain loop", plain)] {
        let style = if score.lost == 0 { Style::Good } else { Style::Bad };
        let cost = score.cost.map_or_else(|| "–".to_owned(), |cost| format!("{cost:.2}×"));
        frame.push(
            Line::default()
                .put(Style::Strong, format!("{name:<12}"))
                .put(Style::Plain, format!("{:>14}", format!("{} / {}", score.answered, score.asked)))
                .put(style, format!("{:>7}", score.lost))
                .put(
                    Style::Plain,
                    format!("{:>10.2} s{:>15}{cost:>9}", score.slowest.as_secs_f64(), score.wasted),
                ),
        );
    }
}

/// The extra answers that were read word by word.
pub(crate) fn samples(frame: &mut Frame, samples: &Score) {
    let style = if samples.lost == 0 { Style::Good } else { Style::Bad };
    frame.push(
        Line::default()
            .put(Style::Faint, format!("{:<12}", "read closely"))
            .put(Style::Plain, format!("{:>14}", format!("{} / {}", samples.answered, samples.asked)))
            .put(style, format!("{:>7}", samples.lost))
            .put(Style::Faint, "  extra streams through the library, not sent by the plain loop"),
    );
}

/// An answer that was cut and continued, shown around its splice.
pub(crate) fn splice_lines(frame: &mut Frame, splice: &Splice) {
    frame.push(Line::default().put(Style::Faint, "a cut stream as its reader saw it (exact text ✓)"));
    let before: Vec<char> = splice.before.chars().rev().take(30).collect();
    frame.push(
        Line::default()
            .put(Style::Plain, format!("  “…{}", before.iter().rev().collect::<String>()))
            .put(Style::Warn, format!("⟦{}⟧", splice.mark))
            .put(Style::Plain, format!("{}…”", splice.after.chars().take(40).collect::<String>())),
    );
}

/// What the keys do.
pub(crate) fn keys(frame: &mut Frame) {
    frame.space();
    frame.push(Line::default().put(
        Style::Faint,
        "[1-3] kill/restore  [s] slow  [r] rate-limit  [c] cut streams  [x] repair all  [q] quit",
    ));
}
