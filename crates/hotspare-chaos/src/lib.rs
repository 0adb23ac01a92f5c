//! Fault injection for LLM providers.
//!
//! Faults are data ([`Fault`], [`FaultPlan`]). The same fault can be injected into a provider's events ([`ChaosProvider`]), the
//! bytes below it ([`ChaosTransport`]), or a server on a loopback socket (`ChaosServer`, with the feature `server`).
//!
//! [`Scripted`] is a provider for tests of your own application: `Scripted::new().text("hi").status(429).stall()` answers
//! the first request, rejects the second and leaves all others without an answer. `Endpoint::custom` of the `hotspare`
//! crate makes a target of it; its repository's `docs/testing.md` shows such tests.

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
pub use server::{ChaosServer, ServerStats, Settings, WireFormat};
#[cfg(feature = "provider")]
pub use transport::ChaosTransport;
