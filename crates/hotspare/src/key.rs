//! Where an API key comes from.
//!
//! Not the key itself: it is read when the client is built, and a file once more when its key is rejected. Invariant: neither `Debug` nor an error shows a key, only the
//! name of the variable or file.

use std::fmt;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use hotspare_provider::Secret;

/// The source of a key.
#[derive(Clone)]
pub struct Key(Source);

#[derive(Clone)]
enum Source {
    Env(String),
    File(PathBuf),
    Given(Secret),
}

impl Key {
    /// The value of an environment variable.
    pub fn env(name: impl Into<String>) -> Self {
        Self(Source::Env(name.into()))
    }

    /// The contents of a file, without white space around it.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// A key that the application already holds.
    #[must_use]
    pub fn given(secret: Secret) -> Self {
        Self(Source::Given(secret))
    }

    /// Reads text that may hold several keys, such as those that callers must show.
    ///
    /// # Errors
    /// If the variable is not set or the file cannot be read, and what to do.
    pub fn reveal(&self) -> Result<Secret, String> {
        match &self.0 {
            Source::Given(secret) => Ok(secret.clone()),
            Source::Env(name) => std::env::var(name)
                .map(Secret::new)
                .map_err(|_| format!("the environment variable {name} is not set; export it or use a file")),
            Source::File(path) => std::fs::read_to_string(path)
                .map(Secret::new)
                .map_err(|error| format!("the key file {} cannot be read: {error}", path.display())),
        }
    }

    /// Reads one key.
    pub(crate) fn resolve(&self) -> Result<Secret, String> {
        let revealed = self.reveal()?;
        let text = revealed.expose().trim();
        if text.is_empty() {
            return Err(format!("{self:?} is empty"));
        }
        if text.chars().any(|character| character.is_control() || character.is_whitespace()) {
            return Err(format!("{self:?} holds white space or control characters inside the key"));
        }
        Ok(Secret::new(text))
    }
}

/// A key in use: where it came from, and what it was when it was last read.
pub(crate) struct Keyhole {
    source: Key,
    secret: RwLock<Secret>,
}

impl Keyhole {
    pub(crate) fn new(source: Key, secret: Secret) -> Self {
        Self { source, secret: RwLock::new(secret) }
    }

    pub(crate) fn secret(&self) -> Secret {
        self.secret.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there is a newer key than the one that was `rejected`. A file is read again; it is small and local, and
    /// a rejected key is rare, so this is done where it is needed.
    pub(crate) fn renew(&self, rejected: &Secret) -> bool {
        if self.secret().expose() != rejected.expose() {
            return true;
        }
        if !matches!(self.source.0, Source::File(_)) {
            return false;
        }
        match self.source.resolve() {
            Ok(secret) if secret.expose() != rejected.expose() => {
                *self.secret.write().unwrap_or_else(PoisonError::into_inner) = secret;
                true
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Keyhole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Env(name) => write!(f, "the environment variable {name}"),
            Source::File(path) => write!(f, "the key file {}", path.display()),
            Source::Given(_) => f.write_str("[key]"),
        }
    }
}
