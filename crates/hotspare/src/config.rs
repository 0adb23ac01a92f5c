//! Configuration as text: the same for the library and the gateway.
//!
//! Text, not files: reading files is the caller's job. Invariant: unknown keys are errors, secrets are referenced and
//! never inline, durations carry their unit, and every mistake is reported at once with its line.

mod breaker;
mod choice;
mod cloud;
mod like;
mod location;
mod native;
mod profile;
mod prompt;
mod route;
mod server;
mod target;
mod text_or;
mod units;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use hotspare_core::Error;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::builder::{ClientBuilder, Mistakes, Subject};
use crate::client::Client;
use crate::key::Key;
use location::{KeyPath, LineIndex};
use route::RouteDto;
use target::TargetDto;
use text_or::{TextOr, TextOrTable};

pub use server::ServerConfig;

/// A parsed configuration.
#[non_exhaustive]
pub struct Config {
    /// Settings for a gateway; a library ignores them.
    pub server: ServerConfig,
    /// The lines of its settings.
    server_lines: BTreeMap<String, usize>,
    targets: Vec<Entry<TargetDto>>,
    routes: Vec<Entry<RouteDto>>,
    mistakes: Mistakes,
}

/// Shows names only: proxy URLs and header values may be secrets.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
        let routes: Vec<&str> = self.routes.iter().map(|route| route.name.as_str()).collect();
        f.debug_struct("Config").field("targets", &targets).field("routes", &routes).finish_non_exhaustive()
    }
}

/// An entry of a section, and the line where it begins; `None` if it is broken.
#[derive(Debug)]
struct Entry<T> {
    name: String,
    line: usize,
    /// The lines of its settings.
    lines: BTreeMap<String, usize>,
    dto: Option<T>,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "TextOr<KeyTable>")]
#[non_exhaustive]
pub enum KeySource {
    /// The environment variable of this name.
    Env(String),
    /// The file at this path.
    File(String),
    /// The profile of this name in AWS's own files.
    Profile(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTable {
    env: Option<String>,
    file: Option<String>,
    profile: Option<String>,
}

impl TextOrTable for KeyTable {
    const EXPECTED: &'static str = "a key is { env = \"NAME\" }, { file = \"PATH\" } or { profile = \"NAME\" }: where it is, never the key itself";
}

impl KeyTable {
    fn source(self) -> Result<KeySource, &'static str> {
        match (self.env, self.file, self.profile) {
            (Some(name), None, None) => Ok(KeySource::Env(name)),
            (None, Some(path), None) => Ok(KeySource::File(path)),
            (None, None, Some(name)) => Ok(KeySource::Profile(name)),
            _ => Err("a key names either `env` or `file` or `profile`, such as { env = \"OPENAI_API_KEY\" }"),
        }
    }
}

impl TryFrom<TextOr<KeyTable>> for KeySource {
    type Error = &'static str;

