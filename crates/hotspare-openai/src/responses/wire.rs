//! The wire, assembled from the codec's modules.
//!
//! Invariant: a host is the origin of the signatures it sends, because only it can read them back.

use std::borrow::Cow;

use hotspare_core::{Capabilities, ChatRequest, Error, Kind, Origin, RateLimits, SchemaSubset};
use hotspare_provider::{Decoding, Describe, Head, HttpRequest, Lacks, Outbound, Sse, Whole, Wire};

use super::decode::ResponseDecoder;
use super::{RESPONSES_WIRE, STATEFUL_FIELDS, encode, own_fields};
use crate::dialect::Dialect;
use crate::host::Host;
use crate::{accepts, classify, limits, reasoning, wire};

/// The hints that the wire has no place for. It takes back only signed reasoning.
const LACKS: Lacks =
    Lacks { seed: true, names: true, tool_errors: true, takes_reasoning: |_| false, ..Lacks::NOTHING };

/// The Responses wire in one host's dialect.
#[derive(Clone, Debug)]
pub struct Responses {
    host: Host,
}

impl Responses {
    /// Uses this dialect, at its own base URL.
    #[must_use]
    pub fn new(dialect: impl Into<Cow<'static, Dialect>>) -> Self {
        Self { host: Host::new(dialect.into()) }
    }

    /// Adds a header to every request, such as an organization's name.
    ///
    /// # Errors
    /// [`Kind::Config`] if the name or value is not valid in a header.
    pub fn with_header(self, name: &str, value: &str) -> Result<Self, Error> {
        self.host.with_header(name, value).map(|host| Self { host })
    }

    /// The origin of signatures from here: the id of the host's row.
    fn author(&self) -> Origin {
        Origin(self.host.dialect.id.to_string())
    }
}

impl Describe for Responses {
    fn wire(&self) -> &'static str {
        RESPONSES_WIRE
    }

    fn origin(&self) -> Option<Origin> {
        Some(self.author())
    }

    fn capabilities(&self, _: &str) -> Capabilities {
        let mut capabilities = wire::capabilities(&self.host.dialect);
        capabilities.embeddings = Some(false);
        capabilities.assistant_prefill = Some(false);
        capabilities
    }

    fn notes(&self, request: &ChatRequest, _: &str) -> Vec<String> {
        let mut notes = LACKS.notes(request, RESPONSES_WIRE);
        notes.extend(own_fields::dropped(request));
        notes
    }

    fn asks_for_reasoning(&self, request: &ChatRequest) -> Option<bool> {
        reasoning::asked(request, RESPONSES_WIRE)
    }

    fn binds(&self, request: &ChatRequest) -> Option<String> {
        accepts::binds(request, RESPONSES_WIRE, &STATEFUL_FIELDS)
    }

    fn schema_subset(&self, _: &str) -> Option<&'static SchemaSubset> {
        wire::schema_subset(&self.host.dialect)
    }
}

impl Wire for Responses {
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        let dialect = &self.host.dialect;
        let body = encode::body(call.chat()?, &call.model, call.stream, dialect)?;
        self.host.post(self.host.url(&dialect.responses_path, &call.model), body, call.secret.as_ref())
    }

    fn decoder(&self, _: &Outbound, head: &Head) -> Result<Decoding, Error> {
        let decoder = Box::new(ResponseDecoder::new(self.author()));
        match &*head.media_type() {
            "text/event-stream" => Ok(Decoding { framer: Box::new(Sse::default()), decoder }),
            "application/json" | "" => Ok(Decoding { framer: Box::new(Whole::default()), decoder }),
            other => Err(Error::new(Kind::Protocol, format!("the reply has the content type {other}"))),
        }
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        classify::reply(head, body)
    }

    fn limits(&self, head: &Head) -> RateLimits {
        limits::limits(head)
    }

    fn request_id(&self, head: &Head) -> Option<String> {
        self.host.request_id(head)
    }
}
