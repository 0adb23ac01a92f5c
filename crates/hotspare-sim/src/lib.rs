//! The failover engine in virtual time.
//!
//! The very machine that serves production ([`hotspare_engine::Call`], `World`, strategies) meets described outages,
//! measured ones and generated ones, next to the usual ways to fail over and an oracle. Pure: a run is a function of
//! scenario, player and seed; who has threads, files and a screen runs many of them.
//!
//! ```
//! use hotspare_sim::{Course, Player, Scenario, run};
//!
//! let scenario = Scenario::parse("mine", r#"
//!     what = "the first choice answers 503 for a minute"
//!     length = "3m"
//!     window = ["1m", "2m"]
//!     faults = [{ on = ["a"], effect = "status:503" }]
//!     marks = [{ measure = "available", at_least = "100%" }]
//! "#)?;
//! let outcome = run(&scenario, &Player::from(scenario.setup()?), 1, &Course::default())?;
//! assert!(outcome.breaches.is_empty());
//! # Ok::<(), String>(())
//! ```
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod chance;
mod effect;
mod histogram;
mod ledger;
mod library;
mod marks;
mod provider;
mod reply;
mod rivals;
mod run;
mod scenario;
mod setup;
mod text;
mod timeline;
mod verdict;
mod watch;
mod weather;
mod words;
mod workload;

pub use marks::Measure;
pub use rivals::RivalKind;
pub use run::{Course, Outcome, Player, run};
pub use scenario::Scenario;
pub use setup::{Setup, strategy};
pub use verdict::Judged;
pub use watch::Breach;
pub use workload::Arrival;
