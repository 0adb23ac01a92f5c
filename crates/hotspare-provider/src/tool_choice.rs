//! Whether a request offers the tools of which it demands a call.
//!
//! Not how a wire spells the choice. Invariant: a demanded call is refused if no tool is offered, and never dropped; a choice
//! that demands none says nothing without tools.

use hotspare_core::{ChatRequest, Error, Kind, ToolChoice};

/// Whether the request offers tools on this wire. `fields` are the wire's own fields that bring tools.
#[must_use]
pub fn offers_tools(request: &ChatRequest, wire: &str, fields: &[&str]) -> bool {
    let own = request.extras.get(wire);
    !request.tools.is_empty()
        || request.native_tools.iter().any(|tool| tool.wire == wire)
        || own.is_some_and(|own| fields.iter().any(|field| own.contains_key(*field)))
}

/// Refuses the demand for a tool call where the request offers no tool, as the servers of the wires do.
///
/// # Errors
/// [`Kind::InvalidRequest`] if it offers none anywhere, [`Kind::Unsupported`] if it offers those of another wire.
pub fn check_tool_choice(request: &ChatRequest, wire: &str, fields: &[&str]) -> Result<(), Error> {
    let named = match &request.tool_choice {
        Some(ToolChoice::Required) => None,
        Some(ToolChoice::Named(name)) => Some(name),
        _ => return Ok(()),
    };
    if offers_tools(request, wire, fields) {
        return Ok(());
    }
    if !request.native_tools.is_empty() {
        return Err(Error::new(Kind::Unsupported, "tool_choice demands a call of another wire's tools"));
    }
    let what = named.map_or_else(|| "a tool call".to_owned(), |name| format!("a call of the tool `{name}`"));
    let what =
        format!("tool_choice demands {what}, but the request offers no tools; add tools or omit tool_choice");
    Err(Error::new(Kind::InvalidRequest, what))
}
