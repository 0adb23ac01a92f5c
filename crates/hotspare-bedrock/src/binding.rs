//! What ties a request to something its Bedrock account stores or runs: a guardrail, a prompt, an object in S3, a tool.
//!
//! Does not check whether the account has it. Invariant: what another provider could serve as well is not tied.

use hotspare_core::{ChatRequest, Json, Media};

use crate::WIRE;

/// Fields that name such a resource, or supply its variables. Without its guardrail, an answer is not the one
/// requested.
const STATEFUL_FIELDS: [&str; 2] = ["guardrailConfig", "promptVariables"];

/// See [`Describe::binds`](hotspare_provider::Describe::binds).
pub(crate) fn binds(request: &ChatRequest) -> Option<String> {
    let own = request.extras.get(WIRE);
    let is_set = |value: &Json| !matches!(value.as_str(), "null" | "{}");
    let field = STATEFUL_FIELDS.iter().find(|name| own.and_then(|own| own.get(**name)).is_some_and(is_set));
    if let Some(field) = field {
        return Some(format!("the field {field}"));
    }
    let tools = request.native_tools.iter().filter(|tool| tool.wire == WIRE);
    let hosted = tools.map(|tool| tool.raw.to_value()).find_map(|tool| {
        let name = tool.get("systemTool")?.get("name")?.as_str();
        Some(format!("the tool {}, which the provider runs", name.unwrap_or_default()))
    });
    if hosted.is_some() {
        return hosted;
    }
    let has_stored_media =
        request.media().any(|media| matches!(media, Media::Url(url) if url.starts_with("s3://")))
            || request.natives(WIRE).any(|native| native.raw.as_str().contains("\"s3Location\""));
    has_stored_media.then(|| "an object in S3, which only the provider reads".to_owned())
}

#[cfg(test)]
mod tests {
    use hotspare_core::{Message, Native, Part, Role};
    use serde_json::{Value, json};

    use super::*;

    fn sample_request() -> ChatRequest {
        ChatRequest::to("r").user("hi")
    }

    fn with_field(name: &str, value: Value) -> ChatRequest {
        let mut request = sample_request();
        request.extras.entry(WIRE.into()).or_default().insert(name.into(), value.into());
        request
    }

    fn with_tool(value: Value) -> ChatRequest {
        let mut request = sample_request();
        request.native_tools.push(Native::new(WIRE, value.into()));
        request
    }

    fn with_part(part: Part) -> ChatRequest {
        let mut request = sample_request();
        request.messages.push(Message::new(Role::User, vec![part]));
        request
    }

    #[test]
    fn provider_side_state_binds_the_request() {
        let guard =
            with_field("guardrailConfig", json!({"guardrailIdentifier": "g", "guardrailVersion": "1"}));
        assert_eq!(binds(&guard).unwrap(), "the field guardrailConfig");
        assert_eq!(
            binds(&with_tool(json!({"systemTool": {"name": "nova_grounding"}}))).unwrap(),
            "the tool nova_grounding, which the provider runs"
        );
        let video = json!({"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/v.mp4"}}}});
        for part in [
            Part::Image(Media::Url("s3://b/a.png".into())),
            Part::Document(Media::Url("s3://b/a.pdf".into())),
            Part::Native(Native::new(WIRE, video.into())),
        ] {
            let what = format!("{part:?}");
            let reason = binds(&with_part(part)).unwrap();
            assert_eq!(reason, "an object in S3, which only the provider reads", "{what}");
        }
    }

    #[test]
    fn portable_requests_are_not_bound() {
        assert_eq!(binds(&sample_request()), None);
        assert_eq!(binds(&with_field("guardrailConfig", json!(null))), None);
        assert_eq!(binds(&with_field("performanceConfig", json!({"latency": "optimized"}))), None);
        assert_eq!(binds(&with_tool(json!({"toolSpec": {"name": "own"}}))), None);
        assert_eq!(binds(&with_part(Part::Image(Media::Url("https://example.com/a.png".into())))), None);
    }
}
