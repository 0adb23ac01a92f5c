//! Fault injection for LLM providers.
//!
//! Faults are data ([`Fault`], [`FaultPlan`]). The same fault can be injected into a provider's events ([`ChaosProvider`]), the
//! bytes below it ([`ChaosTransport`]), or a server on a loopback socket ([`ChaosServer`]). [`Scripted`] is a provider for
//! tests of your own application:
//!
//! ```
//! # #[cfg(feature = "provider")] {
//! use hotspare_chaos::Scripted;
//!
//! let main = Scripted::new().text("hi").status(429).stall();
//! # let _ = main; }
//! ```

mod fault;
mod plan;
#[cfg(feature = "provider")]
mod provider;
#[cfg(feature = "provider")]
mod scripted;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "provider")]
mod transport;

pub use fault::{Fault, UnknownFault};
pub use plan::FaultPlan;
#[cfg(feature = "provider")]
pub use provider::ChaosProvider;
#[cfg(feature = "provider")]
pub use scripted::{Scripted, ScriptedRequest};
#[cfg(feature = "server")]
pub use server::{ChaosServer, Settings, Stats, WireFormat};
#[cfg(feature = "provider")]
pub use transport::ChaosTransport;
