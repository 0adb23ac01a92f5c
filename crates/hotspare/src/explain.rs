//! What a request would do, without doing it.
//!
//! Not an estimate: the same code makes the plan that a call would follow. Invariant: nothing is sent, nothing changes.

use std::fmt;

use hotspare_core::{Skipped, TargetId, TargetView};

/// A dry run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The route that the request takes.
    pub route: String,
    /// Its strategy.
    pub strategy: &'static str,
    /// How many targets start concurrently.
    pub width: usize,
    /// Whether latencies are those of streams, up to the first content, or of whole answers.
    pub stream: bool,
    /// Estimated tokens of the prompt.
    pub prompt_tokens: u64,
    /// The targets it would try, in order.
    pub choices: Vec<ExplainedTarget>,
    /// The targets it would not try, and why.
    pub skipped: Vec<Skipped>,
}

/// A target in a dry run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExplainedTarget {
    /// The target.
    pub target: TargetId,
    /// Why it is at this position.
    pub why: String,
    /// Approximate prompt tokens, by this target's tokenizer.
    pub prompt_tokens: u64,
    /// Whether it would get the conversation without its oldest turns.
    pub trimmed: bool,
    /// Its current health.
    pub view: TargetView,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "route {} ({}), about {} prompt tokens", self.route, self.strategy, self.prompt_tokens)?;
        if self.width > 1 {
            writeln!(f, "   up to {} targets start at once; each one is billed", self.width)?;
        }
        for (index, choice) in self.choices.iter().enumerate() {
            let view = &choice.view;
            write!(f, "{}. {}: {}; breaker {}", index + 1, choice.target, choice.why, view.breaker)?;
            if choice.prompt_tokens != self.prompt_tokens {
                write!(f, ", about {} prompt tokens there", choice.prompt_tokens)?;
            }
            if choice.trimmed {
                f.write_str(", without the oldest turns")?;
            }
            if view.degraded {
                f.write_str(", slower than usual")?;
            }
            if view.disabled {
                f.write_str(", disabled")?;
            }
            if view.cordoned {
                f.write_str(", out of service")?;
            }
            if view.samples > 0 {
                write!(f, ", {:.1} % of {} failed", f64::from(view.failure_rate_bp) / 100.0, view.samples)?;
            }
            if let Some(usual) = view.latency_p50 {
                let what = if self.stream { "first content" } else { "answer" };
                write!(f, ", {what} usually after {} ms", usual.as_millis())?;
            }
            match view.usable_in {
                Some(pause) if !view.usable => writeln!(f, ", blocked for {:.1} s", pause.as_secs_f64())?,
                _ if !view.usable => writeln!(f, ", blocked")?,
                _ => writeln!(f)?,
            }
        }
        for skipped in &self.skipped {
            writeln!(f, "-  {}: skipped, {}", skipped.target, skipped.why)?;
        }
        Ok(())
    }
}
