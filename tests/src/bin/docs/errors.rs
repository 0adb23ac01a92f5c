//! `docs/errors.md`: what each adapter makes of a failure, from the very tables that it reads.

use hotspare_provider::{BY_STATUS, Rule};

/// Adapters, how they read a failure, and their tables.
const ADAPTERS: &[(&str, &str, &[Rule])] = &[
    (
        "hotspare-openai",
        "Words are codes and types (`code`, `type`, `error_type`, `status`), at the top or under `error`, `detail` or \
         `innererror`; the text is the message, with what a relay quotes of the host behind it. A 200 that holds an error is read \
         the same way, with the status that the error names. The text also holds the quotas that `google.rpc.QuotaFailure` names. \
         Pauses: `retry-after-ms`, `retry-after`, then a time in the body, then one in the text.",
        hotspare_openai::RULES,
    ),
    (
        "hotspare-anthropic",
        "Words are `error.details.error_code` and `error.type`. A 429 with `x-should-retry: false` and no pause is a request \
         that alone is over the limit: `unsupported`.",
        hotspare_anthropic::RULES,
    ),
    (
        "hotspare-gemini",
        "Words are the reason in `google.rpc.ErrorInfo` and the status word. Pauses: `google.rpc.RetryInfo`, then a time in the \
         text. A quota of a day counts as used up.",
        hotspare_gemini::RULES,
    ),
    (
        "hotspare-bedrock",
        "The word is the exception's name: `x-amzn-errortype`, then `__type` or `code`, without its name space; inside a stream it \
         is the event's. A `ValidationException` counts as a 400 wherever it stands. Pauses: `retry-after`.",
        hotspare_bedrock::RULES,
    ),
    ("hotspare-cohere", "There is only a sentence; a stream's end also has a word.", hotspare_cohere::RULES),
    ("hotspare-ollama", "There is only a sentence.", hotspare_ollama::RULES),
];

/// The whole document.
pub(crate) fn document() -> String {
    let mut out = String::from(
        "# What a failure means\n\n\
         Written by `cargo xtask docs` from the adapters' tables. Tables are tried from top to bottom; all that a row names must be\n\
         there: the status, one of the words, one of the texts (and one of those after *and*). Where no row fits, the last table\n\
         decides by the status alone, then its class: 4xx is `invalid_request`, 5xx `server`. Where a kind is followed by *of*, less is\n\
         ill than the kind says: `credential_model` is the key for this model. What follows from a kind is in the\n\
         [README](../README.md). What providers really sent is judged in `tests/corpus/errors.tsv`, row by row.\n",
    );
    for (adapter, how, rules) in ADAPTERS {
        out.push_str(&format!("\n## {adapter}\n\n{how}\n\n{}", table(rules)));
    }
    out.push_str(&format!("\n## By status\n\n{}", table(BY_STATUS)));
    out
}

fn table(rules: &[Rule]) -> String {
    let mut out = String::from("| status | words | text | kind |\n|---|---|---|---|\n");
    for rule in rules {
        let status = rule.status.map_or("any".to_owned(), |status| status.to_string());
        let mut text = list(rule.text);
        if !rule.also.is_empty() {
            text.push_str(&format!(" *and* {}", list(rule.also)));
        }
        let scope = rule.scope.map_or_else(String::new, |scope| format!(" *of* `{}`", scope.as_str()));
        out.push_str(&format!("| {status} | {} | {text} | `{}`{scope} |\n", list(rule.words), rule.kind));
    }
    out
}

/// Alternatives; text in two backticks, for it may hold one.
fn list(words: &[&str]) -> String {
    let spelled: Vec<String> = words
        .iter()
        .map(|word| if word.contains('`') { format!("`` {word} ``") } else { format!("`{word}`") })
        .collect();
    spelled.join(", ")
}