    fn try_from(form: TextOr<KeyTable>) -> Result<Self, Self::Error> {
        KeyDto::try_from(form).and_then(|key| key.0)
    }
}

/// A target's key. One that names no source, or several, is reported with the target's other mistakes.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "TextOr<KeyTable>")]
struct KeyDto(Result<KeySource, &'static str>);

impl TryFrom<TextOr<KeyTable>> for KeyDto {
    type Error = &'static str;

    fn try_from(form: TextOr<KeyTable>) -> Result<Self, Self::Error> {
        match form {
            TextOr::Table(table) => Ok(Self(table.source())),
            TextOr::Text(_) => Err(KeyTable::EXPECTED),
        }
    }
}

impl KeyDto {
    fn key(&self) -> Result<Key, String> {
        self.0.as_ref().map_err(|what| (*what).to_owned()).and_then(KeySource::key)
    }
}

impl KeySource {
    /// The key there, not yet read.
    ///
    /// # Errors
    /// For a profile, if this build has no AWS.
    pub fn key(&self) -> Result<Key, String> {
        match self {
            Self::Env(name) => Ok(Key::env(name)),
            Self::File(path) => Ok(Key::file(path)),
            Self::Profile(name) => cloud::profile(name),
        }
    }

    fn relative_to(&mut self, folder: &Path) {
        if let Self::File(file) = self {
            *file = folder.join(&file).to_string_lossy().into_owned();
        }
    }
}

impl Config {
    /// Reads a configuration. Mistakes in a text that is TOML are reported later, by [`Config::client`], together with those
    /// that only show there.
    ///
    /// # Errors
    /// [`Kind::Config`](hotspare_core::Kind::Config) with the line number if the text is not TOML.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let lines = LineIndex::of(text);
        let mut syntax = Mistakes::default();
        let (table, broken) = DeTable::parse_recoverable(text);
        for error in &broken {
            let line = error.span().map_or(1, |span| lines.line_of(span.start));
            syntax.add(Subject::Line(line), error.message().trim());
        }
        syntax.into_result()?;
        let mut config = Self {
            server: ServerConfig::default(),
            server_lines: BTreeMap::new(),
            targets: Vec::new(),
            routes: Vec::new(),
            mistakes: Mistakes::default(),
        };
        for (section, value) in table.into_inner() {
            let line = lines.line_of(section.span().start);
            match section.get_ref().as_ref() {
                "server" => {
                    config.server_lines = setting_lines(&lines, value.get_ref());
                    // What can be read is used, so that its mistakes are found as well.
                    let server = read_table(&lines, "server", value, &mut config.mistakes);
                    config.server = server.map(|(server, _)| server).unwrap_or_default();
                }
                "targets" => config.targets = read_section(&lines, "targets", value, &mut config.mistakes),
                "routes" => config.routes = read_section(&lines, "routes", value, &mut config.mistakes),
                other => {
                    let what =
                        format!("unknown section `{other}`; valid values are server, targets and routes");
                    config.mistakes.add(Subject::Line(line), what);
                }
            }
        }
        Ok(config)
    }

    /// Adds a mistake in a setting of the section `[server]` that the gateway has found, to be reported with the others.
    pub fn reject_server(&mut self, setting: &str, what: impl fmt::Display) {
        let line = self.server_lines.get(setting).copied().unwrap_or(1);
        self.mistakes.add(Subject::Line(line), format!("server.{setting}: {what}"));
    }

    /// Resolves paths of key files relative to `folder`, such as the one that holds the configuration file.
    pub fn relative_to(&mut self, folder: &Path) {
        let targets = self.targets.iter_mut().filter_map(|target| target.dto.as_mut());
        let keys = targets.flat_map(|target| target.keys.iter_mut()).filter_map(|key| key.0.as_mut().ok());
        for key in keys.chain(self.server.client_keys.as_mut()).chain(self.server.operator_keys.as_mut()) {
            key.relative_to(folder);
        }
    }

    /// Reads the files named for prompts and certificate authorities. `read` gets each path as written. A file that cannot be
    /// read is a mistake, which [`Config::client`] reports with the others.
    pub fn read_files(&mut self, read: impl Fn(&str) -> std::io::Result<String>) {
        for Entry { name, line, lines, dto } in &mut self.targets {
            let Some(dto) = dto else { continue };
            let mut check = |setting: &str, read: Result<(), String>| {
                let line = lines.get(setting).copied().unwrap_or(*line);
                let wrong = |what| self.mistakes.add(Subject::Line(line), format!("targets.{name}: {what}"));
                read.map_err(wrong).is_ok()
            };
            dto.ca.take_if(|ca| !check("ca", ca.read(&read)));
            dto.prompt.take_if(|prompt| !check("prompt", prompt.read(&read)));
        }
        for Entry { name, line, dto, .. } in &mut self.routes {
            let Some(dto) = dto else { continue };
            dto.prompts.retain(|pattern, prompt| {
                let wrong = |what| {
                    self.mistakes
                        .add(Subject::Line(*line), format!("routes.{name}.prompts.{pattern}: {what}"));
                };
                prompt.read(&read).map_err(wrong).is_ok()
            });
        }
    }

    /// Builds the client. Keys are read here.
    ///
    /// # Errors
    /// [`Kind::Config`](hotspare_core::Kind::Config) with every mistake, one per line, each with its line number: unknown
    /// keys, unset variables, unknown targets, values that make no sense.
    pub fn client(self) -> Result<Client, Error> {
        self.builder().build()
    }

    /// A builder filled from this configuration.
    #[must_use]
    pub fn builder(self) -> ClientBuilder {
        let mut builder = Client::builder();
        builder.mistakes = self.mistakes;
        for Entry { name, line, lines, dto } in self.targets {
            let subject = Subject::Target(name.clone());
            builder.mistakes.set_line(subject.clone(), line);
            match dto.map(TargetDto::endpoint) {
                Some(Ok(endpoint)) => builder = builder.target(name, endpoint),
                failed => {
                    for (setting, what) in failed.and_then(Result::err).unwrap_or_default() {
                        let line = lines.get(setting).copied().unwrap_or(line);
                        builder.mistakes.add(Subject::Line(line), format!("targets.{name}: {what}"));
                    }
                    builder.broken.push(name.into());
                }
            }
        }
        for Entry { name, line, dto, .. } in self.routes {
            let subject = Subject::Route(name.clone());
            builder.mistakes.set_line(subject.clone(), line);
            let Some((route, mistakes)) = dto.map(RouteDto::route) else { continue };
            for what in mistakes {
                builder.mistakes.add(subject.clone(), format!("routes.{name}: {what}"));
            }
            builder = builder.route(name, route);
        }
        builder
    }
}

impl Client {
    /// A client from configuration text.
    ///
    /// # Errors
    /// [`Kind::Config`](hotspare_core::Kind::Config) with every mistake.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        Config::parse(text)?.client()
    }
}

