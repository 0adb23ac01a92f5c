//! The names that `provider` may have in a configuration: a part of `docs/providers.md`.
//!
//! Invariant: the names are those that the configuration accepts, no more and no fewer.

use hotspare::Client;
use hotspare::openai::{Auth, Dialect};

/// Providers with wires of their own: the name, the function, the wire, the address, the usual variable of the key.
const OTHERS: [[&str; 5]; 8] = [
    [
        "anthropic",
        "anthropic::target",
        "Anthropic Messages",
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
    ],
    [
        "anthropic-bedrock",
        "bedrock::anthropic",
        "Anthropic Messages",
        "Bedrock, in `region`",
        "found as AWS's tools find it",
    ],
    [
        "anthropic-vertex",
        "anthropic::vertex",
        "Anthropic Messages",
        "Vertex AI, at `project` and `location`",
        "an access token",
    ],
    [
        "bedrock",
        "bedrock::target",
        "Bedrock Converse",
        "Bedrock, in `region`",
        "found as AWS's tools find it",
    ],
    ["cohere-native", "cohere::target", "Cohere", "https://api.cohere.com/v2", "COHERE_API_KEY"],
    [
        "gemini",
        "gemini::target",
        "Gemini",
        "https://generativelanguage.googleapis.com/v1beta",
        "GEMINI_API_KEY",
    ],
    ["ollama-native", "ollama::target", "Ollama", "http://127.0.0.1:11434", "none needed"],
    ["vertex", "gemini::vertex", "Gemini", "Vertex AI, at `project` and `location`", "an access token"],
];

/// The table, or an error with the names that it lacks or that are not accepted.
pub(crate) fn table() -> Result<String, String> {
    let hosts = Dialect::ALL.iter().map(|row| {
        let key = match (row.key_env.as_deref(), &row.auth) {
            (Some(name), _) => name,
            (None, Auth::Optional) => "none needed",
            (None, _) => "–",
        };
        [row.id.to_string(), function(&row.id), "OpenAI".into(), row.base_url.to_string(), key.to_owned()]
    });
    let mut rows: Vec<[String; 5]> = hosts.chain(OTHERS.map(|row| row.map(str::to_owned))).collect();
    rows.sort();
    let mut known: Vec<String> = known()?;
    known.sort();
    if !rows.iter().map(|[name, ..]| name).eq(&known) {
        return Err(format!("the configuration knows other providers than the table: {known:?}"));
    }
    let mut out = String::from(
        "| `provider` | in code | wire | default `base_url` | usual variable of the key |\n|---|---|---|---|---|\n",
    );
    for [name, function, wire, address, key] in rows {
        let code =
            |text: String| if text.contains(' ') || text == "–" { text } else { format!("`{text}`") };
        out.push_str(&format!("| `{name}` | `{function}` | {wire} | {} | {} |\n", code(address), code(key)));
    }
    Ok(out)
}

/// The function that makes such a target.
fn function(id: &str) -> String {
    match id {
        "compatible" => "openai::compatible".into(),
        "deepseek" => "openai::deepseek".into(),
        "openai" => "openai::target".into(),
        "huggingface" => "openai::dialect(&Dialect::HUGGING_FACE, …)".into(),
        "llamacpp" => "openai::dialect(&Dialect::LLAMA_CPP, …)".into(),
        _ => format!("openai::dialect(&Dialect::{}, …)", id.to_uppercase().replace('-', "_")),
    }
}

/// The names in the error for an unknown one.
fn known() -> Result<Vec<String>, String> {
    let text = "[targets.a]\nprovider = \"?\"\nmodel = \"m\"\n";
    let error = Client::from_toml(text).map(drop).err().ok_or("the provider `?` is accepted")?;
    let line = error.message().lines().find_map(|line| line.split_once("valid values are "));
    let (_, names) = line.ok_or_else(|| format!("the error lists no providers: {error}"))?;
    Ok(names.split(", ").map(str::to_owned).collect())
}
