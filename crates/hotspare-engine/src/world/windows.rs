//! What targets teach about lengths: how they count tokens, which requests were too long, and which window they have named.
//!
//! Not which targets a request fits: a plan decides that on copies. Invariant: what a rejection has taught is forgotten after
//! a while or once the target accepts more, because servers restart with other windows and estimates may be wrong.

use std::time::Duration;

use hotspare_core::{Moment, TokenScale};

use super::World;
use crate::index::TargetIndex;
use crate::plan::PlannedTarget;

/// How long a rejection as too long is remembered.
const OVERFLOW_MEMORY: Duration = Duration::from_secs(600);
/// How long the window that a target has named is remembered: it is no estimate, but only one rejected request an hour is
/// needed to learn it again.
const WINDOW_MEMORY: Duration = Duration::from_secs(3_600);

impl World {
    /// How a target counts tokens, and what it does not take.
    pub(crate) fn token_scale(&self, now: Moment, place: TargetIndex) -> TokenScale {
        let state = &self.targets[place];
        let current = |memory: Option<(u64, Moment)>| {
            memory.filter(|(_, until)| now < *until).map(|(tokens, _)| tokens)
        };
        let mut scale = state.tokens.scale();
        (scale.overflow, scale.window) = (current(state.overflow), current(state.window));
        scale
    }

    /// A target has named its window.
    pub(crate) fn named_window(&mut self, now: Moment, place: TargetIndex, limit: u64) {
        let known = self.fleet[place].profile.context_window;
        // What is known about the model is the most that a server of it can hold.
        if known.is_none_or(|known| limit < known) {
            self.targets[place].window = Some((limit, now + WINDOW_MEMORY));
        }
    }

    /// The request of an attempt was too long for its target, which may have counted the prompt.
    pub(crate) fn overflowed(
        &mut self,
        now: Moment,
        place: TargetIndex,
        choice: &PlannedTarget,
        counted: Option<u64>,
    ) {
        let room = choice.needs.saturating_sub(choice.prompt_tokens);
        let state = &mut self.targets[place];
        let needs = match counted {
            Some(counted) => {
                state.tokens.learn(&choice.size, counted);
                state.tokens.scale().estimate(&choice.size).saturating_add(room)
            }
            None => choice.needs,
        };
        let scale = self.token_scale(now, place);
        let window = self.fleet[place].profile.context_window.into_iter().chain(scale.window).min();
        // An estimate that was this far off says nothing about requests that are measured well.
        if window.is_some_and(|window| needs < window / 2) {
            return;
        }
        let least = scale.overflow.map_or(needs, |known| known.min(needs));
        self.targets[place].overflow = Some((least, now + OVERFLOW_MEMORY));
    }
}
