//! `docs/errors.md`: how each adapter classifies failures, from the tables that it reads.

use hotspare_provider::{BY_STATUS, Rule, Rules, SENTENCES};

/// Adapters, how they parse a failure, and their tables.
const ADAPTERS: &[(&str, &str, Rules)] = &[
    (
        "hotspare-openai",
        "Words are codes and types (`code`, `type`, `error_type`, `status`, `reason`), at the top level or under `error`, \
         `errors`, `detail`, `innererror` or `base_resp`; the text is the message, including what a relay quotes from the host \
         behind it, and the quotas that `google.rpc.QuotaFailure` names. An error inside a 200 is read the same way, with the status \
         that the error names, or 400 for an `invalid_request_error`. \
         Pauses: `retry-after-ms`, `retry-after`, then a time in the body, then one in the text.",
        hotspare_openai::RULES,
    ),
    (
        "hotspare-anthropic",
        "Words are `error.details.error_code`, `error.type` and `error.code`; `*` stands for any rest of the first. \
         A 429 with `x-should-retry: false` and no pause means that the request alone exceeds the limit: `unsupported`.",
        hotspare_anthropic::RULES,
    ),
    (
        "hotspare-gemini",
        "Words are the reason in `google.rpc.ErrorInfo` and the status word. Pauses: `google.rpc.RetryInfo`, then a time in the \
         text. A daily quota counts as exhausted.",
        hotspare_gemini::RULES,
    ),
    (
        "hotspare-bedrock",
        "The word is the exception's name: `x-amzn-errortype`, then `__type` or `code`, without its namespace, or the event's \
         inside a stream. A `ValidationException` counts as a 400 everywhere. Pauses: `retry-after`.",
        hotspare_bedrock::RULES,
    ),
    (
        "hotspare-cohere",
        "Errors are plain text; the end of a stream also has a word.",
        hotspare_cohere::RULES,
    ),
    ("hotspare-ollama", "Errors are plain text.", hotspare_ollama::RULES),
];

/// The whole document.
pub(crate) fn document() -> String {
    let mut out = String::from(
        "# What a failure means\n\n\
         Written by `cargo xtask docs` from the adapters' tables. Each adapter tries its first table, then the\n\
         [sentences](#sentences) that all adapters share, then its second table. If no row matches, the [status](#by-status) decides,\n\
         then its class: 4xx is `invalid_request`, 5xx `server`. A 404 or 405 that no row matches is `server` if it neither has a code\n\
         where the wire has it nor speaks of a model or a deployment: a proxy answers so while a host is being restarted. A code that\n\
         repeats the status, or stands beside no text or `not found`, does not count\n\
         ([decision 40](decisions/0040-a-404-that-names-no-model-is-a-failure.md)).\n\n\
         A table is tried from top to bottom, and a row matches if everything it names is present: the status, one of the words, one of\n\
         the texts (and one of those after *and*). A word may have a suffix that begins with a point, or end in `*` for all that begin so;\n\
         `*` in a text stands for one word. *of* narrows what is affected: `credential_model` is the key for this model. A message in\n\
         a field that the wire does not have, such as `detail` or `title`, is by whatever stands in front of the host: an adapter's rows\n\
         with a text and no word do not apply to it, the sentences do. What follows from each kind is in the\n\
         [README](../README.md). Recorded failures are classified one by one in `tests/corpus/errors.tsv`.\n\n\
         After a reply with the header `x-should-retry: false` the target does not get the same request with the same key again in this\n\
         call, whatever the kind or the route's rules. Other targets still get it. Such an error is retryable (`is_retryable` in the\n\
         library, `retryable` in `hotspare decode`) only with a `Retry-After`, as servers send it during an outage; the error of a call is,\n\
         if any of its targets may serve the request later.\n",
    );
    out.push_str(&format!(
        "\n## Sentences\n\nRelays and compatible endpoints quote the host behind them, so these mean the same on every wire.\n\n{}",
        table(SENTENCES)
    ));
    for (adapter, how, rules) in ADAPTERS {
        let (specific, general) = (table(rules.specific), table(rules.general));
        out.push_str(&format!("\n## {adapter}\n\n{how}\n\n{specific}\nAfter the sentences:\n\n{general}"));
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

/// Alternatives as code spans, in double backticks because they may contain one.
fn list(words: &[&str]) -> String {
    let spelled: Vec<String> = words
        .iter()
        .map(|word| if word.contains('`') { format!("`` {word} ``") } else { format!("`{word}`") })
        .collect();
    spelled.join(", ")
}
