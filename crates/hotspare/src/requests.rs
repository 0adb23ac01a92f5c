//! Requests that are refused before any target is considered.
//!
//! Not whether a target can serve a request. Invariant: a mistake of the caller never looks like an outage.

use hotspare_core::{ChatRequest, EmbedInput, EmbedRequest, Error, Kind, Request, ToolChoice};

/// A chat request that can be sent.
pub(crate) fn checked_chat(request: ChatRequest) -> Result<Request, Error> {
    // A bound request may continue from messages that its provider stores.
    if request.messages.is_empty() && request.extras.is_empty() {
        return Err(Error::new(Kind::InvalidRequest, "the request has no messages"));
    }
    request.check_numbers()?;
    // Without any tools, the wire judges: it knows its own fields that bring some. A wire's own tools may have any name.
    if let Some(ToolChoice::Named(name)) = &request.tool_choice
        && !request.tools.is_empty()
        && request.tools.iter().all(|tool| tool.name != *name)
        && request.native_tools.is_empty()
        && !request.extras.values().any(|fields| fields.contains_key("tools"))
    {
        let offered: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        let what = format!(
            "tool_choice names the tool `{name}`, which the request does not offer; it offers {}",
            offered.join(", ")
        );
        return Err(Error::new(Kind::InvalidRequest, what));
    }
    Ok(request.into())
}

/// An embedding request that can be sent. Empty inputs are rejected here: most providers reject them, and some return
/// fewer vectors than inputs.
pub(crate) fn checked_embed(request: EmbedRequest) -> Result<Request, Error> {
    let wrong = |what: String| Err(Error::new(Kind::InvalidRequest, what));
    if request.inputs.is_empty() {
        return wrong("the request has no inputs".into());
    }
    if request.dimensions == Some(0) {
        return wrong("dimensions must be at least 1".into());
    }
    let empty = |input: &EmbedInput| match input {
        EmbedInput::Text(text) => text.is_empty(),
        EmbedInput::Tokens(tokens) => tokens.is_empty(),
        _ => false,
    };
    match request.inputs.iter().position(empty) {
        Some(index) => wrong(format!("input {index} is empty")),
        None => Ok(request.into()),
    }
}
