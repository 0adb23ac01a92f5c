//! The wire, assembled from the codec's modules.
//!
//! Invariant: a bearer key goes into one header and nowhere else; an access key stays out of the request, which is
//! signed once it is finished.

use hotspare_core::{Capabilities, ChatRequest, Error, Kind, Origin, SchemaSubset};
use hotspare_provider::{
    Decoding, Describe, EventStream, Head, HttpRequest, Outbound, Secret, Whole, Wire, header,
};
use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::decode::ConverseDecoder;
use crate::family::Family;
use crate::{WIRE, binding, classify, encode};

/// The media type of streams.
pub(crate) const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// Characters that need no escape in a path: those that RFC 3986 leaves unreserved.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The Converse wire.
#[derive(Clone, Debug)]
pub struct Bedrock {
    base_url: String,
    headers: HeaderMap,
    family: Family,
}

impl Bedrock {
    /// The wire in this region, at its public endpoint.
    #[must_use]
    pub fn new(region: &str) -> Self {
        Self { base_url: base_url(region), headers: HeaderMap::new(), family: Family::of("") }
    }

    /// Sets the base URL: scheme and host, without a path.
    #[must_use]
    pub fn with_base_url(mut self, base_url: &str) -> Self {
        base_url.trim_end_matches('/').clone_into(&mut self.base_url);
        self
    }

    /// Sets the model, which determines whose reasoning signatures are accepted.
    #[must_use]
    pub fn for_model(mut self, model: &str) -> Self {
        self.family = Family::of(model);
        self
    }

    /// Adds a header to every request.
    ///
    /// # Errors
    /// [`Kind::Config`] if the name or value is not valid in a header.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let (name, value) = header(name, value)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// The public endpoint of a region.
    #[must_use]
    pub fn address(region: &str) -> String {
        base_url(region)
    }
}

fn base_url(region: &str) -> String {
    // Regions of the Chinese partition have a domain of their own.
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://bedrock-runtime.{region}.{domain}")
}

impl Describe for Bedrock {
    fn wire(&self) -> &'static str {
        WIRE
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin(self.family.origin.to_owned()))
    }

    fn capabilities(&self, model: &str) -> Capabilities {
        let family = Family::of(model);
        let mut capabilities = Capabilities::default();
        capabilities.embeddings = Some(false);
        capabilities.forced_tool = family.forced_tool;
        capabilities.json_schema = family.json_schema;
        capabilities.json_mode = Some(false);
        capabilities.assistant_first = Some(false);
        capabilities
    }

    fn notes(&self, request: &ChatRequest, model: &str) -> Vec<String> {
        encode::notes(request, model)
    }

    fn asks_for_reasoning(&self, request: &ChatRequest) -> Option<bool> {
        // The effort is passed on as it is, and only `none` turns reasoning off everywhere.
        let by_effort = || request.reasoning_effort.as_deref().map(|effort| effort != "none");
        encode::asks_for_reasoning(request).or_else(by_effort)
    }

    fn binds(&self, request: &ChatRequest) -> Option<String> {
        binding::binds(request)
    }

    fn schema_subset(&self, model: &str) -> Option<&'static SchemaSubset> {
        Family::of(model).schema_subset
    }
}

impl Wire for Bedrock {
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        let body = encode::body(call.chat()?, &call.model)?;
        let verb = if call.stream { "converse-stream" } else { "converse" };
        let model = utf8_percent_encode(&call.model, PATH);
        let mut request = HttpRequest::post_json(format!("{}/model/{model}/{verb}", self.base_url), body);
        request.headers.extend(self.headers.clone());
        authorize(request, call.secret.as_ref())
    }

    fn decoder(&self, call: &Outbound, head: &Head) -> Result<Decoding, Error> {
        match &*head.media_type() {
            EVENT_STREAM => Ok(Decoding {
                framer: Box::new(EventStream::default()),
                decoder: Box::new(ConverseDecoder::streamed(&call.model, self.request_id(head))),
            }),
            "application/json" | "" => Ok(Decoding {
                framer: Box::new(Whole::default()),
                decoder: Box::new(ConverseDecoder::whole(&call.model, self.request_id(head))),
            }),
            other => Err(Error::new(Kind::Protocol, format!("the reply has the content type {other}"))),
        }
    }

    fn classify(&self, head: &Head, body: &[u8]) -> Error {
        classify::reply(head, body)
    }

    fn request_id(&self, head: &Head) -> Option<String> {
        request_id(head)
    }
}

