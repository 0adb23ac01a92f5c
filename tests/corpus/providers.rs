//! Which capabilities are verified at which provider, and how: the table in `docs/providers.md`.
//!
//! Invariant: a number counts recordings whose replies were decoded correctly, and is never shown where requests are
//! refused.

use std::collections::{BTreeMap, BTreeSet};

use hotspare::Part;
use hotspare::recorded::{Decoded, Exchange, ExchangeOutcome};
use hotspare_openai::Dialect;

/// The capabilities, in the table's order.
const COLUMNS: [&str; 10] = [
    "answers",
    "streams",
    "tool calls",
    "tool results",
    "images",
    "JSON Schema",
    "reasoning",
    "cached tokens",
    "vectors",
    "failures",
];
/// Hosts with their own wire, and its crate.
const WIRES: [(&str, &str); 6] = [
    ("anthropic", "hotspare-anthropic"),
    ("bedrock", "hotspare-bedrock"),
    ("cohere", "hotspare-cohere"),
    ("gemini", "hotspare-gemini"),
    ("ollama", "hotspare-ollama"),
    ("vertex", "hotspare-gemini"),
];
/// Folders of recordings whose host has a row of another name.
const FOLDERS: [(&str, &str); 2] = [("github_models", "github"), ("vercel_gateway", "vercel")];
/// What the adapter does not support. Bedrock's embedding replies are decoded from recordings, but never requested.
const UNSUPPORTED: [(&str, &str); 2] = [("anthropic", "vectors"), ("bedrock", "vectors")];
/// Hosts that tests run as live servers, if installed.
const LIVE: [(&str, &str); 1] = [("llamacpp", "llama-server, by `tests/peers`")];

/// Substrings of a request's body that indicate a capability.
const REQUEST_MARKERS: [(&str, &[&str]); 3] = [
    (
        "tool results",
        &[
            "tool_call_id",
            "tool_result",
            "toolResult",
            "functionResponse",
            "function_call_output",
            "tool_name",
        ],
    ),
    (
        "images",
        &[
            "image_url",
            "\"type\":\"image\"",
            "\"type\": \"image\"",
            "inlineData",
            "inline_data",
            "input_image",
            "\"images\":[",
        ],
    ),
    (
        "JSON Schema",
        &[
            "json_schema",
            "responseSchema",
            "responseJsonSchema",
            "response_schema",
            "output_format",
            "\"format\":{",
        ],
    ),
];

#[derive(Default)]
pub(crate) struct Providers(BTreeMap<String, BTreeMap<&'static str, u32>>);

impl Providers {
    /// Notes what a recording demonstrates, if its reply was decoded correctly.
    pub(crate) fn note(&mut self, exchange: &Exchange, decoded: &Decoded) {
        let mut demonstrated: Vec<&'static str> = Vec::new();
        match &decoded.outcome {
            ExchangeOutcome::Answered { answer, .. } => {
                demonstrated.push("answers");
                if exchange.streaming {
                    demonstrated.push("streams");
                }
                if answer.tool_calls().next().is_some() {
                    demonstrated.push("tool calls");
                }
                if answer.content.iter().any(|part| matches!(part, Part::Reasoning(_))) {
                    demonstrated.push("reasoning");
                }
                if answer.usage.cached.is_some_and(|cached| cached > 0) {
                    demonstrated.push("cached tokens");
                }
                let request = String::from_utf8_lossy(&exchange.request);
                let requested = REQUEST_MARKERS
                    .iter()
                    .filter(|(_, marks)| marks.iter().any(|mark| request.contains(mark)));
                demonstrated.extend(requested.map(|(what, _)| *what));
            }
            ExchangeOutcome::Vectors(_) => demonstrated.push("vectors"),
            ExchangeOutcome::Failed(_) => demonstrated.push("failures"),
            _ => {}
        }
        let folder = exchange.provider.as_str();
        let row = FOLDERS.iter().find(|(name, _)| *name == folder).map_or(folder, |(_, row)| *row);
        let counts = self.0.entry(row.to_owned()).or_default();
        demonstrated.into_iter().for_each(|what| *counts.entry(what).or_default() += 1);
    }

    /// The document.
    pub(crate) fn document(&self, set: &str) -> String {
        let mut out = format!(
            "\n\n## How each provider was verified\n\n\
             Written by `HOTSPARE_BLESS=1 cargo test -p hotspare-tests --test corpus` over the set `{set}` of recordings; see\n\
             [corpus.md](corpus.md).\n\n\
             How each capability was verified: a *number* counts recorded exchanges whose replies the adapter and an independent reader\n\
             read alike (failures: classified as in the reviewed table); *spec* was written from the specification alone; *no* is not\n\
             offered. The last column names a server that tests also run, if it is installed.\n\n\
             | provider | adapter | {} | live server |\n|---|---|{}---|\n",
            COLUMNS.join(" | "),
            "---|".repeat(COLUMNS.len())
        );
        let rows = Dialect::ALL.iter().map(|row| row.id.as_ref());
        let wires = WIRES.iter().map(|(name, _)| *name);
        let names: BTreeSet<&str> = self.0.keys().map(String::as_str).chain(rows).chain(wires).collect();
        for name in names {
            let dialect = Dialect::find(name);
            let mut spoken: Vec<&str> =
                WIRES.iter().filter(|(host, _)| *host == name).map(|(_, wire)| *wire).collect();
            if dialect.is_some() {
                spoken.push("hotspare-openai");
            }
            // Recordings of other hosts are read as those of any OpenAI-compatible one.
            if spoken.is_empty() {
                continue;
            }
            out.push_str(&format!("| {name} | {} |", spoken.join(", ")));
            for column in COLUMNS {
                let count = self.0.get(name).and_then(|counts| counts.get(column));
                let refused = UNSUPPORTED.contains(&(name, column))
                    || dialect.is_some_and(|row| {
                        (column == "images" && !row.images) || (column == "JSON Schema" && !row.json_schema)
                    });
                let cell = match count {
                    _ if refused => "no".to_owned(),
                    Some(count) => count.to_string(),
                    None => "spec".to_owned(),
                };
                out.push_str(&format!(" {cell} |"));
            }
            let live = LIVE.iter().find(|(host, _)| *host == name).map_or("", |(_, how)| *how);
            out.push_str(&format!(" {live} |\n"));
        }
        out
    }
}
