//! An answer as a Rust type: the schema is derived from it, and an answer that does not fit is repaired, asked for again
//! with what was wrong, or taken from the next target.
//!
//! Runs without a key.
#![expect(clippy::print_stdout, reason = "examples print their results")]

use std::sync::Arc;

use hotspare::{ChatRequest, Client, Endpoint, Error, Sequential, schemars};
use hotspare_chaos::Scripted;

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Triage {
    /// From 1, urgent, to 4.
    severity: u8,
    tags: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let main = Scripted::new().text(r#"{"severity": "high"}"#);
    let spare = Scripted::new().text(r#"{"severity": 1, "tags": ["checkout"]}"#);
    let client = Client::builder()
        .target("main", Endpoint::custom(Arc::new(main), "model-a"))
        .target("spare", Endpoint::custom(Arc::new(spare), "model-b"))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()?;
    let request = ChatRequest::to("chat").user("Checkout has answered 502 since 09:12.");
    let answer = client.chat_as::<Triage>(request).await?;
    print!("{:?}\n{}", answer.value, answer.trail);
    assert_eq!((answer.value.severity, answer.value.tags.len()), (1, 1));
    Ok(())
}
