//! Runs the recipes of docs/recipes.md as written.
//!
//! A recipe is the code block under its heading; it reads the gateway's address from `HOTSPARE_URL` and prints the
//! answer.

use std::process::Command;

use hotspare_chaos::WireFormat;
use hotspare_tests::{Rig, peer};

/// The first code block under a heading.
fn recipe(heading: &str) -> String {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/recipes.md");
    let text = std::fs::read_to_string(document).unwrap();
    let (_, rest) = text.split_once(&format!("## {heading}\n")).unwrap();
    let block = rest.split("```").nth(1).unwrap();
    block.split_once('\n').unwrap().1.to_owned()
}

/// Runs a recipe against a gateway and checks the answer; skipped with the reason if the peer is not installed.
async fn run(heading: &'static str, command: impl FnOnce(&str) -> Option<Command> + Send + 'static) {
    let rig = Rig::sequential(&[WireFormat::Anthropic, WireFormat::OpenAi]).await;
    let expected = rig.servers[0].settings().answer.concat();
    let gateway = crate::gateway::start(rig.client.clone()).await;
    let url = gateway.url();
    let out = tokio::task::spawn_blocking(move || {
        let mut command = command(&recipe(heading))?;
        Some(command.env("HOTSPARE_URL", url).output().unwrap())
    });
    let Some(out) = out.await.unwrap() else { return };
    let shown = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let joined = shown.replace('\n', "");
    assert!(
        out.status.success() && joined.matches(&expected).count() == 2,
        "{heading}: whole and streamed\n{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn langchain_recipe_works() {
    run("LangChain (Python)", |code| {
        let mut command = peer::command(peer::python("langchain_openai")?);
        command.arg("-c").arg(code);
        Some(command)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ai_sdk_recipe_works() {
    run("Vercel AI SDK (TypeScript)", |code| {
        let what = "a folder with the npm packages ai and @ai-sdk/openai-compatible";
        let folder = peer::env_or_skip("HOTSPARE_NODE", what)?;
        let mut command = peer::command("node");
        command.current_dir(folder).args(["--input-type=module", "-e", code]);
        Some(command)
    })
    .await;
}
