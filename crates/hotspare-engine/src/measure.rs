//! How long a request is for each model that may get it.
//!
//! Not a tokenizer, and not the judge of what fits. Invariant: a request is counted exactly only if an estimate comes
//! close to the window (otherwise the estimate is certain enough), and at most once per encoding and template; a target's
//! template counts, and nothing is measured anew for a target without one.

use hotspare_core::{Encoding, ModelProfile, PromptSize, Request, TokenScale};
use hotspare_normalize::{PromptTemplate, exact_size};
use hotspare_routing::Need;

/// How close to the window an estimate must be to require an exact count, in per cent of the window.
const CLOSE: u64 = 15;
/// Minimum margin by which a count may be too high, in per cent: for an exact count of the text, because of the
/// overhead around it; for an estimate; and for a prompt that contains something opaque.
const COUNTED: u64 = 3;
const ESTIMATED: u64 = 15;
const OPAQUE: u64 = 30;
/// How many standard deviations the margin covers, in halves.
const POSSIBLE: u64 = 5;

/// Measures one request.
#[derive(Debug)]
pub struct Measure<'a> {
    request: &'a Request,
    size: &'a PromptSize,
    counted: Vec<(Encoding, Option<PromptSize>)>,
}

impl<'a> Measure<'a> {
    /// Measures `request`, of this size.
    #[must_use]
    pub fn new(request: &'a Request, size: &'a PromptSize) -> Self {
        Self { request, size, counted: Vec::new() }
    }

    /// The size of the prompt that a model gets through `template`.
    pub(crate) fn size_through(&self, template: Option<&dyn PromptTemplate>, model: &str) -> PromptSize {
        match (self.request, template) {
            (Request::Chat(chat), Some(template)) => template.size(chat, model, self.size),
            _ => *self.size,
        }
    }

    /// What the request needs of a model whose token counts follow `scale`.
    pub fn need(&mut self, profile: &ModelProfile, scale: &TokenScale) -> Need {
        let size = *self.size;
        self.need_of(&size, profile, scale, |measure, encoding| measure.count(encoding))
    }

    /// The same for a model that gets the request through `template`, which makes a prompt of this `size` of it.
    pub(crate) fn need_through(
        &mut self,
        template: &dyn PromptTemplate,
        model: &str,
        size: &PromptSize,
        profile: &ModelProfile,
        scale: &TokenScale,
    ) -> Need {
        self.need_of(size, profile, scale, |measure, encoding| match measure.request {
            Request::Chat(chat) => exact_size(encoding, &template.apply(chat, model).ok()?),
            Request::Embed(_) => None,
        })
    }

    fn need_of(
        &mut self,
        size: &PromptSize,
        profile: &ModelProfile,
        scale: &TokenScale,
        count: impl FnOnce(&mut Self, Encoding) -> Option<PromptSize>,
    ) -> Need {
        let estimated = need(size, scale, ESTIMATED);
        let (Some(window), Some(encoding)) = (estimated.window(profile), profile.encoding) else {
            return estimated;
        };
        let needs = self.with_room(profile, estimated);
        if needs.abs_diff(window) / CLOSE > window / 100 {
            return estimated;
        }
        match count(self, encoding) {
            Some(size) => need(&size, &scale.with_exact_text(), COUNTED),
            None => estimated,
        }
    }

    /// Tokens of the prompt plus the room for the answer.
    pub(crate) fn with_room(&self, profile: &ModelProfile, need: Need) -> u64 {
        let window = need.window(profile).unwrap_or(u64::MAX);
        match self.request {
            Request::Chat(chat) => need.prompt.saturating_add(Need::room(chat, profile, window)),
            Request::Embed(_) => need.prompt,
        }
    }

    fn count(&mut self, encoding: Encoding) -> Option<PromptSize> {
        if let Some((_, counted)) = self.counted.iter().find(|(known, _)| *known == encoding) {
            return *counted;
        }
        let counted = match self.request {
            Request::Chat(chat) => exact_size(encoding, chat),
            Request::Embed(_) => None,
        };
        self.counted.push((encoding, counted));
        counted
    }
}

/// What a prompt of this size needs, and by how much that may be too high.
fn need(size: &PromptSize, scale: &TokenScale, least: u64) -> Need {
    let prompt = scale.estimate(size);
    let doubt = scale.doubt(size).saturating_mul(POSSIBLE * 50) / prompt.max(1);
    let least = if size.is_opaque() { OPAQUE } else { least };
    let mut need = Need::new(prompt, doubt.clamp(least, 100));
    (need.overflow, need.window) = (scale.overflow, scale.window);
    need
}
