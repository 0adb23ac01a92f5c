//! What ties a request to the provider that stores or runs something for it.
//!
//! Invariant: determined from the request alone, so that it is known before any target is chosen.

use hotspare_core::{ChatRequest, Json};

use crate::WIRE;

/// Fields that refer to something the provider stores or runs.
const STATEFUL_FIELDS: [&str; 2] = ["container", "mcp_servers"];

/// Tools that run at the provider, by prefix of their type.
const HOSTED_TOOLS: [&str; 3] = ["code_execution", "web_fetch", "web_search"];

/// Describes what ties the request to its provider, if anything does.
pub(crate) fn binds(request: &ChatRequest) -> Option<String> {
    let is_set = |value: &Json| !matches!(value.as_str(), "null" | "[]");
    let own = request.extras.get(WIRE).into_iter().flatten();
    let field =
        own.filter(|(_, value)| is_set(value)).find(|(name, _)| STATEFUL_FIELDS.contains(&name.as_str()));
    if let Some((name, _)) = field {
        return Some(format!("the field {name}"));
    }
    let kind = |raw: &Json| raw.to_value()["type"].as_str().unwrap_or_default().to_owned();
    let tools = request.native_tools.iter().filter(|tool| tool.wire == WIRE);
    let hosted = tools
        .map(|tool| kind(&tool.raw))
        .find(|kind| HOSTED_TOOLS.iter().any(|hosted| kind.starts_with(hosted)));
    if let Some(kind) = hosted {
        return Some(format!("the tool {kind}, which the provider runs"));
    }
    let stored = request.natives(WIRE).find(|native| native.raw.as_str().contains("\"file_id\""));
    stored.map(|native| format!("a part that only its provider can resolve ({})", kind(&native.raw)))
}
