//! Keys that are more than one header: requests that are signed, keys that have to be fetched.
//!
//! Not a vault and not a clock: wall time is an argument. Signing is arithmetic over a finished request and therefore not
//! async; waiting belongs to [`Credentials`], which the driver asks before it sends. Invariant: neither shows a key, and
//! an error of theirs does not either.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use hotspare_core::Error;

use crate::secret::Secret;
use crate::transport::HttpRequest;

/// Signs requests, or puts the key where a wire that is served by several hosts cannot know that it belongs.
pub trait Signer: fmt::Debug + Send + Sync {
    /// Signs `request`, whose address, headers and body are final, with `secret` at `sent_at`.
    ///
    /// # Errors
    /// [`Kind::Auth`](hotspare_core::Kind::Auth) if the secret has not the form that is needed,
    /// [`Kind::Config`](hotspare_core::Kind::Config) if the address cannot be signed.
    fn sign(&self, request: &mut HttpRequest, secret: &Secret, sent_at: SystemTime) -> Result<(), Error>;
}

const _: fn(&dyn Signer) = |_| ();

/// Where a key comes from that runs out: a token to be fetched and renewed.
#[async_trait]
pub trait Credentials: fmt::Debug + Send + Sync {
    /// The key to use at `now`. Asked before each request: keep what was fetched until it runs out.
    ///
    /// # Errors
    /// Whatever kept the key from being had, classified as if the provider had said it:
    /// [`Kind::Auth`](hotspare_core::Kind::Auth) takes the key out, [`Kind::Connect`](hotspare_core::Kind::Connect) and
    /// its siblings count against the target.
    async fn secret(&self, now: SystemTime) -> Result<Secret, Error>;

    /// The provider rejected this key: forget it. Returns whether asking again may bring another.
    fn rejected(&self, secret: &Secret) -> bool {
        let _ = secret;
        false
    }
}

const _: fn(&dyn Credentials) = |_| ();
