//! Routing strategies: which target first, and why.
//!
//! One file per strategy. A new one only implements [`Strategy`]: it reads a [`Scene`] and returns a [`Ranking`], in
//! which every choice has a human-readable reason.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod affinity;
mod cheapest;
mod eligible;
mod fastest;
mod health_aware;
mod hedged;
mod most_reliable;
mod named;
mod race;
mod round_robin;
mod scene;
mod sequential;
mod space;
mod sticky;
mod strategy;
mod tiered;
mod weighted;

pub use cheapest::Cheapest;
pub use eligible::{Ineligible, Need, absent_tool, ineligible, ineligible_to_embed};
pub use fastest::Fastest;
pub use health_aware::HealthAware;
pub use hedged::{Hedge, Hedged};
pub use most_reliable::MostReliable;
pub use named::{strategy_named, strategy_names};
pub use race::Race;
pub use round_robin::RoundRobin;
pub use scene::{Candidate, Choice, Ranking, Reason, Scene, Start};
pub use sequential::Sequential;
pub use space::{Mismatch, Space};
pub use sticky::Sticky;
pub use strategy::Strategy;
pub use tiered::Tiered;
pub use weighted::Weighted;

#[cfg(test)]
mod tests;
