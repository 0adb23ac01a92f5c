//! Circuit breakers, gates and latency statistics, without a clock.
//!
//! Time and randomness are arguments, so that the same code runs in production, in simulation, and in a test that explores
//! every state. Usable without the rest of Hotspare:
//!
//! ```
//! use std::time::Instant;
//!
//! use hotspare_health::{Admission, Book, Config, Moment, Observation, HealthOutcome};
//!
//! let started = Instant::now();
//! let now = || Moment::ZERO + started.elapsed();
//! let mut book = Book::new();
//! let database = book.add_scope(Config::textbook());
//! for _ in 0..3 {
//!     let Admission::Granted(mut permit) = book.admit(now(), &[database]) else { panic!("closed") };
//!     let sent = Instant::now();
//!     // Once the reply begins; it tells slow calls from normal ones.
//!     book.observe(now(), &mut permit, Observation::FirstContent { after: sent.elapsed() });
//!     // At the end: `success`, `failure`, or `neutral` for a call that was cancelled. The draw is a random number, which
//!     // spreads the cooldowns of several processes.
//!     let draw = 0x9e37_79b9_7f4a_7c15;
//!     book.settle(now(), permit, HealthOutcome::failure(), draw);
//! }
//! let Admission::Refused(refusal) = book.admit(now(), &[database]) else { panic!("open") };
//! println!("try again after {:?}", refusal.until);
//! ```
//!
//! Where a call can be dropped at any point, as a future can, keep its permit in a guard that settles it as neutral when it is
//! dropped; a permit that is never settled frees its place when its lease ends.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod book;
mod breaker;
mod config;
mod evidence;
mod gate;
mod growth;
mod latency;
mod lateness;
mod mirror;
mod network;
mod permit;
mod quota;
mod record;
mod schedule;
mod scope;
mod shedding;
mod view;
mod window;

pub use book::Book;
pub use config::{Config, ConfigError, Knobs, UnknownRule};
pub use evidence::Evidence;
/// Re-exported because they appear in the public API, so that users of this crate need no other dependency.
pub use hotspare_core::{BreakerState, Moment, RateLimits};
pub use mirror::Used;
pub use network::NetworkChange;
pub use permit::{
    Admission, CallProfile, Cause, HealthOutcome, Observation, Permit, Reason, Refusal, ScopeId, Transition,
    Verdict,
};
pub use quota::Quota;
pub use view::{Times, View};
