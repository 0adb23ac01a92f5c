//! The Converse wire through sockets: binary streams, signed requests, keys that are renewed, and other wires beside it.

use hotspare::bedrock;
use hotspare::{
    ChatRequest, Client, Event, FinishReason, Json, Key, Kind, OnCut, RouteSpec, Rules, Secret, Sequential,
    Tool, ToolChoice,
};
use hotspare_chaos::{ChaosServer, Fault, Settings, WireFormat};
use hotspare_tests::Rig;

fn sample_request() -> ChatRequest {
    ChatRequest::to("chat").user("what happened?")
}

#[tokio::test]
async fn serves_streamed_and_unstreamed_answers() {
    let rig = Rig::sequential(&[WireFormat::Bedrock]).await;
    let expected = rig.servers[0].settings().answer.concat();
    let answer = rig.client.chat(sample_request()).await.unwrap();
    assert_eq!(answer.text(), expected);
    assert!(answer.usage.input.is_some() && answer.usage.output == Some(20));
    let mut stream = rig.client.stream(sample_request()).await.unwrap();
    let (mut text, mut last) = (String::new(), None);
    while let Some(event) = stream.next().await {
        match event.unwrap() {
            Event::TextDelta(piece) => text.push_str(&piece),
            Event::Usage(usage) => last = usage.output,
            _ => {}
        }
    }
    assert_eq!((text, last), (expected, Some(20)));
}

#[tokio::test]
async fn serves_tool_calls() {
    let rig = Rig::sequential(&[WireFormat::Bedrock]).await;
    let mut request =
        sample_request().tool(Tool::new("weather", Json::parse(r#"{"type":"object"}"#).unwrap()));
    request.tool_choice = Some(ToolChoice::Required);
    let answer = rig.client.chat(request.clone()).await.unwrap();
    assert_eq!(answer.finish, FinishReason::ToolCalls);
    let call = answer.tool_calls().next().unwrap();
    assert_eq!((call.name.as_str(), call.arguments.as_str()), ("weather", r#"{"city":"Ulm"}"#));
    let mut stream = rig.client.stream(request).await.unwrap();
    let mut arguments = String::new();
    while let Some(event) = stream.next().await {
        if let Event::ToolDelta { arguments: piece, .. } = event.unwrap() {
            arguments.push_str(&piece);
        }
    }
    assert_eq!(arguments, r#"{"city":"Ulm"}"#);
}

/// Cut between binary messages and inside one: continued where the text joins, an error where it must not.
#[tokio::test]
async fn cut_stream_is_continued_or_reported() {
    for fault in [
        Fault::CutAfter(7),
        Fault::ErrorEventAfter(7),
        Fault::CleanEndAfter(7),
        Fault::ResetAfterBytes(1_500),
    ] {
        for on_cut in [OnCut::Continue, OnCut::Terminate] {
            let mut rules = Rules::default();
            rules.on_cut = on_cut;
            let route = RouteSpec::new(Sequential::new(["main", "spare"])).rules(rules);
            let rig = Rig::with(&[WireFormat::Bedrock, WireFormat::Bedrock], route).await;
            rig.servers[0].set_fault(Some(fault)).await;
            let expected = rig.servers[0].settings().answer.concat();
            let mut stream = rig.client.stream(sample_request()).await.unwrap();
            let (mut text, mut failed) = (String::new(), None);
            while let Some(event) = stream.next().await {
                match event {
                    Ok(Event::TextDelta(piece)) => text.push_str(&piece),
                    Ok(_) => {}
                    Err(error) => failed = Some(error.kind()),
                }
            }
            if on_cut == OnCut::Continue {
                assert_eq!((text, failed), (expected, None), "{fault}");
            } else {
                assert!(expected.starts_with(&text) && text.len() < expected.len(), "{fault}");
                let told = if matches!(fault, Fault::ErrorEventAfter(_)) {
                    Kind::Overloaded
                } else {
                    Kind::Truncated
                };
                assert_eq!(failed, Some(told), "{fault}");
            }
        }
    }
}

/// A rejected key is re-read from its source, and the call that noticed is still served.
#[tokio::test]
async fn rejected_key_is_reread_and_retried() {
    let server = ChaosServer::start(Settings::new(WireFormat::Bedrock).key("key-after")).await.unwrap();
    let (reads, key) = (std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0)), "a token service");
    let count = std::sync::Arc::clone(&reads);
    let key = Key::read(key, move || {
        let first = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        Ok(Secret::new(if first { "key-before" } else { "key-after" }))
    });
    let target = bedrock::target(WireFormat::Bedrock.model()).region("us-east-1").base_url(server.base_url());
    let client = Client::builder().target("main", target.key(key)).build().unwrap();
    let answer = client.chat(ChatRequest::to("main").user("hi")).await.unwrap();
    assert_eq!(answer.trail.attempts.len(), 2, "{}", answer.trail);
    assert!(!answer.trail.to_string().contains("key-before"));
    assert_eq!(reads.load(std::sync::atomic::Ordering::SeqCst), 2);
}

/// A fetched token is requested before each request, and once more when it is rejected.
#[tokio::test]
async fn credentials_are_fetched_per_request_and_refreshed_on_rejection() {
    use std::sync::Mutex;
    use std::time::SystemTime;

    #[derive(Debug, Default)]
    struct Tokens(Mutex<(u32, bool)>);

    #[async_trait::async_trait]
    impl hotspare::provider::Credentials for Tokens {
        async fn secret(&self, now: SystemTime) -> Result<Secret, hotspare::Error> {
            assert!(now > SystemTime::UNIX_EPOCH);
            tokio::task::yield_now().await;
            let mut state = self.0.lock().unwrap();
            state.0 += 1;
            Ok(Secret::new(if state.1 { "second" } else { "first" }))
        }

        fn rejected(&self, secret: &Secret) -> bool {
            assert_eq!(secret.expose(), "first");
            self.0.lock().unwrap().1 = true;
            true
        }
    }

    let server = ChaosServer::start(Settings::new(WireFormat::Bedrock).key("second")).await.unwrap();
    let tokens = std::sync::Arc::new(Tokens::default());
    let shared: std::sync::Arc<dyn hotspare::provider::Credentials> =
        std::sync::Arc::<Tokens>::clone(&tokens);
    let target = bedrock::target(WireFormat::Bedrock.model()).region("us-east-1").base_url(server.base_url());
    let client = Client::builder().target("main", target.key(Key::from_credentials(shared))).build().unwrap();
    for _ in 0..2 {
        client.chat(ChatRequest::to("main").user("hi")).await.unwrap();
    }
    assert_eq!(tokens.0.lock().unwrap().0, 3, "two for the first call, one for the second");
}
