//! What a strategy sees and what it returns.
//!
//! Not the health state: views are copies. Invariant: a ranking refers to candidates by index, so only targets in the
//! scene can be chosen.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use hotspare_core::{Cost, ModelProfile, Request, TargetId, TargetView};

use crate::affinity::affinity;

/// The situation in which a strategy chooses.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Scene<'a> {
    /// Targets that can serve the request, in the route's order.
    pub candidates: &'a [Candidate<'a>],
    /// A random draw, fresh for each call. Without one, a strategy returns its most likely order and explores nothing.
    pub draw: Option<u64>,
    /// How many calls the route has served before.
    pub turn: u64,
    /// The request.
    pub request: &'a Request,
    /// Estimated tokens of the prompt for a model of which nothing is known; each candidate has its own number.
    pub prompt_tokens: u64,
}

impl<'a> Scene<'a> {
    /// A scene without a draw.
    #[must_use]
    pub fn new(candidates: &'a [Candidate<'a>], request: &'a Request, prompt_tokens: u64) -> Self {
        Self { candidates, draw: None, turn: 0, request, prompt_tokens }
    }

    /// Sets the draw and the turn.
    #[must_use]
    pub fn with_draw(mut self, draw: Option<u64>, turn: u64) -> Self {
        self.draw = draw;
        self.turn = turn;
        self
    }

    /// A hash of what should stay on one target: the end user named in the request, or else the beginning of its
    /// conversation up to the first user turn. Computed on demand, because it reads all of that text. Stable across releases.
    #[must_use]
    pub fn affinity(&self) -> Option<u64> {
        affinity(self.request)
    }

    /// Whether every candidate has become slow: then the load is too high, and more attempts would add to it.
    pub(crate) fn is_slow_throughout(&self) -> bool {
        !self.candidates.is_empty() && self.candidates.iter().all(|candidate| candidate.view.degraded)
    }

    /// The same scene with other candidates.
    #[must_use]
    pub(crate) fn among<'b>(&self, candidates: &'b [Candidate<'b>]) -> Scene<'b>
    where
        'a: 'b,
    {
        Scene { candidates, ..*self }
    }
}

/// A target that can be chosen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Candidate<'a> {
    /// Its name.
    pub target: &'a TargetId,
    /// What is known about its model.
    pub profile: &'a ModelProfile,
    /// Its health.
    pub view: TargetView,
    /// Estimated tokens of what it would be sent, as it counts them.
    pub prompt_tokens: u64,
}

impl<'a> Candidate<'a> {
    /// A target with this health, which counts the prompt as this many tokens.
    ///
    /// ```
    /// use hotspare_core::{ChatRequest, ModelProfile, Request, TargetId, TargetView};
    /// use hotspare_routing::{Candidate, Scene, Sequential, Strategy};
    ///
    /// // A test of a strategy on its own.
    /// let (target, profile) = (TargetId::from("main"), ModelProfile::default());
    /// let candidates = [Candidate::new(&target, &profile, TargetView::default(), 10)];
    /// let request = Request::from(ChatRequest::to("chat").user("hi"));
    /// let ranking = Sequential::new(["main"]).rank(&Scene::new(&candidates, &request, 10));
    /// assert_eq!(ranking.into_iter().map(|choice| choice.index).collect::<Vec<_>>(), [0]);
    /// ```
    #[must_use]
    pub const fn new(
        target: &'a TargetId,
        profile: &'a ModelProfile,
        view: TargetView,
        prompt_tokens: u64,
    ) -> Self {
        Self { target, profile, view, prompt_tokens }
    }
}

/// An order of candidates. Collect choices into one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranking {
    /// Best first; each candidate at most once.
    pub choices: Vec<Choice>,
}

impl FromIterator<Choice> for Ranking {
    fn from_iter<I: IntoIterator<Item = Choice>>(choices: I) -> Self {
        Self { choices: choices.into_iter().collect() }
    }
}

impl IntoIterator for Ranking {
    type Item = Choice;
    type IntoIter = std::vec::IntoIter<Choice>;

    fn into_iter(self) -> Self::IntoIter {
        self.choices.into_iter()
    }
}

/// A place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Index in the scene's candidates.
    pub index: usize,
    /// When it starts.
    pub start: Start,
    /// Why it is ranked here.
    pub reason: Reason,
}

impl Choice {
    /// A choice that starts once those before it have failed or are late.
    #[must_use]
    pub const fn new(index: usize, reason: Reason) -> Self {
        Self { index, start: Start::AfterFailure, reason }
    }
}

/// When a choice starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// After this time without content.
    After(Duration),
    /// Once those before it have failed or are late.
    AfterFailure,
    /// Together with the first.
    AtOnce,
}

/// Why a candidate is ranked where it is, for humans.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Its price for this request.
    Cheapest {
        /// Estimated price, if known.
        price: Option<Cost>,
    },
    /// Moved from its place in the list because it has become slow.
    Degraded,
    /// The shortest expected wait of those compared.
    Fastest {
        /// Expected time to first content; targets with unknown latency are tried to find out.
        latency: Option<Duration>,
    },
    /// Its place in the written order.
    Listed {
        /// Place, counted from 1.
        place: usize,
        /// Number of candidates.
        of: usize,
    },
    /// Not the best by current knowledge: explored occasionally, to keep that knowledge current.
    Explored,
    /// A strategy's own reason.
    Own(Cow<'static, str>),
    /// Raced against the others.
    Raced {
        /// Number of targets that start at once.
        width: usize,
    },
    /// Another attempt at the same target.
    Retry,
    /// Its failure rate over minutes and days.
    MostReliable {
        /// Share of calls that is expected to fail, in parts per million.
        expected_ppm: u32,
    },
    /// The session or prompt has affinity to it.
    Sticky,
    /// Its turn in the rotation.
    Turn {
        /// Number of the call on this route, counted from 0.
        turn: u64,
    },
    /// Moved from its place in the list because of its health.
    Unhealthy {
        /// Share of failures in hundredths of a per cent.
        failure_rate_bp: u32,
        /// Whether it would be admitted now.
        usable: bool,
    },
    /// Drawn by weight.
    Weighted {
        /// Its current weight.
        weight: u64,
        /// Sum of all weights.
        of: u64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cheapest { price: Some(price) } => write!(f, "cheapest remaining: about {price}"),
            Self::Cheapest { price: None } => f.write_str("price unknown, ranked after known prices"),
            Self::Degraded => f.write_str("moved back: slower than usual"),
            Self::Fastest { latency: Some(latency) } => {
                write!(f, "fastest of two: {} ms", latency.as_millis())
            }
            Self::Fastest { latency: None } => f.write_str("speed unknown, explored"),
            Self::Listed { place, of } => write!(f, "{place} of {of} in order"),
            Self::Explored => f.write_str("explored occasionally"),
            Self::Own(why) => f.write_str(why),
            Self::Raced { width } => write!(f, "raced, {width} at once"),
            Self::Retry => f.write_str("retry"),
            Self::MostReliable { expected_ppm } => {
                write!(f, "fails {:.2} % of calls", f64::from(*expected_ppm) / 10_000.0)
            }
            Self::Sticky => f.write_str("session affinity"),
            Self::Turn { turn } => write!(f, "its turn in round {turn}"),
            Self::Unhealthy { failure_rate_bp, usable: true } => {
                write!(f, "moved back: {:.1} % failures", f64::from(*failure_rate_bp) / 100.0)
            }
            Self::Unhealthy { usable: false, .. } => f.write_str("moved back: not usable now"),
            Self::Weighted { weight, of } => write!(f, "drawn with weight {weight} of {of}"),
        }
    }
}
