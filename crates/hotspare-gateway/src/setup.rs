//! Builds a client from a configuration file, or from the keys in the environment.
//!
//! Invariant: nothing is chosen silently: every choice made without a configuration is listed in [`Setup::chosen`].

use std::path::Path;

use hotspare::config::{Config, ServerConfig};
use hotspare::openai::Dialect;
use hotspare::{Client, Endpoint, Key, RouteSpec, Sequential, anthropic, gemini, openai};

/// A client, and how it was set up.
#[derive(Debug)]
#[non_exhaustive]
pub struct Setup {
    /// The client.
    pub client: Client,
    /// The configuration's `[server]` section.
    pub server: ServerConfig,
    /// The choices made, one line each, to be printed.
    pub chosen: Vec<String>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The configuration is invalid: one mistake per line.
    #[error("{0}")]
    Config(String),
    /// No configuration was given, and the environment has no known key.
    #[error(
        "no configuration, and no key in the environment ({}): name a file with --config, set a key, or try `hotspare serve --embedded`",
        variables()
    )]
    NoKeys,
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

/// What is used without a configuration: a host and a model of it. The first four come first, the others follow the
/// table of hosts. Hosts that need an address (Azure) are left out, as are those whose token is commonly set for other
/// purposes (`GITHUB_TOKEN`, `HF_TOKEN`): finding it does not mean that prompts may be sent there.
const DEFAULTS: [(&str, &str); 14] = [
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-haiku-4-5"),
    ("gemini", "gemini-2.5-flash"),
    ("deepseek", "deepseek-flash"),
    ("alibaba", "qwen-plus"),
    ("cerebras", "gpt-oss-120b"),
    ("cohere", "command-a-03-2025"),
    ("fireworks", "accounts/fireworks/models/gpt-oss-120b"),
    ("groq", "openai/gpt-oss-120b"),
    ("mistral", "mistral-small-latest"),
    ("openrouter", "openai/gpt-4o-mini"),
    ("perplexity", "sonar"),
    ("together", "openai/gpt-oss-120b"),
    ("xai", "grok-4.3"),
];

/// A target chosen by the key in the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Choice {
    variable: &'static str,
    host: &'static str,
    model: &'static str,
}

impl Choice {
    fn endpoint(self, key: Key) -> Option<Endpoint> {
        Some(match self.host {
            "anthropic" => anthropic::target(self.model).key(key),
            "gemini" => gemini::target(self.model).key(key),
            host => openai::dialect(Dialect::find(host)?, self.model).key(key),
        })
    }
}

/// All variables that are checked, for messages.
fn variables() -> String {
    let variables: Vec<&str> = choices(|_| true).iter().map(|choice| choice.variable).collect();
    variables.join(", ")
}

/// The defaults whose variable is set, in order.
fn choices(is_set: impl Fn(&str) -> bool) -> Vec<Choice> {
    let variable = |host| match host {
        "anthropic" => Some("ANTHROPIC_API_KEY"),
        "gemini" => Some("GEMINI_API_KEY"),
        host => Dialect::find(host).and_then(|row| row.key_env.as_deref()),
    };
    DEFAULTS
        .iter()
        .filter_map(|&(host, model)| Some(Choice { variable: variable(host)?, host, model }))
        .filter(|choice| is_set(choice.variable))
        .collect()
}

/// One route over the choices.
fn client(choices: &[Choice], key: impl Fn(&'static str) -> Key) -> Result<Client, SetupError> {
    let mut builder = Client::builder();
    for choice in choices {
        if let Some(endpoint) = choice.endpoint(key(choice.variable)) {
            builder = builder.target(choice.host, endpoint);
        }
    }
    let hosts = choices.iter().map(|choice| choice.host);
    let route = RouteSpec::new(Sequential::new(hosts)).answers_to(["*"]);
    let client = builder.route("default", route).build();
    client.map_err(|error| SetupError::Config(error.message().to_owned()))
}

impl Setup {
    /// A client made by other means, with a line to print about it.
    #[must_use]
    pub fn of(client: Client, chosen: String) -> Self {
        Self { client, server: ServerConfig::default(), chosen: vec![chosen] }
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// If the file cannot be read or is invalid; lists every mistake with file and line.
    pub fn from_file(path: &Path) -> Result<Self, SetupError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| SetupError::Unreadable(format!("{}: {error}", path.display())))?;
        let wrong = |error: hotspare::Error| {
            let lines: Vec<String> =
                error.message().lines().map(|line| format!("{}: {line}", path.display())).collect();
            SetupError::Config(lines.join("\n"))
        };
        let mut config = Config::parse(&text).map_err(wrong)?;
        // Paths in a configuration are relative to the file, not to the working directory.
        let folder = path.parent().unwrap_or(Path::new("."));
        config.relative_to(folder);
        config.read_files(|file| std::fs::read_to_string(folder.join(file))).map_err(wrong)?;
        let server = config.server.clone();
        let client = config.client().map_err(wrong)?;
        Ok(Self { client, server, chosen: vec![format!("configuration {}", path.display())] })
    }

    /// One route, `default`, over every host of the built-in table whose key is set.
    ///
    /// # Errors
    /// If none is set.
    pub fn from_env() -> Result<Self, SetupError> {
        let choices = choices(|variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty()));
        if choices.is_empty() {
            return Err(SetupError::NoKeys);
        }
        let chosen = choices
            .iter()
            .enumerate()
            .map(|(place, Choice { variable, host, model })| {
                format!("{}. {host}: {model} ({variable})", place + 1)
            })
            .collect();
        let client = client(&choices, Key::env)?;
        Ok(Self { client, server: ServerConfig::default(), chosen })
    }
}

#[cfg(test)]
mod tests {
    use hotspare::Secret;

    use super::*;

    #[test]
    fn every_api_key_variable_is_used_without_a_config() {
        let rows = Dialect::ALL.iter().filter(|row| !row.base_url.contains('{'));
        let keyed = rows.filter(|row| row.key_env.as_deref().is_some_and(|name| name.ends_with("_API_KEY")));
        let lead = ["openai", "anthropic", "gemini", "deepseek"];
        let rest = keyed.map(|row| row.id.as_ref()).filter(|id| !lead.contains(id));
        let hosts: Vec<&str> = choices(|_| true).iter().map(|choice| choice.host).collect();
        assert_eq!(hosts, lead.into_iter().chain(rest).collect::<Vec<_>>());
    }

    #[test]
    fn uses_only_hosts_whose_key_is_set() {
        let found = choices(|variable| matches!(variable, "MISTRAL_API_KEY" | "ANTHROPIC_API_KEY"));
        assert_eq!(found.iter().map(|choice| choice.host).collect::<Vec<_>>(), ["anthropic", "mistral"]);
        let client = client(&found, |_| Key::from_secret(Secret::new("sk-x"))).unwrap();
        let targets = client.targets();
        let models: Vec<&str> = targets.iter().map(|target| &*target.model).collect();
        assert_eq!(models, ["claude-haiku-4-5", "mistral-small-latest"]);
        assert_eq!(client.route_for("anything"), Some("default"));
        assert!(SetupError::NoKeys.to_string().contains("XAI_API_KEY"));
    }
}
