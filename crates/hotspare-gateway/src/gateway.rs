//! State shared by all handlers: the client, the keys, and the limits on requests.
//!
//! Does not answer requests. Invariant: a caller that is not admitted gets the reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderMap;
use hotspare::{Client, Error, Kind};

use crate::auth::{self, ClientKeys, KeyMatch};
use crate::refusal;
use crate::shutdown::{self, Shutdown};
use crate::traffic::Traffic;
use crate::upload::Uploads;

/// State shared by all handlers.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) client: Client,
    pub(crate) keys: ClientKeys,
    pub(crate) operator_keys: ClientKeys,
    pub(crate) uploads: Uploads,
    pub(crate) max_connections: usize,
    /// Only local processes can reach the listener.
    pub(crate) is_loopback: bool,
    /// Prefix of request ids, different in each run.
    pub(crate) run_id: u64,
    pub(crate) requests: AtomicU64,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) shutdown: Shutdown,
}

impl Gateway {
    pub(crate) fn request_id(&self) -> String {
        format!("hs-{:08x}-{}", self.run_id & 0xffff_ffff, self.requests.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(crate) async fn admit(&self, headers: &HeaderMap) -> Result<(), Error> {
        // Without keys, reaching the listener is what admits a caller; a web page in a browser that can does not qualify.
        if self.keys.is_empty()
            && let Some(why) = auth::foreign_page(headers, self.is_loopback)
        {
            return Err(Error::new(Kind::InvalidRequest, why).with_status(403).with_code("forbidden"));
        }
        self.keys.refresh().await;
        match self.keys.lookup(headers) {
            KeyMatch::Known(_) => Ok(()),
            KeyMatch::Unknown => {
                Err(unknown_key("the key is missing or unknown: send one of the gateway's client keys"))
            }
        }
    }

    /// Admits an operator and returns which operator key was presented, counted from 1. If no operator keys are
    /// configured, clients may operate.
    pub(crate) async fn admit_operator(&self, headers: &HeaderMap) -> Result<Option<usize>, Error> {
        if self.operator_keys.is_empty() {
            self.admit(headers).await?;
            return Ok(match self.keys.lookup(headers) {
                KeyMatch::Known(index) => index,
                KeyMatch::Unknown => None,
            });
        }
        self.operator_keys.refresh().await;
        match self.operator_keys.lookup(headers) {
            KeyMatch::Known(index) => Ok(index),
            KeyMatch::Unknown if !self.keys.is_empty() && self.keys.lookup(headers) != KeyMatch::Unknown => {
                let what = "this takes an operator key (server.operator_keys), not a client key";
                Err(Error::new(Kind::InvalidRequest, what).with_status(403).with_code("forbidden"))
            }
            KeyMatch::Unknown => {
                Err(unknown_key("the key is missing or unknown: send one of the gateway's operator keys"))
            }
        }
    }

    /// Whether operators must present a key.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty() || !self.operator_keys.is_empty()
    }

    /// Resolves to `answer`, or to an error once the grace period is over. A failure for lack of files is the gateway's own.
    pub(crate) async fn unless_shut_down<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            answer = answer => answer.map_err(refusal::or_out_of_files),
            () = self.shutdown.clone().grace_period_over() => Err(shutdown::error()),
        }
    }
}

fn unknown_key(what: &str) -> Error {
    Error::new(Kind::InvalidRequest, what).with_status(401).with_code("invalid_api_key")
}
