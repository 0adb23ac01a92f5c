//! The hosts of the wire, as rows.
//!
//! Data only: no code asks which host it serves. Invariant: a row holds every difference between hosts, except the
//! project and location in a URL.

/// A host of this wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Host {
    /// Its name, which is also that of its list in the model catalogue.
    pub id: &'static str,
    /// How the key is sent.
    pub auth: Auth,
    /// The path before a model's plain name in a URL.
    pub models: &'static str,
    /// The format of embedding requests.
    pub embed: Embed,
    /// The origin of its thought signatures: another host may not accept them.
    pub origin: &'static str,
    /// The finish reasons that are sent as numbers, by number.
    pub finish_reasons: &'static [&'static str],
}

/// How a key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// An OAuth access token, as a bearer token.
    Bearer,
    /// An API key, in the header of this name.
    Header(&'static str),
}

/// The format of embedding requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Embed {
    /// `batchEmbedContents`.
    Batch,
    /// `predict`.
    Predict,
}

impl Embed {
    pub(crate) const fn verb(self) -> &'static str {
        match self {
            Self::Batch => "batchEmbedContents",
            Self::Predict => "predict",
        }
    }
}

impl Host {
    /// The Gemini API, with an API key. Finish reasons: `google.ai.generativelanguage.v1beta.Candidate.FinishReason`.
    pub const GEMINI: Self = Self {
        id: "gemini",
        auth: Auth::Header("x-goog-api-key"),
        models: "models/",
        embed: Embed::Batch,
        origin: "gemini",
        finish_reasons: &[
            "FINISH_REASON_UNSPECIFIED",
            "STOP",
            "MAX_TOKENS",
            "SAFETY",
            "RECITATION",
            "OTHER",
            "LANGUAGE",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "MALFORMED_FUNCTION_CALL",
            "IMAGE_SAFETY",
            "UNEXPECTED_TOOL_CALL",
        ],
    };

    /// Vertex AI, with an access token. Finish reasons: `google.cloud.aiplatform.v1.Candidate.FinishReason`.
    pub const VERTEX: Self = Self {
        id: "vertex",
        auth: Auth::Bearer,
        models: "publishers/google/models/",
        embed: Embed::Predict,
        origin: "vertex",
        finish_reasons: &[
            "FINISH_REASON_UNSPECIFIED",
            "STOP",
            "MAX_TOKENS",
            "SAFETY",
            "RECITATION",
            "OTHER",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "MALFORMED_FUNCTION_CALL",
            "MODEL_ARMOR",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "IMAGE_OTHER",
            "UNEXPECTED_TOOL_CALL",
            "NO_IMAGE",
        ],
    };

    /// The name of a finish reason, which may have been sent as a number.
    pub(crate) fn finish_reason<'a>(&self, word: &'a str) -> &'a str {
        let known = word.parse::<usize>().ok().and_then(|number| self.finish_reasons.get(number).copied());
        known.unwrap_or(word)
    }
}
