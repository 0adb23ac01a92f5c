//! Health-aware routing: the circuit breaker remembers failures, so that only an occasional request probes a failed
//! target.
//!
//! Runs without a key. Uses the textbook breaker (3 failures in 60 s), selected by name.
#![expect(clippy::print_stdout, reason = "examples print their results")]

use std::sync::Arc;

use hotspare::{BreakerConfig, BreakerState, ChatRequest, Client, Endpoint, HealthAware};
use hotspare_chaos::Scripted;

#[tokio::main]
async fn main() -> Result<(), hotspare::Error> {
    let main = Scripted::new().status(500);
    let client = Client::builder()
        .target(
            "main",
            Endpoint::custom(Arc::new(main.clone()), "model-a").breaker(BreakerConfig::textbook()),
        )
        .target("spare", Endpoint::custom(Arc::new(Scripted::new().text("hello")), "model-b"))
        .route("chat", HealthAware::new(["main", "spare"]))
        .build()?;
    client.on_transition(|change| println!("{} is {}: {}", change.scope_name, change.to, change.reason));
    for _ in 0..50 {
        client.chat(ChatRequest::to("chat").user("hi")).await?;
    }
    println!("50 answers; the dead target was asked {} times", main.requests().len());
    print!("{}", client.explain(&ChatRequest::to("chat").user("hi"))?);
    assert_eq!(client.targets()[0].view.breaker, BreakerState::Open);
    assert!(main.requests().len() <= 8, "a breaker that opens at three failures, each tried once more");
    Ok(())
}
