//! Classification of connection failures.
//!
//! Does not interpret statuses: that is up to the adapter. Invariant: no address and no header appears in an error's
//! text.

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
        (Kind::Config, "the URL or a header is invalid")
    } else if error.is_timeout() {
        // Only connecting has a limit here; these are TCP's, or those of an application's own client.
        (Kind::Timeout, "no reply within the connection's own time limit")
    } else if let Some(what) = malformed(&error) {
        (Kind::Protocol, what)
    } else {
        (Kind::Disconnected, "the connection ended before a reply")
    };
    Error::new(kind, what).with_source(error.without_url())
}

/// Classifies a body that was cut off. reqwest calls every failure of a body a failure to decode it.
pub(crate) fn in_body(error: reqwest::Error) -> Error {
    let io = causes(&error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    let what = match io {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => "the body is damaged",
        Some(io::ErrorKind::TimedOut) => "the connection went silent inside the body",
        _ => "the connection ended inside the body",
    };
    Error::new(Kind::Truncated, what).with_source(error.without_url())
}

/// What an error wraps, from the outside in.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
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
    if error.is_dns() {
        return "the host's name was not found";
    }
    for cause in causes(error) {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        match io {
            Some(io::ErrorKind::ConnectionRefused) => return "the connection was refused",
            Some(io::ErrorKind::ConnectionReset) => return "the connection was reset",
            Some(io::ErrorKind::TimedOut) => return "connecting took too long",
            _ => {}
        }
        let text = cause.to_string();
        if io == Some(io::ErrorKind::InvalidData)
            || ["certificate", "tls", "handshake"].iter().any(|word| text.contains(word))
        {
            return tls_cause(&text);
        }
    }
    "no connection"
}

/// Why a handshake failed. The TLS library's error type is not accessible here, only its words.
fn tls_cause(text: &str) -> &'static str {
    const CAUSES: [(&[&str], &str); 4] = [
        (
            &["UnknownIssuer"],
            "the TLS certificate is signed by an unknown authority; if it is your proxy's or your own, set `ca`",
        ),
        (
            &["Expired", "expired", "NotValidYet", "not valid yet"],
            "the TLS certificate is not valid now; check its dates and this machine's clock",
        ),
        (&["NotValidForName", "not valid for name"], "the TLS certificate is for another host name"),
        (&["InvalidContentType"], "the host does not speak TLS at this port"),
    ];
    let known = CAUSES.iter().find(|(words, _)| words.iter().any(|word| text.contains(word)));
    known.map_or("the TLS handshake failed", |(_, cause)| cause)
}

fn malformed(error: &reqwest::Error) -> Option<&'static str> {
    causes(error).find_map(|cause| {
        let text = cause.to_string();
        if text.contains("message head is too large") {
            Some("the reply's headers are too large")
        } else if text.contains("invalid HTTP") || text.contains("parse") {
            Some("the reply is not HTTP")
        } else {
            None
        }
    })
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
    fn failed_handshakes_name_their_cause() {
        // As rustls words them, with and without the details of a certificate.
        for (text, cause) in [
            ("invalid peer certificate: UnknownIssuer", "unknown authority"),
            ("invalid peer certificate: certificate expired: verification time 2 (UNIX), but …", "dates"),
            ("invalid peer certificate: Expired", "dates"),
            ("invalid peer certificate: certificate not valid yet: verification time 1", "dates"),
            ("invalid peer certificate: certificate not valid for name \"a\"; …", "another host name"),
            ("received corrupt message of type InvalidContentType", "does not speak TLS"),
            ("received fatal alert: HandshakeFailure", "handshake failed"),
        ] {
            assert!(tls_cause(text).contains(cause), "{text}");
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
