//! Configuration as text: the same for the library and the gateway.
//!
//! Text, not files: whoever has a file reads it. Invariant: unknown keys are errors, secrets are named and never written
//! here, durations carry their unit, and every mistake is reported at once with its line.

mod cloud;
mod native;
mod prompt;
mod route;
mod target;
mod words;

use std::collections::BTreeMap;

use hotspare_core::{Error, Kind};
use serde::Deserialize;

use crate::builder::ClientBuilder;
use crate::client::Client;
use crate::key::Key;
use route::RouteDto;
use target::TargetDto;

/// A parsed configuration.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// What concerns a gateway; a library ignores it.
    pub server: ServerConfig,
    targets: Vec<(String, TargetDto)>,
    routes: Vec<(String, RouteDto)>,
}

/// What concerns a gateway.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Address to listen on.
    pub listen: Option<String>,
    /// Where the keys come from that callers must show, separated by white space or commas.
    pub client_keys: Option<KeyDto>,
    /// Largest request body in bytes.
    pub max_body: Option<usize>,
    /// Most connections at once.
    pub max_connections: Option<usize>,
}

/// Where a secret comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KeyDto {
    /// Name of an environment variable.
    env: Option<String>,
    /// Path of a file.
    file: Option<String>,
    /// Name of a profile in AWS's own files.
    profile: Option<String>,
}

impl KeyDto {
    /// The source that is named.
    ///
    /// # Errors
    /// If not exactly one is named.
    pub fn source(&self) -> Result<Key, String> {
        match (&self.env, &self.file, &self.profile) {
            (Some(name), None, None) => Ok(Key::env(name)),
            (None, Some(path), None) => Ok(Key::file(path)),
            (None, None, Some(name)) => cloud::profile(name),
            _ => Err("a key names either `env` or `file` or `profile`, such as { env = \"OPENAI_API_KEY\" }"
                .into()),
        }
    }
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Kind::Config`] with every mistake, one a line, each with the line where it stands.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let lines = Lines(text);
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let at = error.span().map_or(1, |span| lines.number(span.start));
            Error::new(Kind::Config, format!("line {at}: {}", error.message().trim()))
        })?;
        let mut mistakes = Vec::new();
        let mut config = Self { server: ServerConfig::default(), targets: Vec::new(), routes: Vec::new() };
        for (section, value) in table {
            match section.as_str() {
                "server" => {
                    read(&lines, "server", None, value, &mut mistakes, |server| config.server = server)
                }
                "targets" => each(&lines, "targets", value, &mut mistakes, &mut config.targets),
                "routes" => each(&lines, "routes", value, &mut mistakes, &mut config.routes),
                other => {
                    let at = lines.section(other, None);
                    mistakes.push(format!(
                        "line {at}: unknown section `{other}`; known are server, targets and routes"
                    ));
                }
            }
        }
        if config.targets.is_empty() && mistakes.is_empty() {
            mistakes.push("line 1: there are no targets; add one, such as [targets.main]".into());
        }
        if mistakes.is_empty() { Ok(config) } else { Err(Error::new(Kind::Config, mistakes.join("\n"))) }
    }

    /// Reads the files that prompts name, each by `read`, which gets the path as written.
    ///
    /// # Errors
    /// [`Kind::Config`] with every file that cannot be read.
    pub fn read_files(&mut self, read: impl Fn(&str) -> std::io::Result<String>) -> Result<(), Error> {
        let mut mistakes = Vec::new();
        let of_targets = self
            .targets
            .iter_mut()
            .filter_map(|(name, target)| Some((format!("targets.{name}"), target.prompt.as_mut()?)));
        let of_routes = self.routes.iter_mut().flat_map(|(name, route)| {
            route
                .prompts
                .iter_mut()
                .map(move |(whom, prompt)| (format!("routes.{name}.prompts.{whom}"), prompt))
        });
        for (place, prompt) in of_targets.chain(of_routes) {
            let Some(file) = prompt.file() else { continue };
            match read(file) {
                Ok(text) => prompt.fill(text),
                Err(error) => mistakes.push(format!("{place}: prompt {file}: {error}")),
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(Error::new(Kind::Config, mistakes.join("\n"))) }
    }

    /// The client that it describes. Keys are read here.
    ///
    /// # Errors
    /// [`Kind::Config`] with every mistake that parsing could not see: unset variables, unknown targets, values that make
    /// no sense.
    pub fn client(self) -> Result<Client, Error> {
        self.builder().build()
    }

    /// The builder that it fills.
    #[must_use]
    pub fn builder(self) -> ClientBuilder {
        let mut builder = Client::builder();
        for (name, dto) in self.targets {
            match dto.endpoint() {
                Ok(endpoint) => builder = builder.target(name, endpoint),
                Err(what) => builder.mistake(format!("targets.{name}: {what}")),
            }
        }
        for (name, dto) in self.routes {
            match dto.route() {
                Ok(route) => builder = builder.route(name, route),
                Err(what) => builder.mistake(format!("routes.{name}: {what}")),
            }
        }
        builder
    }
}

impl Client {
    /// A client from configuration text.
    ///
    /// # Errors
    /// [`Kind::Config`] with every mistake.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        Config::parse(text)?.client()
    }
}

fn each<T: for<'de> Deserialize<'de>>(
    lines: &Lines<'_>,
    section: &str,
    value: toml::Value,
    mistakes: &mut Vec<String>,
    out: &mut Vec<(String, T)>,
) {
    let toml::Value::Table(table) = value else {
        mistakes.push(format!(
            "line {}: `{section}` must be tables, such as [{section}.main]",
            lines.section(section, None)
        ));
        return;
    };
    let named: BTreeMap<usize, (String, toml::Value)> = table
        .into_iter()
        .enumerate()
        // Kept in the order written, which is the order in which people read mistakes.
        .map(|(index, (name, value))| (lines.section(section, Some(&name)) * 10_000 + index, (name, value)))
        .collect();
    for (name, value) in named.into_values() {
        let entry = name.clone();
        read(lines, section, Some(&name), value, mistakes, |dto| out.push((entry, dto)));
    }
}

fn read<T: for<'de> Deserialize<'de>>(
    lines: &Lines<'_>,
    section: &str,
    name: Option<&str>,
    value: toml::Value,
    mistakes: &mut Vec<String>,
    take: impl FnOnce(T),
) {
    match T::deserialize(value) {
        Ok(dto) => take(dto),
        Err(error) => {
            let at = lines.section(section, name);
            let path = name.map_or_else(|| section.to_owned(), |name| format!("{section}.{name}"));
            mistakes.push(format!("line {at}: {path}: {}", error.message().trim()));
        }
    }
}

/// Where things stand in the text.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn number(&self, offset: usize) -> usize {
        1 + self.0.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    /// The line of a section's header, or of the first key that names it.
    fn section(&self, section: &str, name: Option<&str>) -> usize {
        let headers = match name {
            Some(name) => vec![format!("[{section}.{name}]"), format!("[{section}.\"{name}\"]")],
            None => vec![format!("[{section}]"), format!("[{section}.")],
        };
        let starts = |line: &str| {
            let line = line.trim_start();
            headers.iter().any(|header| line.starts_with(header.as_str()))
                || (name.is_none()
                    && line.starts_with(section)
                    && line[section.len()..].trim_start().starts_with('='))
        };
        self.0.lines().position(starts).map_or(1, |at| at + 1)
    }
}

#[cfg(test)]
mod tests;
