//! The recipes work, and are printed in `docs/recipes.md` as they are here.

use std::sync::Arc;

use async_openai::error::OpenAIError;
use hotspare::{Client, Endpoint, Sequential};
use hotspare_chaos::Scripted;
use hotspare_recipe_async_openai as recipe;

/// A gateway whose targets reply like this, as a client of its own sees it.
async fn gateway(
    main: Scripted,
    spare: Scripted,
) -> async_openai::Client<async_openai::config::OpenAIConfig> {
    let client = Client::builder()
        .target("main", Endpoint::custom(Arc::new(main), "model-a"))
        .target("spare", Endpoint::custom(Arc::new(spare), "model-b"))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()
        .unwrap();
    recipe::client(&format!("http://{}/v1", recipe::start(client).await.unwrap()))
}

#[tokio::test]
async fn spare_answers_whole_and_streamed() {
    let client = gateway(Scripted::new().status(503), Scripted::new().text("The pump failed.")).await;
    assert_eq!(recipe::ask(&client, "What happened?").await.unwrap(), "The pump failed.");
    assert_eq!(recipe::stream(&client, "What happened?").await.unwrap(), "The pump failed.");
}

#[tokio::test]
async fn refused_request_is_an_error_of_the_api() {
    let client = gateway(Scripted::new().status(400), Scripted::new().status(400)).await;
    let error = recipe::ask(&client, "What happened?").await.unwrap_err();
    assert!(matches!(&error, OpenAIError::ApiError(_)), "{error:?}");
}

/// Every block of code under the heading is in the source, and every function of the source is in a block.
#[test]
fn recipes_are_printed_as_tested() {
    let (source, document) = (include_str!("../src/lib.rs"), include_str!("../../recipes.md"));
    let (_, section) = document.split_once("\n## async-openai (Rust)\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks: Vec<&str> =
        section.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    for block in &blocks {
        assert!(source.contains(block), "not in the source:\n{block}");
    }
    for function in source.lines().filter(|line| line.contains(" fn ")) {
        assert!(blocks.iter().any(|block| block.contains(function)), "not printed: {function}");
    }
}
