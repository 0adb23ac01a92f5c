//! Takes a body apart into its frames, and puts it together again in other ways that mean the same.
//!
//! Invariant: a body that is put together without a change has the same frames.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hotspare::recorded::Exchange;
use serde_json::Value;

/// A body in its frames.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Server-sent events: name and data.
    Events(Vec<(Option<String>, String)>),
    /// One JSON value per line.
    Lines(Vec<String>),
    /// Binary messages: headers and payload.
    Messages(Vec<(Vec<u8>, String)>),
    /// One JSON value.
    Whole(String),
}

/// How server-sent events are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// What ends a line.
    pub(super) end: &'static str,
    /// Between a field's colon and its value.
    pub(super) space: &'static str,
    /// What the body begins with.
    pub(super) head: &'static str,
    /// Lines in front of each event.
    pub(super) before: &'static [&'static str],
    /// Whether events whose JSON says their type have no name.
    pub(super) unnamed: bool,
}

pub(super) const PLAIN: Layout = Layout { end: "\n", space: " ", head: "", before: &[], unnamed: false };

impl Body {
    /// Takes a body apart; `None` if it has no JSON.
    pub(super) fn of(exchange: &Exchange) -> Option<Self> {
        let bytes = &exchange.body[..];
        if exchange.head.media_type() == "application/vnd.amazon.eventstream" {
            return messages(bytes).map(Self::Messages);
        }
        let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}');
        let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
        if is_json(text) && exchange.head.media_type() != "application/x-ndjson" {
            return Some(Self::Whole(text.to_owned()));
        }
        let lines: Vec<String> =
            text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        if !lines.is_empty() && lines.iter().all(|line| is_json(line)) {
            return Some(Self::Lines(lines));
        }
        let text = text.replace("\r\n", "\n");
        let mut events = Vec::new();
        for block in text.split("\n\n") {
            let field = |name: &str| {
                let lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                lines.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect::<Vec<_>>()
            };
            let data = field("data");
            if !data.is_empty() {
                events.push((field("event").last().map(|name| (*name).to_owned()), data.join("\n")));
            }
        }
        (!events.is_empty()).then_some(Self::Events(events))
    }

    /// Every JSON text in it, to be replaced.
    pub(super) fn each(&mut self, change: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Events(events) => events.iter_mut().for_each(|(_, data)| change(data)),
            Self::Lines(lines) => lines.iter_mut().for_each(change),
            Self::Whole(text) => change(text),
            Self::Messages(messages) => {
                for (_, payload) in messages {
                    // Some models' own formats are inside an envelope.
                    let inside = || {
                        STANDARD.decode(serde_json::from_str::<Value>(payload).ok()?["bytes"].as_str()?).ok()
                    };
                    match inside().and_then(|bytes| String::from_utf8(bytes).ok()) {
                        Some(mut text) => {
                            change(&mut text);
                            *payload = format!("{{\"p\":\"abc\",\"bytes\":\"{}\"}}", STANDARD.encode(text));
                        }
                        None => change(payload),
                    }
                }
            }
        }
    }

    /// Puts events of an unknown type, of this JSON, before and after each event of a stream.
    pub(super) fn interleave(&mut self, name: Option<&str>, data: &str) {
        match self {
            Self::Events(events) => {
                let unknown = (name.map(str::to_owned), data.to_owned());
                *events = events.drain(..).flat_map(|event| [unknown.clone(), event]).collect();
                events.push(unknown);
            }
            Self::Lines(lines) => {
                *lines = lines.drain(..).flat_map(|line| [data.to_owned(), line]).collect();
            }
            Self::Messages(messages) => {
                let mut headers = Vec::new();
                for (name, value) in [
                    (":event-type", "xFuture"),
                    (":content-type", "application/json"),
                    (":message-type", "event"),
                ] {
                    headers.push(name.len() as u8);
                    headers.extend(name.as_bytes());
                    // Header value type 7: a string.
                    headers.push(7);
                    headers.extend((value.len() as u16).to_be_bytes());
                    headers.extend(value.as_bytes());
                }
                let unknown = (headers, data.to_owned());
                *messages = messages.drain(..).flat_map(|message| [unknown.clone(), message]).collect();
            }
            Self::Whole(_) => {}
        }
    }

    /// Puts it together.
    pub(super) fn bytes(&self, layout: Layout) -> Vec<u8> {
        let Layout { end, space, head, before, unnamed } = layout;
        match self {
            Self::Whole(text) => format!("{head}{text}").into_bytes(),
            Self::Lines(lines) => format!("{head}{}{end}", lines.join(end)).into_bytes(),
            Self::Events(events) => {
                let mut out = head.to_owned();
                for (name, data) in events {
                    before.iter().for_each(|line| out.push_str(&format!("{line}{end}")));
                    let typed = serde_json::from_str::<Value>(data)
                        .is_ok_and(|value| value["type"].is_string() || value["event_type"].is_string());
                    if let Some(name) = name.as_ref().filter(|_| !(unnamed && typed)) {
                        out.push_str(&format!("event:{space}{name}{end}"));
                    }
                    for line in data.split('\n') {
                        out.push_str(&format!("data:{space}{line}{end}"));
                    }
                    out.push_str(end);
                }
                out.into_bytes()
            }
            Self::Messages(messages) => {
                messages.iter().flat_map(|(head, payload)| message(head, payload)).collect()
            }
        }
    }
}

/// Headers and payloads of binary messages; `None` if one is incomplete or not text.
fn messages(mut bytes: &[u8]) -> Option<Vec<(Vec<u8>, String)>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let number =
            |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(|word| u32::from_be_bytes(word) as usize);
        let (length, headers) = (number(0)?, number(4)?);
        let payload = bytes.get(12 + headers..length.checked_sub(4)?)?;
        out.push((bytes.get(12..12 + headers)?.to_vec(), String::from_utf8(payload.to_vec()).ok()?));
        bytes = bytes.get(length..)?;
    }
    Some(out)
}

fn message(headers: &[u8], payload: &str) -> Vec<u8> {
    let mut out = ((16 + headers.len() + payload.len()) as u32).to_be_bytes().to_vec();
    out.extend((headers.len() as u32).to_be_bytes());
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload.as_bytes());
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}
