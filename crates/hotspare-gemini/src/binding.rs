//! What ties a request to something this wire's provider stores or runs: a cache, a file, a tool.
//!
//! Does not check whether the host has it. Invariant: what another provider could serve as well is not tied.

use hotspare_core::{ChatRequest, Json, Media};
use serde_json::Value;

use crate::WIRE;

/// The field that names a cache, as the wire writes it and as it also accepts it.
const CACHE_FIELDS: [&str; 2] = ["cachedContent", "cached_content"];
/// Tools that run at the provider (`Tool` in the API reference of both hosts), in lower case and without `_`.
const HOSTED_TOOLS: [&str; 9] = [
    "codeexecution",
    "enterprisewebsearch",
    "filesearch",
    "googlemaps",
    "googlesearch",
    "googlesearchretrieval",
    "mcpservers",
    "retrieval",
    "urlcontext",
];

/// See [`Describe::binds`](hotspare_provider::Describe::binds).
pub(crate) fn binds(request: &ChatRequest) -> Option<String> {
    let own = request.extras.get(WIRE);
    let is_set = |value: &Json| !matches!(value.as_str(), "null" | "\"\"");
    if let Some(own) = own
        && CACHE_FIELDS.iter().any(|name| own.get(*name).is_some_and(is_set))
    {
        return Some("the field cachedContent".to_owned());
    }
    let listed = own.and_then(|own| own.get("tools")).map(Json::to_value);
    let listed = listed.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
    let native = request.native_tools.iter().filter(|tool| tool.wire == WIRE).map(|tool| tool.raw.to_value());
    if let Some(name) = native.chain(listed).find_map(|tool| hosted_tool(&tool)) {
        return Some(format!("the tool {name}, which the provider runs"));
    }
    let has_stored_file = request.media().any(|media| matches!(media, Media::Url(url) if is_stored_url(url)))
        || request.natives(WIRE).any(|native| is_stored_file(&native.raw.to_value()));
    has_stored_file.then(|| "a file that only its provider can resolve".to_owned())
}

/// The name of a tool that runs at the provider: on this wire, a tool is an object with one field per kind.
fn hosted_tool(tool: &Value) -> Option<String> {
    let normalized = |name: &str| name.replace('_', "").to_ascii_lowercase();
    tool.as_object()?.keys().find(|name| HOSTED_TOOLS.contains(&normalized(name).as_str())).cloned()
}

/// Whether a native part refers to such a file.
fn is_stored_file(part: &Value) -> bool {
    let file = part.get("fileData").or_else(|| part.get("file_data"));
    let address = file.and_then(|file| file.get("fileUri").or_else(|| file.get("file_uri")));
    address.and_then(Value::as_str).is_some_and(is_stored_url)
}

/// Whether a URL is an upload to the Gemini API, or an object that Vertex AI reads with its project's permissions.
fn is_stored_url(address: &str) -> bool {
    let uploaded = address.strip_prefix("https://generativelanguage.googleapis.com/");
    address.starts_with("gs://") || uploaded.is_some_and(|path| path.contains("files/"))
}

#[cfg(test)]
mod tests {
    use hotspare_core::{Message, Native, Part, Role, ToolResult};
    use serde_json::json;

    use super::*;

    const FILE: &str = "https://generativelanguage.googleapis.com/v1beta/files/abc";

    fn sample_request() -> ChatRequest {
        ChatRequest::to("r").user("hi")
    }

    fn with_field(name: &str, value: Value) -> ChatRequest {
        let mut request = sample_request();
        request.extras.entry(WIRE.into()).or_default().insert(name.into(), value.into());
        request
    }

    fn with_part(part: Part) -> ChatRequest {
        let mut request = sample_request();
        request.messages.push(Message::new(Role::User, vec![part]));
        request
    }

    #[test]
    fn provider_side_state_binds_the_request() {
        let cache = with_field("cachedContent", json!("cachedContents/1"));
        assert_eq!(binds(&cache).unwrap(), "the field cachedContent");
        assert!(binds(&with_field("cached_content", json!("cachedContents/1"))).is_some());
        assert_eq!(
            binds(&with_field("tools", json!([{"google_search": {}}]))).unwrap(),
            "the tool google_search, which the provider runs"
        );
        let mut tool = sample_request();
        tool.native_tools.push(Native::new(WIRE, json!({"codeExecution": {}}).into()));
        assert_eq!(binds(&tool).unwrap(), "the tool codeExecution, which the provider runs");
        let result = ToolResult::from_parts("c1", vec![Part::Image(Media::Url(FILE.into()))]);
        for part in [
            Part::Image(Media::Url(FILE.into())),
            Part::Document(Media::Url("gs://bucket/a.pdf".into())),
            Part::ToolResult(result),
            Part::Native(Native::new(WIRE, json!({"fileData": {"fileUri": FILE}}).into())),
        ] {
            let what = format!("{part:?}");
            assert_eq!(
                binds(&with_part(part)).unwrap(),
                "a file that only its provider can resolve",
                "{what}"
            );
        }
    }

    #[test]
    fn portable_requests_are_not_bound() {
        assert_eq!(binds(&sample_request()), None);
        assert_eq!(binds(&with_field("cachedContent", json!(null))), None);
        assert_eq!(binds(&with_field("tools", json!([{"functionDeclarations": []}, 1]))), None);
        assert_eq!(binds(&with_field("tools", json!("x"))), None);
        for address in
            ["https://example.com/files/a.png", "https://generativelanguage.googleapis.com/v1beta/x"]
        {
            assert_eq!(binds(&with_part(Part::Image(Media::Url(address.into())))), None);
        }
        let other = Native::new("another wire", json!({"fileData": {"fileUri": FILE}}).into());
        assert_eq!(binds(&with_part(Part::Native(other))), None);
    }
}
