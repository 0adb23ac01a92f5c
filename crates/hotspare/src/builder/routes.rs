//! Routes over targets that are known.
//!
//! Invariant: a route that names a target which could not be described is not reported for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotspare_core::TargetId;
use hotspare_engine::{Fleet, OnKind, PerTarget, Route, RouteIndex, SpendLimit, TargetIndex};

use super::RouteSpec;
use super::mistakes::{Mistakes, Subject};
use crate::shared::{ConnectedTarget, NamedTemplate};

/// The prompts that a route sets for its targets.
pub(super) fn prompts(
    route: &str,
    spec: &RouteSpec,
    targets: &PerTarget<ConnectedTarget>,
    broken: &[TargetId],
    mistakes: &mut Mistakes,
) -> BTreeMap<TargetIndex, NamedTemplate> {
    for what in &spec.mistakes {
        mistakes.add(Subject::Route(route.to_owned()), format!("route `{route}`: {what}"));
    }
    let members = spec.strategy.members();
    let mut prompts: BTreeMap<TargetIndex, (usize, NamedTemplate)> = BTreeMap::new();
    for (pattern, prompt) in &spec.prompts {
        let prefix = pattern.strip_suffix('*');
        let mut found = false;
        for (index, target) in targets.indexed().filter(|(_, target)| members.contains(&target.id)) {
            let (fits, specificity) = match prefix {
                Some(prefix) => (target.model.starts_with(prefix), prefix.len()),
                None => (target.id.as_str() == pattern, usize::MAX),
            };
            if fits {
                found = true;
                if prompts.get(&index).is_none_or(|(known, _)| specificity >= *known) {
                    prompts.insert(index, (specificity, prompt.clone()));
                }
            }
        }
        if !found && !members.iter().any(|member| broken.contains(member)) {
            let what =
                format!("route `{route}` has a prompt for `{pattern}`, which matches none of its targets");
            mistakes.add(Subject::Route(route.to_owned()), what);
        }
    }
    prompts.into_iter().map(|(index, (_, prompt))| (index, prompt)).collect()
}

/// Reports spend limits that cannot be enforced because a price is unknown.
pub(super) fn check_prices(
    spend_limits: &[(TargetIndex, SpendLimit)],
    fleet: &Fleet,
    routes: &[Arc<Route>],
    mistakes: &mut Mistakes,
) {
    let has_no_price = |index: &TargetIndex| fleet[*index].profile.price.is_none();
    let id = |index: TargetIndex| &fleet[index].id;
    for (index, limit) in spend_limits {
        if limit.per.is_zero() {
            let what = format!("target `{}`: spend_limit must be per a time longer than 0s", id(*index));
            mistakes.add(Subject::Target(id(*index).to_string()), what);
        }
        if has_no_price(index) {
            let what =
                format!("target `{}` has a spend_limit and no known price; set its profile", id(*index));
            mistakes.add(Subject::Target(id(*index).to_string()), what);
        }
    }
    for route in routes.iter().filter(|route| route.limits.spend.is_some()) {
        for index in route.members.iter().filter(|index| has_no_price(index)) {
            let name = &route.name;
            let what = format!(
                "route `{name}` has a spend_limit, and `{}` no known price; set its profile",
                id(*index)
            );
            mistakes.add(Subject::Route(name.clone()), what);
        }
    }
}

/// The routes, and the further names of each.
pub(super) fn routes(
    specs: Vec<(String, RouteSpec)>,
    fleet: &Fleet,
    broken: &[TargetId],
    mistakes: &mut Mistakes,
) -> (Vec<Arc<Route>>, Vec<(String, RouteIndex)>) {
    let mut routes: Vec<Arc<Route>> = Vec::new();
    let mut aliases: Vec<(String, RouteIndex)> = Vec::new();
    let names: Vec<String> = specs.iter().map(|(name, _)| name.clone()).collect();
    for (name, spec) in specs {
        let mut wrong = |what: String| mistakes.add(Subject::Route(name.clone()), what);
        if routes.iter().any(|route| route.name == name) {
            wrong(format!("route `{name}` is defined twice"));
        }
        let limits = spec.all_limits();
        for what in limits.mistakes() {
            wrong(format!("route `{name}`: {what}"));
        }
        for alias in spec.answers_to {
            if aliases.iter().any(|(known, _)| *known == alias) {
                wrong(format!("two routes answer to `{alias}`"));
            }
            if names.contains(&alias) {
                wrong(format!("route `{name}` answers to `{alias}`, which is the name of a route"));
            }
            if alias.trim().is_empty() {
                wrong(format!("route `{name}` answers to an empty name"));
            }
            aliases.push((alias, RouteIndex::new(routes.len())));
        }
        for target in spec.rules.on.values().flat_map(|on| match on {
            OnKind::To(targets) => targets.as_slice(),
            _ => &[],
        }) {
            if !spec.strategy.members().contains(target) {
                wrong(format!(
                    "route `{name}` sends failures to `{target}`, which is not one of its targets"
                ));
            }
        }
        match Route::new(name.clone(), RouteIndex::new(routes.len()), spec.strategy, fleet) {
            Ok(route) if route.members.is_empty() => wrong(format!("route `{name}` has no targets")),
            Ok(route) => routes.push(Arc::new(route.with_limits(limits).with_rules(spec.rules))),
            Err(unknown) => {
                // Targets with mistakes of their own exist too.
                let described = fleet.targets().iter().map(|target| target.id.as_str());
                let known: Vec<_> = described.chain(broken.iter().map(TargetId::as_str)).collect();
                for target in unknown.iter().filter(|target| !broken.contains(target)) {
                    wrong(format!(
                        "route `{name}` names the target `{target}`, which does not exist; there are: {}",
                        known.join(", ")
                    ));
                }
            }
        }
    }
    (routes, aliases)
}
