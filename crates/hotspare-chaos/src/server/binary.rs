//! Frames events as binary messages instead of lines of text.
//!
//! Does not decode. Invariant: lengths and checksums are right; faults cut or alter events before they are framed.

/// Frames events, each of the form `event: NAME` or `exception: NAME`, a line `data: …` and an empty line.
pub(super) fn encode(text: &str) -> Vec<u8> {
    text.split("\n\n").filter(|event| !event.is_empty()).flat_map(encode_message).collect()
}

fn encode_message(event: &str) -> Vec<u8> {
    let (head, data) = event.split_once('\n').unwrap_or(("", event));
    let (kind, name) = head.split_once(": ").unwrap_or(("event", "unknown"));
    let which = if kind == "exception" { ":exception-type" } else { ":event-type" };
    let mut headers = Vec::new();
    for (header, value) in [(which, name), (":content-type", "application/json"), (":message-type", kind)] {
        headers.push(header.len() as u8);
        headers.extend(header.as_bytes());
        // Header value type 7: a string.
        headers.push(7);
        headers.extend((value.len() as u16).to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let payload = data.strip_prefix("data: ").unwrap_or(data).as_bytes();
    let mut out = ((16 + headers.len() + payload.len()) as u32).to_be_bytes().to_vec();
    out.extend((headers.len() as u32).to_be_bytes());
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}
