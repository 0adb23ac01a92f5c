//! What a failed connection means.
//!
//! Not what a status means: that is the adapter's to say. Invariant: no address and no header leaves here in a text.

use std::error::Error as _;
use std::io;

use hotspare_core::{Error, Kind};

/// Classifies a request that brought no response.
pub(crate) fn before_head(error: reqwest::Error) -> Error {
    let (kind, what) = if error.is_connect() {
        (Kind::Connect, connect_cause(&error))
    } else if error.is_builder() {
        (Kind::Config, "the address or a header cannot be sent")
    } else if error.is_timeout() {
        (Kind::Connect, "connecting took too long")
    } else if is_malformed(&error) {
        (Kind::Protocol, "the reply is not HTTP")
    } else {
        (Kind::Disconnected, "the connection ended before a reply")
    };
    Error::new(kind, what).with_source(error.without_url())
}

/// Classifies a body that broke off.
pub(crate) fn in_body(error: reqwest::Error) -> Error {
    let what = if error.is_decode() { "the body is damaged" } else { "the connection ended inside the body" };
    Error::new(Kind::Truncated, what).with_source(error.without_url())
}

fn connect_cause(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        return "connecting took too long";
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::ConnectionRefused => return "the connection was refused",
                io::ErrorKind::ConnectionReset => return "the connection was reset",
                io::ErrorKind::TimedOut => return "connecting took too long",
                io::ErrorKind::InvalidData => return "the TLS handshake failed",
                _ => {}
            }
        }
        // The resolver's and the TLS library's own types are not public here; their texts are.
        let text = cause.to_string();
        if text.contains("dns") {
            return "the host's name was not found";
        }
        if text.contains("certificate") || text.contains("tls") || text.contains("handshake") {
            return "the TLS handshake failed";
        }
        source = cause.source();
    }
    "no connection"
}

fn is_malformed(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if text.contains("invalid HTTP")
            || text.contains("message head is too large")
            || text.contains("parse")
        {
            return true;
        }
        source = cause.source();
    }
    false
}
