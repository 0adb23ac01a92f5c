//! The log of the demonstration, and one answer as its reader saw it.
//!
//! Invariant: bounded; the oldest lines are dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hotspare::{BreakerChange, BreakerState, ChatRequest, Client, Event, Scope, TargetId};

use super::load::Score;

/// Maximum number of lines kept.
const MAX_LINES: usize = 64;

/// A log that grows while the demonstration runs.
#[derive(Clone, Debug)]
pub(crate) struct EventLog {
    started: Instant,
    lines: Arc<Mutex<LogState>>,
}

#[derive(Debug, Default)]
struct LogState {
    recent: VecDeque<String>,
    /// Number of lines in all, and how many of them were printed.
    total: usize,
    printed: usize,
    splice: Option<Splice>,
    sampled: u64,
    failures: Vec<String>,
}

/// An answer that one target began and another ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Splice {
    pub(crate) before: String,
    pub(crate) mark: String,
    pub(crate) after: String,
}

impl EventLog {
    /// A log that starts now and records every breaker change of `client`.
    pub(crate) fn of(client: &Client) -> Self {
        let event_log = Self { started: Instant::now(), lines: Arc::default() };
        let listener = event_log.clone();
        client.on_transition(move |change| listener.log(&describe(change)));
        event_log
    }

    /// Adds a line.
    pub(crate) fn log(&self, what: &str) {
        let passed = self.started.elapsed();
        let line = format!("{:02}:{:05.2} {what}", passed.as_secs() / 60, passed.as_secs_f64() % 60.0);
        let mut lines = self.lock();
        lines.total += 1;
        lines.recent.push_back(line);
        if lines.recent.len() > MAX_LINES {
            lines.recent.pop_front();
        }
    }

    /// The newest lines, oldest first.
    pub(crate) fn latest(&self, count: usize) -> Vec<String> {
        let lines = self.lock();
        lines.recent.iter().skip(lines.recent.len().saturating_sub(count)).cloned().collect()
    }

    /// Lines not printed yet.
    pub(crate) fn unprinted(&self) -> Vec<String> {
        let mut lines = self.lock();
        let new = (lines.total - lines.printed).min(lines.recent.len());
        lines.printed = lines.total;
        lines.recent.iter().skip(lines.recent.len() - new).cloned().collect()
    }

    /// The newest answer with a splice.
    pub(crate) fn splice(&self) -> Option<Splice> {
        self.lock().splice.clone()
    }

    /// The answers that were read word by word, and what was wrong with each bad one.
    pub(crate) fn sample_score(&self) -> Score {
        let lines = self.lock();
        let lost = lines.failures.len() as u64;
        let mut score =
            Score { asked: lines.sampled, answered: lines.sampled - lost, lost, ..Score::default() };
        for reason in &lines.failures {
            *score.reasons.entry(reason.clone()).or_default() += 1;
        }
        score
    }

    /// Reads one answer word by word.
    pub(crate) async fn sample(self, client: Client, expected: String) {
        let read = read(&client, &expected).await;
        let mut lines = self.lock();
        lines.sampled += 1;
        match read {
            Ok(Some(splice)) => lines.splice = Some(splice),
            Ok(None) => {}
            Err(failure) => lines.failures.push(failure),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LogState> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe(change: &BreakerChange) -> String {
    let mut who = change.targets.iter().map(TargetId::as_str).collect::<Vec<_>>().join(", ");
    match change.scope {
        Scope::Host => who.push_str("'s host"),
        Scope::Credential | Scope::CredentialModel => who.push_str("'s key"),
        _ => {}
    }
    match change.to {
        BreakerState::Open => format!("{who} OPEN: {}", change.reason),
        BreakerState::HalfOpen => format!("{who} half-open: probing"),
        BreakerState::Closed => format!("{who} closed again: {}", change.reason),
    }
}

async fn read(client: &Client, expected: &str) -> Result<Option<Splice>, String> {
    let failed = |error: hotspare::Error| error.kind().to_string();
    let mut events = client.stream(ChatRequest::to("demo").user("What happened?")).await.map_err(failed)?;
    let (mut text, mut last) = (String::new(), Instant::now());
    let mut splice: Option<(usize, String, Duration)> = None;
    while let Some(event) = events.next().await {
        match event.map_err(failed)? {
            Event::TextDelta(piece) => {
                if let Some((at, _, gap)) = &mut splice
                    && *at == text.len()
                {
                    *gap = last.elapsed();
                }
                text.push_str(&piece);
                last = Instant::now();
            }
            Event::Handover { from, to } => {
                splice = Some((text.len(), format!("{from} → {to}"), Duration::ZERO))
            }
            _ => {}
        }
    }
    if text != expected {
        return Err("another text".into());
    }
    Ok(splice.map(|(at, who, gap)| Splice {
        before: text[..at].to_owned(),
        mark: format!("{who}, +{} ms", gap.as_millis()),
        after: text[at..].to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn story_lines_are_returned_once_and_bounded() {
        let event_log = EventLog { started: Instant::now(), lines: Arc::default() };
        for number in 0..MAX_LINES * 3 {
            event_log.log(&number.to_string());
        }
        assert_eq!(event_log.unprinted().len(), MAX_LINES);
        event_log.log("last");
        assert!(event_log.unprinted().iter().all(|line| line.ends_with(" last")));
        assert!(event_log.unprinted().is_empty());
        assert_eq!(event_log.latest(2).len(), 2);
    }
}
