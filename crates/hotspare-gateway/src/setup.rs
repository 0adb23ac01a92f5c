//! Builds a client from a configuration file, or from the keys in the environment.
//!
//! Invariant: nothing is chosen silently: every choice made without a configuration is listed in [`Setup::chosen`].

mod own_address;
mod server;

use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

use hotspare::config::Config;
use hotspare::openai::Dialect;
use hotspare::{Client, Endpoint, Key, RouteSpec, Sequential, anthropic, gemini, openai};

use crate::serve::ServeOptions;

/// A client, and how it was set up.
#[derive(Debug)]
#[non_exhaustive]
pub struct Setup {
    /// The client.
    pub client: Client,
    /// The address to listen on, if there is one in the configuration.
    pub listen: Option<SocketAddr>,
    /// How to serve.
    pub options: ServeOptions,
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
const DEFAULTS: [(&str, &str); 21] = [
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-haiku-4-5"),
    ("gemini", "gemini-2.5-flash"),
    ("deepseek", "deepseek-flash"),
    ("alibaba", "qwen-plus"),
    ("cerebras", "gpt-oss-120b"),
    ("cohere", "command-a-03-2025"),
    ("deepinfra", "openai/gpt-oss-120b"),
    ("fireworks", "accounts/fireworks/models/gpt-oss-120b"),
    ("groq", "openai/gpt-oss-120b"),
    ("minimax", "MiniMax-M3"),
    ("mistral", "mistral-small-latest"),
    ("moonshot", "kimi-k3"),
    ("nvidia", "openai/gpt-oss-120b"),
    ("openrouter", "openai/gpt-4o-mini"),
    ("perplexity", "sonar"),
    ("sambanova", "gpt-oss-120b"),
    ("together", "openai/gpt-oss-120b"),
    ("vercel", "openai/gpt-4o-mini"),
    ("xai", "grok-4.3"),
    ("zai", "glm-5.3-flash"),
];

/// A target chosen by the key in the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DefaultTarget {
    variable: &'static str,
    host: &'static str,
    model: &'static str,
}

impl DefaultTarget {
    fn endpoint(self, key: Key) -> Option<Endpoint> {
        Some(match self.host {
            "anthropic" => anthropic::target(self.model).key(key).into(),
            "gemini" => gemini::target(self.model).key(key).into(),
            host => openai::dialect(Dialect::find(host)?, self.model).key(key).into(),
        })
    }
}

/// All variables that are checked, for messages.
fn variables() -> String {
    let variables: Vec<&str> = choices(|_| true).iter().map(|choice| choice.variable).collect();
    variables.join(", ")
}

/// The defaults whose variable is set, in order.
fn choices(is_set: impl Fn(&str) -> bool) -> Vec<DefaultTarget> {
    let variable = |host| match host {
        "anthropic" => Some("ANTHROPIC_API_KEY"),
        "gemini" => Some("GEMINI_API_KEY"),
        host => Dialect::find(host).and_then(|row| row.key_env.as_deref()),
    };
    DEFAULTS
        .iter()
        .filter_map(|&(host, model)| Some(DefaultTarget { variable: variable(host)?, host, model }))
        .filter(|choice| is_set(choice.variable))
        .collect()
}

