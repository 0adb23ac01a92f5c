//! Configuration as text: the same for the library and the gateway.
//!
//! Text, not files: reading files is the caller's job. Invariant: unknown keys are errors, secrets are referenced and
//! never inline, durations carry their unit, and every mistake is reported at once with its line.

mod breaker;
mod cloud;
mod lines;
mod native;
mod profile;
mod prompt;
mod route;
mod server;
mod target;
mod words;

use std::fmt;
use std::path::Path;

use hotspare_core::{Error, Kind};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::builder::{About, ClientBuilder};
use crate::client::Client;
use crate::key::Key;
use lines::Lines;
use route::RouteDto;
use target::TargetDto;

pub use server::ServerConfig;

/// A parsed configuration.
#[non_exhaustive]
pub struct Config {
    /// Settings for a gateway; a library ignores them.
    pub server: ServerConfig,
    targets: Vec<Named<TargetDto>>,
    routes: Vec<Named<RouteDto>>,
}

/// Shows names only: proxy URLs and header values may be secrets.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
        let routes: Vec<&str> = self.routes.iter().map(|route| route.name.as_str()).collect();
        f.debug_struct("Config").field("targets", &targets).field("routes", &routes).finish_non_exhaustive()
    }
}

/// An entry of a section, and the line where it begins.
#[derive(Debug)]
struct Named<T> {
    name: String,
    line: usize,
    dto: T,
}

/// Where a secret comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "KeyForm")]
#[non_exhaustive]
pub struct KeyDto {
    /// Name of an environment variable.
    env: Option<String>,
    /// Path of a file.
    file: Option<String>,
    /// Name of a profile in AWS's own files.
    profile: Option<String>,
}