fn read_section<T: for<'de> Deserialize<'de>>(
    lines: &LineIndex<'_>,
    section: &str,
    value: Spanned<DeValue<'_>>,
    mistakes: &mut Mistakes,
) -> Vec<Entry<T>> {
    let at = lines.line_of(value.span().start);
    let DeValue::Table(table) = value.into_inner() else {
        mistakes.add(Subject::Line(at), format!("`{section}` must be tables, such as [{section}.main]"));
        return Vec::new();
    };
    let mut read: Vec<Entry<T>> = table
        .into_iter()
        .map(|(name, value)| {
            let line = lines.line_of(name.span().start);
            let name = name.into_inner().into_owned();
            let setting_lines = setting_lines(lines, value.get_ref());
            let dto = read_table(lines, &format!("{section}.{name}"), value, mistakes);
            let dto = dto.and_then(|(dto, is_whole)| is_whole.then_some(dto));
            Entry { name, line, lines: setting_lines, dto }
        })
        .collect();
    // In file order, which is the order in which people read and name them.
    read.sort_by_key(|entry| entry.line);
    read
}

/// The lines on which a table's settings begin.
fn setting_lines(lines: &LineIndex<'_>, value: &DeValue<'_>) -> BTreeMap<String, usize> {
    let DeValue::Table(table) = value else { return BTreeMap::new() };
    table.keys().map(|key| (key.get_ref().to_string(), lines.line_of(key.span().start))).collect()
}

/// Reads one table, and returns whether it had no mistakes. On an error, the offending entry is removed and the rest is
/// read again, so that one mistake does not hide the next.
fn read_table<T: for<'de> Deserialize<'de>>(
    lines: &LineIndex<'_>,
    path: &str,
    mut value: Spanned<DeValue<'_>>,
    mistakes: &mut Mistakes,
) -> Option<(T, bool)> {
    // Tables from which an entry was removed.
    let mut reduced: Vec<Vec<String>> = Vec::new();
    loop {
        let error = match T::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(dto) => return Some((dto, reduced.is_empty())),
            Err(error) => error,
        };
        let offset = error.span().unwrap_or(value.span()).start;
        let key_path = KeyPath::of(value.get_ref(), offset);
        let message = describe(error.message().trim());
        let table = key_path.as_ref().map_or(&[][..], |key_path| &key_path.keys);
        // A key that seems to be missing may be one that was removed.
        if !(message.starts_with("missing field") && reduced.iter().any(|keys| keys == table)) {
            let path = key_path.as_ref().map_or_else(|| path.to_owned(), |key_path| key_path.path(path));
            mistakes.add(Subject::Line(lines.line_of(offset)), format!("{path}: {message}"));
        }
        reduced.push(key_path?.remove_from(value.get_mut()));
    }
}

/// Serde's message in words for operators, and without strings from the configuration, which may be secret.
fn describe(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let unknown = found.strip_prefix("unknown field `").or_else(|| found.strip_prefix("unknown variant `"));
    if let Some(name) = unknown.and_then(|rest| rest.strip_suffix('`')) {
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        return format!("{message}{}", choice::hint(name, &known));
    }
    let found =
        found.split_once("string \"").map_or(found.to_owned(), |(before, _)| format!("{before}string"));
    let expected = match expected {
        "usize" | "u64" => "a whole number of at least 0",
        "u32" => "a whole number from 0 to 4294967295",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a map" => "a table",
        "a sequence" => "a list",
        // Names of types mean nothing to an operator.
        other if other.starts_with("struct ") => "a table",
        other => other,
    };
    format!("{found}, expected {expected}")
}

#[cfg(test)]
mod tests;
