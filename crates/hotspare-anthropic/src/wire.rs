//! The wire, assembled from the codec's modules.
//!
//! Invariant: the key goes into one header and nowhere else.

use hotspare_core::{Capabilities, ChatRequest, Error, Kind, Origin, RateLimits, SchemaSubset};
use hotspare_provider::{Decoding, Describe, Head, HttpRequest, Outbound, Sse, Whole, Wire, header};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::decode::MessagesDecoder;
use crate::encode::Destination;
use crate::host::{Auth, Host};
use crate::{BETA, BETA_LIMIT, ORIGIN, VERSION_HEADER, WIRE, binding, classify, encode, limits};

/// The version of the wire.
const VERSION: &str = "2023-06-01";

/// The Messages wire.
#[derive(Clone, Debug)]
pub struct Anthropic {
    host: Host,
    base_url: String,
    headers: HeaderMap,
}

impl Default for Anthropic {
    fn default() -> Self {
        Self::new()
    }
}

impl Anthropic {
    /// The wire at Anthropic's own API.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Host::AUTHOR, "https://api.anthropic.com/v1")
    }

    /// The wire as `host` serves it, at this base URL.
    #[must_use]
    pub fn at(host: Host, base_url: &str) -> Self {
        Self { host, base_url: base_url.trim_end_matches('/').to_owned(), headers: HeaderMap::new() }
    }

    /// Sets the base URL, up to and including the version.
    #[must_use]
    pub fn with_base_url(mut self, base_url: &str) -> Self {
        base_url.trim_end_matches('/').clone_into(&mut self.base_url);
        self
    }

    /// Sends the key as a bearer token instead of in the wire's own header.
    #[must_use]
    pub fn with_bearer(mut self) -> Self {
        self.host.auth = Auth::Bearer;
        self
    }

    /// Adds a header to every request, such as a beta's name.
    ///
    /// # Errors
    /// [`Kind::Config`] if the name or value is not valid in a header.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let (name, value) = header(name, value)?;
        self.headers.insert(name, value);
        Ok(self)
    }
}

/// The schemas that structured outputs accept (Anthropic's guide of that name, JSON Schema limitations). Bedrock's adapter
/// has a copy: neither crate may use the other, and crates that both use know no provider.
const SUBSET: SchemaSubset = SchemaSubset {
    always_enforced: true,
    closed: true,
    all_required: false,
    some_required: false,
    recursive: false,
    lone_refs: false,
    keywords: &[
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "default",
        "definitions",
        "description",
        "enum",
        "format",
        "items",
        "properties",
        "required",
        "type",
    ],
    formats: &["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"],
};

impl Describe for Anthropic {
    fn wire(&self) -> &'static str {
        WIRE
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin(ORIGIN.to_owned()))
    }

    fn capabilities(&self, _: &str) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.absent_tools = Some(self.host.absent_tools);
        capabilities.embeddings = Some(false);
        capabilities.forced_tool = Some(true);
        capabilities.json_mode = Some(false);
        capabilities.assistant_first = Some(false);
        capabilities.unlimited_output = (!self.host.reserves_output).then_some(false);
        capabilities
    }

    fn asks_for_reasoning(&self, request: &ChatRequest) -> Option<bool> {
        let own = request.extras.get(WIRE).and_then(|extras| extras.get("thinking"));
        let own = own.map(|thinking| thinking.to_value()["type"] != "disabled");
        // This wire has no effort below `low`.
        own.or_else(|| request.reasoning_effort.as_deref().map(|effort| effort != "none"))
    }

    fn schema_subset(&self, _: &str) -> Option<&'static SchemaSubset> {
        Some(&SUBSET)
    }

    fn notes(&self, request: &ChatRequest, _: &str) -> Vec<String> {
        encode::notes(request)
    }

    fn binds(&self, request: &ChatRequest) -> Option<String> {
        binding::binds(request)
    }
}

