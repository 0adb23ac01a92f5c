//! Sequential fallback: the first target that works, in the configured order.
//!
//! Runs without a key: two scripted providers stand in for real ones.
#![expect(clippy::print_stdout, reason = "examples print their results")]

use std::sync::Arc;

use hotspare::{ChatRequest, Client, Endpoint, Sequential};
use hotspare_chaos::Scripted;

#[tokio::main]
async fn main() -> Result<(), hotspare::Error> {
    let client = Client::builder()
        .target("main", Endpoint::custom(Arc::new(Scripted::new().status(503)), "model-a"))
        .target("spare", Endpoint::custom(Arc::new(Scripted::new().text("the standby took over")), "model-b"))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()?;
    let answer = client.chat(ChatRequest::to("chat").user("What happened?")).await?;
    println!("{}\n{}", answer.text(), answer.trail);
    assert_eq!(answer.served_by.as_ref().map(|target| target.as_str()), Some("spare"));
    Ok(())
}
