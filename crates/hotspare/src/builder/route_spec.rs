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
/// let route = RouteSpec::new(Sequential::new(["main", "spare"]))
///     .limits(Limits::interactive().with(|limits| limits.first_content_deadline = Duration::from_secs(20)))
///     .rules(Rules::default().with(|rules| rules.on_cut = OnCut::Terminate));
/// ```
#[derive(Clone, Debug)]
pub struct RouteSpec {
    pub(super) strategy: Arc<dyn Strategy>,
    limits: Limits,
    /// Apart from `limits`, so that setting those does not remove it.
    spend: Option<SpendLimit>,
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
            spend: None,
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
    /// known prices. Takes precedence over [`Limits::spend`], whichever is set first.
    #[must_use]
    pub fn spend_limit(mut self, most: Cost, per: Duration) -> Self {
        self.spend = Some(SpendLimit::new(most, per));
        self
    }

    /// The limits with the spend limit among them.
    pub(super) fn all_limits(&self) -> Limits {
        let mut limits = self.limits.clone();
        limits.spend = self.spend.or(limits.spend);
        limits
    }

    /// Adds further names by which requests may address this route; `*` matches every name that is not otherwise taken.
    #[must_use]
    pub fn answers_to(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.answers_to.extend(names.into_iter().map(Into::into));
        self
    }
}

#[cfg(all(test, feature = "openai"))]
mod tests {
    use super::*;
    use crate::{Client, Key, Sequential, openai};

    #[test]
    fn a_spend_limit_holds_in_whatever_order_the_setters_are_called() {
        let spend_of = |route: RouteSpec| {
            let target = openai::target("gpt-4o").key(Key::env("NO_SUCH_VARIABLE"));
            let outline = Client::builder().target("main", target).route("chat", route).outline().unwrap();
            outline.routes[0].limits.spend
        };
        let (most, per) = (Cost::from_micros(5_000_000), Duration::from_secs(86_400));
        let route = || RouteSpec::new(Sequential::new(["main"]));
        let limit = Some(SpendLimit::new(most, per));
        assert_eq!(spend_of(route().limits(Limits::interactive()).spend_limit(most, per)), limit);
        assert_eq!(spend_of(route().spend_limit(most, per).limits(Limits::interactive())), limit);
        assert_eq!(spend_of(route().limits(Limits::interactive())), None);
    }
}
