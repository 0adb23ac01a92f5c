//! URLs and keys.

use std::sync::Arc;
use std::time::SystemTime;

use hotspare_core::EmbedRequest;
use hotspare_provider::Secret;
use http::StatusCode;

use super::*;

fn encoded(wire: &Gemini, model: &str, stream: bool) -> HttpRequest {
    let request = Arc::new(ChatRequest::to("r").user("x"));
    let call = Outbound::new(request, model, stream).with_secret(Some(Secret::new("AIza-secret")));
    wire.encode(&call).unwrap()
}

#[test]
fn builds_request_urls() {
    let gemini = Gemini::new();
    let vertex = Gemini::vertex("my-project", "europe-west4").unwrap();
    let global = Gemini::vertex("example.com:p", "global").unwrap();
    let own = Gemini::at(Host::GEMINI, "http://127.0.0.1:1/x/");
    for (wire, model, stream, expected) in [
        (
            &gemini,
            "gemini-x",
            false,
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-x:generateContent",
        ),
        (
            &gemini,
            "tunedModels/mine",
            true,
            "https://generativelanguage.googleapis.com/v1beta/tunedModels/mine:streamGenerateContent?alt=sse",
        ),
        (
            &vertex,
            "gemini-x@001",
            true,
            "https://europe-west4-aiplatform.googleapis.com/v1beta1/projects/my-project/locations/europe-west4/publishers/google/models/gemini-x@001:streamGenerateContent?alt=sse",
        ),
        (
            &global,
            "endpoints/7",
            false,
            "https://aiplatform.googleapis.com/v1beta1/projects/example.com:p/locations/global/endpoints/7:generateContent",
        ),
        (&own, "m", false, "http://127.0.0.1:1/x/models/m:generateContent"),
    ] {
        assert_eq!(encoded(wire, model, stream).url, expected);
    }
    let embed = Outbound::new(EmbedRequest::to("r").text("x"), "e", false);
    assert!(gemini.encode(&embed).unwrap().url.ends_with("/models/e:batchEmbedContents"));
    assert!(vertex.encode(&embed).unwrap().url.ends_with("/publishers/google/models/e:predict"));
}

#[test]
fn key_is_only_in_one_sensitive_header() {
    let vertex = Gemini::vertex("p", "global").unwrap();
    for (wire, name, value) in
        [(Gemini::new(), "x-goog-api-key", "AIza-secret"), (vertex, "authorization", "Bearer AIza-secret")]
    {
        let request = encoded(&wire, "m", true);
        assert_eq!(request.headers.get(name).unwrap(), value);
        assert!(request.headers.get(name).unwrap().is_sensitive());
        let shown = format!("{request:?} {:?} {} {:?}", request.headers, request.url, request.body);
        assert!(!shown.contains("secret"), "{shown}");
        assert_eq!(request.headers.len(), 2);
    }
}

#[test]
fn names_unfit_for_a_url_are_rejected() {
    let request = Arc::new(ChatRequest::to("r").user("x"));
    for model in ["", "a b", "m?key=x", "m:generateContent", "../m", "m#", "mö"] {
        let call = Outbound::new(Arc::clone(&request), model, false);
        assert_eq!(Gemini::new().encode(&call).unwrap_err().kind(), Kind::ModelUnavailable, "{model}");
    }
    for (project, location) in [("", "global"), ("a/b", "global"), ("p", "x.evil.com/"), ("p", "eu west")] {
        assert_eq!(Gemini::vertex(project, location).unwrap_err().kind(), Kind::Config);
    }
}

#[test]
fn accepts_known_content_types() {
    let call = Outbound::new(ChatRequest::to("r"), "m", true);
    let decoder = |kind: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        if let Some(kind) = kind {
            headers.insert("content-type", kind.parse().unwrap());
        }
        let head = Head { status: StatusCode::OK, headers, received_at: SystemTime::UNIX_EPOCH };
        Gemini::new().decoder(&call, &head).map(|_| ()).map_err(|error| error.kind())
    };
    for kind in [None, Some("text/event-stream"), Some("application/json; charset=UTF-8")] {
        assert_eq!(decoder(kind), Ok(()));
    }
    assert_eq!(decoder(Some("text/html")), Err(Kind::Protocol));
}
