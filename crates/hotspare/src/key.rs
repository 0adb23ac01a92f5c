//! Where an API key comes from.
//!
//! Not the key itself: that is read when the client is built, once more when it is rejected, and then periodically
//! until its source has another; a fetched key is requested anew before each request. Invariant: neither `Debug` nor an
//! error shows a key, only the name of its source.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use hotspare_core::{Error, Moment};
use hotspare_provider::{Credentials, Secret};

/// The source of a key.
#[derive(Clone)]
pub struct Key(Source);

type Reader = dyn Fn() -> Result<Secret, String> + Send + Sync;

#[derive(Clone)]
enum Source {
    Env(String),
    Fetched(Arc<dyn Credentials>),
    File(PathBuf),
    Given(Secret),
    Read(String, Arc<Reader>),
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
    #[must_use]
    pub fn from_secret(secret: Secret) -> Self {
        Self(Source::Given(secret))
    }

    /// A key that has to be fetched and expires, such as a cloud's access token.
    #[must_use]
    pub fn from_credentials(credentials: Arc<dyn Credentials>) -> Self {
        Self(Source::Fetched(credentials))
    }

    /// A key that `read` returns when the client is built and again when it is rejected. `name` appears in messages and
    /// must fit "cannot use …"; an error from `read` must not contain a key.
    pub fn read(
        name: impl Into<String>,
        read: impl Fn() -> Result<Secret, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Source::Read(name.into(), Arc::new(read)))
    }

    /// Reads the text, which may contain several keys, such as those that clients must present.
    ///
    /// # Errors
    /// If the variable is not set or the file cannot be read; the text says what to do.
    pub fn reveal(&self) -> Result<Secret, String> {
        match &self.0 {
            Source::Given(secret) => Ok(secret.clone()),
            Source::Env(name) => std::env::var(name)
                .map(Secret::new)
                .map_err(|_| format!("the environment variable {name} is not set; export it or use a file")),
            Source::Fetched(_) => Err(format!("{self:?} has to be fetched and cannot be read")),
            Source::File(path) => std::fs::read_to_string(path)
                .map(Secret::new)
                .map_err(|error| format!("the key file {} cannot be read: {error}", path.display())),
            Source::Read(_, read) => read(),
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

    /// Whether its source may hold another key later.
    fn can_change(&self) -> bool {
        matches!(self.0, Source::File(_) | Source::Read(..))
    }

    /// The provider of credentials, for a key that has to be fetched.
    pub(crate) fn credentials(&self) -> Option<&Arc<dyn Credentials>> {
        match &self.0 {
            Source::Fetched(credentials) => Some(credentials),
            _ => None,
        }
    }
}

/// A key in use.
pub(crate) enum KeySlot {
    /// The provider of credentials to fetch it from.
    Fetched(Arc<dyn Credentials>),
    /// Its source, and its value when it was last read.
    Read(Box<Held>),
}

/// A key as it was last read.
pub(crate) struct Held {
    source: Key,
    secret: RwLock<Secret>,
    /// When its source may be read again, in nanoseconds of the client's clock, after the key was rejected and the
    /// source had nothing newer; `NEVER` if the key was not rejected.
    look_at: AtomicU64,
}

const NEVER: u64 = u64::MAX;

/// How often the source of a rejected key is read: a key that is replaced shortly after it was revoked should not have
/// to wait for the re-check.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl KeySlot {
    pub(crate) fn read(source: Key, secret: Secret) -> Self {
        Self::Read(Box::new(Held { source, secret: RwLock::new(secret), look_at: AtomicU64::new(NEVER) }))
    }

    pub(crate) fn fetched(credentials: Arc<dyn Credentials>) -> Self {
        Self::Fetched(credentials)
    }

    /// The current key.
    pub(crate) async fn secret(&self, now: SystemTime) -> Result<Secret, Error> {
        match self {
            Self::Fetched(credentials) => credentials.secret(now).await,
            Self::Read(held) => Ok(held.secret()),
        }
    }

    /// Whether there is a newer key than `rejected`. Reads the source again, synchronously: that is small and local,
    /// and rejected keys are rare.
    pub(crate) fn renew(&self, rejected: &Secret) -> bool {
        let held = match self {
            Self::Fetched(credentials) => return credentials.rejected(rejected),
            Self::Read(held) => held,
        };
        if held.secret() != *rejected {
            return true;
        }
        let renewed = held.read_again(rejected);
        if !renewed && held.source.can_change() {
            held.look_at.store(0, Ordering::Relaxed);
        }
        renewed
    }

    /// Reads its source again although the key was not rejected. Returns whether the key changed.
    pub(crate) fn reload(&self) -> bool {
        match self {
            Self::Fetched(_) => false,
            Self::Read(held) => held.read_again(&held.secret()),
        }
    }

    /// Whether a key that was rejected while its source had nothing newer has been replaced since. Costs one load if no
    /// key was rejected, and reads the source at most once a second.
    pub(crate) fn was_replaced(&self, now: Moment) -> bool {
        let Self::Read(held) = self else { return false };
        let look_at = held.look_at.load(Ordering::Relaxed);
        if look_at == NEVER || now.as_nanos() < look_at {
            return false;
        }
        let next = now + LOOK_EVERY;
        // Of several concurrent callers, one reads the source.
        if held
            .look_at
            .compare_exchange(look_at, next.as_nanos(), Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            return false;
        }
        let replaced = held.read_again(&held.secret());
        if replaced {
            held.look_at.store(NEVER, Ordering::Relaxed);
        }
        replaced
    }
}

impl Held {
    fn secret(&self) -> Secret {
        self.secret.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read_again(&self, rejected: &Secret) -> bool {
        match self.source.resolve() {
            Ok(secret) if secret != *rejected => {
                *self.secret.write().unwrap_or_else(PoisonError::into_inner) = secret;
                true
            }
            _ => false,
        }
    }
}

impl fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetched(credentials) => credentials.fmt(f),
            Self::Read(held) => held.source.fmt(f),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Env(name) => write!(f, "the environment variable {name}"),
            Source::Fetched(credentials) => credentials.fmt(f),
            Source::File(path) => write!(f, "the key file {}", path.display()),
            Source::Given(_) => f.write_str("[key]"),
            Source::Read(name, _) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests;
