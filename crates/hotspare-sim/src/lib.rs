//! The failover engine in virtual time.
//!
//! Runs the production engine ([`hotspare_engine::Call`], `World`, strategies) through scripted, recorded and random
//! outages, next to common failover strategies and an oracle. Pure: a run is a function of scenario, player and seed;
//! threads, files and output are the caller's.
//!
//! ```
//! use hotspare_sim::{Player, RunOptions, Scenario, run};
//!
//! let scenario = Scenario::parse("mine", r#"
//!     what = "the first choice answers 503 for a minute"
//!     length = "3m"
//!     window = ["1m", "2m"]
//!     faults = [{ on = ["a"], effect = "status:503" }]
//!     marks = [{ measure = "available", at_least = "100%" }]
//! "#)?;
//! let outcome = run(&scenario, &Player::from(scenario.setup()?), 1, &RunOptions::default())?;
//! assert!(outcome.breaches.is_empty());
//! # Ok::<(), String>(())
//! ```
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod assignment;
mod digest;
mod effect;
mod event_log;
mod event_queue;
mod fault_schedule;
mod histogram;
mod invariants;
mod ledger;
mod library;
mod marks;
mod metrics;
mod provider;
mod reply;
pub mod report;
mod rivals;
mod rng;
mod run;
mod scenario;
mod setup;
mod stats;
mod summary;
mod swarm;
mod text;
mod timeline;
pub mod trace;
mod units;
mod verdict;
mod workload;

pub use assignment::Assigned;
pub use digest::{DIGEST_MEASURES, Digest};
pub use event_log::{LogEntry, Subject};
pub use invariants::Breach;
pub use marks::Measure;
pub use metrics::{GoalStatus, Headline, headlines};
pub use rivals::RivalKind;
pub use run::{Player, RunOptions, RunOutcome, run, run_with_log};
pub use scenario::Scenario;
pub use setup::{Setup, rival_or_strategy, strategy};
pub use stats::{Estimate, quantile};
pub use summary::{MarkResult, ScenarioRuns};
pub use swarm::Swarm;
pub use timeline::{Lane, TimedCall, Timeline};
pub use verdict::{JudgedMark, Verdict};
pub use workload::Arrival;