/// The input is not echoed if it is not a table: it may be the key itself.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a key is { env = \"NAME\" }, { file = \"PATH\" } or { profile = \"NAME\" }: where it is, never the key itself"
)]
enum KeyForm {
    Table(KeyTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTable {
    env: Option<String>,
    file: Option<String>,
    profile: Option<String>,
}

impl From<KeyForm> for KeyDto {
    fn from(KeyForm::Table(KeyTable { env, file, profile }): KeyForm) -> Self {
        Self { env, file, profile }
    }
}

impl KeyDto {
    /// The configured source.
    ///
    /// # Errors
    /// Unless exactly one source is named.
    pub fn source(&self) -> Result<Key, String> {
        match (&self.env, &self.file, &self.profile) {
            (Some(name), None, None) => Ok(Key::env(name)),
            (None, Some(path), None) => Ok(Key::file(path)),
            (None, None, Some(name)) => cloud::profile(name),
            _ => Err("a key names either `env` or `file` or `profile`, such as { env = \"OPENAI_API_KEY\" }"
                .into()),
        }
    }

    fn relative_to(&mut self, folder: &Path) {
        if let Some(file) = &mut self.file {
            *file = folder.join(&file).to_string_lossy().into_owned();
        }
    }
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Kind::Config`] with every mistake, one per line, each with its line number.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let lines = Lines::of(text);
        let (table, broken) = DeTable::parse_recoverable(text);
        if !broken.is_empty() {
            let told = broken.iter().map(|error| lines.tell(error, ""));
            return Err(sorted(told.collect()));
        }
        let mut mistakes = Vec::new();
        let mut config = Self { server: ServerConfig::default(), targets: Vec::new(), routes: Vec::new() };
        for (section, value) in table.into_inner() {
            let line = lines.number(section.span().start);
            match section.get_ref().as_ref() {
                "server" => {
                    if let Some(server) = read(&lines, "server", value, &mut mistakes) {
                        config.server = server;
                    }
                }
                "targets" => config.targets = each(&lines, "targets", value, &mut mistakes),
                "routes" => config.routes = each(&lines, "routes", value, &mut mistakes),
                other => {
                    let what =
                        format!("unknown section `{other}`; valid values are server, targets and routes");
                    mistakes.push((line, what));
                }
            }
        }
        if config.targets.is_empty() && mistakes.is_empty() {
            mistakes.push((1, "there are no targets; add one, such as [targets.main]".into()));
        }
        if mistakes.is_empty() {
            return Ok(config);
        }
        // Entries that do parse are checked as well, so that one run reports every mistake in the file.
        for Named { name, line, mut dto } in config.targets {
            (dto.ca, dto.prompt) = (None, None);
            mistakes.extend(dto.endpoint().err().map(|what| (line, format!("targets.{name}: {what}"))));
        }
        for Named { name, line, mut dto } in config.routes {
            dto.prompts.clear();
            mistakes.extend(dto.route().err().map(|what| (line, format!("routes.{name}: {what}"))));
        }
        Err(sorted(mistakes))
    }

    /// Resolves paths of key files relative to `folder`, such as the one that holds the configuration file.
    pub fn relative_to(&mut self, folder: &Path) {
        let keys = self.targets.iter_mut().flat_map(|target| target.dto.keys.iter_mut());
        for key in keys.chain(self.server.client_keys.as_mut()).chain(self.server.operator_keys.as_mut()) {
            key.relative_to(folder);
        }
    }

    /// Reads the files named for prompts and certificate authorities. `read` gets each path as written.
    ///
    /// # Errors
    /// [`Kind::Config`] with every file that cannot be read.
    pub fn read_files(&mut self, read: impl Fn(&str) -> std::io::Result<String>) -> Result<(), Error> {
        let mut mistakes = Vec::new();
        for Named { name, line, dto } in &mut self.targets {
            let mut wrong = |what: String| mistakes.push((*line, format!("targets.{name}: {what}")));
            if let Some(ca) = &mut dto.ca
                && let Err(what) = ca.read(&read)
            {
                wrong(what);
            }
            if let Some(prompt) = &mut dto.prompt
                && let Err(what) = prompt.read(&read)
            {
                wrong(what);
            }
        }
        for Named { name, line, dto } in &mut self.routes {
            for (whom, prompt) in &mut dto.prompts {
                if let Err(what) = prompt.read(&read) {
                    mistakes.push((*line, format!("routes.{name}.prompts.{whom}: {what}")));
                }
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(sorted(mistakes)) }
    }

    /// Builds the client. Keys are read here.
    ///
    /// # Errors
    /// [`Kind::Config`] with every mistake that parsing could not detect: unset variables, unknown targets, values that
    /// make no sense.
    pub fn client(self) -> Result<Client, Error> {
        self.builder().build()
    }

    /// A builder filled from this configuration.
    #[must_use]
    pub fn builder(self) -> ClientBuilder {
        let mut builder = Client::builder();
        for Named { name, line, dto } in self.targets {
            builder.mistakes.written(About::Target(name.clone()), line);
            match dto.endpoint() {
                Ok(endpoint) => builder = builder.target(name, endpoint),
                Err(what) => {
                    let what = format!("targets.{name}: {what}");
                    builder.mistakes.add(About::Target(name.clone()), what);
                    builder.broken.push(name.into());
                }
            }
        }
        for Named { name, line, dto } in self.routes {
            builder.mistakes.written(About::Route(name.clone()), line);
            match dto.route() {
                Ok(route) => builder = builder.route(name, route),
                Err(what) => {
                    let what = format!("routes.{name}: {what}");
                    builder.mistakes.add(About::Route(name), what);
                }
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
    value: Spanned<DeValue<'_>>,
    mistakes: &mut Vec<(usize, String)>,
) -> Vec<Named<T>> {
    let at = lines.number(value.span().start);
    let DeValue::Table(table) = value.into_inner() else {
        mistakes.push((at, format!("`{section}` must be tables, such as [{section}.main]")));
        return Vec::new();
    };
    let mut read: Vec<Named<T>> = table
        .into_iter()
        .filter_map(|(name, value)| {
            let line = lines.number(name.span().start);
            let name = name.into_inner().into_owned();
            let dto = read(lines, &format!("{section}.{name}"), value, mistakes)?;
            Some(Named { name, line, dto })
        })
        .collect();
    // In file order, which is the order in which people read and name them.
    read.sort_by_key(|entry| entry.line);
    read
}

/// Reads one table. On an error, the offending entry is removed and the rest is read again, so that one mistake does
/// not hide the next.
fn read<T: for<'de> Deserialize<'de>>(
    lines: &Lines<'_>,
    path: &str,
    mut value: Spanned<DeValue<'_>>,
    mistakes: &mut Vec<(usize, String)>,
) -> Option<T> {
    let mut well = true;
    loop {
        let error = match T::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(dto) => return well.then_some(dto),
            Err(error) => error,
        };
        // A field reported as missing may be one that was removed above.
        if well || !error.message().starts_with("missing field") {
            let mut told = lines.tell(&error, path);
            if error.span().is_none() {
                told.0 = lines.number(value.span().start);
            }
            mistakes.push(told);
        }
        well = false;
        let (Some(span), DeValue::Table(table)) = (error.span(), value.get_mut()) else { return None };
        let at = |part: std::ops::Range<usize>| part.start <= span.start && span.end <= part.end;
        let wrong = table.iter().find(|(key, value)| at(key.span()) || at(value.span()))?.0.clone();
        table.remove(&wrong);
    }
}

fn sorted(mut mistakes: Vec<(usize, String)>) -> Error {
    mistakes.sort_by_key(|(line, _)| *line);
    let told: Vec<String> = mistakes.into_iter().map(|(line, what)| format!("line {line}: {what}")).collect();
    Error::new(Kind::Config, told.join("\n"))
}

#[cfg(test)]
mod tests;
