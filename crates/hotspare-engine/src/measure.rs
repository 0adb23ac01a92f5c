//! How long a request is for each model that may get it.
//!
//! Not a tokenizer and not a judge of what fits. Invariant: a request is counted exactly at most once for each encoding, and
//! only where an estimate comes close to the window; everywhere else the estimate is certain enough.

use hotspare_core::{Encoding, ModelProfile, Request, TokenScale};
use hotspare_normalize::{PromptSize, count_exactly};
use hotspare_routing::Need;

/// How close to the window an estimate must be for an exact count, in per cent of the window.
const CLOSE: u64 = 15;
/// By how much may be too high, in per cent: an exact count of texts, for what stands around them; an estimate that the
/// target's own counts have corrected; one that rests on the request alone.
const COUNTED: u64 = 3;
const CALIBRATED: u64 = 15;
const UNKNOWN: u64 = 30;
/// Counts of a target that make its estimates certain.
const SAMPLES: u32 = 8;

/// Measures one request.
#[derive(Debug)]
pub(crate) struct Measure<'a> {
    request: &'a Request,
    size: PromptSize,
    counted: Vec<(Encoding, Option<u64>)>,
}

impl<'a> Measure<'a> {
    pub(crate) fn new(request: &'a Request, tokens: u64) -> Self {
        Self { request, size: PromptSize::known(request, tokens), counted: Vec::new() }
    }

    /// The request's size as it is estimated for any model.
    pub(crate) fn size(&self) -> PromptSize {
        self.size
    }

    /// What the request needs of a model whose counts are known as `scale`.
    pub(crate) fn need(&mut self, profile: &ModelProfile, scale: TokenScale) -> Need {
        let prompt = scale.estimate(self.size.shape, self.size.tokens);
        let margin = if scale.samples(self.size.shape) < SAMPLES { UNKNOWN } else { CALIBRATED };
        let estimated = Need { prompt, margin, overflow: scale.overflow };
        let (Some(window), Some(encoding)) = (profile.context_window, profile.encoding) else {
            return estimated;
        };
        let needs = self.with_room(profile, estimated);
        if needs.abs_diff(window) / CLOSE > window / 100 {
            return estimated;
        }
        match self.count(encoding) {
            Some(prompt) => Need { prompt, margin: COUNTED, ..estimated },
            None => estimated,
        }
    }

    /// Tokens of the prompt and the room for the answer.
    pub(crate) fn with_room(&self, profile: &ModelProfile, need: Need) -> u64 {
        let window = profile.context_window.unwrap_or(u64::MAX);
        match self.request {
            Request::Chat(chat) => need.prompt.saturating_add(Need::room(chat, window)),
            Request::Embed(_) => need.prompt,
        }
    }

    fn count(&mut self, encoding: Encoding) -> Option<u64> {
        if let Some((_, counted)) = self.counted.iter().find(|(known, _)| *known == encoding) {
            return *counted;
        }
        let counted = match self.request {
            Request::Chat(chat) => count_exactly(encoding, chat),
            Request::Embed(_) => None,
        };
        self.counted.push((encoding, counted));
        counted
    }
}
