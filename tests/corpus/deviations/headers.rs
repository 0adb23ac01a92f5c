//! Pauses and allowances in spellings that hosts document or are known to use.
//!
//! Invariant: what cannot be read is absent, and never a wrong figure.

use hotspare::recorded::{Exchange, ExchangeOutcome};
use serde_json::json;

/// Names and values.
type Headers = &'static [(&'static str, &'static str)];

/// A provider and a kind of call.
type Wire = (&'static str, &'static str);

/// A failed reply with these headers and this body.
fn failed(provider: &str, endpoint: &str, status: u16, headers: &[(&str, &str)], body: &str) -> Exchange {
    let headers: serde_json::Map<String, serde_json::Value> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let line = json!({
        "provider": provider, "endpoint": endpoint, "model": "m", "status": status, "response_headers": headers,
        "response_body": body,
    });
    Exchange::parse(line.to_string().as_bytes()).unwrap()
}

/// When every reply of these tests arrived: the date in its headers.
const DATE: (&str, &str) = ("date", "Thu, 09 Oct 2025 09:00:00 GMT");

/// The end of a plan's window of hours or days, here a minute after [`DATE`], and the word that the plan is used up.
const PLAN_RESET: (&str, &str) = ("anthropic-ratelimit-unified-reset", "1760000460");
const REJECTED: (&str, &str) = ("anthropic-ratelimit-unified-status", "rejected");

