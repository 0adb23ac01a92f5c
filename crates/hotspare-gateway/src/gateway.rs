//! What all handlers share: the client, who may call, and the bounds that requests keep to.
//!
//! Not what is answered. Invariant: a body is read within its bounds or refused, and whoever is not admitted is told why.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use hotspare::{Client, Error, Kind};

use crate::auth::{self, ClientKeys};
use crate::closing::{self, Closing};
use crate::traffic::Traffic;

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) client: Client,
    pub(crate) keys: ClientKeys,
    pub(crate) max_body_bytes: usize,
    pub(crate) max_connections: usize,
    pub(crate) body_timeout: Duration,
    /// Only this machine reaches it.
    pub(crate) is_private: bool,
    /// Prefix of request ids, different for each run.
    pub(crate) run: u64,
    pub(crate) requests: AtomicU64,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) closing: Closing,
}

impl Gateway {
    pub(crate) fn request_id(&self) -> String {
        format!("hs-{:08x}-{}", self.run & 0xffff_ffff, self.requests.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(), Error> {
        // Where no key is asked for, being on this machine is what admits; a page in its browser is not.
        if self.keys.is_empty()
            && self.is_private
            && let Some(why) = auth::foreign(headers)
        {
            return Err(Error::new(Kind::InvalidRequest, why).with_status(403).with_code("forbidden"));
        }
        if self.keys.admit(headers) {
            return Ok(());
        }
        Err(Error::new(
            Kind::InvalidRequest,
            "the key is missing or unknown: send one of the gateway's client keys",
        )
        .with_status(401)
        .with_code("invalid_api_key"))
    }

    /// What is not answered when the time for that is over is not answered at all.
    pub(crate) async fn unless_closing<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            answer = answer => answer,
            () = self.closing.clone().begun() => Err(closing::why()),
        }
    }

    /// A request's body, within its bounds of size and time.
    pub(crate) async fn body(&self, body: Body) -> Result<Bytes, Error> {
        let too_large = |_| {
            let what = format!("the body is larger than {} bytes", self.max_body_bytes);
            Error::new(Kind::InvalidRequest, what).with_status(413)
        };
        let read = axum::body::to_bytes(body, self.max_body_bytes);
        let read = tokio::time::timeout(self.body_timeout, read).await.map_err(|_| {
            let what = format!("the body did not arrive within {:?}", self.body_timeout);
            Error::new(Kind::InvalidRequest, what).with_status(408)
        })?;
        read.map_err(too_large)
    }
}
