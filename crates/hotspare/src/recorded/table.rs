//! Which codec reads which kind of call.
//!
//! Data: a new wire is a new row. Rows are tried from top to bottom, so a narrow row precedes a wider one. Invariant:
//! the choice of codec never depends on the provider unless a row names one.

use std::sync::Arc;

use hotspare_anthropic::Anthropic;
use hotspare_bedrock::Bedrock;
use hotspare_cohere::Cohere;
use hotspare_gemini::{Gemini, Host, Interactions};
use hotspare_ollama::Ollama;
use hotspare_openai::{Dialect, OpenAi, Responses};

use super::decode_as::DecodeAs;
use super::{Exchange, bedrock_body};

/// A kind of call and its codec.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Row {
    /// The provider; empty for any.
    pub provider: &'static str,
    /// The kind of call.
    pub endpoint: &'static str,
    /// A part of the model's name; empty for any model.
    pub model: &'static str,
    /// The end of the URL without its query; empty for any URL.
    pub path: &'static str,
    /// What to decode it with.
    pub decode_as: DecodeAs,
}

const fn any(endpoint: &'static str, decode_as: DecodeAs) -> Row {
    Row { provider: "", endpoint, model: "", path: "", decode_as }
}

const fn of(endpoint: &'static str, model: &'static str, decode_as: DecodeAs) -> Row {
    Row { model, ..any(endpoint, decode_as) }
}

const fn at(provider: &'static str, endpoint: &'static str, path: &'static str, decode_as: DecodeAs) -> Row {
    Row { provider, path, ..any(endpoint, decode_as) }
}

const CHAT: DecodeAs = DecodeAs::Chat(|exchange| Arc::new(OpenAi::new(dialect(exchange))));
const MESSAGES: DecodeAs = DecodeAs::Chat(|_| Arc::new(Anthropic::new()));
const GEMINI: DecodeAs = DecodeAs::Chat(|_| Arc::new(Gemini::at(Host::GEMINI, "")));
const VERTEX: DecodeAs = DecodeAs::Chat(|_| Arc::new(Gemini::at(Host::VERTEX, "")));
const COHERE: DecodeAs = DecodeAs::Chat(|_| Arc::new(Cohere::new()));
const OLLAMA: DecodeAs = DecodeAs::Chat(|_| Arc::new(Ollama::new()));
const RESPONSES: DecodeAs = DecodeAs::Chat(|exchange| Arc::new(Responses::new(dialect(exchange))));
/// The region only matters for the address, and nothing is sent here.
const CONVERSE: DecodeAs =
    DecodeAs::Chat(|exchange| Arc::new(Bedrock::new("us-east-1").for_model(&exchange.model)));
const INVOKE: DecodeAs = DecodeAs::ByBody(bedrock_body::decode_as);
const INTERACTIONS: DecodeAs = DecodeAs::Chat(|_| Arc::new(Interactions));
const EMBEDDINGS: DecodeAs = DecodeAs::Embeddings(|exchange| Arc::new(OpenAi::new(dialect(exchange))));
const COHERE_EMBEDDINGS: DecodeAs = DecodeAs::Embeddings(|_| Arc::new(Cohere::new()));
const OLLAMA_EMBEDDINGS: DecodeAs = DecodeAs::Embeddings(|_| Arc::new(Ollama::new()));
const GEMINI_EMBEDDINGS: DecodeAs = DecodeAs::Embeddings(|_| Arc::new(Gemini::at(Host::GEMINI, "")));
const VERTEX_EMBEDDINGS: DecodeAs = DecodeAs::Embeddings(|_| Arc::new(Gemini::at(Host::VERTEX, "")));
const NO_MODEL: DecodeAs = DecodeAs::Skip("not a model call");
const CHAT_FAILURES: DecodeAs = DecodeAs::ErrorsOnly(|exchange| Arc::new(OpenAi::new(dialect(exchange))));
const MESSAGES_FAILURES: DecodeAs = DecodeAs::ErrorsOnly(|_| Arc::new(Anthropic::new()));
const CONVERSE_FAILURES: DecodeAs = DecodeAs::ErrorsOnly(|_| Arc::new(Bedrock::new("us-east-1")));
const COHERE_FAILURES: DecodeAs = DecodeAs::ErrorsOnly(|_| Arc::new(Cohere::new()));
const GEMINI_FAILURES: DecodeAs = DecodeAs::ErrorsOnly(|_| Arc::new(Gemini::at(Host::GEMINI, "")));
const OLLAMA_FAILURES: DecodeAs = DecodeAs::ErrorsOnly(|_| Arc::new(Ollama::new()));

