//! A real language model on a real server, as the third target behind a dead and a silent one.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hotspare::{AnswerLimit, ChatRequest, Client, Event, Key, Limits, RouteSpec, Secret, Sequential, openai};
use hotspare_chaos::{ChaosServer, Fault, Settings, WireFormat};

/// The longest that a real server may keep a test waiting.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A server process that is killed when the test ends, however it ends.
struct Server(Child);

/// A model takes whole cores: its tests run one at a time.
static EXCLUSIVE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(port: &Port) -> Option<Server> {
    let program =
        hotspare_tests::peer::env_or_skip("HOTSPARE_REAL_LLM", "a program that serves a model on a port")?;
    let child = Command::new(program)
        .arg(port.number.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Some(Server(child.unwrap()))
}

/// A port that nothing else is given before the real server listens on it, and while it is down: this socket has it too, and
/// never listens.
struct Port {
    number: u16,
    _socket: tokio::net::TcpSocket,
}

fn free_port() -> Port {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // The server may use either to share the address.
    socket.set_reuseaddr(true).unwrap();
    #[cfg(unix)]
    socket.set_reuseport(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    Port { number: socket.local_addr().unwrap().port(), _socket: socket }
}

/// Polls until the model is loaded; until then the server answers 503.
async fn wait_until_up(server: &mut Server, client: &Client) {
    for _ in 0..600 {
        if client.chat(ChatRequest::to("real").user("hi").max_output(1)).await.is_ok() {
            return;
        }
        if let Some(status) = server.0.try_wait().unwrap() {
            panic!(
                "the real server ended with {status}; it must listen with SO_REUSEADDR, as the port is reserved"
            );
        }
        // A separate process: there is nothing to wait for but its answer.
        hotspare_tests::pass_time(Duration::from_millis(100)).await;
    }
    panic!("the real server did not come up within a minute");
}

/// A busy machine is no outage: these limits see a dead server, not a slow one.
fn generous_limits() -> Limits {
    let mut limits = Limits::default();
    (limits.first_content, limits.gap) = (TIME_LIMIT, TIME_LIMIT);
    limits.unstreamed = AnswerLimit::Fixed(TIME_LIMIT);
    limits
}

fn real_endpoint(port: &Port) -> hotspare::Endpoint {
    openai::compatible(format!("http://127.0.0.1:{}/v1", port.number), "smollm2")
        .key(Key::from_secret(Secret::new("sk-real")))
        .breaker(hotspare::BreakerConfig::never())
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_prompts_behind_a_dead_and_a_silent_target() {
    let _guard = EXCLUSIVE.lock().await;
    let port = free_port();
    let Some(mut server) = serve(&port) else { return };
    let dead = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap();
    let silent = ChaosServer::start(Settings::new(WireFormat::Anthropic)).await.unwrap();
    dead.set_fault(Some(Fault::Refuse)).await;
    silent.set_fault(Some(Fault::Silence)).await;
    let mut limits = generous_limits();
    limits.first_content = Duration::from_millis(500);
    limits.unstreamed = AnswerLimit::Fixed(Duration::from_millis(500));
    let client = Client::builder()
        .target("dead", hotspare_tests::endpoint(&dead, WireFormat::OpenAi))
        .target("silent", hotspare_tests::endpoint(&silent, WireFormat::Anthropic))
        .target("real", real_endpoint(&port))
        .route("chat", RouteSpec::new(Sequential::new(["dead", "silent", "real"])).limits(limits))
        .build()
        .unwrap();
    wait_until_up(&mut server, &client).await;
    for number in 0..20 {
        let request =
            ChatRequest::to("chat").user(format!("Tell me about the number {number}.")).max_output(24);
        let (text, served) = if number % 2 == 0 {
            let answer =
                client.chat(request).await.unwrap_or_else(|error| panic!("{error}\n{}", error.trail()));
            assert!(answer.usage.output.is_some_and(|tokens| tokens > 0));
            (answer.text(), answer.served_by.unwrap())
        } else {
            let mut stream =
                client.stream(request).await.unwrap_or_else(|error| panic!("{error}\n{}", error.trail()));
            let mut text = String::new();
            while let Some(event) = stream.next().await {
                if let Event::TextDelta(piece) = event.unwrap() {
                    text.push_str(&piece);
                }
            }
            (text, stream.served_by().unwrap().clone())
        };
        assert!(text.trim().len() > 3, "{text:?}");
        assert_eq!(served.as_str(), "real");
    }
}

/// Killed in the middle of a stream: a typed error or an answer continued by another target, never a truncated answer
/// that looks complete.
#[tokio::test(flavor = "multi_thread")]
async fn server_killed_mid_stream_gives_a_typed_error() {
    let _guard = EXCLUSIVE.lock().await;
    let port = free_port();
    let Some(mut server) = serve(&port) else { return };
    let client = Client::builder()
        .target("real", real_endpoint(&port))
        .route("chat", RouteSpec::new(Sequential::new(["real"])).limits(generous_limits()))
        .build()
        .unwrap();
    wait_until_up(&mut server, &client).await;
    let request =
        ChatRequest::to("chat").user("Write a long story about a ship.").max_output(400).temperature(0.0);
    let mut stream = client.stream(request).await.unwrap();
    let mut pieces = 0;
    let error = loop {
        match stream.next().await {
            Some(Ok(Event::TextDelta(_))) => {
                pieces += 1;
                if pieces == 10 {
                    server.0.kill().unwrap();
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None if pieces < 10 => panic!("the model finished after only {pieces} pieces"),
            None => panic!("a truncated answer looked complete after {pieces} pieces"),
        }
    };
    assert_eq!(error.kind(), hotspare::Kind::Truncated, "{error}");
    assert!(pieces >= 10);
}

/// The server behind a stream is killed thirty times, at positions spread over the answer; the other continues. In half
/// of the rounds the second model gets the beginning as a prefill; in the other half it starts over and is joined where
/// its text matches.
#[tokio::test(flavor = "multi_thread")]
async fn streams_continue_after_thirty_kills() {
    let _guard = EXCLUSIVE.lock().await;
    let ports = [free_port(), free_port()];
    let Some(mut first) = serve(&ports[0]) else { return };
    let Some(mut second) = serve(&ports[1]) else { return };
    let up = |port: &Port| Client::builder().target("real", real_endpoint(port)).build().unwrap();
    wait_until_up(&mut first, &up(&ports[0])).await;
    wait_until_up(&mut second, &up(&ports[1])).await;
    let client = |prefill: bool| {
        let mut profile = hotspare::ModelProfile::default();
        profile.capabilities.assistant_prefill = Some(prefill);
        Client::builder()
            .target("first", real_endpoint(&ports[0]).profile(profile.clone()))
            .target("second", real_endpoint(&ports[1]).profile(profile))
            .route("chat", RouteSpec::new(Sequential::new(["first", "second"])).limits(generous_limits()))
            .build()
            .unwrap()
    };
    let clients = [client(true), client(false)];
    let ask = |model: &str, round: usize| {
        let subject = ["cat", "ship", "king", "tree", "fox"][round % 5];
        let prompt = format!("Write a short story about a {subject}.");
        ChatRequest::to(model).user(prompt).max_output(60).temperature(0.0)
    };
    let mut unbroken = Vec::new();
    for round in 0..5 {
        unbroken.push(up(&ports[1]).chat(ask("real", round)).await.unwrap().text());
    }
    let (mut same, mut shorter, mut seams, mut differ) = (0, 0, 0, Vec::new());
    for round in 0..30usize {
        let unbroken = &unbroken[round % 5];
        let kill_at = 1 + (round * 7) % 40;
        let mut stream = clients[round % 2].stream(ask("chat", round)).await.unwrap();
        let (mut text, mut pieces, mut seam) = (String::new(), 0, None);
        while let Some(event) = stream.next().await {
            match event.unwrap_or_else(|error| panic!("round {round}: {error}\n{}", error.trail())) {
                Event::TextDelta(piece) => {
                    text.push_str(&piece);
                    pieces += 1;
                    if pieces == kill_at {
                        first.0.kill().unwrap();
                    }
                }
                Event::Handover { .. } => seam = Some(text.len()),
                _ => {}
            }
        }
        seams += usize::from(seam.is_some());
        // This server repeats the prefill before it continues.
        if let Some((before, after)) = seam.map(|seam| text.split_at(seam)) {
            assert!(before.len() < 8 || !after.starts_with(before), "round {round}: duplicated text: {text}");
        }
        if text == *unbroken {
            same += 1;
        } else if text.starts_with(unbroken.as_str()) || unbroken.starts_with(&text) {
            // The remaining output limit is estimated from the bytes already sent.
            shorter += 1;
        } else {
            differ.push((kill_at, if round % 2 == 0 { "continued" } else { "asked anew" }));
        }
        drop(first);
        first = serve(&ports[0]).unwrap();
        wait_until_up(&mut first, &up(&ports[0])).await;
    }
    println!(
        "30 streams ended normally, {seams} with a seam; {same} read as if unbroken, {shorter} up to where the shorter one \
         ends; others: {differ:?}"
    );
    assert!(seams >= 25, "the server finished before the kill: {seams}");
    assert!(same >= 15, "restarted answers are joined only where they match: {differ:?}");
    assert!(same + shorter >= 24, "tokens that straddle the seam are few: {differ:?}");
}

/// Answers with a schema from two real servers, one of which is told to write something else: valid or a typed error.
#[tokio::test(flavor = "multi_thread")]
async fn answers_conform_to_the_schema_or_are_errors() {
    let _guard = EXCLUSIVE.lock().await;
    use hotspare::{Json, OutputFormat};
    let ports = [free_port(), free_port()];
    let Some(mut first) = serve(&ports[0]) else { return };
    let Some(mut second) = serve(&ports[1]) else { return };
    let up = |port: &Port| Client::builder().target("real", real_endpoint(port)).build().unwrap();
    wait_until_up(&mut first, &up(&ports[0])).await;
    wait_until_up(&mut second, &up(&ports[1])).await;
    // The sabotaged one enforces no schema, so its small model is asked in words, and told to rhyme.
    let mut sabotaged = hotspare::ModelProfile::default();
    sabotaged.capabilities.json_schema = Some(false);
    let client = Client::builder()
        .target(
            "first",
            real_endpoint(&ports[0])
                .profile(sabotaged)
                .prompt("Always answer with a short poem. {{ system }}"),
        )
        .target("second", real_endpoint(&ports[1]))
        .route("chat", RouteSpec::new(Sequential::new(["first", "second"])).limits(generous_limits()))
        .build()
        .unwrap();
    let schemas = [
        r#"{"type":"object","properties":{"name":{"type":"string","maxLength":20}},"required":["name"],"additionalProperties":false}"#,
        r#"{"type":"object","properties":{"age":{"type":"integer"},"ok":{"type":"boolean"}},"required":["age","ok"],"additionalProperties":false}"#,
        r#"{"type":"object","properties":{"tags":{"type":"array","items":{"enum":["a","b"]},"maxItems":3}},"required":["tags"]}"#,
        r#"{"type":"object","properties":{"at":{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}},"required":["at"]}"#,
        r#"{"type":"object","properties":{"level":{"enum":["low","high"]}},"required":["level"],"additionalProperties":false}"#,
    ];
    let (mut valid, mut failed_over, mut errors) = (0, 0, 0);
    for round in 0..50usize {
        let schema = Json::parse(schemas[round % 5]).unwrap();
        let validator = hotspare_normalize::JsonSchema::compile(&schema).unwrap();
        let output = OutputFormat::JsonSchema { name: "answer".into(), schema, strict: false };
        let request = ChatRequest::to("chat").user("Fill in the form.").output(output).max_output(40);
        match client.chat(request).await {
            Ok(answer) => {
                let value = serde_json::from_str(&answer.text())
                    .unwrap_or_else(|error| panic!("{error}: {}", answer.text()));
                hotspare_normalize::Validator::validate(&validator, &value).unwrap();
                valid += 1;
                failed_over += usize::from(answer.served_by.unwrap().as_str() == "second");
            }
            Err(error) => {
                assert_eq!(error.kind(), hotspare::Kind::BadOutput, "{error}");
                errors += 1;
            }
        }
    }
    println!("50 answers: {valid} valid ({failed_over} from the second server), {errors} typed errors");
    assert_eq!(valid + errors, 50);
    assert!(valid >= 40, "the second server enforces the schema");
}
