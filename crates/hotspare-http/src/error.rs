//! Classification of connection failures.
//!
//! Does not interpret statuses: that is up to the adapter. Invariant: no address and no header appears in an error's
//! text.

use std::error::Error as _;
use std::io;

use hotspare_core::{Error, Kind, Scope};

/// The error code if no socket could be opened, which is neither the target's nor the network's fault.
const NO_FILES: &str = "too_many_open_files";

/// Classifies a request that got no response.
pub(crate) fn before_head(error: reqwest::Error) -> Error {
    if is_out_of_files(&error) {
        let what = "this machine allows no more open files: raise the limit (ulimit -n)";
        // Not held against the target: no other one could be reached, either.
        let ours = Error::new(Kind::Connect, what).with_code(NO_FILES).with_scope(Scope::None);
        return ours.with_source(error.without_url());
    }
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

/// Classifies a body that was cut off.
pub(crate) fn in_body(error: reqwest::Error) -> Error {
    let what = if error.is_decode() { "the body is damaged" } else { "the connection ended inside the body" };
    Error::new(Kind::Truncated, what).with_source(error.without_url())
}

/// EMFILE (this process) or ENFILE (the whole machine), which have these numbers on all Unix systems.
fn is_out_of_files(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>();
    let is_it =
        cfg!(unix) && io.and_then(io::Error::raw_os_error).is_some_and(|number| matches!(number, 23 | 24));
    is_it || error.source().is_some_and(is_out_of_files)
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
        // The error types of the resolver and the TLS library are not accessible here, only their messages.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(io::Error);

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn local_file_exhaustion_is_detected() {
        for (number, ours) in [(24, true), (23, true), (111, false)] {
            let error = Outer(io::Error::from_raw_os_error(number));
            assert_eq!(is_out_of_files(&error), ours && cfg!(unix), "{number}");
        }
    }
}
