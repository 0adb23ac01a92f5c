//! Where an API key comes from.
//!
//! Not the key in use, which is in [`slot`]. Invariant: neither `Debug` nor an error shows a key, only the name of its
//! source; a file that never ends is not read.

mod reader;
mod slot;

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotspare_provider::{Credentials, Secret};

pub use reader::KeyReader;
pub(crate) use slot::KeySlot;

/// The source of a key.
#[derive(Clone)]
pub struct Key(Source);

type ReadKey = dyn Fn() -> Result<Secret, String> + Send + Sync;

#[derive(Clone)]
enum Source {
    Env(String),
    Credentials(Arc<dyn Credentials>),
    File(PathBuf),
    Literal(Secret),
    Callback(String, Arc<ReadKey>),
}

impl Key {
    /// The value of an environment variable.
    pub fn env(name: impl Into<String>) -> Self {
        Self(Source::Env(name.into()))
    }

    /// The contents of a file, trimmed.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// A key that the application already holds.
    pub fn from_secret(secret: impl Into<Secret>) -> Self {
        Self(Source::Literal(secret.into()))
    }

    /// A key that has to be fetched and expires, such as a cloud's access token.
    #[must_use]
    pub fn from_credentials(credentials: Arc<dyn Credentials>) -> Self {
        Self(Source::Credentials(credentials))
    }

    /// A key that `read` returns when the client is built and again when it is rejected. `name` appears in messages and
    /// must fit "cannot use …"; an error from `read` must not contain a key.
    pub fn read(
        name: impl Into<String>,
        read: impl Fn() -> Result<Secret, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Source::Callback(name.into(), Arc::new(read)))
    }

    /// Reads the text, which may contain several keys, such as those that clients must present.
    ///
    /// # Errors
    /// If the variable is not set or the file cannot be read; the text says what to do.
    pub fn reveal(&self) -> Result<Secret, String> {
        match &self.0 {
            Source::Literal(secret) => Ok(secret.clone()),
            Source::Env(name) => std::env::var(name)
                .map(Secret::new)
                .map_err(|_| format!("{self:?} is not set; export it or use a file")),
            Source::Credentials(_) => Err(format!("{self:?} must be fetched and cannot be read")),
            Source::File(path) => read_small(path)
                .map(Secret::new)
                .map_err(|error| format!("the key file {} cannot be read: {error}", path.display())),
            Source::Callback(_, read) => read(),
        }
    }

    /// Reads one key.
    pub(crate) fn resolve(&self) -> Result<Secret, String> {
        let revealed = self.reveal()?;
        // Editors on Windows may begin a file with a byte order mark.
        let text = revealed.expose().trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err(format!("{} is empty", self.name()));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let key = self.name();
            return Err(format!(
                "{key} contains whitespace or a character that is not visible ASCII inside the key"
            ));
        }
        Ok(Secret::new(text))
    }

    /// Its source, for messages; a key given as it is has none.
    fn name(&self) -> String {
        match self.0 {
            Source::Literal(_) => "the key".into(),
            _ => format!("{self:?}"),
        }
    }

    /// Whether its source may hold another key later.
    fn can_change(&self) -> bool {
        matches!(self.0, Source::File(_) | Source::Callback(..))
    }

    /// The provider of credentials, for a key that has to be fetched.
    pub(crate) fn credentials(&self) -> Option<&Arc<dyn Credentials>> {
        match &self.0 {
            Source::Credentials(credentials) => Some(credentials),
            _ => None,
        }
    }
}

/// The largest key file in bytes: several thousand client keys.
const LARGEST_FILE: u64 = 1 << 20;

/// Reads a small file. Pipes and devices are refused, because they may never end.
pub(crate) fn read_small(path: &Path) -> io::Result<String> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    if metadata.len() > LARGEST_FILE {
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("it is larger than {LARGEST_FILE} bytes"),
        ));
    }
    let mut text = String::new();
    // It may be growing.
    File::open(path)?.take(LARGEST_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// Whether this is surely a variable's name and not a key that was put in its place.
fn is_variable(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_identifier = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_word) || (name.len() < 20 && name.bytes().all(is_identifier))
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Env(name) if is_variable(name) => write!(f, "the environment variable {name}"),
            Source::Env(_) => {
                f.write_str("the variable that `env` names (not shown: it may be the key itself)")
            }
            Source::Credentials(credentials) => credentials.fmt(f),
            Source::File(path) => write!(f, "the key file {}", path.display()),
            Source::Literal(_) => f.write_str("[key]"),
            Source::Callback(name, _) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests;
