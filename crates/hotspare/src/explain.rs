//! What a request would do, without doing it.
//!
//! Not a guess: the same plan that a call would follow, made by the same code. Invariant: nothing is sent, nothing changes.

use std::fmt;

use hotspare_core::{Skipped, TargetId, TargetView};

/// A dry run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The route that the request takes.
    pub route: String,
    /// Its strategy.
    pub strategy: &'static str,
    /// How many targets start at once.
    pub at_once: usize,
    /// Estimated tokens of the prompt.
    pub prompt_tokens: u64,
    /// Whom it would try, in order.
    pub choices: Vec<Explained>,
    /// Whom it would not, and why.
    pub skipped: Vec<Skipped>,
}

/// A target in a dry run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explained {
    /// Which.
    pub target: TargetId,
    /// Why it stands here.
    pub why: String,
    /// Tokens of the prompt as it counts them, about.
    pub prompt_tokens: u64,
    /// It would get the conversation without its oldest turns.
    pub trimmed: bool,
    /// Its health now.
    pub view: TargetView,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "route {} ({}), about {} prompt tokens", self.route, self.strategy, self.prompt_tokens)?;
        if self.at_once > 1 {
            writeln!(f, "   {} targets start at once, and each is paid for", self.at_once)?;
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
            if let Some(latency) = view.latency {
                write!(f, ", first content after about {} ms", latency.as_millis())?;
            }
            match view.usable_in {
                Some(pause) if !view.usable => writeln!(f, ", blocked for {:.1} s", pause.as_secs_f64())?,
                _ if !view.usable => writeln!(f, ", blocked")?,
                _ => writeln!(f)?,
            }
        }
        for skipped in &self.skipped {
            writeln!(f, "-  {}: passed over, {}", skipped.target, skipped.why)?;
        }
        Ok(())
    }
}
