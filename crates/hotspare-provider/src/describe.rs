//! What providers and wires say about themselves.
//!
//! Not the requests that they serve. Invariant: a wrapper answers every question as what it wraps does, because it
//! states no answers of its own.

use std::fmt;
use std::sync::Arc;

use hotspare_core::{Capabilities, ChatRequest, Origin, SchemaSubset};

/// Describes a [`Provider`](crate::Provider) or a [`Wire`](crate::Wire) to the engine. A type that adds to another one,
/// as a decorator does, implements [`Wrapper`] instead; one that changes an answer has to give all of them itself.
pub trait Describe: fmt::Debug + Send + Sync {
    /// The wire's name, such as `openai-chat`. Providers with equal names can exchange frames, and a request that came
    /// in over this wire is forwarded without translation.
    fn wire(&self) -> &'static str;

    /// The origin of the reasoning signatures that it accepts, if any; others are removed before a request is sent.
    fn origin(&self) -> Option<Origin> {
        None
    }

    /// What `model` supports, as far as is known here; the catalogue and the application may know more.
    fn capabilities(&self, model: &str) -> Capabilities {
        let _ = model;
        Capabilities::default()
    }

    /// The parts of `request` that are changed or dropped when it is sent to `model`, such as hints that the wire lacks
    /// or unsupported parts of a schema. Recorded in the trail; a change that would affect the answer is an error
    /// instead.
    fn notes(&self, request: &ChatRequest, model: &str) -> Vec<String> {
        let _ = (request, model);
        Vec::new()
    }

    /// What ties `request` to state that the provider keeps (a conversation, a file, a tool it runs), described for a
    /// person; `None` if nothing does. Such a request never moves to another provider.
    fn binds(&self, request: &ChatRequest) -> Option<String> {
        let _ = request;
        None
    }

    /// Whether `request` asks the model to reason before it answers or turns that off; `None` if it does neither.
    /// Overridden where the wire has options of its own for that.
    fn asks_for_reasoning(&self, request: &ChatRequest) -> Option<bool> {
        request.asks_for_reasoning()
    }

    /// The subset of JSON Schema that is accepted when a schema is enforced on `model`'s answers; `None` if any schema is
    /// accepted or none is enforced.
    fn schema_subset(&self, model: &str) -> Option<&'static SchemaSubset> {
        let _ = model;
        None
    }
}

/// Something that is described by what it wraps.
pub trait Wrapper: fmt::Debug + Send + Sync {
    /// What is wrapped.
    type Inner: Describe + ?Sized;

    /// What is wrapped.
    fn inner(&self) -> &Self::Inner;
}

impl<D: Describe + ?Sized> Wrapper for Arc<D> {
    type Inner = D;

    fn inner(&self) -> &D {
        self
    }
}

impl<T: Wrapper> Describe for T {
    fn wire(&self) -> &'static str {
        self.inner().wire()
    }

    fn origin(&self) -> Option<Origin> {
        self.inner().origin()
    }

    fn capabilities(&self, model: &str) -> Capabilities {
        self.inner().capabilities(model)
    }

    fn notes(&self, request: &ChatRequest, model: &str) -> Vec<String> {
        self.inner().notes(request, model)
    }

    fn binds(&self, request: &ChatRequest) -> Option<String> {
        self.inner().binds(request)
    }

    fn asks_for_reasoning(&self, request: &ChatRequest) -> Option<bool> {
        self.inner().asks_for_reasoning(request)
    }

    fn schema_subset(&self, model: &str) -> Option<&'static SchemaSubset> {
        self.inner().schema_subset(model)
    }
}
