//! Which of a route's targets can serve a request, and how long it is for each of them.
//!
//! Not their order. Invariant: each member of the route is a candidate, or is skipped with the reason; candidates and what
//! is known about them have the same order.

use hotspare_core::{ChatRequest, Kind, ModelProfile, PromptSize, Request, Skipped, TargetView};
use hotspare_normalize::PromptTemplate;
use hotspare_routing::{Candidate, Ineligible, Need, Space, absent_tool, ineligible, ineligible_to_embed};

use crate::fleet::{Fleet, Route, Target};
use crate::index::TargetIndex;
use crate::measure::Measure;
use crate::rules::Trim;

/// A request, and the targets that are asked whether they can serve it.
pub(super) struct Question<'a, 't> {
    pub(super) fleet: &'a Fleet,
    pub(super) route: &'a Route,
    pub(super) request: &'a Request,
    pub(super) size: &'a PromptSize,
    /// The prompt template of the target at an index of the fleet.
    pub(super) templates: &'a dyn Fn(TargetIndex) -> Option<&'t dyn PromptTemplate>,
}

/// What the targets answered.
pub(super) struct Survey<'a> {
    /// Those that can serve, in the order of the route.
    pub(super) candidates: Vec<Candidate<'a>>,
    /// What is known about each candidate; taken by the first choice that names it.
    pub(super) facts: Vec<Option<Facts>>,
    /// Those that cannot, and why.
    pub(super) skipped: Vec<Skipped>,
    /// Dimensions that each vector must have, for an embedding request and if known.
    pub(super) dimensions: Option<u32>,
    /// How many the request excludes.
    excluded: usize,
    /// How many the request does not fit.
    too_long: usize,
    /// How many cannot serve it whatever its length; those it is not bound to are not among them.
    unable: usize,
    /// Of those ruled out only by a remembered overflow, the largest and the place of its view.
    remembered: Option<(u64, usize)>,
}

/// What a choice needs to know about a candidate.
pub(super) struct Facts {
    pub(super) target: TargetIndex,
    pub(super) need: Need,
    pub(super) needs: u64,
    pub(super) trim_to: Option<u64>,
    pub(super) sent: PromptSize,
}

/// Why a target cannot serve.
enum Unsuited {
    /// The request excludes it.
    Excluded,
    /// The request is bound to another, in these words.
    Bound(String),
    /// The request is too long for it.
    Length(String),
    /// It has recently rejected a request as too long: one of this many tokens, or with this as its window.
    Overflowed(u64, String),
    Other(String),
}

impl<'a> Question<'a, '_> {
    /// Asks all members. `views` are their health, in the same order.
    pub(super) fn survey(&self, views: &[TargetView]) -> Survey<'a> {
        let mut survey = self.ask(views);
        // One rejected request is no reason to refuse another without asking any target.
        let mut views = std::borrow::Cow::Borrowed(views);
        while survey.candidates.is_empty()
            && let Some((_, index)) = survey.remembered
        {
            let tokens = &mut views.to_mut()[index].tokens;
            (tokens.overflow, tokens.window) = (None, None);
            survey = self.ask(&views);
        }
        survey
    }

    fn ask(&self, views: &[TargetView]) -> Survey<'a> {
        let space = space(self.fleet, self.route, self.request);
        let holder = holder(self.fleet, self.route, self.request);
        let mut measure = Measure::new(self.request, self.size);
        let mut survey = Survey {
            candidates: Vec::with_capacity(views.len()),
            facts: Vec::with_capacity(views.len()),
            skipped: Vec::new(),
            dimensions: space.and_then(|space| space.dimensions()),
            excluded: 0,
            too_long: 0,
            unable: 0,
            remembered: None,
        };
        for (index, (&place, view)) in self.route.members.iter().zip(views).enumerate() {
            match self.ask_one(place, view, &mut measure, space, holder) {
                Ok((candidate, facts)) => {
                    survey.candidates.push(candidate);
                    survey.facts.push(Some(facts));
                }
                Err(why) => survey.skip(index, &self.fleet[place], why),
            }
        }
        survey
    }

    fn ask_one(
        &self,
        place: TargetIndex,
        view: &TargetView,
        measure: &mut Measure<'_>,
        space: Option<Space<'_>>,
        holder: Option<TargetIndex>,
    ) -> Result<(Candidate<'a>, Facts), Unsuited> {
        let target = &self.fleet[place];
        if !self.request.options().allows(&target.id) {
            return Err(Unsuited::Excluded);
        }
        if let Some(why) = elsewhere(self.fleet, self.request, place, holder) {
            return Err(Unsuited::Bound(why));
        }
        let template = (self.templates)(place);
        let sent = measure.size_through(template, &target.name);
        let need = match template {
            Some(template) => {
                measure.need_through(template, &target.name, &sent, &target.profile, &view.tokens)
            }
            None => measure.need(&target.profile, &view.tokens),
        };
        let trim_to = match unable(self.request, target, need, space) {
            None => None,
            Some(why @ (Unsuited::Length(_) | Unsuited::Overflowed(..))) => {
                let trimmed = self.trimmed(target, need, &sent);
                Some(trimmed.ok_or_else(|| why.also(sent != *self.size, "; with its prompt template"))?)
            }
            Some(why) => return Err(why),
        };
        let needs = measure.with_room(&target.profile, need);
        let candidate = Candidate::new(&target.id, &target.profile, view.clone(), need.prompt);
        Ok((candidate, Facts { target: place, need, needs, trim_to, sent }))
    }

    /// The estimate to which a request that is too long must be trimmed, if the route allows it and it is possible.
    fn trimmed(&self, target: &Target, need: Need, sent: &PromptSize) -> Option<u64> {
        let (Trim::OldestTurns, Request::Chat(chat)) = (self.route.rules.trim, self.request) else {
            return None;
        };
        // What a template adds is not trimmed.
        let added = sent.tokens().saturating_sub(self.size.tokens());
        let most = fitting(chat, &target.profile, need, sent.tokens())?;
        most.checked_sub(added).filter(|most| *most > 0)
    }
}

