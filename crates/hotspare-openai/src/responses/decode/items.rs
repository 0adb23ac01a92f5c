//! The items of an answer: what is known of each while it is received.
//!
//! Does not emit anything. Invariant: what belongs to an item is found by its index or its id, and only if a host sends
//! neither, by its kind.

use super::super::dto::Item;

/// An item being received.
#[derive(Debug, Default)]
pub(super) struct ItemState {
    pub(super) output_index: Option<u64>,
    pub(super) id: String,
    pub(super) kind: ItemKind,
    /// Whether any of its deltas have been emitted.
    pub(super) emitted: bool,
    pub(super) annotations: usize,
    pub(super) done: bool,
    /// A call that was announced with all its arguments, and is emitted once it is certain to be the caller's.
    pub(super) held_call: Option<HeldCall>,
}

/// A call that has not been emitted yet.
#[derive(Debug)]
pub(super) struct HeldCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ItemKind {
    /// A call, and its index once it has been emitted.
    Call(Option<u32>),
    Message,
    #[default]
    Other,
    Reasoning,
}

/// Frames that only report the progress of a tool that the provider runs: the finished item holds the result.
pub(super) fn is_progress(kind: &str) -> bool {
    let ends = [".in_progress", ".searching", ".interpreting", ".generating", ".completed", ".failed"];
    let argument_ends = [
        "_arguments.delta",
        "_arguments.done",
        "_call_code.delta",
        "_call_code.done",
        "_input.delta",
        "_input.done",
    ];
    let ends = ends.iter().chain(&argument_ends);
    kind.starts_with("response.") && ends.into_iter().any(|end| kind.ends_with(end))
        || matches!(kind, "keepalive" | "ping")
}

pub(super) fn item_kind(item: &Item<'_>) -> ItemKind {
    let own = item.role.as_ref().is_none_or(|role| role.0 == "assistant");
    match item.kind.as_ref().map(|kind| &*kind.0) {
        Some("message") if own => ItemKind::Message,
        Some("function_call") => ItemKind::Call(None),
        Some("reasoning") => ItemKind::Reasoning,
        _ => ItemKind::Other,
    }
}

pub(super) fn same_kind(one: ItemKind, other: ItemKind) -> bool {
    std::mem::discriminant(&one) == std::mem::discriminant(&other)
}

pub(super) fn is_item(state: &ItemState, output_index: Option<u64>, id: &str) -> bool {
    match (state.output_index, output_index) {
        (Some(one), Some(other)) => one == other,
        _ => !id.is_empty() && state.id == id,
    }
}
