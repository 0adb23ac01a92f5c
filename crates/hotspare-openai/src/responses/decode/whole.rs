//! A whole answer: all of a reply, or the copy that ends a stream.
//!
//! Invariant: what the pieces before it have said is not said again.

use hotspare_core::{Error, Event, FinishReason, Kind};
use hotspare_provider::{Emit, check_items};
use serde_json::value::RawValue;

use super::ResponseDecoder;
use super::events::{read, text};
use super::items::{ItemKind, ItemState, item_kind, same_kind};
use crate::classify;
use crate::decode::non_empty_error;
use crate::responses::dto::{Item, Response};

impl ResponseDecoder {
    /// Reads a whole answer: all of it, or the copy that ends a stream.
    pub(super) fn whole(&mut self, data: &str, events: &mut Emit<'_>) -> Result<(), Error> {
        let response: Response<'_> = read(data)?;
        if response.object.as_ref().is_some_and(|object| object.0 == "error") {
            return Err(classify::in_reply(data));
        }
        self.received = true;
        if let Some(error) = non_empty_error(response.error) {
            return Err(classify::in_reply(error.get()));
        }
        let reason = match response.status.as_ref().map(|status| &*status.0) {
            Some("completed") | None => None,
            Some("incomplete") => {
                let details =
                    response.incomplete_details.as_ref().and_then(|details| details.reason.as_ref());
                Some(match details.map(|reason| &*reason.0) {
                    Some("max_output_tokens" | "max_tokens") | None => FinishReason::Length,
                    Some("content_filter") => FinishReason::ContentFilter,
                    Some(other) => FinishReason::Other(other.to_owned()),
                })
            }
            Some("failed") => return Err(unexplained_failure()),
            // A background job: its answer would have to be fetched later, which Hotspare does not do.
            Some(other) => {
                let what = format!("the answer is not complete: its status is {other}");
                return Err(Error::new(Kind::Unsupported, what).with_code(other));
            }
        };
        self.announce(&response, events);
        self.complete(response.output.as_deref().unwrap_or_default(), events)?;
        if let Some(usage) = &response.usage {
            events.push(Event::Usage(Box::new(usage.to_core())));
        }
        // Before the end it is what was requested.
        events.service_tier(&mut String::new(), response.service_tier);
        self.finished = true;
        events.push(Event::Finished(reason.unwrap_or(
            match (self.tool_calls > 0 || self.custom_tool_called, self.refused) {
                (true, _) => FinishReason::ToolCalls,
                (false, true) => FinishReason::Refusal,
                (false, false) => FinishReason::Stop,
            },
        )));
        Ok(())
    }

    /// Emits what only the copy of the answer at its end contains.
    fn complete(&mut self, output: &[&RawValue], events: &mut Emit<'_>) -> Result<(), Error> {
        check_items(output.len())?;
        if self.items.is_empty() {
            return output.iter().try_for_each(|raw| self.item(raw, None, events));
        }
        let copies: Vec<Item<'_>> = output.iter().map(|raw| read(raw.get()).unwrap_or_default()).collect();
        for position in 0..self.items.len() {
            let state = &self.items[position];
            if state.done || state.emitted || state.kind == ItemKind::Other {
                continue;
            }
            let twin = |same: &dyn Fn(usize, &Item<'_>) -> bool| {
                let is_twin = |(at, item): &(usize, &Item<'_>)| {
                    same_kind(item_kind(item), state.kind) && same(*at, item)
                };
                copies.iter().enumerate().find(is_twin).map(|(at, _)| output[at])
            };
            let by_id = twin(&|_, item| !state.id.is_empty() && text(&item.id) == state.id);
            let by_place = || twin(&|at, _| state.output_index == u64::try_from(at).ok());
            match by_id.or_else(by_place) {
                Some(raw) => self.item(raw, Some(position), events)?,
                // A host that lists its items and not this call has made the call itself.
                None if !output.is_empty() => {}
                None => self.release(position, events),
            }
            if let ItemState { kind: ItemKind::Call(Some(_)), done: false, emitted: false, .. } =
                &self.items[position]
            {
                return Err(Error::new(Kind::Truncated, "the answer ended before a call's arguments"));
            }
        }
        Ok(())
    }
}

pub(super) fn unexplained_failure() -> Error {
    Error::new(Kind::Server, "the provider failed without an explanation")
}