/// The rows.
pub const TABLE: &[Row] = &[
    any("chat_completions", CHAT),
    any("messages", MESSAGES),
    any("responses", RESPONSES),
    at("vertex", "generate_content", "", VERTEX),
    at("vertex", "stream_generate_content", "", VERTEX),
    any("generate_content", GEMINI),
    any("stream_generate_content", GEMINI),
    // Vertex AI serves Anthropic's models under their own wire.
    of("raw_predict", "claude", MESSAGES),
    of("stream_raw_predict", "claude", MESSAGES),
    // Text completions: the same frames with the text in another field.
    any("completions", CHAT),
    any("fim", CHAT),
    any("chat_v1", COHERE),
    any("chat_v2", COHERE),
    any("generate", COHERE),
    any("api_chat", OLLAMA),
    any("api_generate", OLLAMA),
    any("converse", CONVERSE),
    any("converse_stream", CONVERSE),
    any("invoke", INVOKE),
    any("invoke_stream", INVOKE),
    any("interactions", INTERACTIONS),
    any("complete_legacy", MESSAGES),
    at("cohere", "embeddings", "/embed", COHERE_EMBEDDINGS),
    at("ollama", "embeddings", "/api/embed", OLLAMA_EMBEDDINGS),
    at("ollama", "embeddings", "/api/embeddings", OLLAMA_EMBEDDINGS),
    at("gemini", "embeddings", "/embeddings", EMBEDDINGS),
    at("gemini", "embeddings", "", GEMINI_EMBEDDINGS),
    at("vertex", "embeddings", "", VERTEX_EMBEDDINGS),
    any("embeddings", EMBEDDINGS),
    at("anthropic", "count_tokens", "", MESSAGES_FAILURES),
    at("bedrock", "count_tokens", "", CONVERSE_FAILURES),
    any("count_tokens", GEMINI_FAILURES),
    at("anthropic", "models", "", MESSAGES_FAILURES),
    at("bedrock", "models", "", CONVERSE_FAILURES),
    at("cohere", "models", "", COHERE_FAILURES),
    at("gemini", "models", "", GEMINI_FAILURES),
    at("vertex", "models", "", GEMINI_FAILURES),
    at("ollama", "models", "", OLLAMA_FAILURES),
    any("models", CHAT_FAILURES),
    any("responses_get", CHAT_FAILURES),
    at("cohere", "rerank", "", COHERE_FAILURES),
    any("rerank", CHAT_FAILURES),
    any("files", CHAT_FAILURES),
];

/// How this recording is decoded, if a row matches its kind of call.
pub(super) fn find(exchange: &Exchange) -> Option<DecodeAs> {
    let path = exchange.url.split(['?', '#']).next().unwrap_or_default();
    let matches = |row: &&Row| {
        row.endpoint == exchange.endpoint
            && (row.provider.is_empty() || row.provider == exchange.provider)
            && exchange.model.contains(row.model)
            && path.ends_with(row.path)
    };
    TABLE.iter().find(matches).map(|row| match row.decode_as {
        DecodeAs::ByBody(decode_as) => decode_as(exchange),
        DecodeAs::ErrorsOnly(_) if exchange.head.status.is_success() => NO_MODEL,
        decode_as => decode_as,
    })
}

/// The provider's dialect, or the generic one for hosts without a row.
fn dialect(exchange: &Exchange) -> &'static Dialect {
    Dialect::find(&exchange.provider).unwrap_or(&Dialect::COMPATIBLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row below a wider one would never match.
    #[test]
    fn every_table_row_is_reachable() {
        for (at, row) in TABLE.iter().enumerate() {
            let hides = |above: &Row| {
                above.endpoint == row.endpoint
                    && (above.provider.is_empty() || above.provider == row.provider)
                    && row.model.contains(above.model)
                    && row.path.ends_with(above.path)
            };
            assert!(!TABLE[..at].iter().any(hides), "{row:?} is never reached");
        }
    }
}