impl Unsuited {
    /// The same, with these words added to it if `is_so`.
    fn also(self, is_so: bool, words: &str) -> Self {
        match self {
            Self::Length(why) if is_so => Self::Length(why + words),
            Self::Overflowed(most, why) if is_so => Self::Overflowed(most, why + words),
            same => same,
        }
    }
}

impl Survey<'_> {
    fn skip(&mut self, index: usize, target: &Target, why: Unsuited) {
        match &why {
            Unsuited::Excluded => self.excluded += 1,
            Unsuited::Length(_) | Unsuited::Overflowed(..) => self.too_long += 1,
            Unsuited::Other(_) => self.unable += 1,
            Unsuited::Bound(_) => {}
        }
        let words = match why {
            Unsuited::Excluded => "the request excludes it".to_owned(),
            Unsuited::Overflowed(lately, why) => {
                if self.remembered.is_none_or(|(largest, _)| lately > largest) {
                    self.remembered = Some((lately, index));
                }
                why
            }
            Unsuited::Bound(why) | Unsuited::Length(why) | Unsuited::Other(why) => why,
        };
        self.skipped.push(Skipped::new(target.id.clone(), words));
    }

    /// The kind of the error if no candidate is chosen.
    pub(super) fn nobody(&self) -> Kind {
        if self.skipped.len() == self.excluded {
            Kind::NoTarget
        } else if self.too_long > 0 && self.unable == 0 && self.candidates.is_empty() {
            Kind::ContextOverflow
        } else {
            Kind::Unsupported
        }
    }
}

/// The target assumed to keep the state that a request refers to: the first of the route's members that uses its wire
/// and runs its tools.
fn holder(fleet: &Fleet, route: &Route, request: &Request) -> Option<TargetIndex> {
    let Request::Chat(chat) = request else { return None };
    let bound = chat.bound.as_ref().filter(|bound| bound.kept)?;
    route.members.iter().copied().find(|&place| {
        let target = &fleet[place];
        target.wire == bound.wire
            && request.options().allows(&target.id)
            && absent_tool(chat, &target.profile).is_none()
    })
}

/// Why a bound request cannot be served at `place`, if it cannot.
fn elsewhere(
    fleet: &Fleet,
    request: &Request,
    place: TargetIndex,
    holder: Option<TargetIndex>,
) -> Option<String> {
    let Request::Chat(chat) = request else { return None };
    let bound = chat.bound.as_ref().filter(|_| holder != Some(place))?;
    if !bound.kept {
        let other = fleet[place].wire != bound.wire;
        return other.then(|| format!("only the wire {} supports {}", bound.wire, bound.what));
    }
    if let Some(absent) = absent_tool(chat, &fleet[place].profile) {
        return Some(absent.to_string());
    }
    Some(match holder {
        Some(holder) => format!("the request is bound to {}: {}", fleet[holder].id, bound.what),
        None => format!("the request is bound to a provider of the wire {}: {}", bound.wire, bound.what),
    })
}

/// Why a target cannot serve the request, if it cannot.
fn unable(request: &Request, target: &Target, need: Need, space: Option<Space<'_>>) -> Option<Unsuited> {
    let embed = match request {
        Request::Chat(chat) => {
            let why = ineligible(chat, &target.profile, need)?;
            let words = why.to_string();
            return Some(match why {
                Ineligible::Overflowed { lately: most, .. } | Ineligible::Named { holds: most, .. } => {
                    Unsuited::Overflowed(most, words)
                }
                why if why.is_length() => Unsuited::Length(words),
                _ => Unsuited::Other(words),
            });
        }
        Request::Embed(embed) => embed,
    };
    if let Some(why) = ineligible_to_embed(&target.profile) {
        return Some(Unsuited::Other(why.to_string()));
    }
    let own = Space::new(&target.profile, &target.name, embed.dimensions);
    own.mismatch(&space?).map(|why| Unsuited::Other(why.to_string()))
}

/// The vector space of a route: that of its first member that can serve, in the order written. It must not depend on
/// the ranking, because the vectors of two calls must be comparable.
fn space<'a>(fleet: &'a Fleet, route: &Route, request: &Request) -> Option<Space<'a>> {
    let Request::Embed(embed) = request else { return None };
    let members = route.members.iter().map(|&place| &fleet[place]);
    let first = members
        .filter(|target| request.options().allows(&target.id))
        .find(|target| ineligible_to_embed(&target.profile).is_none())?;
    Some(Space::new(&first.profile, &first.name, embed.dimensions))
}

/// The estimate to which a prompt must be trimmed to fit, if that is possible.
fn fitting(request: &ChatRequest, profile: &ModelProfile, need: Need, estimated: u64) -> Option<u64> {
    let window = need.window(profile).into_iter().chain(need.overflow).min().unwrap_or(u64::MAX);
    let left = window.checked_sub(Need::room(request, profile, window))?;
    // Allows for an estimate that is slightly too low.
    let tokens = u128::from(left - left / 20) * u128::from(estimated) / u128::from(need.prompt.max(1));
    u64::try_from(tokens).ok().filter(|tokens| *tokens > 0)
}
