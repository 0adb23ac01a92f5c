//! Whether a request offers the tools of which it demands a call.
//!
//! Not how a wire spells the choice. Invariant: a demanded call is refused if no tool is offered, and never dropped; a choice
//! that demands none says nothing without tools.

use hotspare_core::{ChatRequest, Error, Kind, ToolChoice};

/// The fields by which any wire brings tools.
const FIELDS: &[&str] = &["mcp_servers", "prompt", "toolConfig", "tools"];

/// Whether the request offers tools on this wire. `fields` are the wire's own fields that bring tools.
#[must_use]
pub fn offers_tools(request: &ChatRequest, wire: &str, fields: &[&str]) -> bool {
    !request.tools.is_empty()
        || request.native_tools.iter().any(|tool| tool.wire == wire)
        || has_any(request, wire, fields)
}

/// Whether one of these fields of a wire says something.
fn has_any(request: &ChatRequest, wire: &str, fields: &[&str]) -> bool {
    let own = request.extras.get(wire);
    let given = |field: &&str| own?.get(*field).filter(|value| !value.is_null_or_empty_list());
    fields.iter().any(|field| given(field).is_some())
}

/// Refuses the demand for a tool call where the request offers no tool, as most servers do.
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
    let others = || request.extras.keys().filter(|other| *other != wire);
    if !request.native_tools.is_empty() || others().any(|other| has_any(request, other, FIELDS)) {
        return Err(Error::new(Kind::Unsupported, "tool_choice demands a call of another wire's tools"));
    }
    let what = named.map_or_else(|| "a tool call".to_owned(), |name| format!("a call of the tool `{name}`"));
    let what = format!(
        "tool_choice demands {what}, but the request offers no tools; add tools or omit tool_choice; for a host that \
         runs tools of its own, give the choice as an extra field of its wire"
    );
    Err(Error::new(Kind::InvalidRequest, what))
}
