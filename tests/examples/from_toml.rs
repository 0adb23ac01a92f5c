//! A client from configuration text: the same text that the gateway reads.
//!
//! Runs without a key, and sends nothing: it explains what it would do.
#![expect(clippy::print_stdout, reason = "examples print their results")]

use hotspare::{ChatRequest, Client};

const CONFIG: &str = r#"
[targets.main]
provider = { like = "compatible", base_url = "http://127.0.0.1:8000/v1" }
model = "qwen3:8b"

[targets.spare]
provider = "ollama"
model = "llama3.2"
max_in_flight = 2

[routes.chat]
targets = ["main", "spare"]
strategy = "health-aware"
answers_to = ["gpt-4o"]
limits = { first_content = "4s", first_content_deadline = "30s" }
"#;

fn main() -> Result<(), hotspare::Error> {
    let client = Client::from_toml(CONFIG)?;
    print!("{}", client.explain(&ChatRequest::to("gpt-4o").user("What would you do?"))?);
    Ok(())
}
