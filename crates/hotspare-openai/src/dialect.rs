//! The differences between the hosts of this wire, as data.
//!
//! Not behavior: no code asks which host a dialect belongs to. A difference that is not data becomes a field here once
//! two rows need it, or a crate of its own. Invariant: a row is complete; what it does not set is inherited from the
//! row it extends, in the end from OpenAI's.

use std::borrow::Cow;

use hotspare_core::Origin;

/// One host's dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dialect {
    /// Its name in configurations.
    pub id: Cow<'static, str>,
    /// Base URL, up to and including the version. If a part of it is the user's own, such as the name of a resource, it
    /// stands in braces, which no address may contain.
    pub base_url: Cow<'static, str>,
    /// The environment variable that usually holds the key.
    pub key_env: Option<Cow<'static, str>>,
    /// How the key is sent.
    pub auth: Auth,
    /// Path of chat completions under the base URL; `{model}` stands for the model's name.
    pub chat_path: Cow<'static, str>,
    /// Path of responses under the base URL.
    pub responses_path: Cow<'static, str>,
    /// The query string of every URL, such as an API version; empty for none.
    pub query: Cow<'static, str>,
    /// Path of embeddings under the base URL.
    pub embed_path: Cow<'static, str>,
    /// Whether vectors can be requested as floats in base64, which takes a third of the bytes.
    pub embed_base64: bool,
    /// Whether tokens can be embedded, in addition to texts.
    pub embed_tokens: bool,
    /// The name of the field for the number of dimensions.
    pub dimensions_field: Cow<'static, str>,
    /// Optional fields that are accepted; others are refused or dropped with a note. `None` sends all requested ones.
    pub accepts: Option<&'static [&'static str]>,
    /// Fields of messages, parts, calls and tools, beyond those that every host takes, that are accepted; others are
    /// dropped with a note. `None` sends all.
    pub inner_fields: Option<&'static [&'static str]>,
    /// Optional fields that the host does not know, for hosts without a list of accepted ones: refused if they change the
    /// answer, and else dropped with a note.
    pub unknown_fields: &'static [&'static str],
    /// Whether tools of the type `custom` are accepted; otherwise a request with one is refused.
    pub custom_tools: bool,
    /// Whether a message may name who speaks; otherwise the name is dropped with a note. Results may name their tool.
    pub speaker_names: bool,
    /// The highest temperature, in tenths; a higher one is lowered to it.
    pub max_temperature_tenths: u8,
    /// Whether the temperature may be 0; otherwise 0.01 is sent.
    pub zero_temperature: bool,
    /// The provider whose list in the model catalogue applies.
    pub catalog: Cow<'static, str>,
    /// The field that limits the answer's length.
    pub max_tokens: MaxTokens,
    /// Whether the role `developer` is accepted; otherwise it is sent as `system`.
    pub developer_role: bool,
    /// Whether only one system message is accepted; several are joined, in its place at the start.
    pub one_system_message: bool,
    /// Whether a stream includes usage only on request.
    pub ask_stream_usage: bool,
    /// Whether reasoning tokens are counted separately from the answer's tokens instead of among them.
    pub reasoning_beside_output: bool,
    /// Whether reasoning is signed or encrypted in `reasoning_details`, which must be sent back.
    pub signs_reasoning: bool,
    /// The fields in which an assistant's turn takes its earlier reasoning as plain text; none if the host refuses them
    /// or has no use for them.
    pub reasoning_fields: &'static [&'static str],
    /// Whether an assistant's turn that calls tools is refused without reasoning. Where a model had none, a space stands
    /// in for it: an empty text is refused, too.
    pub requires_reasoning: bool,
    /// The host's words for efforts that it does not know: each a word and its own.
    pub efforts: &'static [(&'static str, &'static str)],
    /// Whether reasoning is turned off by `thinking`, as the host has no effort `none`.
    pub thinking_switch: bool,
    /// The name of the field for the seed.
    pub seed_field: Cow<'static, str>,
    /// Whether images are accepted.
    pub images: bool,
    /// Whether documents are accepted, as parts of type `file`.
    pub documents: bool,
    /// Whether a JSON Schema is enforced; otherwise only `json_object` is requested.
    pub json_schema: bool,
    /// Whether a model calls the tool that it is required to call by name; `None` if unknown.
    pub forced_tool: Option<bool>,
    /// Whether ids of tool calls may be something other than nine letters and digits.
    pub free_tool_ids: bool,
    /// The response header with the request id.
    pub request_id: Cow<'static, str>,
}

/// How the key is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer,
    /// A header of this name.
    Header(Cow<'static, str>),
    /// No key is required; one that is given is sent as a bearer token.
    Optional,
}

/// The field that limits the answer's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MaxTokens {
    /// `max_completion_tokens`.
    Completion,
    /// `max_tokens`.
    Plain,
}

impl MaxTokens {
    /// The field's name.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Completion => "max_completion_tokens",
            Self::Plain => "max_tokens",
        }
    }
}

impl Dialect {
    /// The same dialect at another base URL.
    #[must_use]
    pub fn at(mut self, base_url: impl Into<Cow<'static, str>>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// The same dialect at another version of its API; `None` if its URLs name none, or this one cannot be in a URL.
    #[must_use]
    pub fn with_api_version(mut self, version: &str) -> Option<Self> {
        let (name, _) = self.query.split_once('=')?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if version.is_empty() || !version.bytes().all(fits) {
            return None;
        }
        self.query = Cow::Owned(format!("{name}={version}"));
        Some(self)
    }

    /// The host's word for a reasoning effort.
    #[must_use]
    pub fn effort<'a>(&self, word: &'a str) -> &'a str {
        let own = self.efforts.iter().find(|(foreign, _)| *foreign == word);
        own.map_or(word, |(_, own)| own)
    }

    /// Whether an optional field is accepted.
    #[must_use]
    pub fn takes(&self, field: &str) -> bool {
        !self.unknown_fields.contains(&field) && self.accepts.is_none_or(|accepts| accepts.contains(&field))
    }

    /// Whether a field of a message, a part, a call or a tool is accepted.
    #[must_use]
    pub fn takes_inside(&self, field: &str) -> bool {
        self.inner_fields.is_none_or(|accepts| accepts.contains(&field))
    }

    /// The temperature that is sent for a requested one.
    #[must_use]
    pub fn temperature(&self, requested: f64) -> f64 {
        if requested == 0.0 && !self.zero_temperature {
            return 0.01;
        }
        requested.min(f64::from(self.max_temperature_tenths) / 10.0)
    }

    /// The origin of the reasoning signatures that the host makes, if it makes any. Includes the wire: no other wire of the
    /// same host can read them.
    #[must_use]
    pub fn signature_origin(&self) -> Option<Origin> {
        self.signs_reasoning.then(|| Origin(format!("{}-chat", self.id)))
    }

    /// The row with this name.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|row| row.id == id)
    }
}