pub(crate) fn request_id(head: &Head) -> Option<String> {
    head.header("x-amzn-requestid").or_else(|| head.header("x-request-id")).map(str::to_owned)
}

/// Sends a key of one part as a bearer token; one of several parts is an access key, which signs the request instead.
pub(crate) fn authorize(request: HttpRequest, secret: Option<&Secret>) -> Result<HttpRequest, Error> {
    request.with_bearer(secret.filter(|secret| secret.parts().count() == 1))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn sent(wire: &Bedrock, model: &str, stream: bool, key: &str) -> HttpRequest {
        let request = Arc::new(ChatRequest::to("r").user("hi"));
        let call = Outbound::new(request, model, stream).with_secret(Some(Secret::new(key)));
        wire.encode(&call).unwrap()
    }

    #[test]
    fn capabilities_depend_on_the_family_and_thinking_is_detected() {
        let of = |model: &str| {
            let can = Bedrock::new("eu-west-1").capabilities(model);
            (can.json_schema, can.forced_tool)
        };
        assert_eq!(of("us.amazon.nova-pro-v1:0"), (Some(false), Some(true)));
        assert_eq!(of("anthropic.claude-3-haiku-20240307-v1:0"), (None, Some(true)));
        assert_eq!(of("us.meta.llama3-3-70b-instruct-v1:0"), (Some(false), None));
        let asks = |own: serde_json::Value| {
            let mut request = ChatRequest::to("r").user("hi");
            let fields = request.extras.entry(WIRE.into()).or_default();
            fields.insert("additionalModelRequestFields".into(), own.into());
            Bedrock::new("eu-west-1").asks_for_reasoning(&request)
        };
        assert_eq!(asks(serde_json::json!({"thinking": {"type": "enabled"}})), Some(true));
        assert_eq!(asks(serde_json::json!({"reasoningConfig": {"type": "enabled"}})), Some(true));
        assert_eq!(asks(serde_json::json!({"thinking": {"type": "disabled"}, "top_k": 4})), Some(false));
        assert_eq!(asks(serde_json::json!({"top_k": 4})), None);
    }

    #[test]
    fn model_id_is_percent_encoded_in_the_path() {
        let wire = Bedrock::new("eu-central-1");
        let profile = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0";
        for (model, stream, path) in [
            (
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                false,
                "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
            ),
            (
                profile,
                true,
                "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-lite-v1%3A0/converse-stream",
            ),
            ("../x?y", false, "..%2Fx%3Fy/converse"),
        ] {
            let url = sent(&wire, model, stream, "k").url;
            assert_eq!(url, format!("https://bedrock-runtime.eu-central-1.amazonaws.com/model/{path}"));
        }
        assert!(
            sent(&Bedrock::new("cn-north-1"), "m", false, "k")
                .url
                .starts_with("https://bedrock-runtime.cn-north-1.amazonaws.com.cn/")
        );
        assert_eq!(
            sent(&wire.with_base_url("http://127.0.0.1:1/"), "m", false, "k").url,
            "http://127.0.0.1:1/model/m/converse"
        );
    }

    #[test]
    fn only_bearer_keys_are_sent_as_authorization() {
        let wire = Bedrock::new("us-east-1");
        assert_eq!(sent(&wire, "m", false, "ABSK1").headers["authorization"], "Bearer ABSK1");
        assert!(sent(&wire, "m", false, "AKID:key").headers.get("authorization").is_none());
    }
}
