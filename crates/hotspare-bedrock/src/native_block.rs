//! Blocks that only this wire has, assembled from the pieces of a stream.
//!
//! Knows no block by name: objects are merged, lists appended, and a tool's input, which is streamed as text, is parsed
//! as JSON. Invariant: a block holds at most [`LIMIT`] bytes of pieces.

use hotspare_core::{Error, Kind};
use serde_json::Value;

/// The most bytes of one block: as many as of one frame.
const LIMIT: usize = hotspare_provider::FRAME_LIMIT;

/// Assembles one block from the start and deltas of a stream.
#[derive(Debug)]
pub(crate) struct BlockAssembler {
    block: Value,
    bytes: usize,
}

impl BlockAssembler {
    pub(crate) fn start(start: &str) -> Self {
        let block = serde_json::from_str(start).ok().filter(Value::is_object).unwrap_or_default();
        Self { block, bytes: start.len() }
    }

    pub(crate) fn add(&mut self, delta: &str) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(delta.len());
        if self.bytes > LIMIT {
            return Err(Error::new(Kind::Protocol, format!("a block is larger than {LIMIT} bytes")));
        }
        let Ok(Value::Object(delta)) = serde_json::from_str(delta) else { return Ok(()) };
        for (name, piece) in delta {
            let Some(block) = member(&mut self.block, name) else { continue };
            // A result's content comes as a bare list.
            let target = if piece.is_array() { member(block, "content".into()) } else { Some(block) };
            if let Some(target) = target {
                merge(target, piece);
            }
        }
        Ok(())
    }

    /// The block as it would appear in a whole answer.
    pub(crate) fn whole(mut self) -> String {
        for block in self.block.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
            if let Some(Value::String(text)) = block.get("input") {
                block["input"] = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
            }
        }
        self.block.to_string()
    }
}

/// The member with this name, created if needed; `None` if the value is not an object.
fn member(value: &mut Value, name: String) -> Option<&mut Value> {
    if value.is_null() {
        *value = Value::Object(serde_json::Map::new());
    }
    value.as_object_mut().map(|members| members.entry(name).or_insert(Value::Null))
}

fn merge(into: &mut Value, piece: Value) {
    let Value::Object(piece) = piece else { return append(into, piece) };
    for (name, piece) in piece {
        if let Some(target) = member(into, name) {
            merge(target, piece);
        }
    }
}

fn append(into: &mut Value, piece: Value) {
    match (into, piece) {
        (Value::String(text), Value::String(more)) => text.push_str(&more),
        (Value::Array(items), Value::Array(more)) => items.extend(more),
        (into, piece) => *into = piece,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(start: &str, deltas: &[&str]) -> Value {
        let mut assembler = BlockAssembler::start(start);
        for delta in deltas {
            assembler.add(delta).unwrap();
        }
        serde_json::from_str(&assembler.whole()).unwrap()
    }

    #[test]
    fn streamed_native_block_equals_the_unstreamed_one() {
        let call = whole(
            r#"{"toolUse":{"name":"run","toolUseId":"t1","type":"server_tool_use"}}"#,
            &[r#"{"toolUse":{"input":"{\"a\""}}"#, r#"{"toolUse":{"input":":1}"}}"#],
        );
        assert_eq!(call["toolUse"]["input"], serde_json::json!({"a": 1}));
        let result = whole(
            r#"{"toolResult":{"status":"success","toolUseId":"t1"}}"#,
            &[r#"{"toolResult":[{"json":{"out":1}}]}"#, r#"{"toolResult":[{"text":"x"}]}"#],
        );
        assert_eq!(result["toolResult"]["content"], serde_json::json!([{"json": {"out": 1}}, {"text": "x"}]));
    }

    proptest! {
        #[test]
        fn arbitrary_deltas_never_panic(start in "[\\[\\]{}:,\"a-c0-9]{0,20}", deltas in prop::collection::vec("\\{\"[a-c]\":[\\[\\]{}:,\"a-c0-9]{0,12}\\}", 0..6)) {
            let mut assembler = BlockAssembler::start(&start);
            for delta in &deltas {
                assembler.add(delta).unwrap();
            }
            let _ = assembler.whole();
        }
    }
}
