//! Chat completions and embeddings, assembled from the codec's modules.
//!
//! Invariant: what a request becomes depends on the host's dialect, never on its name.

use std::borrow::Cow;

use hotspare_core::{Capabilities, ChatRequest, Error, Kind, Origin, RateLimits, Request, SchemaSubset};
use hotspare_provider::{
    Decoding, Describe, EmbedDecoder, Head, HttpRequest, Lacks, Outbound, Sse, Whole, Wire,
};

use crate::decode::ChatDecoder;
use crate::dialect::Dialect;
use crate::host::Host;
use crate::{WIRE, accepts, classify, embed, encode, limits, reasoning};

/// Chat completions and embeddings in one host's dialect.
#[derive(Clone, Debug)]
pub struct OpenAi {
    host: Host,
}

impl OpenAi {
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

    /// The dialect.
    #[must_use]
    pub fn dialect(&self) -> &Dialect {
        &self.host.dialect
    }
}

impl From<&'static Dialect> for Cow<'static, Dialect> {
    fn from(dialect: &'static Dialect) -> Self {
        Self::Borrowed(dialect)
    }
}

impl From<Dialect> for Cow<'static, Dialect> {
    fn from(dialect: Dialect) -> Self {
        Self::Owned(dialect)
    }
}

/// What the wire has no place for; what only some hosts take is in their dialects.
const LACKS: Lacks = Lacks { tool_errors: true, ..Lacks::NOTHING };

/// What a model supports, as far as its host's dialect states it.
pub(crate) fn capabilities(dialect: &Dialect) -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.vision = (!dialect.images).then_some(false);
    capabilities.json_schema = (!dialect.json_schema).then_some(false);
    capabilities.forced_tool = dialect.forced_tool;
    capabilities.free_tool_ids = (!dialect.free_tool_ids).then_some(false);
    capabilities
}

/// The schemas that a host enforces, if it enforces any.
pub(crate) fn schema_subset(dialect: &Dialect) -> Option<&'static SchemaSubset> {
    dialect.json_schema.then_some(&STRICT)
}

/// The schemas that strict structured outputs accept (OpenAI's guide "Structured Outputs", supported schemas). Bounds
/// of numbers, strings and arrays are accepted by some models only, so they are left to validation.
const STRICT: SchemaSubset = SchemaSubset {
    always_enforced: false,
    closed: true,
    all_required: true,
    some_required: false,
    recursive: true,
    lone_refs: true,
    keywords: &[
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "definitions",
        "description",
        "enum",
        "format",
        "items",
        "properties",
        "required",
        "type",
    ],
    formats: &["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"],
};

impl Describe for OpenAi {
    fn wire(&self) -> &'static str {
        WIRE
    }

    fn origin(&self) -> Option<Origin> {
        self.dialect().signature_origin()
    }

    fn capabilities(&self, _: &str) -> Capabilities {
        capabilities(self.dialect())
    }

    fn notes(&self, request: &ChatRequest, _: &str) -> Vec<String> {
        let mut notes = accepts::changes(request, self.dialect());
        notes.extend(encode::moved_media(request));
        notes.extend(encode::joined_instructions(request, self.dialect()));
        notes.extend(encode::dropped_reasoning(request, self.dialect()));
        notes.extend(LACKS.notes(request, WIRE));
        notes
    }

    fn asks_for_reasoning(&self, request: &ChatRequest) -> Option<bool> {
        reasoning::asked(request, WIRE)
    }

    fn binds(&self, request: &ChatRequest) -> Option<String> {
        accepts::binds(request, WIRE, &accepts::STATEFUL_FIELDS)
    }

    fn schema_subset(&self, _: &str) -> Option<&'static SchemaSubset> {
        schema_subset(self.dialect())
    }
}

impl Wire for OpenAi {
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        let dialect = self.dialect();
        let (path, body) = match &call.request {
            Request::Chat(chat) => {
                (&dialect.chat_path, encode::body(chat, &call.model, call.stream, dialect)?)
            }
            Request::Embed(embed) => (&dialect.embed_path, embed::body(embed, &call.model, dialect)?),
        };
        self.host.post(self.host.url(path, &call.model), body, call.secret.as_ref())
    }

    fn decoder(&self, call: &Outbound, head: &Head) -> Result<Decoding, Error> {
        let kind = head.media_type();
        let embed = matches!(call.request, Request::Embed(_));
        match &*kind {
            // Decoded by its actual type, even if a stream was requested: some hosts answer with a whole body anyway.
            "application/json" | "" if embed => Ok(Decoding {
                framer: Box::new(Whole::default()),
                decoder: Box::new(EmbedDecoder::new(embed::reply)),
            }),
            "application/json" | "" | "text/event-stream" if !embed => {
                let decoder =
                    Box::new(ChatDecoder::new(self.dialect().reasoning_beside_output, self.origin()));
                if kind != "text/event-stream" {
                    return Ok(Decoding { framer: Box::new(Whole::default()), decoder });
                }
                Ok(Decoding { framer: Box::new(Sse::default()), decoder })
            }
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
