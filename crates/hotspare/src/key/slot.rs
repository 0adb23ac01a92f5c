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
    Read(Arc<Held>),
}

/// A key as it was last read.
pub(crate) struct Held {
    reader: KeyReader,
    current: RwLock<Current>,
}

struct Current {
    secret: Secret,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    /// It was rejected, and its source had nothing newer. The source may be read again from this moment on.
    Rejected(Moment),
    /// It was rejected and has been replaced since.
    Replaced,
}

/// How often the source of a rejected key is read: a key that is replaced shortly after it was revoked should not have
/// to wait for the re-check.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl KeySlot {
    pub(crate) fn read(source: Key, secret: Secret) -> Self {
        let current = RwLock::new(Current { secret, standing: Standing::Good });
        Self::Read(Arc::new(Held { reader: KeyReader::new(source), current }))
    }

    pub(crate) fn fetched(credentials: Arc<dyn Credentials>) -> Self {
        Self::Fetched(credentials)
    }

    /// The current key.
    pub(crate) async fn secret(&self, now: SystemTime) -> Result<Secret, Error> {
        match self {
            Self::Fetched(credentials) => credentials.secret(now).await,
            Self::Read(held) => Ok(held.current().secret.clone()),
        }
    }

    /// Whether there is a newer key than `rejected`. Reads the source again.
    pub(crate) async fn renew(&self, rejected: &Secret) -> bool {
        let held = match self {
            Self::Fetched(credentials) => return credentials.rejected(rejected),
            Self::Read(held) => held,
        };
        let is_current = || held.current().secret == *rejected;
        if is_current() && held.reader.source().can_change() {
            // A source that cannot be read has nothing newer.
            let _ = held.read_again().await;
            let mut current = held.current_mut();
            if current.secret == *rejected {
                current.standing = Standing::Rejected(Moment::ZERO);
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
            Self::Read(held) => held.read_again().await,
        }
    }

    /// Whether the key was rejected and not replaced, as far as was reported.
    pub(crate) fn is_rejected(&self) -> bool {
        matches!(self, Self::Read(held) if held.current().standing != Standing::Good)
    }

    /// Whether a rejected key has been replaced. Reads its source at most once a second.
    pub(crate) async fn was_replaced(&self, now: Moment) -> bool {
        let Self::Read(held) = self else { return false };
        if held.is_due(now) {
            let _ = held.read_again().await;
        }
        let mut current = held.current_mut();
        let replaced = current.standing == Standing::Replaced;
        if replaced {
            current.standing = Standing::Good;
        }
        replaced
    }
}

impl Held {
    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn current_mut(&self) -> RwLockWriteGuard<'_, Current> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to read the source of a rejected key again. Of several concurrent callers, one gets `true`.
    fn is_due(&self, now: Moment) -> bool {
        let mut current = self.current_mut();
        let due =
            matches!(current.standing, Standing::Rejected(at) if now >= at) && !self.reader.is_reading();
        if due {
            current.standing = Standing::Rejected(now + LOOK_EVERY);
        }
        due
    }

    async fn read_again(self: &Arc<Self>) -> Result<bool, String> {
        let held = Arc::clone(self);
        self.reader.read(move |source| source.resolve().map(|secret| held.take(secret))).await?
    }

    /// Stores a key that was just read. Returns whether it is another one.
    fn take(&self, secret: Secret) -> bool {
        let mut current = self.current_mut();
        let changed = secret != current.secret;
        if changed {
            current.secret = secret;
            if current.standing != Standing::Good {
                current.standing = Standing::Replaced;
            }
        }
        changed
    }
}

impl fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetched(credentials) => credentials.fmt(f),
            Self::Read(held) => held.reader.source().fmt(f),
        }
    }
}
