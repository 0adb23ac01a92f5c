//! Invalid configurations, requests and replies, one per row: each ends in a clear typed error within its bounds.
//!
//! Connection faults are tested in [`bad_input`](super::bad_input) with a real server; these rows need no socket.
//! Replies are fed to the shipped wires through the provider interface's IO loop, and the bytes that the loop reads of
//! an endless body are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use futures::StreamExt;
use hotspare::{ChatRequest, Client, Error, Kind, Secret};
use hotspare_provider::{
    BODY_LIMIT, FRAME_LIMIT, Head, HttpProvider, HttpRequest, HttpResponse, Outbound, Provider, Transport,
    Wire,
};
use proptest::prelude::*;

const PLANTED_KEY: &str = "sk-planted-0123456789";

/// Chunk size of endless bodies.
const CHUNK_BYTES: usize = 64 << 10;

/// A configuration, and what the error must contain.
const CONFIGS: [(&str, &str); 48] = [
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\nproxy = \"socks5://u:hunter2@h:1\"",
        "line 1: target `a`: the proxy's address must be http://",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\nproxy = \"htp://h:1\"",
        "the proxy's address must be http://",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\nmax_in_flight = \"3\"",
        "line 4: targets.a.max_in_flight: invalid type",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\ncolour = 1\nshape = 2",
        "line 5: targets.a: unknown field `shape`",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\nkeys = [\"sk-hunter2\"]",
        "line 4: targets.a.keys: a key is { env =",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\nca = \"missing.pem\"",
        "ca missing.pem: the file was not read",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\ndeadline_header = \"content-length\"",
        "cannot be set by users",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\", \"a\"]",
        "line 4: routes.r: targets name `a` twice",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\", []]",
        "targets hold an empty list",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\"]\nweights = { a = 1 }",
        "belong to the strategy weighted, not to sequential",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\"]\nstrategy = \"weighted\"\nweights = { b = 1 }",
        "weights name `b`",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\"]\nstrategy = \"weighted\"\nweights = { a = 0 }",
        "weights are all 0",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [[\"a\"]]\nwidth = 3",
        "`width` belongs to the strategy race, not to weighted",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\"]\nstrategy = \"race\"\nwidth = 0",
        "width must be at least 1",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\"]\nhedge = { at = \"p95\" }",
        "a hedge needs a second target",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\"]\ncommit = \"0 events\"",
        "commit needs at least \"1 events\"",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\"]\nanswers_to = [\"\"]",
        "answers to an empty name",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\"]\nanswers_to = [\"r\"]",
        "line 4: route `r` answers to `r`, which is the name of a route",
    ),
    (
        "[targets.a]\nprovider = { like = \"openai\", base_url = \"http://h/v1?key=hunter2\" }\nmodel = \"m\"",
        "without a query or fragment",
    ),
    (
        "[targets.a]\nprovider = { like = \"openai\", base_url = \"http://h/v1/chat/completions/\" }\nmodel = \"m\"",
        "remove `/chat/completions`",
    ),
    (
        "[targets.a]\nprovider = { like = \"openai\", base_url = \"ftp://u:hunter2@h/v1\" }\nmodel = \"m\"",
        "keys belong in `keys`",
    ),
    (
        "[targets.a]\nprovider = { like = \"openai\", base_url = \"http://h/v1\", headers = { content-length = \"5\" } }\nmodel = \"m\"",
        "`content-length` cannot be set by users",
    ),
    ("", "there are no targets; add one"),
    ("[", "line 1"),
    ("targets = 3", "targets"),
    ("[targets.a]\nprovider = \"openai\"\nprovider = \"openai\"", "line 3"),
    ("\u{0}", "line 1"),
    ("[target.a]\nmodel = \"m\"", "line 1: unknown section `target`"),
    ("[targets.a]\nprovider = \"olama\"\nmodel = \"m\"", "unknown provider `olama`"),
    ("[targets.a]\nprovider = \"ollama\"", "model"),
    ("[targets.a]\nprovider = \"ollama\"\nmodel = 7", "line 3: targets.a.model: invalid type: integer `7`"),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\nprofile = { price = 3 }",
        "line 4: targets.a.profile.price: invalid type: integer `3`, expected a table",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\"]\nlimits = \"10s\"",
        "line 6: routes.r.limits: invalid type: string, expected a table",
    ),
    ("[targets.a]\nprovider = \"ollama\"\nmodel = \"\"", "the model's name is empty"),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\ncolour = 1",
        "line 4: targets.a: unknown field `colour`",
    ),
    (
        "[targets.a]\nprovider = { like = \"openai\", base_url = \"ftp://h\" }\nmodel = \"m\"",
        "http:// or https://",
    ),
    (
        "[targets.a]\nprovider = { like = \"openai\", base_url = \"http://u:p@h\" }\nmodel = \"m\"",
        "keys belong in `keys`",
    ),
    ("[targets.a]\nprovider = { like = \"x\", base_url = \"http://h\" }\nmodel = \"m\"", "`x`"),
    ("[targets.a]\nprovider = \"openai\"\nmodel = \"m\"", "it needs a key"),
    ("[targets.a]\nprovider = \"openai\"\nmodel = \"m\"\nkeys = [\"sk-1\"]", "targets.a"),
    (
        "[targets.a]\nprovider = \"openai\"\nmodel = \"m\"\nkeys = [{ env = \"HOTSPARE_TEST_UNSET\" }]",
        "HOTSPARE_TEST_UNSET is not set",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\nmax_in_flight = -1",
        "line 4: targets.a.max_in_flight: invalid value: integer `-1`",
    ),
    ("[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\nmax_in_flight = 0", "at least 1"),
    ("[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\nconnect = 5", "a duration is a string with a unit"),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = []",
        "route `r` has no targets",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"b\"]",
        "names the target `b`, which does not exist",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\"]\nstrategy = \"luck\"",
        "`luck`",
    ),
    (
        "[targets.a]\nprovider = \"ollama\"\nmodel = \"m\"\n[routes.r]\ntargets = [\"a\"]\nlimits = { total = \"1e999s\" }",
        "duration",
    ),
];

