//! A host that quotes the request in its errors: the caller's words have no consequences for other callers.
//!
//! Not a test of what the words mean where a host writes them: the corpus tests are. Invariant: an error has the same
//! consequences whatever a caller writes into a request.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::executor::block_on;
use hotspare_anthropic::Anthropic;
use hotspare_bedrock::{Bedrock, Invoke};
use hotspare_cohere::Cohere;
use hotspare_core::{ChatRequest, Error, Kind, Policy, Tool};
use hotspare_gemini::Gemini;
use hotspare_ollama::Ollama;
use hotspare_openai::{Dialect, OpenAi, Responses};
use hotspare_provider::{
    Head, HttpProvider, HttpRequest, HttpResponse, Outbound, Provider, Rules, SENTENCES, Transport, Wire,
};
use serde_json::{Value, json};

/// Replies with this.
#[derive(Debug)]
struct Fixed {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

#[async_trait]
impl Transport for Fixed {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, Error> {
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, self.content_type.parse().unwrap());
        let status = http::StatusCode::from_u16(self.status).unwrap();
        let head = Head { status, headers, received_at: std::time::UNIX_EPOCH };
        let body = bytes::Bytes::from(self.body.clone());
        Ok(HttpResponse { head, body: futures::stream::iter([Ok(body)]).boxed() })
    }
}

/// How the hosts of a wire shape an error.
type Shape = fn(u16, &str) -> Value;

struct Case {
    wire: Arc<dyn Wire>,
    rules: Rules,
    shape: Shape,
    /// The frame of an error inside a stream of server-sent events, if the wire has them.
    streamed: Option<&'static str>,
}

fn openai(status: u16, text: &str) -> Value {
    let code = if status == 400 { Value::Null } else { json!("unprocessable") };
    json!({"error": {"message": text, "type": "invalid_request_error", "param": null, "code": code}})
}

fn relayed(status: u16, text: &str) -> Value {
    let raw = json!({"error": {"message": text}}).to_string();
    json!({"error": {"message": "Provider returned error", "code": status, "metadata": {"raw": raw}}})
}

fn framework(_: u16, text: &str) -> Value {
    json!({"detail": [{"type": "extra", "loc": ["body"], "msg": text, "input": text}]})
}

fn anthropic(_: u16, text: &str) -> Value {
    json!({"type": "error", "error": {"type": "invalid_request_error", "message": text}})
}

fn gemini(status: u16, text: &str) -> Value {
    json!({"error": {"code": status, "message": text, "status": "INVALID_ARGUMENT"}})
}

fn message(_: u16, text: &str) -> Value {
    json!({"message": text})
}

fn exception(_: u16, text: &str) -> Value {
    json!({"__type": "ValidationException", "message": text})
}

fn plain(_: u16, text: &str) -> Value {
    json!({"error": text})
}

fn cases() -> Vec<Case> {
    let case = |wire: Arc<dyn Wire>, rules, shape, streamed| Case { wire, rules, shape, streamed };
    let chat = || Arc::new(OpenAi::new(&Dialect::COMPATIBLE));
    let sse = Some("data: ");
    vec![
        case(chat(), hotspare_openai::RULES, openai, sse),
        case(chat(), hotspare_openai::RULES, relayed, sse),
        case(chat(), hotspare_openai::RULES, framework, None),
        case(chat(), hotspare_openai::RULES, message, sse),
        case(Arc::new(Responses::new(&Dialect::OPENAI)), hotspare_openai::RULES, openai, sse),
        case(Arc::new(Anthropic::new()), hotspare_anthropic::RULES, anthropic, Some("event: error\ndata: ")),
        case(Arc::new(Gemini::new()), hotspare_gemini::RULES, gemini, sse),
        case(Arc::new(Bedrock::new("us-east-1")), hotspare_bedrock::RULES, message, None),
        case(Arc::new(Bedrock::new("us-east-1")), hotspare_bedrock::RULES, exception, None),
        case(Arc::new(Invoke::new(Anthropic::new())), hotspare_bedrock::RULES, exception, None),
        case(Arc::new(Cohere::new()), hotspare_cohere::RULES, message, None),
        case(Arc::new(Ollama::new()), hotspare_ollama::RULES, plain, None),
    ]
}

/// Requests with these words in one place each.
fn requests(wire: &str, words: &str) -> Vec<(&'static str, ChatRequest)> {
    let plain = || ChatRequest::to("m").user("hello");
    vec![
        ("field", plain().extra(wire, words, json!(1))),
        ("value", plain().extra(wire, "x_field", json!(words))),
        ("text in JSON", plain().extra(wire, "x_field", json!(json!({"y": [words]}).to_string()))),
        ("message", ChatRequest::to("m").user(format!("what does '{words}' mean?"))),
        ("tool", plain().tool(Tool::new("f", json!({"type": "object"})).with_description(words))),
    ]
}

