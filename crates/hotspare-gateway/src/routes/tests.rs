//! What headers say about a call, and what a caller is told about an unknown path.

use super::*;

#[test]
fn operators_paths_are_listed_unless_the_path_is_a_clients() {
    for path in ["/targets/main/drain", "/health", "/"] {
        let what = unknown_endpoint(&Method::POST, path);
        assert!(
            what.starts_with(&format!("unknown endpoint POST {path}; available: POST /v1/chat")),
            "{what}"
        );
        for known in ["GET /healthz", "/targets,", "/targets/NAME/cordon", "/targets/NAME/enable"] {
            assert!(what.contains(known), "{known} is not in: {what}");
        }
    }
    for path in ["/v1/completions", "/v1/v1/messages", "/messages", "/v1/models/"] {
        let what = unknown_endpoint(&Method::POST, path);
        assert!(!what.contains("operators"), "{what}");
    }
}

/// Keep-alives keep a client from giving up on a stream, but on nothing else.
#[test]
fn a_clients_time_out_is_no_deadline_for_a_stream_that_is_kept_alive() {
    let applied = |value: &'static str, stream| {
        let mut headers = HeaderMap::new();
        headers.insert("x-stainless-read-timeout", HeaderValue::from_static(value));
        let mut options = CallOptions::default();
        HeaderOptions::parse(&headers).unwrap().apply(&mut options, stream);
        options.first_content_deadline.map(|time| time.as_secs())
    };
    assert_eq!((applied("5", true), applied("5", false)), (Some(5), Some(5)));
    assert_eq!((applied("30", true), applied("30", false)), (None, Some(30)));
}