#[test]
fn invalid_configs_are_typed_errors() {
    let mut wrong = Vec::new();
    for (text, says) in CONFIGS {
        match Client::from_toml(text) {
            Ok(_) => wrong.push(format!("{text:?} is accepted")),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Config, "{text}");
                assert!(!error.to_string().contains("hunter2"), "{error}");
                if !error.message().contains(says) {
                    wrong.push(format!("{text:?} says {:?}, not {says:?}", error.message()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All mistakes are reported, however many, in the order of the text.
#[test]
fn all_config_errors_are_reported_in_order() {
    let targets =
        (0..40).map(|n| format!("[targets.t{n}]\nprovider = \"no such house {n}\"\nmodel = \"m\"\n"));
    let error = Client::from_toml(&targets.collect::<String>()).unwrap_err();
    let told: Vec<&str> = error.message().lines().collect();
    assert_eq!(told.len(), 40, "{error}");
    for (n, line) in told.iter().enumerate() {
        assert!(line.starts_with(&format!("line {}: targets.t{n}: unknown provider", 3 * n + 2)), "{line}");
    }
}

/// Chat completions: fields of a request, and what the error must contain.
const CHAT: [(&str, &str); 20] = [
    (r#""temperature":-1"#, "`temperature` is -1"),
    (r#""temperature":1e999"#, "`temperature`"),
    (r#""temperature":"hot""#, "`temperature` must be a number"),
    (r#""max_tokens":-5"#, "`max_tokens` must be a whole number"),
    (r#""max_tokens":0"#, "`max_tokens` must be at least 1"),
    (r#""max_tokens":1.5"#, "`max_tokens` must be a whole number"),
    (r#""max_completion_tokens":99999999999999999999999"#, "`max_completion_tokens`"),
    (r#""n":3"#, "`n` must be 1"),
    (r#""stop":[1,2]"#, "`stop` must be a text or a list of texts"),
    (r#""stream":"yes""#, "`stream` must be true or false"),
    (r#""stream_options":[]"#, "`stream_options` must be an object"),
    (r#""tools":{}"#, "`tools` must be a list"),
    (r#""tools":[{"type":"function"}]"#, "`tools[0].function` is missing"),
    (r#""tool_choice":"perhaps""#, "`tool_choice` is `perhaps`"),
    (r#""response_format":{"type":"xml"}"#, "`response_format.type` is `xml`"),
    (r#""response_format":{"type":"json_schema"}"#, "`response_format.json_schema.schema` is missing"),
    (r#""seed":"x""#, "`seed` must be a whole number"),
    (r#""hotspare":{"deadline":"-5s"}"#, "`hotspare.deadline` is `-5s`"),
    (r#""hotspare":{"max_cost_usd":-1}"#, "`hotspare.max_cost_usd` is -1"),
    (r#""hotspare":{"onyl":[]}"#, "unknown option `hotspare.onyl`"),
];

/// Turns, and what the error must contain, on both wires.
const TURNS: [(&str, &str); 9] = [
    ("", "`messages` is missing or empty"),
    (r#""hi""#, "`messages[0]` must be an object"),
    (r#"{"content":"x"}"#, "`messages[0].role` is missing"),
    (r#"{"role":"wizard","content":"x"}"#, "`messages[0].role` is `wizard`"),
    (r#"{"role":"user"}"#, "`messages[0].content` is missing"),
    (r#"{"role":"user","content":7}"#, "`messages[0].content` must be a text or a list"),
    (r#"{"role":"user","content":[{"text":"x"}]}"#, "`messages[0].content[0]"),
    (r#"{"role":"user","content":[{"type":"text"}]}"#, "`messages[0].content[0].text` is missing"),
    (r#"{"role":"user","content":[{"type":"image_url"},{"type":"image"}]}"#, "`messages[0].content["),
];

/// Whole bodies.
const BODIES: [(&str, &str); 9] = [
    ("", "not a JSON object"),
    ("null", "not a JSON object"),
    ("[]", "not a JSON object"),
    ("{", "not a JSON object: it ends too early"),
    ("{\"model\":\"m\"", "not a JSON object: it ends too early"),
    ("{\"model\":\"m\"}{", "not a JSON object"),
    ("{\"model\":\"m\u{1}\"}", "not a JSON object"),
    (r#"{"messages":[{"role":"user","content":"x"}]}"#, "`model` is missing"),
    (r#"{"model":"","messages":[{"role":"user","content":"x"}]}"#, "`model` is missing"),
];

#[test]
fn malformed_requests_are_typed_errors() {
    type Read = fn(&str) -> Result<ChatRequest, Error>;
    let (chat, messages): (Read, Read) = (hotspare::openai::request, hotspare::anthropic::request);
    let refused = |read: Read, body: &str, says: &str| {
        let error = read(body).expect_err(body);
        assert_eq!(error.kind(), Kind::InvalidRequest, "{body}");
        assert!(error.message().contains(says), "{body:?} says {:?}, not {says:?}", error.message());
        assert!(error.message().len() < 700 && !error.message().contains("private"), "{}", error.message());
    };
    for (fields, says) in CHAT {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"private"}}],{fields}}}"#);
        refused(chat, &body, says);
    }
    for read in [chat, messages] {
        for (turn, says) in TURNS {
            refused(read, &format!(r#"{{"model":"m","messages":[{turn}]}}"#), says);
        }
        for (body, says) in BODIES {
            refused(read, body, says);
        }
        let deep = format!(r#"{{"model":"m","messages":[],"x":{}{}}}"#, "[".repeat(101), "]".repeat(101));
        refused(read, &deep, "`x` nests deeper than 100 levels");
        let deeper = format!(r#"{{"model":"m","messages":{}"#, "[".repeat(100_000));
        refused(read, &deeper, "not a JSON object");
    }
}

/// A reply's body: some bytes, then a chunk repeated.
#[derive(Clone, Debug)]
struct CannedReply {
    status: u16,
    kind: &'static str,
    start: Bytes,
    /// Repeated forever.
    repeated: Option<Bytes>,
}

/// Sends one reply and counts the bytes read of it.
#[derive(Debug)]
struct CannedTransport(CannedReply, Arc<AtomicUsize>);

#[async_trait::async_trait]
impl Transport for CannedTransport {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, Error> {
        let CannedReply { status, kind, start, repeated } = self.0.clone();
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", http::HeaderValue::from_static(kind));
        let bytes_read = Arc::clone(&self.1);
        let pieces = std::iter::once(start).chain(repeated.into_iter().cycle());
        let body = futures::stream::iter(pieces.map(move |piece| {
            bytes_read.fetch_add(piece.len(), Ordering::Relaxed);
            Ok(piece)
        }));
        let status = http::StatusCode::from_u16(status).unwrap();
        let head = Head { status, headers, received_at: SystemTime::UNIX_EPOCH };
        Ok(HttpResponse { head, body: body.boxed() })
    }
}

/// How a reply ends, and how many bytes were read of it.
async fn send_canned(wire: Arc<dyn Wire>, reply: CannedReply) -> (Result<(), Error>, usize) {
    let bytes_read = Arc::new(AtomicUsize::new(0));
    let stream = reply.kind != "application/json";
    let provider = HttpProvider::new(wire, Arc::new(CannedTransport(reply, Arc::clone(&bytes_read))));
    let request = Arc::new(ChatRequest::to("r").user("a private prompt"));
    let call = Outbound::new(request, "m", stream).with_secret(Some(Secret::new(PLANTED_KEY)));
    let mut result = Ok(());
    match provider.send(call).await {
        Err(error) => result = Err(error),
        Ok(mut signals) => {
            while let Some(signal) = signals.next().await {
                if let Err(error) = signal {
                    result = Err(error);
                }
            }
        }
    }
    (result, bytes_read.load(Ordering::Relaxed))
}

fn wires() -> [(&'static str, Arc<dyn Wire>); 2] {
    let chat = hotspare_openai::OpenAi::new(&hotspare_openai::Dialect::OPENAI);
    [("chat", Arc::new(chat)), ("messages", Arc::new(hotspare_anthropic::Anthropic::new()))]
}

const JSON: &str = "application/json";
const SSE: &str = "text/event-stream";

/// Name, status, media type, body, and the accepted kinds of error.
type MalformedReply = (&'static str, u16, &'static str, Vec<u8>, &'static [Kind]);

/// Replies that no wire can parse.
fn malformed_replies() -> Vec<MalformedReply> {
    const BROKEN: &[Kind] = &[Kind::Protocol];
    const CUT: &[Kind] = &[Kind::Protocol, Kind::Truncated];
    let deep = |open: &str| format!("data: {{\"x\":{}\n\n", open.repeat(100_000)).into_bytes();
    vec![
        ("nothing", 200, JSON, b"".to_vec(), BROKEN),
        ("no frame", 200, SSE, b"".to_vec(), BROKEN),
        ("half an object", 200, JSON, br#"{"id":"x","cho"#.to_vec(), CUT),
        ("a list", 200, JSON, b"[]".to_vec(), BROKEN),
        ("null", 200, JSON, b"null".to_vec(), BROKEN),
        ("an empty object", 200, JSON, b"{}".to_vec(), BROKEN),
        ("a number beyond numbers", 200, JSON, br#"{"choices":1e999,"content":1e999}"#.to_vec(), BROKEN),
        ("a page", 200, "text/html", b"<html>log in</html>".to_vec(), BROKEN),
        ("a page labelled as JSON", 200, JSON, b"<html>log in</html>".to_vec(), BROKEN),
        ("an image", 200, "image/png", b"\x89PNG".to_vec(), BROKEN),
        ("bytes that are not text", 200, JSON, b"{\"choices\":\"\xff\xfe\"}".to_vec(), BROKEN),
        ("a frame that is not text", 200, SSE, b"data: {\"choices\":\"\xff\xfe\"}\n\n".to_vec(), BROKEN),
        ("nul bytes", 200, SSE, b"\0\0\0\n\n".to_vec(), BROKEN),
        ("a nul in a frame", 200, SSE, b"data: {\"a\":\"\0\"}\n\n".to_vec(), BROKEN),
        ("deep lists", 200, SSE, deep("["), BROKEN),
        ("deep objects", 200, SSE, deep("{\"x\":"), BROKEN),
        ("a frame that is a list", 200, SSE, b"data: []\n\n".to_vec(), BROKEN),
        ("a frame that is a text", 200, SSE, b"data: \"hello\"\n\n".to_vec(), BROKEN),
        ("only comments", 200, SSE, b": hello\n\n: still here\n\n".to_vec(), BROKEN),
        ("only the end mark", 200, SSE, b"data: [DONE]\n\n".to_vec(), CUT),
        (
            "a redirect",
            302,
            "text/html",
            b"moved".to_vec(),
            &[Kind::Protocol, Kind::Server, Kind::InvalidRequest],
        ),
        ("a failure without words", 500, JSON, b"".to_vec(), &[Kind::Server]),
        (
            "an error that is not JSON",
            502,
            "text/html",
            b"<html>bad gateway</html>".to_vec(),
            &[Kind::Server],
        ),
        ("an error that is null", 429, JSON, br#"{"error":null}"#.to_vec(), &[Kind::RateLimited]),
        ("an error that is a number", 401, JSON, br#"{"error":7}"#.to_vec(), &[Kind::Auth]),
        ("an error in a list", 503, JSON, br#"[{"error":{"message":[]}}]"#.to_vec(), &[Kind::Overloaded]),
        (
            "an error that nests",
            500,
            JSON,
            format!("{{\"error\":{}", "[".repeat(50_000)).into_bytes(),
            &[Kind::Server],
        ),
        (
            "an error inside success",
            200,
            JSON,
            br#"{"error":{"message":"no","type":"server_error"}}"#.to_vec(),
            &[Kind::Server],
        ),
    ]
}

#[tokio::test]
async fn malformed_replies_are_typed_errors() {
    for (what, status, kind, body, expected) in malformed_replies() {
        for (name, wire) in wires() {
            let (result, _) =
                send_canned(wire, CannedReply { status, kind, start: body.clone().into(), repeated: None })
                    .await;
            let error = result.expect_err(what);
            assert!(expected.contains(&error.kind()), "{name}: {what} is {}: {error}", error.kind());
            let shown = format!("{error} {error:?}");
            assert!(shown.len() < 3_000 && !shown.contains("private"), "{name}: {what}: {shown}");
        }
    }
}

/// Endless bodies: the bytes read, and those buffered, are bounded.
#[tokio::test]
async fn endless_replies_are_bounded() {
    let piece = |text: &str| Some(Bytes::from(text.repeat(CHUNK_BYTES / text.len())));
    for (what, status, kind, start, repeated, most) in [
        ("an endless body", 200, JSON, "{\"x\":\"", piece("a"), BODY_LIMIT),
        ("endless whitespace", 200, JSON, "", piece(" "), BODY_LIMIT),
        ("an endless array", 200, JSON, "[", piece("[],"), BODY_LIMIT),
        ("an endless line", 200, SSE, "data: ", piece("a"), FRAME_LIMIT),
        ("an event of endless lines", 200, SSE, "", piece("data: a\n"), 4 * FRAME_LIMIT),
        ("an endless error body", 500, JSON, "{\"error\":\"", piece("a"), 64 << 10),
        ("an endless page", 502, "text/html", "<html>", piece("a"), 64 << 10),
    ] {
        for (name, wire) in wires() {
            let start = Bytes::from_static(start.as_bytes());
            let (result, bytes_read) =
                send_canned(wire, CannedReply { status, kind, start, repeated: repeated.clone() }).await;
            let error = result.expect_err(what);
            assert!(bytes_read <= most + 2 * CHUNK_BYTES, "{name}: {what}: {bytes_read} bytes were taken");
            assert!(matches!(error.kind(), Kind::Protocol | Kind::Server), "{name}: {what}: {error}");
        }
    }
}

#[test]
fn tables_have_enough_cases() {
    let rows = CONFIGS.len() + CHAT.len() + TURNS.len() + BODIES.len() + malformed_replies().len() + 7;
    assert!(rows >= 60, "{rows}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Wherever a server repeats the key in a reply, nothing that is shown contains it.
    #[test]
    fn key_echoed_by_a_server_is_redacted(
        status in 200u16..600, before in "[a-z{}\": ]{0,20}", after in "[a-z{}\": ]{0,20}", place in 0usize..5, streamed: bool,
    ) {
        let text = format!("{before}{PLANTED_KEY}{after}").replace('"', "'");
        let body = match place {
            0 => serde_json::json!({"error": {"message": text, "type": "x", "code": "y"}}),
            1 => serde_json::json!({"error": {"message": "m", "type": text, "code": text}}),
            2 => serde_json::json!({"error": text}),
            3 => serde_json::json!({"type": "error", "error": {"type": "api_error", "message": text}, "request_id": text}),
            _ => serde_json::json!({"message": text, "detail": [text]}),
        };
        let (kind, body) = if streamed { (SSE, format!("data: {body}\n\n")) } else { (JSON, body.to_string()) };
        for (_, wire) in wires() {
            let reply = CannedReply { status, kind, start: body.clone().into(), repeated: None };
            let (result, _) = futures::executor::block_on(send_canned(wire, reply));
            if let Err(error) = result {
                let chat = hotspare::openai::ChatCompletionsEncoder::error_body(&error);
                let messages = hotspare::anthropic::MessagesEncoder::error_body(&error, None);
                let bodies = format!("{}{}", String::from_utf8_lossy(&chat), String::from_utf8_lossy(&messages));
                let shown = format!("{error} {error:?} {} {bodies}", error.public_message());
                prop_assert!(!shown.contains(PLANTED_KEY), "{shown}");
            }
        }
    }
}