#[test]
fn pauses_are_read_in_every_spelling() {
    let chat = ("openai", "chat_completions");
    let messages = ("anthropic", "messages");
    let gemini = ("gemini", "generate_content");
    let retry_info = r#"{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3.5s"}]}}"#;
    let listed = format!("[{retry_info}]");
    let said = |text: &str| json!({"error": {"message": text}}).to_string();
    let rows: Vec<(Wire, Headers, String, Option<u64>)> = vec![
        (chat, &[("retry-after", "7")], said("x"), Some(7_000)),
        (chat, &[("retry-after", "7.5")], said("x"), Some(7_500)),
        (chat, &[("retry-after-ms", "250.5"), ("retry-after", "1")], said("x"), Some(250)),
        (chat, &[("Retry-After-Ms", "0"), ("Retry-After", "1")], said("x"), Some(0)),
        (chat, &[DATE, ("retry-after", "Thu, 09 Oct 2025 09:00:30 GMT")], said("x"), Some(30_000)),
        (chat, &[], said("Please try again in 6m0s."), Some(360_000)),
        (chat, &[], said("Please retry after about 20 minutes."), Some(1_200_000)),
        (chat, &[], r#"{"detail":"Try again in a few seconds"}"#.into(), Some(3_000)),
        (chat, &[DATE], said("Resets at 2025-10-09T09:01:00Z"), Some(60_000)),
        (chat, &[], retry_info.into(), Some(3_500)),
        (chat, &[DATE, ("x-ratelimit-reset", "1760000410000")], said("x"), Some(10_000)),
        (messages, &[("retry-after", "15"), ("x-should-retry", "true")], said("x"), Some(15_000)),
        (messages, &[("retry-after-ms", "1500")], said("x"), Some(1_500)),
        // The end of the plan's window is a pause only if the plan is used up.
        (messages, &[DATE, PLAN_RESET], said("x"), None),
        (messages, &[DATE, PLAN_RESET, ("anthropic-ratelimit-unified-status", "allowed")], said("x"), None),
        (
            messages,
            &[DATE, PLAN_RESET, ("anthropic-ratelimit-unified-status", "allowed_warning")],
            said("try again in 30s"),
            Some(30_000),
        ),
        (messages, &[DATE, PLAN_RESET, REJECTED], said("x"), Some(60_000)),
        (messages, &[DATE, PLAN_RESET, REJECTED, ("retry-after", "9")], said("x"), Some(9_000)),
        (messages, &[DATE, REJECTED, ("anthropic-ratelimit-unified-reset", "1750000000")], said("x"), None),
        (messages, &[DATE, REJECTED, ("anthropic-ratelimit-unified-reset", "soon")], said("x"), None),
        (messages, &[DATE], said("You will regain access on 2025-10-10 at 00:00 UTC."), Some(54_000_000)),
        (gemini, &[], retry_info.into(), Some(3_500)),
        (gemini, &[], listed, Some(3_500)),
        (gemini, &[], retry_info.replace("\"3.5s\"", "\"0s\""), Some(0)),
        (gemini, &[], retry_info.replace("\"3.5s\"", "3.5"), None),
        (gemini, &[("retry-after", "9")], retry_info.into(), Some(9_000)),
        (
            gemini,
            &[],
            r#"{"error":{"code":429,"message":"Please retry in 1h2m3.5s","status":"RESOURCE_EXHAUSTED"}}"#
                .into(),
            Some(3_723_500),
        ),
    ];
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|((provider, endpoint), headers, body, expected)| {
            let ExchangeOutcome::Failed(error) =
                failed(provider, endpoint, 429, headers, body).decode().outcome
            else {
                return Some(format!("{body}: no failure"));
            };
            let found = error.retry_after().map(|pause| pause.as_millis() as u64);
            (found != *expected)
                .then(|| format!("{provider} {headers:?} {body}: {found:?} instead of {expected:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Limit, what is left, and the seconds until it is full again.
type Bucket = Option<(u64, u64, Option<u64>)>;

#[test]
fn allowances_are_read_in_every_spelling() {
    const NONE: Bucket = None;
    let rows: &[(&str, &str, Headers, Bucket, Bucket)] = &[
        (
            "openai",
            "chat_completions",
            &[
                ("x-ratelimit-limit-requests", "500"),
                ("x-ratelimit-remaining-requests", "499"),
                ("x-ratelimit-reset-requests", "6m0s"),
                ("x-ratelimit-limit-tokens", "1000"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "21m36.001s"),
            ],
            Some((500, 499, Some(360))),
            Some((1_000, 0, Some(1_296))),
        ),
        (
            "openai",
            "responses",
            &[
                ("X-RateLimit-Limit-Requests", "500"),
                ("X-RateLimit-Remaining-Requests", "0"),
                ("X-RateLimit-Reset-Requests", "1s"),
            ],
            Some((500, 0, Some(1))),
            NONE,
        ),
        (
            "azure",
            "chat_completions",
            &[
                ("x-ratelimit-limit-requests", "10"),
                ("x-ratelimit-remaining-requests", "9"),
                ("x-ratelimit-renewalperiod-requests", "60"),
                ("x-ratelimit-remaining-tokens", "4000"),
                ("x-ratelimit-reset-tokens", "33"),
            ],
            Some((10, 9, Some(60))),
            Some((4_000, 4_000, Some(33))),
        ),
        (
            "groq",
            "chat_completions",
            &[
                ("x-ratelimit-limit-requests", "14400"),
                ("x-ratelimit-remaining-requests", "14370"),
                ("x-ratelimit-reset-requests", "2m59.56s"),
                ("x-ratelimit-limit-tokens", "18000"),
                ("x-ratelimit-remaining-tokens", "17997"),
                ("x-ratelimit-reset-tokens", "7.66s"),
            ],
            Some((14_400, 14_370, Some(179))),
            Some((18_000, 17_997, Some(7))),
        ),
        (
            "cerebras",
            "chat_completions",
            &[
                ("x-ratelimit-limit-requests-day", "1000"),
                ("x-ratelimit-remaining-requests-day", "1"),
                ("x-ratelimit-reset-requests-day", "33011.382867"),
                ("x-ratelimit-limit-tokens-minute", "1000000"),
                ("x-ratelimit-remaining-tokens-minute", "999000"),
                ("x-ratelimit-reset-tokens-minute", "11.382867"),
            ],
            Some((1_000, 1, Some(33_011))),
            Some((1_000_000, 999_000, Some(11))),
        ),
        (
            "anthropic",
            "messages",
            &[
                DATE,
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "49"),
                ("anthropic-ratelimit-requests-reset", "2025-10-09T09:00:01Z"),
                ("anthropic-ratelimit-input-tokens-limit", "40000"),
                ("anthropic-ratelimit-input-tokens-remaining", "1000"),
                ("anthropic-ratelimit-input-tokens-reset", "2025-10-09T11:00:30+02:00"),
            ],
            Some((50, 49, Some(1))),
            Some((40_000, 1_000, Some(30))),
        ),
        (
            "anthropic",
            "messages",
            &[
                DATE,
                ("anthropic-ratelimit-unified-status", "allowed"),
                ("anthropic-ratelimit-unified-5h-utilization", "0.42"),
                ("anthropic-ratelimit-unified-5h-reset", "1760000460"),
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "50"),
                ("anthropic-ratelimit-requests-reset", "1970-01-01T00:00:00Z"),
            ],
            Some((50, 50, None)),
            NONE,
        ),
        (
            "mistral",
            "chat_completions",
            &[
                ("x-ratelimit-limit-req-minute", "60"),
                ("x-ratelimit-remaining-req-minute", "59"),
                ("x-ratelimit-limit-tokens-month", "1000"),
                ("x-ratelimit-remaining-tokens-month", "10"),
            ],
            Some((60, 59, Some(60))),
            Some((1_000, 10, Some(2_592_000))),
        ),
        (
            "openrouter",
            "chat_completions",
            &[
                DATE,
                ("X-RateLimit-Limit", "20"),
                ("X-RateLimit-Remaining", "0"),
                ("X-RateLimit-Reset", "1760000460000"),
            ],
            Some((20, 0, Some(60))),
            NONE,
        ),
        (
            "openai",
            "chat_completions",
            &[
                ("ratelimit-limit", "100"),
                ("ratelimit-remaining", "5"),
                ("ratelimit-reset", "50"),
                ("x-ratelimit-limit-tokens", "-1"),
                ("x-ratelimit-remaining-tokens", "unlimited"),
            ],
            Some((100, 5, Some(50))),
            NONE,
        ),
    ];
    let bucket = |allowance: Option<hotspare_core::Allowance>| -> Bucket {
        allowance.map(|it| (it.limit, it.remaining, it.reset.map(|reset| reset.as_secs())))
    };
    let mut wrong = Vec::new();
    for (provider, endpoint, headers, requests, tokens) in rows {
        let exchange = failed(provider, endpoint, 429, headers, "{}");
        let read = exchange.wire().unwrap().limits(&exchange.head);
        let found = (bucket(read.requests), bucket(read.tokens));
        if found != (*requests, *tokens) {
            wrong.push(format!("{provider} {headers:?}: {found:?} instead of {:?}", (requests, tokens)));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
