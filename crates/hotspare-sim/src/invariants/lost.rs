//! Whether a call was lost although a target that it had not tried would have served it.
//!
//! Computed from the views of the targets when the call ends, not from what the call knew of them. Invariant: a target
//! that the call could not have tried in time is no breach.

use std::time::Duration;

use hotspare_core::Moment;
use hotspare_engine::TargetIndex;

use super::CallEnd;

/// How often a call whose attempts are all late asks the targets that have refused it.
const LOOKS_AGAIN: Duration = Duration::from_secs(1);

/// The first target that a lost call should have tried, if any. `admits_since` is the latest moment at which a target may
/// have begun to admit calls: its breakers, and the pauses that its failures have led to.
pub(super) fn missed(
    now: Moment,
    end: &CallEnd<'_>,
    admits_since: impl Fn(TargetIndex) -> Option<Moment>,
) -> Option<TargetIndex> {
    // For a whole answer, the first content arrives with its end.
    let limits = &end.route.limits;
    let within = if end.stream { limits.first_content_deadline } else { limits.total };
    let within = end.deadline.map_or(within, |deadline| deadline.min(within));
    let left = (end.arrived + within).saturating_since(now);
    let views = end.world.views(now, end.route, end.prompt_tokens, end.stream);
    let mut untried = end.route.members.iter().zip(views).filter(|(target, view)| {
        let position = target.position();
        view.usable && !end.tried.contains(&position) && !end.excluded.contains(&position)
    });
    let missed = untried.find(|(target, view)| {
        if left > Duration::ZERO {
            // Targets that cannot answer in time are rightly skipped.
            return view.latency_p50.is_none_or(|usual| usual <= left);
        }
        // At the deadline it is too late for any target. It should have been tried before if it admitted calls while
        // all attempts were late, and had the time that it needs when the call looked.
        let is_late_at = last_is_late_at(end);
        let since = admits_since(**target).zip(is_late_at).map(|(admits, late)| admits.max(late));
        let usual = view.latency_p50.unwrap_or_default();
        since.is_some_and(|since| since + LOOKS_AGAIN + usual <= now)
    });
    missed.map(|(target, _)| *target)
}

/// When the last attempt is late at the latest; `None` if that is unknown, or the breakers are not watched.
fn last_is_late_at(end: &CallEnd<'_>) -> Option<Moment> {
    let started = end.last_start.filter(|_| end.stream && end.is_watched)?;
    let limits = &end.route.limits;
    let reasons = |target: &usize| end.fleet.targets()[*target].profile.capabilities.reasons(None);
    let limit = match end.tried.iter().any(reasons) {
        true => limits.first_content_reasoning,
        false => limits.first_content,
    };
    // A long prompt gets more time.
    let kilotokens = u32::try_from(end.prompt_tokens / 1_024).unwrap_or(u32::MAX);
    Some(started + limit.saturating_add(limit.saturating_mul(kilotokens.saturating_add(1)) / 32))
}
