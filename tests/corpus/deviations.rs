//! Streams that hosts are known to send and no recording has: each row is one deviation, made from a plain answer.
//!
//! The plain answer is the text "Hé", or a call of `f` with `{"a":1}`. Invariant: a deviation changes nothing of the
//! answer, and a failure has the kind that it would have as a status.

mod chat;
mod gemini;
mod headers;
mod messages;

use hotspare::recorded::{Exchange, ExchangeOutcome};
use hotspare::{FinishReason, Part};
use serde_json::json;

/// What a row's bytes are read as.
#[derive(Clone, Copy, Debug)]
enum Read {
    /// The text, with the tokens of the prompt and of the answer.
    Text,
    /// The text without counts.
    Uncounted,
    /// The text after the reasoning "hm".
    Thought,
    /// The call.
    Call,
    /// The call, and a second one of `g` with `{"b":2}`.
    Calls,
    /// The refusal "no".
    Refusal,
    /// An answer without content that a filter withheld.
    Filtered,
    /// A failure of this kind.
    Failed(&'static str),
}

impl Read {
    fn expected(self) -> String {
        let call = r#"f{"a":1};"#;
        match self {
            Self::Text => "Hé|stop|3/2".into(),
            Self::Uncounted => "Hé|stop".into(),
            Self::Thought => "(hm)Hé|stop".into(),
            Self::Call => format!("{call}|tool_calls"),
            Self::Calls => format!(r#"{call}g{{"b":2}};|tool_calls"#),
            Self::Refusal => "[no]|refusal".into(),
            Self::Filtered => "|content_filter".into(),
            Self::Failed(kind) => format!("!{kind}"),
        }
    }

    fn is_counted(self) -> bool {
        matches!(self, Self::Text)
    }
}

/// Reads a body, and describes what is in it.
fn described(provider: &str, endpoint: &str, content_type: &str, body: &str, counted: bool) -> String {
    let line = json!({
        "provider": provider, "endpoint": endpoint, "model": "m", "status": 200,
        "response_headers": {"content-type": content_type}, "response_body": body,
    });
    let mut exchange = Exchange::parse(line.to_string().as_bytes()).unwrap();
    exchange.body = body.to_owned().into();
    let whole = describe(exchange.decode().outcome, counted);
    let pieces = describe(exchange.decode_in_pieces(3).outcome, counted);
    if whole == pieces { whole } else { format!("{whole}, but in pieces {pieces}") }
}

fn describe(outcome: ExchangeOutcome, counted: bool) -> String {
    let answer = match outcome {
        ExchangeOutcome::Answered { answer, .. } => answer,
        ExchangeOutcome::Failed(error) => return format!("!{}", error.kind()),
        other => return format!("{other:?}"),
    };
    let mut out = String::new();
    let mut ids = Vec::new();
    for part in &answer.content {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Reasoning(reasoning) if !reasoning.text.is_empty() => {
                out.push_str(&format!("({})", reasoning.text));
            }
            Part::Refusal(text) => out.push_str(&format!("[{text}]")),
            Part::ToolCall(call) => {
                let arguments: String = call.arguments.split_whitespace().collect();
                out.push_str(&format!("{}{arguments};", call.name));
                assert!(!call.id.is_empty() && !ids.contains(&call.id), "{:?}", answer.content);
                ids.push(call.id.clone());
            }
            _ => {}
        }
    }
    let finish = match &answer.finish {
        FinishReason::Other(word) => format!("other {word}"),
        finish => finish.as_str().to_owned(),
    };
    let counts = match (answer.usage.input, answer.usage.output) {
        (Some(input), Some(output)) if counted => format!("|{input}/{output}"),
        _ => String::new(),
    };
    format!("{out}|{finish}{counts}")
}

/// A body of server-sent events.
fn events(frames: &[&str]) -> String {
    frames.iter().map(|frame| format!("data: {frame}\n\n")).collect()
}

fn check(provider: &str, endpoint: &str, rows: &[(&str, String, Read)]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(what, body, read)| {
            let content_type = if body.starts_with('[') { "application/json" } else { "text/event-stream" };
            let found = described(provider, endpoint, content_type, body, read.is_counted());
            (found != read.expected()).then(|| format!("{what}: {found} instead of {}", read.expected()))
        })
        .collect();
    assert!(wrong.is_empty(), "{provider} {endpoint}:\n{}", wrong.join("\n"));
}
