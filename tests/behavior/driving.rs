//! How a call is driven where time and order matter: callers that pause, processes that stop, streams that never pause.

use std::sync::Arc;
use std::time::Duration;

use hotspare::provider::Provider;
use hotspare::{ChatRequest, Client, Endpoint, Race, RouteSpec, TargetStatus};
use hotspare_chaos::Scripted;

fn request() -> ChatRequest {
    ChatRequest::to("chat").user("hi")
}

fn endpoint(provider: impl Provider + 'static) -> Endpoint {
    Endpoint::custom(Arc::new(provider), "model")
}

/// A client that races `a` and `b`.
fn racing(a: impl Provider + 'static, b: impl Provider + 'static) -> Client {
    Client::builder()
        .target("a", endpoint(a))
        .target("b", endpoint(b))
        .route("chat", RouteSpec::new(Race::new(["a", "b"])))
        .build()
        .unwrap()
}

fn status(client: &Client, name: &str) -> TargetStatus {
    client.targets().into_iter().find(|target| target.id.as_str() == name).unwrap()
}

/// The other one is not left running until the caller reads on, which may be never.
#[tokio::test(start_paused = true)]
async fn stream_is_opened_by_the_target_that_serves_and_by_no_other() {
    let client = racing(Scripted::new().pieces(["one ", "two"]), Scripted::new().stall());
    let mut stream = client.stream(request()).await.unwrap();
    assert_eq!(stream.served_by().unwrap().as_str(), "a");
    assert_eq!(status(&client, "b").counts.in_flight, 0);
    stream.next().await.unwrap().unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    while let Some(event) = stream.next().await {
        event.unwrap();
    }
    let view = status(&client, "b").view;
    assert_eq!((view.samples, view.failure_rate_bp), (0, 0), "it is not to blame for the caller's pause");
}