impl Wire for Anthropic {
    fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
        let asked = call.chat()?.extras.get(WIRE).and_then(|extras| extras.get(BETA));
        let asked = asked.and_then(|beta| serde_json::from_str::<String>(beta.as_str()).ok());
        if asked.as_ref().is_some_and(|names| names.len() > BETA_LIMIT) {
            let what = format!("{BETA} is longer than {BETA_LIMIT} bytes");
            return Err(Error::new(Kind::InvalidRequest, what).with_status(400));
        }
        let set = self.headers.get_all(BETA).iter().filter_map(|value| value.to_str().ok());
        let betas: Vec<&str> =
            set.chain(asked.as_deref()).flat_map(|names| names.split(',')).map(str::trim).collect();
        let to = Destination { host: self.host, model: &call.model, stream: call.stream, betas };
        let body = encode::body(call.chat()?, &to)?;
        let url = self.host.address(&self.base_url, &call.model, call.stream);
        let mut request = HttpRequest::post_json(url, body);
        let headers = &mut request.headers;
        if self.host.version.is_none() {
            headers.insert(HeaderName::from_static(VERSION_HEADER), HeaderValue::from_static(VERSION));
        }
        headers.extend(self.headers.clone());
        if self.host.betas_in_body {
            headers.remove(BETA);
        } else if let Some(beta) = &asked {
            let value = HeaderValue::from_str(beta).map_err(|_| {
                Error::new(Kind::InvalidRequest, format!("{BETA} is not a valid header value"))
            })?;
            headers.append(HeaderName::from_static(BETA), value);
        }
        match (&call.secret, self.host.auth) {
            (secret, Auth::Bearer) => request.with_bearer(secret.as_ref()),
            (Some(secret), Auth::Header) => request.with_key("x-api-key", secret.expose()),
            _ => Ok(request),
        }
    }

    fn decoder(&self, _: &Outbound, head: &Head) -> Result<Decoding, Error> {
        match &*head.media_type() {
            "text/event-stream" => Ok(Decoding {
                framer: Box::new(Sse::default()),
                decoder: Box::new(MessagesDecoder::default()),
            }),
            "application/json" | "" => Ok(Decoding {
                framer: Box::new(Whole::default()),
                decoder: Box::new(MessagesDecoder::default()),
            }),
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
        let names = ["request-id", "x-request-id", "apim-request-id"];
        names.into_iter().find_map(|name| head.header(name)).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hotspare_core::{ChatRequest, Json};
    use hotspare_provider::Secret;

    use super::*;

    fn sent(wire: &Anthropic, model: &str, stream: bool) -> HttpRequest {
        let call = Outbound::new(Arc::new(ChatRequest::to("r").user("hi")), model, stream);
        wire.encode(&call.with_secret(Some(Secret::new("k")))).unwrap()
    }

    #[test]
    fn detects_every_way_to_request_thinking() {
        let wire = Anthropic::default();
        let asking = |extra: Option<&str>, effort: Option<&str>| {
            let mut request = ChatRequest::to("r").user("hi");
            request.reasoning_effort = effort.map(str::to_owned);
            if let Some(text) = extra {
                let value = Json::parse(text).unwrap();
                request.extras.entry(WIRE.into()).or_default().insert("thinking".into(), value);
            }
            wire.asks_for_reasoning(&request)
        };
        assert_eq!(asking(None, None), None);
        for disabled in [asking(Some(r#"{"type":"disabled"}"#), None), asking(None, Some("none"))] {
            assert_eq!(disabled, Some(false));
        }
        for (thinking, effort) in [
            (None, Some("minimal")),
            (Some(r#"{"type":"adaptive"}"#), None),
            (Some(r#"{"type":"enabled","budget_tokens":1024}"#), Some("none")),
        ] {
            assert_eq!(asking(thinking, effort), Some(true));
        }
    }

    #[test]
    fn hosts_state_which_tools_of_the_author_they_do_not_run() {
        let absent = |host| Anthropic::at(host, "https://h").capabilities("m").absent_tools.unwrap();
        assert!(absent(Host::AUTHOR).is_empty());
        assert!(
            absent(Host::BEDROCK).contains(&"web_search") && absent(Host::BEDROCK).contains(&"web_fetch")
        );
        assert!(!absent(Host::VERTEX).contains(&"web_search") && absent(Host::VERTEX).contains(&"web_fetch"));
    }

    #[test]
    fn each_host_has_its_url_and_auth_header() {
        let author = sent(&Anthropic::new(), "claude-sonnet-4-5", true);
        assert_eq!(author.url, "https://api.anthropic.com/v1/messages");
        assert_eq!(author.headers["x-api-key"], "k");
        assert_eq!(author.headers["anthropic-version"], "2023-06-01");
        let vertex = Anthropic::at(Host::VERTEX, &Host::vertex_address("p", "us-east5"));
        let vertex = sent(&vertex, "claude-sonnet-4-5@20250929", true);
        assert_eq!(
            vertex.url,
            "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/models/\
             claude-sonnet-4-5@20250929:streamRawPredict"
        );
        assert_eq!(vertex.headers["authorization"], "Bearer k");
        assert!(vertex.headers.get("anthropic-version").is_none());
        assert!(
            Host::vertex_address("p", "global")
                .starts_with("https://aiplatform.googleapis.com/v1/projects/p/")
        );
        let bedrock =
            Anthropic::at(Host::BEDROCK, "https://host/").with_header("anthropic-beta", "b1, b2").unwrap();
        let bedrock = sent(&bedrock, "us.anthropic.claude-v1:0", false);
        assert_eq!(bedrock.url, "https://host/model/us.anthropic.claude-v1%3A0/invoke");
        assert!(
            bedrock.headers.get("anthropic-beta").is_none() && bedrock.headers.get("x-api-key").is_none()
        );
        assert!(String::from_utf8_lossy(&bedrock.body).contains(r#""anthropic_beta":["b1","b2"]"#));
    }
}
