//! Strategies by the names that configurations and scenarios use.
//!
//! Not those that are made of others (hedged, tiered). Invariant: a strategy has the name by which it was made.

use hotspare_core::TargetId;

use crate::strategy::Strategy;
use crate::{Cheapest, Fastest, HealthAware, MostReliable, Race, RoundRobin, Sequential, Sticky, Weighted};

/// Targets with their weights, in the order written.
type Members = Vec<(TargetId, u32)>;

/// Makes a strategy over targets; the number is how many of them a race starts at once.
type Make = fn(Members, Option<usize>) -> Box<dyn Strategy>;

const STRATEGIES: [(&str, Make); 9] = [
    ("sequential", |members, _| Box::new(Sequential::new(targets(members)))),
    ("health-aware", |members, _| Box::new(HealthAware::new(targets(members)))),
    ("race", |members, width| {
        let race = Race::new(targets(members));
        Box::new(match width {
            Some(width) => race.at_once(width),
            None => race,
        })
    }),
    ("weighted", |members, _| Box::new(Weighted::new(members))),
    ("round-robin", |members, _| Box::new(RoundRobin::new(targets(members)))),
    ("fastest", |members, _| Box::new(Fastest::new(targets(members)))),
    ("cheapest", |members, _| Box::new(Cheapest::new(targets(members)))),
    ("most-reliable", |members, _| Box::new(MostReliable::new(targets(members)))),
    ("sticky", |members, _| Box::new(Sticky::new(targets(members)))),
];

fn targets(members: Members) -> impl Iterator<Item = TargetId> {
    members.into_iter().map(|(target, _)| target)
}

/// The names, in the order in which messages list them.
#[must_use]
pub fn strategy_names() -> Vec<&'static str> {
    STRATEGIES.iter().map(|(name, _)| *name).collect()
}

/// The strategy of this name, if there is one. Only `weighted` reads the weights, and only `race` reads `width`.
#[must_use]
pub fn strategy_named(name: &str, members: Members, width: Option<usize>) -> Option<Box<dyn Strategy>> {
    let (_, make) = STRATEGIES.iter().find(|(known, _)| *known == name)?;
    Some(make(members, width))
}
