//! The log of the demonstration, and one answer as its reader saw it.
//!
//! Invariant: bounded; the oldest lines are dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use hotspare::{BreakerChange, BreakerState, ChatRequest, Client, Event, Scope, TargetId};

/// Maximum number of lines kept.
const KEPT: usize = 64;

/// A log that grows while the demonstration runs.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    begun: Instant,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    /// Number of lines in all, and how many of them were printed.
    all: usize,
    told: usize,
    seam: Option<Seam>,
    sampled: u64,
    broken: Vec<String>,
}

/// An answer that one target began and another ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seam {
    pub(crate) before: String,
    pub(crate) mark: String,
    pub(crate) after: String,
    pub(crate) exact: bool,
}

impl Story {
    /// A story that starts now and logs every breaker change of `client`.
    pub(crate) fn of(client: &Client) -> Self {
        let story = Self { begun: Instant::now(), lines: Arc::default() };
        let listener = story.clone();
        client.on_transition(move |change| listener.tell(&said(change)));
        story
    }

    /// Adds a line.
    pub(crate) fn tell(&self, what: &str) {
        let passed = self.begun.elapsed();
        let line = format!("{:02}:{:05.2} {what}", passed.as_secs() / 60, passed.as_secs_f64() % 60.0);
        let mut lines = self.lock();
        lines.all += 1;
        lines.kept.push_back(line);
        if lines.kept.len() > KEPT {
            lines.kept.pop_front();
        }
    }

    /// The newest lines, oldest first.
    pub(crate) fn newest(&self, count: usize) -> Vec<String> {
        let lines = self.lock();
        lines.kept.iter().skip(lines.kept.len().saturating_sub(count)).cloned().collect()
    }

    /// Lines not printed yet.
    pub(crate) fn untold(&self) -> Vec<String> {
        let mut lines = self.lock();
        let new = (lines.all - lines.told).min(lines.kept.len());
        lines.told = lines.all;
        lines.kept.iter().skip(lines.kept.len() - new).cloned().collect()
    }

    /// The newest answer with a seam.
    pub(crate) fn seam(&self) -> Option<Seam> {
        self.lock().seam.clone()
    }

    /// Number of answers read word by word, and what was wrong with each bad one.
    pub(crate) fn samples(&self) -> (u64, Vec<String>) {
        let lines = self.lock();
        (lines.sampled, lines.broken.clone())
    }

    /// Reads one answer word by word.
    pub(crate) async fn sample(self, client: Client, expected: String) {
        let read = read(&client, &expected).await;
        let mut lines = self.lock();
        lines.sampled += 1;
        match read {
            Ok(Some(seam)) => lines.seam = Some(seam),
            Ok(None) => {}
            Err(broken) => lines.broken.push(broken),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(change: &BreakerChange) -> String {
    let mut who = change.targets.iter().map(TargetId::as_str).collect::<Vec<_>>().join(", ");
    match change.scope {
        Scope::Endpoint => who.push_str("'s host"),
        Scope::Credential | Scope::CredentialModel => who.push_str("'s key"),
        _ => {}
    }
    match change.to {
        BreakerState::Open => format!("{who} OPEN: {}", change.reason),
        BreakerState::HalfOpen => format!("{who} half-open: probing"),
        BreakerState::Closed => format!("{who} closed again: {}", change.reason),
    }
}

async fn read(client: &Client, expected: &str) -> Result<Option<Seam>, String> {
    let failed = |error: hotspare::Error| error.kind().to_string();
    let mut events = client.stream(ChatRequest::to("demo").user("What happened?")).await.map_err(failed)?;
    let (mut text, mut last) = (String::new(), Instant::now());
    let mut seam: Option<(usize, String, Duration)> = None;
    while let Some(event) = events.next().await {
        match event.map_err(failed)? {
            Event::TextDelta(piece) => {
                if let Some((at, _, gap)) = &mut seam
                    && *at == text.len()
                {
                    *gap = last.elapsed();
                }
                text.push_str(&piece);
                last = Instant::now();
            }
            Event::Handover { from, to } => {
                seam = Some((text.len(), format!("{from} → {to}"), Duration::ZERO))
            }
            _ => {}
        }
    }
    if text != expected {
        return Err("another text".into());
    }
    Ok(seam.map(|(at, who, gap)| Seam {
        before: text[..at].to_owned(),
        mark: format!("{who}, +{} ms", gap.as_millis()),
        after: text[at..].to_owned(),
        exact: text == expected,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn story_lines_are_returned_once_and_bounded() {
        let story = Story { begun: Instant::now(), lines: Arc::default() };
        for number in 0..KEPT * 3 {
            story.tell(&number.to_string());
        }
        assert_eq!(story.untold().len(), KEPT);
        story.tell("last");
        assert!(story.untold().iter().all(|line| line.ends_with(" last")));
        assert!(story.untold().is_empty());
        assert_eq!(story.newest(2).len(), 2);
    }
}
