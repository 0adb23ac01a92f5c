//! Changes, statuses and reports as one line of text each, for a terminal or a log of the application's own.
//!
//! Not a format for programs. Invariant: never a prompt, an answer or a key.

use std::fmt;

use crate::observer::{BreakerChange, ServiceChange};
use crate::report::{CallEnd, CallReport};
use crate::status::{RouteStatus, TargetStatus};

/// `gpt-4o at https://host/v1: closed -> open, its calls failed too often to be chance (evidence 12.8)`.
impl fmt::Display for BreakerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}, {}", self.scope_name, self.from, self.to, self.reason)
    }
}

/// `key 1 at https://host/v1: out of service, the provider rejected the key, checked again in 600 s`.
impl fmt::Display for ServiceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.in_service {
            return write!(f, "{}: back in service", self.scope_name);
        }
        write!(f, "{}: out of service, {}", self.scope_name, self.kind.summary())?;
        match self.recheck_after {
            Some(pause) => write!(f, ", checked again in {} s", pause.as_secs()),
            None => Ok(()),
        }
    }
}

/// `chat: served by main, 812 ms, 1 attempt, 0.000432 USD`.
impl fmt::Display for CallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.route)?;
        match &self.end {
            CallEnd::Dropped => f.write_str("dropped by its caller")?,
            CallEnd::Failed(error) => write!(f, "failed, {}", error.kind())?,
            CallEnd::Served(target) => write!(f, "served by {target}")?,
        }
        let attempts = self.trail.attempts.len();
        let plural = if attempts == 1 { "" } else { "s" };
        write!(f, ", {} ms, {attempts} attempt{plural}", self.duration.as_millis())?;
        match self.trail.cost() {
            Some(cost) => write!(f, ", {cost}"),
            None => Ok(()),
        }
    }
}

/// `main (gpt-4o, openai-chat): breaker closed, 40 started, 38 served, 1 failed, 1 cancelled, 0.001120 USD`, then what
/// keeps it from serving.
impl fmt::Display for TargetStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { view, counts, .. } = self;
        let failed: u64 = counts.failed.values().sum();
        write!(f, "{} ({}, {}): breaker {}", self.id, self.model, self.wire, view.breaker)?;
        write!(f, ", {} started, {} served, {failed} failed", counts.started, counts.served)?;
        write!(f, ", {} cancelled", counts.cancelled)?;
        if self.profile.price.is_some() {
            write!(f, ", {}", counts.cost)?;
        }
        if let Some(kind) = self.disabled_by {
            write!(f, "; out of service: {}", kind.summary())?;
        }
        for key in self.keys.iter().enumerate().filter_map(|(place, key)| Some((place + 1, key.disabled_by?)))
        {
            write!(f, "; key {} out of service: {}", key.0, key.1.summary())?;
        }
        if view.cordoned {
            f.write_str("; cordoned")?;
        }
        match view.usable_in {
            _ if view.usable || view.cordoned => Ok(()),
            Some(pause) => write!(f, "; not usable for {:.1} s", pause.as_secs_f64()),
            None => f.write_str("; not usable"),
        }
    }
}

/// `chat: 2 of 3 targets usable (main, spare, local)`.
impl fmt::Display for RouteStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.targets.iter().map(hotspare_core::TargetId::as_str).collect();
        write!(f, "{}: {} of {} targets usable ({})", self.name, self.usable, names.len(), names.join(", "))?;
        match self.spent {
            Some(spent) => write!(f, ", {spent} spent of its limit"),
            None => Ok(()),
        }
    }
}
