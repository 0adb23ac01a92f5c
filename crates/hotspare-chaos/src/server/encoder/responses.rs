//! The replies of a Responses server, which send everything three times, as real ones do.
//!
//! Invariant: the deltas, the finished part and the whole answer agree.

use serde_json::{Value, json};

use super::{PlannedCall, ReplyEncoder};

impl ReplyEncoder<'_> {
    fn response_event(&self, name: &str, mut data: Value) -> String {
        data["type"] = name.into();
        Self::sse_event(name, &data)
    }

    /// The whole answer.
    pub(super) fn response(&self, items: &Value, tokens: usize) -> Value {
        json!({
            "id": format!("resp_{}", self.id), "object": "response", "created_at": 1_760_000_000, "status": "completed",
            "model": self.model, "error": null, "incomplete_details": null, "output": items, "store": false,
            "usage": {
                "input_tokens": self.prompt_tokens, "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": tokens, "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": self.prompt_tokens + tokens as u64,
            },
        })
    }

    pub(super) fn response_items(&self, text: &str, calls: &[PlannedCall]) -> Value {
        if calls.is_empty() {
            let part = json!([{"type": "output_text", "annotations": [], "logprobs": [], "text": text}]);
            return json!([self.message_item(&part)]);
        }
        let items = calls.iter().enumerate();
        items.map(|(at, call)| self.function_call_item(at, &call.name, &call.pieces.concat())).collect()
    }

    fn message_item(&self, content: &Value) -> Value {
        json!({"id": format!("msg_{}", self.id), "type": "message", "status": "completed", "role": "assistant", "content": content})
    }

    fn function_call_item(&self, at: usize, name: &str, arguments: &str) -> Value {
        json!({
            "id": self.call_id("fc", at), "type": "function_call", "status": "completed",
            "call_id": self.call_id("call", at), "name": name, "arguments": arguments,
        })
    }

    pub(super) fn response_start_frames(&self) -> String {
        let mut in_progress = self.response(&json!([]), 0);
        in_progress["status"] = "in_progress".into();
        in_progress["usage"] = Value::Null;
        let created =
            self.response_event("response.created", json!({"response": in_progress, "sequence_number": 0}));
        format!(
            "{created}{}",
            self.response_event(
                "response.in_progress",
                json!({"response": in_progress, "sequence_number": 1})
            )
        )
    }

    pub(super) fn response_token_frames(&self, at: usize, text: &str) -> String {
        let id = format!("msg_{}", self.id);
        let delta = self.response_event(
            "response.output_text.delta",
            json!({"item_id": id, "output_index": 0, "content_index": 0, "delta": text, "logprobs": [], "sequence_number": at + 4}),
        );
        if at > 0 {
            return delta;
        }
        let item = json!({"output_index": 0, "item": self.message_item(&json!([])), "sequence_number": 2});
        let part = json!({"item_id": id, "output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": ""}, "sequence_number": 3});
        let added = self.response_event("response.output_item.added", item);
        format!("{added}{}{delta}", self.response_event("response.content_part.added", part))
    }

    pub(super) fn response_end_frames(&self, words: &[String]) -> String {
        let (text, id) = (words.concat(), format!("msg_{}", self.id));
        let items = self.response_items(&text, &[]);
        let done =
            json!({"item_id": id, "output_index": 0, "content_index": 0, "text": text, "logprobs": []});
        let done = self.response_event("response.output_text.done", done);
        let item =
            self.response_event("response.output_item.done", json!({"output_index": 0, "item": items[0]}));
        let whole = json!({"response": self.response(&items, words.len())});
        format!("{done}{item}{}", self.response_event("response.completed", whole))
    }

    pub(super) fn response_call_start(&self, at: usize, name: &str) -> String {
        let added = json!({"output_index": at, "item": self.function_call_item(at, name, "")});
        self.response_event("response.output_item.added", added)
    }

    pub(super) fn response_call_piece(&self, at: usize, piece: &str) -> String {
        let delta = json!({"output_index": at, "item_id": self.call_id("fc", at), "delta": piece});
        self.response_event("response.function_call_arguments.delta", delta)
    }

    pub(super) fn response_call_stop(&self, at: usize, call: &PlannedCall) -> String {
        let arguments = call.pieces.concat();
        let done = json!({"output_index": at, "item_id": self.call_id("fc", at), "arguments": arguments});
        let item = json!({"output_index": at, "item": self.function_call_item(at, &call.name, &arguments)});
        let done = self.response_event("response.function_call_arguments.done", done);
        format!("{done}{}", self.response_event("response.output_item.done", item))
    }

    pub(super) fn response_calls_end(&self, calls: &[PlannedCall]) -> String {
        let whole = json!({"response": self.response(&self.response_items("", calls), 9)});
        self.response_event("response.completed", whole)
    }

    pub(super) fn response_error_frame(&self) -> String {
        let error = json!({"code": "server_is_overloaded", "message": "Overloaded", "param": null});
        self.response_event("error", error)
    }
}
