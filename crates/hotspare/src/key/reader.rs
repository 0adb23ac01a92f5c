//! Re-reads the source of a key while requests are served.
//!
//! Does not keep keys. Invariant: no async thread waits for a source, and a source that hangs, such as a file on a lost
//! network mount, occupies one thread of the blocking pool, however often it is asked for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::Key;

/// How long a caller waits for a source.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// A source of keys that is read in the background.
#[derive(Debug)]
pub struct KeyReader {
    source: Key,
    /// Held by the thread that reads.
    lock: Arc<Mutex<()>>,
}

impl KeyReader {
    /// A reader of this source; reads nothing yet.
    #[must_use]
    pub fn new(source: Key) -> Self {
        Self { source, lock: Arc::default() }
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &Key {
        &self.source
    }

    /// Whether a read is under way.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.lock.try_lock().is_err()
    }

    /// Runs `read` on a thread of tokio's blocking pool, after earlier reads have ended, and waits for at most a second.
    ///
    /// # Errors
    /// If that was not enough, or `read` panics. In the first case `read` continues, so it should store what it finds.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Key) -> T + Send + 'static,
    ) -> Result<T, String> {
        let reading = async {
            let guard = Arc::clone(&self.lock).lock_owned().await;
            let source = self.source.clone();
            tokio::task::spawn_blocking(move || {
                let _guard = guard;
                read(&source)
            })
            .await
        };
        match tokio::time::timeout(READ_TIMEOUT, reading).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(_)) => Err(format!("{:?} could not be read", self.source)),
            Err(_) => Err(format!("{:?} could not be read within {READ_TIMEOUT:?}", self.source)),
        }
    }
}
