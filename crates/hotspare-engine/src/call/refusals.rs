//! What it means for a call that health refuses a target.
//!
//! Not what the call does about it. Invariant: every cause has words that the trail can show.

use std::time::Duration;

use hotspare_core::{Kind, Moment};
use hotspare_health::{Cause, Refusal};

/// Whether the obstacle passes without the target having to recover: room, or the end of a pause.
pub(super) fn passes_soon(refusal: &Refusal) -> bool {
    refusal.cause == Cause::Full || is_rate_limit(refusal)
}

/// Whether only the rate of requests is the obstacle.
pub(super) fn is_rate_limit(refusal: &Refusal) -> bool {
    matches!(
        refusal.cause,
        Cause::Growing
            | Cause::LimitReached
            | Cause::Queued
            | Cause::QuotaSpent
            | Cause::RateLimited
            | Cause::ResumeProbe
    )
}

/// Whether the target is in service, so that the obstacle passes by itself.
pub(super) fn is_in_service(refusal: &Refusal) -> bool {
    !matches!(refusal.cause, Cause::Cordoned | Cause::Disabled)
}

/// How long until a target that is in service may admit a call.
pub(super) fn usable_in(now: Moment, refusal: &Refusal) -> Option<Duration> {
    refusal.until.filter(|_| is_in_service(refusal)).map(|until| until.saturating_since(now))
}

/// Describes a refusal for humans; `disabled_by` is what disabled the key or the model, if that is the cause.
pub(super) fn why_refused(now: Moment, refusal: &Refusal, disabled_by: Option<Kind>) -> String {
    let cause = match refusal.cause {
        Cause::Full => "all its slots are in use",
        Cause::LimitReached => "its limit per minute is exhausted",
        Cause::Queued => "other calls are queued for it",
        Cause::Open => "its breaker is open",
        Cause::Slow => "it is passed over because its answers are late",
        Cause::HalfOpenBusy => "its breaker is half-open and a probe is in flight",
        Cause::Growing => "it limits how fast traffic may grow",
        Cause::NetworkSuspected => "no host is reachable from here, so it waits",
        Cause::QuotaSpent => "its quota appears to be exhausted",
        Cause::RateLimited => "it is rate limited",
        Cause::ResumeProbe => "another call is testing whether its pause is over",
        Cause::Disabled => "it is disabled",
        Cause::Cordoned => "an operator took it out of service",
        _ => "it is blocked",
    };
    let cause = match disabled_by.filter(|_| refusal.cause == Cause::Disabled) {
        Some(kind) => format!("{cause} ({kind}: {})", kind.summary()),
        None => cause.to_owned(),
    };
    // Nobody knows when another call ends: the time is only when to look again.
    let known = refusal.until.filter(|_| !matches!(refusal.cause, Cause::Full | Cause::Queued));
    match known {
        Some(until) => format!("{cause} for {:.1} s more", until.saturating_since(now).as_secs_f64()),
        None => cause,
    }
}
