//! Where the wire is spoken, as rows.
//!
//! Data only: no code asks which host it serves. Invariant: a row says everything in which hosts differ but an address's
//! project and location.

/// A host of this wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Host {
    /// Name, also of its list in the model catalogue.
    pub id: &'static str,
    /// How the key is shown.
    pub auth: Auth,
    /// What comes before a model's plain name in an address.
    pub models: &'static str,
    /// How texts are embedded.
    pub embed: Embed,
    /// Who signs its thoughts: a proof may not be read elsewhere.
    pub origin: &'static str,
    /// What finish reasons mean that are sent as numbers, by number.
    pub finish_reasons: &'static [&'static str],
}

/// How a key is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// An OAuth access token, as a bearer.
    Bearer,
    /// An API key, in the header of this name.
    Header(&'static str),
}

/// How texts are embedded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Embed {
    /// By `batchEmbedContents`.
    Batch,
    /// By `predict`.
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
    /// The Gemini API, with an API key. Numbers: `google.ai.generativelanguage.v1beta.Candidate.FinishReason`.
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

    /// Vertex AI, with an access token. Numbers: `google.cloud.aiplatform.v1.Candidate.FinishReason`.
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

    /// The word for a finish reason that may have been sent as a number.
    pub(crate) fn finish_reason<'a>(&self, word: &'a str) -> &'a str {
        let known = word.parse::<usize>().ok().and_then(|number| self.finish_reasons.get(number).copied());
        known.unwrap_or(word)
    }
}
