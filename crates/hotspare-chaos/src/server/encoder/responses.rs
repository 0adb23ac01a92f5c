//! The replies of a Responses server, which send everything three times, as real ones do.
//!
//! Invariant: the deltas, the finished part and the whole answer agree.

use serde_json::{Value, json};

use super::ReplyEncoder;

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

    pub(super) fn response_items(&self, text: &str, call: Option<(&str, &str)>) -> Value {
        let item = match call {
            Some((name, arguments)) => self.function_call_item(name, arguments),
            None => self.message_item(
                &json!([{"type": "output_text", "annotations": [], "logprobs": [], "text": text}]),
            ),
        };
        json!([item])
    }

    fn message_item(&self, content: &Value) -> Value {
        json!({"id": format!("msg_{}", self.id), "type": "message", "status": "completed", "role": "assistant", "content": content})
    }

    fn function_call_item(&self, name: &str, arguments: &str) -> Value {
        json!({
            "id": format!("fc_{}", self.id), "type": "function_call", "status": "completed",
            "call_id": format!("call_{}", self.id), "name": name, "arguments": arguments,
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
        let items = self.response_items(&text, None);
        let done =
            json!({"item_id": id, "output_index": 0, "content_index": 0, "text": text, "logprobs": []});
        let done = self.response_event("response.output_text.done", done);
        let item =
            self.response_event("response.output_item.done", json!({"output_index": 0, "item": items[0]}));
        let whole = json!({"response": self.response(&items, words.len())});
        format!("{done}{item}{}", self.response_event("response.completed", whole))
    }

    pub(super) fn response_call_frames(&self, name: &str, arguments: &str) -> String {
        let id = format!("fc_{}", self.id);
        let added = json!({"output_index": 0, "item": self.function_call_item(name, "")});
        let delta = json!({"output_index": 0, "item_id": id, "delta": arguments});
        let done = json!({"output_index": 0, "item_id": id, "arguments": arguments});
        let items = self.response_items("", Some((name, arguments)));
        [
            ("response.output_item.added", added),
            ("response.function_call_arguments.delta", delta),
            ("response.function_call_arguments.done", done),
            ("response.output_item.done", json!({"output_index": 0, "item": items[0]})),
            ("response.completed", json!({"response": self.response(&items, 9)})),
        ]
        .into_iter()
        .map(|(name, data)| self.response_event(name, data))
        .collect()
    }

    pub(super) fn response_error_frame(&self) -> String {
        let error = json!({"code": "server_is_overloaded", "message": "Overloaded", "param": null});
        self.response_event("error", error)
    }
}