/// One route over the choices.
fn client(choices: &[DefaultTarget], key: impl Fn(&'static str) -> Key) -> Result<Client, SetupError> {
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
    /// The address to listen on without a configured one.
    pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080));

    /// Whether requests to the targets arrive anywhere but at `listen`, the gateway's own address.
    ///
    /// # Errors
    /// If not, with the name of a target.
    pub fn check_targets(&self, listen: SocketAddr) -> Result<(), String> {
        own_address::mistake(&self.client, listen).map_or(Ok(()), Err)
    }

    /// A client made by other means, with a line to print about it.
    #[must_use]
    pub fn of(client: Client, chosen: String) -> Self {
        Self { client, listen: None, options: ServeOptions::default(), chosen: vec![chosen] }
    }

    /// Reads a configuration file, except for its section `[server]`, whose keys a caller of the client does not need.
    ///
    /// # Errors
    /// If the file cannot be read or is invalid; lists every mistake with file and line.
    pub fn from_file(path: &Path) -> Result<Self, SetupError> {
        Self::read(path, |_| (None, ServeOptions::default()))
    }

    /// Reads a configuration file, and the keys of clients and operators.
    ///
    /// # Errors
    /// As [`Setup::from_file`].
    pub fn to_serve(path: &Path) -> Result<Self, SetupError> {
        Self::read(path, server::options)
    }

    fn read(
        path: &Path,
        serving: impl FnOnce(&mut Config) -> (Option<SocketAddr>, ServeOptions),
    ) -> Result<Self, SetupError> {
        let text = read_text(path)
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
        config.read_files(|file| read_text(&folder.join(file)));
        let (listen, options) = serving(&mut config);
        let client = config.client().map_err(wrong)?;
        Ok(Self { client, listen, options, chosen: vec![format!("configuration {}", path.display())] })
    }

    /// Listens at `address` instead, such as localhost:8080.
    ///
    /// # Errors
    /// If it cannot be resolved.
    pub fn listen_at(&mut self, address: &str) -> Result<(), String> {
        self.listen = Some(server::address(address)?);
        Ok(())
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
            .map(|(index, DefaultTarget { variable, host, model })| {
                format!("{}. {host}: {model} ({variable})", index + 1)
            })
            .collect();
        let client = client(&choices, Key::env)?;
        Ok(Self { client, listen: None, options: ServeOptions::default(), chosen })
    }
}

/// The largest configuration file, prompt or bundle of certificates in bytes.
const LARGEST_FILE: u64 = 16 << 20;

/// Reads a file of moderate size, which may be a pipe.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)? as u64 > LARGEST_FILE {
        let what = format!("it is larger than {LARGEST_FILE} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(text)
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

    /// A single request to such a target would become thousands of nested ones. llama.cpp's default port is the
    /// gateway's, too.
    #[test]
    fn target_at_the_gateways_own_address_is_rejected() {
        let local = openai::compatible("http://localhost:8080/v1", "m").health_group("gpu-box");
        let route = RouteSpec::new(Sequential::new(["local"])).answers_to(["*"]);
        let client = Client::builder().target("local", local).route("chat", route).build().unwrap();
        let setup = Setup::of(client, String::new());
        let what = setup.check_targets(Setup::DEFAULT_LISTEN).unwrap_err();
        assert!(what.starts_with("target `local`: http://localhost:8080/v1 is the gateway's own"), "{what}");
        assert_eq!(setup.check_targets(SocketAddr::from(([127, 0, 0, 1], 8081))), Ok(()));
    }

    #[test]
    fn all_server_errors_are_reported_with_file_and_line() {
        let path = std::env::temp_dir().join(format!("hotspare-setup-{}.toml", std::process::id()));
        let text = "[server]\nlisten = \"nowhere\"\nclient_keys = { file = \"/nonexistent\" }\nmax_body_bytes = \"1MB\"\n\
            max_body_memory_bytes = \"2MB\"\nmax_connections = 0\nidle_timeout = \"0s\"\n\
            [targets.main]\nprovider = \"openai\"\nmodel = \"m\"\nkeys = [{ file = \"/nonexistent\" }]\n";
        std::fs::write(&path, text).unwrap();
        let error = Setup::to_serve(&path).unwrap_err().to_string();
        let prefix = |line: usize| format!("{}: line {line}: ", path.display());
        let expected = [
            (2, "server.listen: `nowhere` is not an address such as"),
            (3, "server.client_keys: the key file /nonexistent cannot be read"),
            (
                5,
                "server.max_body_memory_bytes: 2000000 bytes are too few for one body of max_body_bytes (1000000), which counts 3 times: set at least 3000000, or lower max_body_bytes",
            ),
            (6, "server.max_connections: it must be at least 1"),
            (7, "server.idle_timeout: it must be longer than 0 s"),
            (8, "target `main`: the key file /nonexistent cannot be read"),
        ];
        assert_eq!(error.lines().count(), expected.len(), "{error}");
        for ((line, what), found) in expected.into_iter().zip(error.lines()) {
            let expected = format!("{}{what}", prefix(line));
            assert!(found.starts_with(&expected), "{expected} is missing in\n{error}");
        }
        // A client has no use for the section.
        assert_eq!(Setup::from_file(&path).unwrap_err().to_string().lines().count(), 1);
        std::fs::remove_file(path).unwrap();
    }
}
