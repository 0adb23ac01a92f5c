//! A key in use.
//!
//! It is read when the client is built, again when it is rejected, and then periodically until its source has another; a
//! fetched key is requested anew before each request. Invariant: a key that was replaced after it was rejected is reported
//! once, even if its source answered too late for the request that asked.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

use hotspare_core::{Error, Moment};
use hotspare_provider::{Credentials, Secret};

use super::{Key, KeyReader};

/// A key in use.
pub(crate) enum KeySlot {
    /// The provider of credentials to fetch it from.
    Fetched(Arc<dyn Credentials>),
    /// Its source, and its value when it was last read.
    Read(Arc<CachedKey>),
}

/// A key as it was last read.
pub(crate) struct CachedKey {
    reader: KeyReader,
    current: RwLock<Current>,
}

struct Current {
    secret: Secret,
    state: KeyState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyState {
    Valid,
    /// It was rejected, and its source had nothing newer. The source may be read again from this moment on.
    Rejected(Moment),
    /// It was rejected and has been replaced since.
    Replaced,
}

/// How often the source of a rejected key is read: a key that is replaced shortly after it was revoked should not have
/// to wait for the re-check.
const REREAD_INTERVAL: Duration = Duration::from_secs(1);

impl KeySlot {
    pub(crate) fn read(source: Key, secret: Secret) -> Self {
        let current = RwLock::new(Current { secret, state: KeyState::Valid });
        Self::Read(Arc::new(CachedKey { reader: KeyReader::new(source), current }))
    }

    pub(crate) fn fetched(credentials: Arc<dyn Credentials>) -> Self {
        Self::Fetched(credentials)
    }

    /// The current key.
    pub(crate) async fn secret(&self, now: SystemTime) -> Result<Secret, Error> {
        match self {
            Self::Fetched(credentials) => credentials.secret(now).await,
            Self::Read(cached) => Ok(cached.current().secret.clone()),
        }
    }

    /// Whether there is a newer key than `rejected`. Reads the source again.
    pub(crate) async fn renew(&self, rejected: &Secret) -> bool {
        let cached = match self {
            Self::Fetched(credentials) => return credentials.rejected(rejected),
            Self::Read(cached) => cached,
        };
        let is_current = || cached.current().secret == *rejected;
        if is_current() && cached.reader.source().can_change() {
            // A source that cannot be read has nothing newer.
            let _ = cached.reread().await;
            let mut current = cached.current_mut();
            if current.secret == *rejected {
                current.state = KeyState::Rejected(Moment::ZERO);
            }
        }
        !is_current()
    }

    /// Reads its source again although the key was not rejected. Returns whether the key changed.
    ///
    /// # Errors
    /// If the source cannot be read or holds no key: the current one stays in use.
    pub(crate) async fn reload(&self) -> Result<bool, String> {
        match self {
            Self::Fetched(_) => Ok(false),
            Self::Read(cached) => cached.reread().await,
        }
    }

    /// Whether the key was rejected and not replaced, as far as was reported.
    pub(crate) fn is_rejected(&self) -> bool {
        matches!(self, Self::Read(cached) if cached.current().state != KeyState::Valid)
    }

    /// Whether a rejected key has been replaced. Reads its source at most once a second.
    pub(crate) async fn was_replaced(&self, now: Moment) -> bool {
        let Self::Read(cached) = self else { return false };
        if cached.is_due(now) {
            let _ = cached.reread().await;
        }
        let mut current = cached.current_mut();
        let replaced = current.state == KeyState::Replaced;
        if replaced {
            current.state = KeyState::Valid;
        }
        replaced
    }
}

impl CachedKey {
    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn current_mut(&self) -> RwLockWriteGuard<'_, Current> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to read the source of a rejected key again. Of several concurrent callers, one gets `true`.
    fn is_due(&self, now: Moment) -> bool {
        let mut current = self.current_mut();
        let due = matches!(current.state, KeyState::Rejected(at) if now >= at) && !self.reader.is_reading();
        if due {
            current.state = KeyState::Rejected(now + REREAD_INTERVAL);
        }
        due
    }

    async fn reread(self: &Arc<Self>) -> Result<bool, String> {
        let cached = Arc::clone(self);
        self.reader.read(move |source| source.resolve().map(|secret| cached.store(secret))).await?
    }

    /// Stores a key that was just read. Returns whether it is another one.
    fn store(&self, secret: Secret) -> bool {
        let mut current = self.current_mut();
        let changed = secret != current.secret;
        if changed {
            current.secret = secret;
            if current.state != KeyState::Valid {
                current.state = KeyState::Replaced;
            }
        }
        changed
    }
}

impl fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetched(credentials) => credentials.fmt(f),
            Self::Read(cached) => cached.reader.source().fmt(f),
        }
    }
}
