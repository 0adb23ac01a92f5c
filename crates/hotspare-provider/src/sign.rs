//! Keys that are more than a fixed header: signed requests, and keys that have to be fetched.
//!
//! Not a vault and not a clock: wall time is an argument. Signing is a computation on a finished request and therefore
//! not async; waiting belongs to [`Credentials`], which the driver queries before it sends. Invariant: neither of them,
//! nor any of their errors, shows a key.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use hotspare_core::Error;

use crate::secret::Secret;
use crate::transport::HttpRequest;

/// Signs requests, or adds the key where a host requires it but the wire, which several hosts share, does not.
pub trait Signer: fmt::Debug + Send + Sync {
    /// Signs `request`, whose URL, headers and body are final, with `secret` at `sent_at`.
    ///
    /// # Errors
    /// [`Kind::Auth`](hotspare_core::Kind::Auth) if the secret is malformed,
    /// [`Kind::Config`](hotspare_core::Kind::Config) if the URL cannot be signed.
    fn sign(&self, request: &mut HttpRequest, secret: &Secret, sent_at: SystemTime) -> Result<(), Error>;
}

const _: fn(&dyn Signer) = |_| ();

/// A source of keys that expire: a token to be fetched and renewed.
#[async_trait]
pub trait Credentials: fmt::Debug + Send + Sync {
    /// The key to use at `now`. Called before each request: cache a fetched key until it expires.
    ///
    /// # Errors
    /// Whatever kept the key from being fetched, classified as if the provider had reported it:
    /// [`Kind::Auth`](hotspare_core::Kind::Auth) disables the key, [`Kind::Connect`](hotspare_core::Kind::Connect) and
    /// similar kinds count against the target.
    async fn secret(&self, now: SystemTime) -> Result<Secret, Error>;

    /// Reports that the provider rejected this key, which must be dropped. Returns whether another may be available.
    fn rejected(&self, secret: &Secret) -> bool {
        let _ = secret;
        false
    }
}

const _: fn(&dyn Credentials) = |_| ();
