//! Circuit breakers, gates and latency statistics, without a clock.
//!
//! Time and randomness are arguments, so that the same code runs in production, in simulation, and in a test that explores
//! every state. Usable without the rest of Hotspare:
//!
//! ```
//! use hotspare_health::{Admission, Book, Config, Moment, Outcome};
//!
//! let mut book = Book::new();
//! let database = book.add_scope(Config::textbook());
//! let mut now = Moment::ZERO;
//! for _ in 0..3 {
//!     let Admission::Granted(permit) = book.admit(now, &[database]) else { panic!("closed") };
//!     book.settle(now, permit, Outcome::failure(), 0);
//!     now = now + std::time::Duration::from_secs(1);
//! }
//! assert!(matches!(book.admit(now, &[database]), Admission::Refused(_)));
//! ```
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod book;
mod breaker;
mod config;
mod evidence;
mod gate;
mod growth;
mod latency;
mod lateness;
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
pub use config::{Config, ConfigError, UnknownRule};
pub use evidence::Evidence;
/// Re-exported because they appear in the public API, so that users of this crate need no other dependency.
pub use hotspare_core::{BreakerState, Moment, RateLimits};
pub use network::NetworkChange;
pub use permit::{
    Admission, Cause, Observation, Outcome, Permit, Reason, Refusal, ScopeId, Transition, Verdict,
};
pub use quota::Quota;
pub use view::{Times, View};
