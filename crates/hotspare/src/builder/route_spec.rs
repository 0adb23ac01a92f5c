//! A route under construction.
//!
//! A plain description, like an endpoint's. Invariant: mistakes are collected and reported by the builder with all
//! others.

use std::sync::Arc;
use std::time::Duration;

use hotspare_core::Cost;
use hotspare_engine::{Limits, Rules, SpendLimit};
use hotspare_normalize::PromptTemplate;
use hotspare_routing::Strategy;

use crate::shared::NamedTemplate;

/// A route under construction: a strategy with its limits, rules and prompts.
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
    /// Prompt templates by target name, or by `prefix*` for all models whose names start with it.
    pub(super) prompts: Vec<(String, NamedTemplate)>,
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

    /// Rewrites requests on this route with a Jinja template in place of the target's own template. It applies to the
    /// target named `pattern` or, if `pattern` ends in `*`, to every target whose model name starts with what precedes the
    /// `*`. A target's name takes precedence over a prefix, and a longer prefix over a shorter one.
    #[cfg(feature = "templates")]
    #[must_use]
    pub fn prompt(mut self, pattern: impl Into<String>, text: &str) -> Self {
        let pattern = pattern.into();
        match hotspare_normalize::Template::parse(&pattern, text) {
            Ok(template) => {
                let name = template.version_name();
                self.template(pattern, name, template)
            }
            Err(error) => {
                self.mistakes.push(error.message().to_owned());
                self
            }
        }
    }

    /// As [`RouteSpec::prompt`], with a template of any kind; `name` identifies it in the trail.
    #[must_use]
    pub fn template(
        mut self,
        pattern: impl Into<String>,
        name: impl Into<String>,
        template: impl PromptTemplate + 'static,
    ) -> Self {
        self.prompts
            .push((pattern.into(), NamedTemplate { name: name.into(), template: Arc::new(template) }));
        self
    }

    /// Limits what the route may cost within any window of length `per`, at list prices, over all its targets. Needs
    /// known prices.
    #[must_use]
    pub fn spend_limit(mut self, most: Cost, per: Duration) -> Self {
        self.limits.spend = Some(SpendLimit::new(most, per));
        self
    }

    /// Adds further names by which requests may address this route; `*` matches every name that is not otherwise taken.
    #[must_use]
    pub fn answers_to(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.answers_to.extend(names.into_iter().map(Into::into));
        self
    }
}
