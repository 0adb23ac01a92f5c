//! What differs between the hosts that speak this wire, as data.
//!
//! Not behaviour: no code asks who a dialect is. A difference that is not data becomes a field here once two rows need it,
//! or a crate of its own. Invariant: a row is complete; what it does not say is as at the host that the wire comes from.

use std::borrow::Cow;

/// One host's way of speaking.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dialect {
    /// Its name in configurations, and in the model catalogue.
    pub id: Cow<'static, str>,
    /// Address up to and including the version.
    pub base_url: Cow<'static, str>,
    /// The environment variable that usually holds the key.
    pub key_env: Option<Cow<'static, str>>,
    /// Where the key goes.
    pub auth: Auth,
    /// Path of chat completions under the base address; `{model}` stands for the model's name.
    pub chat_path: Cow<'static, str>,
    /// Path of responses under the base address.
    pub responses_path: Cow<'static, str>,
    /// What follows a `?` in every address, such as a version; empty for nothing.
    pub query: Cow<'static, str>,
    /// Path of embeddings under the base address.
    pub embed_path: Cow<'static, str>,
    /// Whether vectors can be had as floats in base64, which is a third of the bytes.
    pub embed_base64: bool,
    /// Whether tokens can be embedded, beside texts.
    pub embed_tokens: bool,
    /// The field's name for the number of dimensions.
    pub dimensions_field: Cow<'static, str>,
    /// Optional fields that are accepted; others are refused or left out by name. `None` sends whatever is asked.
    pub accepts: Option<&'static [&'static str]>,
    /// The highest temperature, in tenths; a higher one is lowered to it.
    pub hottest_tenths: u8,
    /// Whose list in the model catalogue applies.
    pub catalog: Cow<'static, str>,
    /// How the answer's length is limited.
    pub max_tokens: MaxTokens,
    /// Whether the role `developer` is known; otherwise it is sent as `system`.
    pub developer_role: bool,
    /// Whether token counts of a stream must be asked for.
    pub ask_stream_usage: bool,
    /// Whether reasoning tokens are counted beside the answer's tokens instead of among them.
    pub reasoning_beside_output: bool,
    /// Whether reasoning is signed, or hidden, in `reasoning_details`, and wanted back there.
    pub signs_reasoning: bool,
    /// The field's name for the seed.
    pub seed_field: Cow<'static, str>,
    /// Whether images are read.
    pub images: bool,
    /// Whether a JSON Schema is enforced; otherwise only `json_object` is asked for.
    pub json_schema: bool,
    /// Whether a model calls the tool that it is told to by name; `None` where nobody said.
    pub forced_tool: Option<bool>,
    /// Whether ids of tool calls may be other than nine letters and digits.
    pub free_tool_ids: bool,
    /// Header with the request's id.
    pub request_id: Cow<'static, str>,
}

/// Where the key goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer,
    /// A header of this name.
    Header(Cow<'static, str>),
    /// Nowhere, unless one is given: then as a bearer.
    Optional,
}

/// How the answer's length is limited.
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
    /// The same way of speaking at another address.
    #[must_use]
    pub fn at(mut self, base_url: impl Into<Cow<'static, str>>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// Whether an optional field is accepted.
    #[must_use]
    pub fn takes(&self, field: &str) -> bool {
        self.accepts.is_none_or(|accepts| accepts.contains(&field))
    }

    /// The highest temperature.
    #[must_use]
    pub fn hottest(&self) -> f64 {
        f64::from(self.hottest_tenths) / 10.0
    }

    /// The row of this name.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|row| row.id == id)
    }
}
