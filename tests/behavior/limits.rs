//! Limits that protect a target: places, and what waits for them.

use std::time::Duration;

use hotspare::{ChatRequest, Client, Sequential};
use hotspare_chaos::{ChaosServer, Settings, Speaks};

#[tokio::test]
async fn a_target_never_has_more_calls_than_its_places_and_nobody_is_lost() {
    let pace = Settings::new(Speaks::OpenAi).pace(Duration::from_millis(5), Duration::ZERO);
    let server = ChaosServer::start(pace).await.unwrap();
    let client = Client::builder()
        .target("main", hotspare_tests::endpoint(&server, Speaks::OpenAi).max_in_flight(3))
        .route("chat", Sequential::new(["main"]))
        .build()
        .unwrap();
    let calls: Vec<_> = (0..60)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.chat(ChatRequest::to("chat").user("hi")).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
        assert!(client.targets()[0].view.in_flight <= 3);
    }
    assert!(server.stats().connections <= 6, "{:?}", server.stats());
}

#[tokio::test]
async fn a_dead_key_is_left_out_and_the_other_carries_on() {
    let server = ChaosServer::start(Settings::new(Speaks::OpenAi).key("good")).await.unwrap();
    let key = |text: &str| hotspare::Key::given(hotspare::Secret::new(text));
    let client = Client::builder()
        .target(
            "main",
            hotspare::openai::target("m").base_url(server.base_url()).key(key("dead")).key(key("good")),
        )
        .build()
        .unwrap();
    for _ in 0..20 {
        client.chat(ChatRequest::to("main").user("hi")).await.unwrap();
    }
    assert!(server.stats().requests <= 21, "the dead key was tried once: {:?}", server.stats());
    assert!(client.targets()[0].view.usable);
}