/// Sentences of hosts that quote a request; `@` stands for the words.
const QUOTING: &[&str] = &[
    "Unknown parameter: '@'.",
    UNMARKED,
    "Invalid value: \"@\"",
    "[{'type': 'dict_type', 'loc': ('body', 'x'), 'msg': 'wrong', 'input': '@'}]",
    "invalid x_field `@` (in the request body)",
];

/// As some hosts write it, without marks around the words.
const UNMARKED: &str = "@: Extra inputs are wrong";

/// What an error does to other callers.
fn consequences(error: &Error) -> Option<(Policy, bool)> {
    let teaches = error.kind() == Kind::ContextOverflow && !error.teaches_nothing();
    (error.kind().affects_others() || teaches).then(|| (error.policy(), teaches))
}

fn answer(case: &Case, request: &ChatRequest, status: u16, text: &str) -> Error {
    let body = (case.shape)(status, text);
    let transport = match case.streamed {
        Some(prefix) if status == 200 => {
            let body = format!("{prefix}{body}\n\n").into_bytes();
            Fixed { status, content_type: "text/event-stream", body }
        }
        _ => Fixed { status, content_type: "application/json", body: body.to_string().into_bytes() },
    };
    let provider = HttpProvider::new(Arc::clone(&case.wire), Arc::new(transport));
    let call = Outbound::new(Arc::new(request.clone()), "m", status == 200);
    let failed: Result<(), Error> = block_on(async {
        let mut stream = provider.send(call).await?;
        while let Some(signal) = stream.next().await {
            signal?;
        }
        Ok(())
    });
    failed.unwrap_err()
}

/// The texts of all rules, with numbers where lengths have them.
fn all_words(rules: &Rules) -> Vec<String> {
    let rules = rules.specific.iter().chain(SENTENCES).chain(rules.general);
    let texts = rules.flat_map(|rule| rule.text.iter().chain(rule.also));
    let mut words: Vec<String> = texts.map(|text| text.replace(" * ", " gpt-x ")).collect();
    words.push("maximum context length is 4096 tokens".to_owned());
    words.push("pull model manifest: requires a newer version".to_owned());
    words.sort_unstable();
    words.dedup();
    words
}

#[test]
fn words_of_a_request_in_an_error_have_no_consequences_for_others() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (name, plain) = (case.wire.wire(), ChatRequest::to("m").user("hello"));
        let statuses = [200, 400, 404, 422, 500].into_iter();
        let statuses = statuses.filter(|status| *status != 200 || case.streamed.is_some());
        let replies = statuses.flat_map(|status| QUOTING.iter().map(move |text| (status, *text)));
        let replies: Vec<(u16, &str, Error)> = replies
            .map(|(status, text)| (status, text, answer(&case, &plain, status, &text.replace('@', "zzz"))))
            .collect();
        for (turn, words) in all_words(&case.rules).into_iter().enumerate() {
            for (place, request) in requests(name, &words) {
                // Where the words are in the request matters to the search only, and each sentence has its turn.
                let asked = replies.iter().skip(turn % QUOTING.len()).step_by(QUOTING.len());
                let most = if place == "value" { replies.len() } else { 1 };
                for (status, sentence, harmless) in asked.take(most) {
                    let quoting = answer(&case, &request, *status, &sentence.replace('@', &words));
                    // An unknown address, said without marks around the words: any word on models counts.
                    let unmarked = *status == 404 && *sentence == UNMARKED;
                    let done = consequences(&quoting);
                    if done.is_some()
                        && done != consequences(harmless)
                        && !milder(&quoting, harmless)
                        && !unmarked
                    {
                        let (kind, expected) = (quoting.kind(), harmless.kind());
                        wrong.push(format!(
                            "{name}, {status}, {place}: {sentence} with `{words}`: {kind} instead of {expected}"
                        ));
                    }
                }
            }
        }
    }
    let shown = wrong.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} in all:\n{shown}", wrong.len());
}

/// Whether what a status means anyway is made milder: a failure of the server that is called one for load.
fn milder(quoting: &Error, harmless: &Error) -> bool {
    (quoting.kind(), harmless.kind()) == (Kind::Overloaded, Kind::Server)
}

/// Where the host wrote the words, they count.
#[test]
fn the_same_words_by_the_host_itself_count() {
    for case in cases() {
        let request = ChatRequest::to("m").user("hello");
        let error = answer(&case, &request, 400, "Your credit balance is too low to access the API.");
        assert_eq!(error.kind(), Kind::QuotaExhausted, "{}", case.wire.wire());
        // What a prompt speaks of does not have to be what a host quotes, but another target can tell.
        let request = ChatRequest::to("m").user("Explain `credit balance`.");
        let error = answer(&case, &request, 400, "Your credit balance is too low to access the API.");
        assert_eq!(error.kind(), Kind::Unsupported, "{}", case.wire.wire());
    }
}
