//! From a file, or from the keys in the environment, to a client.
//!
//! Invariant: nothing is chosen silently: whatever was chosen without a configuration can be printed.

use std::path::Path;

use hotspare::config::{Config, ServerConfig};
use hotspare::{Client, Key, RouteSpec, Sequential, anthropic, gemini, openai};

/// A client and where it came from.
#[derive(Debug)]
#[non_exhaustive]
pub struct Setup {
    /// The client.
    pub client: Client,
    /// What the configuration says of the server.
    pub server: ServerConfig,
    /// What was chosen, for people.
    pub chosen: Vec<String>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The configuration is wrong: one mistake a line.
    #[error("{0}")]
    Config(String),
    /// No configuration was named, and no key is in the environment.
    #[error(
        "there is no configuration and none of OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY and DEEPSEEK_API_KEY is set; \
         name a file with --config, set a key, or try `hotspare serve --embedded`"
    )]
    NoKeys,
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

/// What is used without a configuration: variable, target's name, model.
const DEFAULTS: [(&str, &str, &str); 4] = [
    ("OPENAI_API_KEY", "openai", "gpt-4o-mini"),
    ("ANTHROPIC_API_KEY", "anthropic", "claude-haiku-4-5"),
    ("GEMINI_API_KEY", "gemini", "gemini-2.5-flash"),
    ("DEEPSEEK_API_KEY", "deepseek", "deepseek-flash"),
];

impl Setup {
    /// A client that was made otherwise, and what to say of it.
    #[must_use]
    pub fn of(client: Client, chosen: String) -> Self {
        Self { client, server: ServerConfig::default(), chosen: vec![chosen] }
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// If it cannot be read, or is wrong: every mistake, each with file and line.
    pub fn from_file(path: &Path) -> Result<Self, SetupError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| SetupError::Unreadable(format!("{}: {error}", path.display())))?;
        let wrong = |error: hotspare::Error| {
            let lines: Vec<String> =
                error.message().lines().map(|line| format!("{}: {line}", path.display())).collect();
            SetupError::Config(lines.join("\n"))
        };
        let mut config = Config::parse(&text).map_err(wrong)?;
        // Paths in a configuration are relative to it, wherever the program was started.
        let folder = path.parent().unwrap_or(Path::new("."));
        config.relative_to(folder);
        config.read_files(|file| std::fs::read_to_string(folder.join(file))).map_err(wrong)?;
        let server = config.server.clone();
        let client = config.client().map_err(wrong)?;
        Ok(Self { client, server, chosen: vec![format!("configuration {}", path.display())] })
    }

    /// One route over every provider whose key is set, in a fixed order.
    ///
    /// # Errors
    /// If none is set.
    pub fn from_env() -> Result<Self, SetupError> {
        let mut builder = Client::builder();
        let mut names = Vec::new();
        let mut chosen = Vec::new();
        for (variable, name, model) in DEFAULTS {
            if std::env::var_os(variable).is_none_or(|value| value.is_empty()) {
                continue;
            }
            let key = Key::env(variable);
            let endpoint = match name {
                "anthropic" => anthropic::target(model).key(key),
                "gemini" => gemini::target(model).key(key),
                "deepseek" => openai::deepseek(model).key(key),
                _ => openai::target(model).key(key),
            };
            builder = builder.target(name, endpoint);
            names.push(name);
            chosen.push(format!("{}. {name}: {model} ({variable})", names.len()));
        }
        if names.is_empty() {
            return Err(SetupError::NoKeys);
        }
        let route = RouteSpec::new(Sequential::new(names)).answers_to(["*"]);
        let client = builder.route("default", route).build();
        let client = client.map_err(|error| SetupError::Config(error.message().to_owned()))?;
        Ok(Self { client, server: ServerConfig::default(), chosen })
    }
}
