//! A route that is being put together.
//!
//! A plain description, like an endpoint's. Invariant: what is wrong with it is kept, and reported by the builder with the
//! rest.

use std::sync::Arc;
use std::time::Duration;

use hotspare_core::Cost;
use hotspare_engine::{Limits, Rules, SpendLimit};
use hotspare_normalize::PromptTemplate;
use hotspare_routing::Strategy;

use crate::shared::Prompt;

/// A route that is being put together: a strategy, and what goes with it.
///
/// ```
/// use hotspare::{Limits, OnCut, RouteSpec, Rules, Sequential};
/// use std::time::Duration;
///
/// let mut limits = Limits::interactive();
/// limits.first_content_deadline = Duration::from_secs(20);
/// let mut rules = Rules::default();
/// rules.on_cut = OnCut::Terminate;
/// let route = RouteSpec::new(Sequential::new(["main", "spare"])).limits(limits).rules(rules);
/// ```
#[derive(Clone, Debug)]
pub struct RouteSpec {
    pub(super) strategy: Arc<dyn Strategy>,
    pub(super) limits: Limits,
    pub(super) rules: Rules,
    pub(super) answers_to: Vec<String>,
    /// Prompts of its own for targets, by name, or for models whose name begins alike, by `beginning*`.
    pub(super) prompts: Vec<(String, Prompt)>,
    pub(super) mistakes: Vec<String>,
}

impl<S: Strategy + 'static> From<S> for RouteSpec {
    fn from(strategy: S) -> Self {
        Self::new(strategy)
    }
}

impl RouteSpec {
    /// A route with default limits and rules.
    pub fn new(strategy: impl Strategy + 'static) -> Self {
        Self {
            strategy: Arc::new(strategy),
            limits: Limits::default(),
            rules: Rules::default(),
            answers_to: Vec::new(),
            prompts: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the rules.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Rewrites requests on this route with a template in Jinja's language, instead of the target's own: for the target of
    /// this name, or, where `whom` ends in `*`, for every target whose model's name begins so. A target's name wins over a
    /// family, a longer beginning over a shorter one.
    #[cfg(feature = "templates")]
    #[must_use]
    pub fn prompt(mut self, whom: impl Into<String>, text: &str) -> Self {
        let whom = whom.into();
        match hotspare_normalize::Template::parse(&whom, text) {
            Ok(template) => {
                let name = template.version_name();
                self.template(whom, name, template)
            }
            Err(error) => {
                self.mistakes.push(error.message().to_owned());
                self
            }
        }
    }

    /// As [`RouteSpec::prompt`], with a template of any kind; `name` stands in the trail.
    #[must_use]
    pub fn template(
        mut self,
        whom: impl Into<String>,
        name: impl Into<String>,
        template: impl PromptTemplate + 'static,
    ) -> Self {
        self.prompts.push((whom.into(), Prompt { name: name.into(), template: Arc::new(template) }));
        self
    }

    /// The most that the route may cost in any `per`, at list price, over all its targets. Needs known prices.
    #[must_use]
    pub fn spend_limit(mut self, most: Cost, per: Duration) -> Self {
        self.limits.spend = Some(SpendLimit::new(most, per));
        self
    }

    /// Notes something that is wrong, to be reported with the rest.
    #[cfg(feature = "config")]
    pub(crate) fn mistake(&mut self, what: String) {
        self.mistakes.push(what);
    }

    /// Further names that requests may use; `*` takes every name that nothing else has.
    #[must_use]
    pub fn answers_to(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.answers_to.extend(names.into_iter().map(Into::into));
        self
    }
}
