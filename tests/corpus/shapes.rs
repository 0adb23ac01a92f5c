//! Failures in shapes that no recording has: whatever stands between a caller and a host may answer in its own.
//!
//! Invariant: the sentence is found in every usual shape of a body, on every wire; where a body says nothing, the status
//! decides, and alike on every wire.

use hotspare::Kind;
use serde_json::json;

use crate::quoted::{WIRES, classify_body};

/// A body around a sentence.
type Shape = (&'static str, fn(&str) -> String);

/// The shapes in which hosts, gateways and frameworks report a failure.
const SHAPES: &[Shape] = &[
    ("error object", |text| json!({"error": {"message": text}}).to_string()),
    ("error text", |text| json!({"error": text}).to_string()),
    ("error in error", |text| json!({"error": {"error": {"message": text}}}).to_string()),
    ("text in error in error", |text| json!({"error": {"error": text}}).to_string()),
    ("error with a wrong type beside it", |text| json!({"error": true, "message": text}).to_string()),
    ("message", |text| json!({"message": text}).to_string()),
    ("capital message", |text| json!({"Message": text}).to_string()),
    ("msg", |text| json!({"code": 7, "msg": text}).to_string()),
    ("object in message", |text| json!({"message": {"message": text}}).to_string()),
    ("detail", |text| json!({"detail": text}).to_string()),
    ("list in detail", |text| json!({"detail": [{"loc": ["body"], "msg": text, "type": "x"}]}).to_string()),
    ("object in detail", |text| json!({"detail": {"error": {"message": text}}}).to_string()),
    ("errors", |text| json!({"errors": [{"message": text}]}).to_string()),
    ("errors with codes", |text| {
        json!({"success": false, "errors": [{"code": 7, "message": text}]}).to_string()
    }),
    ("texts in errors", |text| json!({"errors": [text]}).to_string()),
    ("problem", |text| json!({"type": "about:blank", "title": "Problem", "detail": text}).to_string()),
    ("title alone", |text| json!({"type": "about:blank", "title": text}).to_string()),
    ("error message", |text| json!({"errorMessage": text}).to_string()),
    ("list", |text| json!([{"error": {"message": text}}]).to_string()),
    ("text in a list", |text| json!([text]).to_string()),
    ("JSON text", |text| json!(text).to_string()),
    ("JSON in a message", |text| {
        json!({"error": {"message": json!({"error": {"message": text}}).to_string()}}).to_string()
    }),
    ("plain text", str::to_owned),
];

fn wires(check: impl Fn(&str, &str) -> Option<String>) {
    let wrong: Vec<String> =
        WIRES.iter().filter_map(|(provider, endpoint)| check(provider, endpoint)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn sentences_are_found_in_every_shape_of_a_body() {
    const ROWS: &[(u16, &str, Kind)] = &[
        (400, "This model's maximum context length is 8192 tokens.", Kind::ContextOverflow),
        (429, "Your credit balance is too low to access the API", Kind::QuotaExhausted),
        (400, "The model `m` does not exist", Kind::ModelUnavailable),
    ];
    wires(|provider, endpoint| {
        let mut wrong = Vec::new();
        for (name, shape) in SHAPES {
            for (status, sentence, expected) in ROWS {
                let error = classify_body(provider, endpoint, *status, &shape(sentence));
                if error.kind() != *expected {
                    wrong.push(format!(
                        "{provider} {endpoint}, {name}: {} instead of {expected}",
                        error.kind()
                    ));
                }
            }
        }
        (!wrong.is_empty()).then(|| wrong.join("\n"))
    });
}

#[test]
fn texts_in_fields_that_a_wire_does_not_have_are_not_read_as_its_hosts_own() {
    const ROWS: &[(u16, &str, Kind)] = &[
        (500, r#"{"detail":"Failed to parse upstream response"}"#, Kind::Server),
        (500, r#"{"detail":"parse_error"}"#, Kind::Server),
        (500, r#"{"errors":[{"message":"pool must not be empty"}]}"#, Kind::Server),
        (500, r#"{"title":"Internal Server Error","detail":"Failed to parse the reply"}"#, Kind::Server),
        (500, r#"{"detail":"backend not available"}"#, Kind::Server),
        (500, r#"{"detail":"unsupported upstream protocol"}"#, Kind::Server),
        (500, r#"{"description":"the service is not enabled"}"#, Kind::Server),
        (500, r#"{"errors":["at most 3 backends"]}"#, Kind::Server),
        (502, r#"{"detail":"unsupported upstream protocol"}"#, Kind::Server),
        (404, r#"{"detail":"The container app is stopped"}"#, Kind::Server),
        (404, r#"{"title":"Not Found","reason":"No such app"}"#, Kind::Server),
        (404, r#"{"detail":"No such app"}"#, Kind::Server),
        (404, r#"{"errors":[{"message":"app with id 7"}]}"#, Kind::Server),
        (403, r#"{"detail":"Request blocked by WAF"}"#, Kind::Forbidden),
        (403, r#"{"title":"flagged by the firewall"}"#, Kind::Forbidden),
    ];
    wires(|provider, endpoint| {
        let mut wrong = Vec::new();
        for (status, body, expected) in ROWS {
            let error = classify_body(provider, endpoint, *status, body);
            if error.kind() != *expected {
                wrong.push(format!(
                    "{provider} {endpoint}, {status} {body}: {} instead of {expected}",
                    error.kind()
                ));
            }
        }
        (!wrong.is_empty()).then(|| wrong.join("\n"))
    });
}

/// A proxy whose host is being restarted, a web server, a framework: none of them knows which models there are.
#[test]
fn a_model_is_not_retired_by_a_404_that_does_not_speak_of_one() {
    const ROWS: &[(u16, &str, Kind)] = &[
        (404, r#"{"detail":"Not Found"}"#, Kind::Server),
        (405, r#"{"detail":"Method Not Allowed"}"#, Kind::Server),
        (404, "404 page not found", Kind::Server),
        (404, "default backend - 404", Kind::Server),
        (404, r#"{"message":"Not Found"}"#, Kind::Server),
        (404, r#"{"message":"no Route matched with those values"}"#, Kind::Server),
        (404, r#"{"message":"Cannot POST /v1/chat","error":"Not Found","statusCode":404}"#, Kind::Server),
        (404, r#"{"timestamp":"2026-01-01T00:00:00Z","status":404,"error":"Not Found"}"#, Kind::Server),
        (404, r#"{"status":"error","code":404,"message":"Application not found"}"#, Kind::Server),
        (404, r#"{"code":404,"message":"404 Not Found"}"#, Kind::Server),
        (404, r#"{"error":{"code":"404","message":"The deployment could not be found"}}"#, Kind::Server),
        (404, r#"{"message":"Cannot POST /v1beta/models/x:generateContent"}"#, Kind::Server),
        (404, "Cannot POST /v1beta/models/x:generateContent", Kind::Server),
        (404, "The deployment could not be found", Kind::Server),
        (
            404,
            r#"{"kind":"Status","status":"Failure","message":"services \"llm\" not found","reason":"NotFound","code":404}"#,
            Kind::Server,
        ),
        (
            404,
            r#"{"kind":"Status","status":"Failure","message":"services \"model-server\" not found","reason":"NotFound","code":404}"#,
            Kind::Server,
        ),
        (
            404,
            r#"{"status":404,"title":"Not Found","detail":"Function '5e1c': Not found for account 'x'"}"#,
            Kind::ModelUnavailable,
        ),
        (404, r#"{"detail":"Model m not found"}"#, Kind::ModelUnavailable),
        (404, r#"{"detail":"There is no deployment m here"}"#, Kind::ModelUnavailable),
        (410, r#"{"detail":"Gone"}"#, Kind::ModelUnavailable),
    ];
    wires(|provider, endpoint| {
        let rows = ROWS.iter().map(|(status, body, expected)| {
            (status, body, expected, classify_body(provider, endpoint, *status, body).kind())
        });
        let wrong: Vec<String> = rows
            .filter(|(.., expected, kind)| kind != *expected)
            .map(|(status, body, expected, kind)| {
                format!("{provider} {endpoint}, {status} {body}: {kind} instead of {expected}")
            })
            .collect();
        (!wrong.is_empty()).then(|| wrong.join("\n"))
    });
}

/// Bodies that say nothing.
const EMPTY: &[&str] = &[
    "",
    " \r\n",
    "{}",
    "[]",
    "null",
    "true",
    "7",
    "{\"error\":null}",
    "{\"error\":{}}",
    "{\"error\":[]}",
    "{\"message\":null}",
    "{\"error\":{\"message\":null,\"type\":null,\"code\":null,\"param\":null}}",
    "<html><head><title>Bad Gateway</title></head></html>",
    "{\"error\":",
    "\u{feff}{}",
];

#[test]
fn statuses_mean_the_same_on_every_wire_where_bodies_say_nothing() {
    use Kind::{
        Auth, Connect, ContentPolicy, ContextOverflow, Forbidden, InvalidRequest, ModelUnavailable,
        Overloaded, Protocol, QuotaExhausted, RateLimited, Server, Timeout, Unsupported,
    };
    const ROWS: &[(u16, Kind)] = &[
        (300, Protocol),
        (304, Protocol),
        (400, InvalidRequest),
        (401, Auth),
        (402, QuotaExhausted),
        (403, Forbidden),
        (404, Server),
        (405, Server),
        (406, Unsupported),
        (407, Connect),
        (408, Timeout),
        (409, Overloaded),
        (410, ModelUnavailable),
        (411, Unsupported),
        (412, InvalidRequest),
        (413, ContextOverflow),
        (414, Unsupported),
        (415, Unsupported),
        (417, Unsupported),
        (418, InvalidRequest),
        (421, Server),
        (422, InvalidRequest),
        (423, Overloaded),
        (424, Server),
        (425, Overloaded),
        (426, Unsupported),
        (428, InvalidRequest),
        (429, RateLimited),
        (431, Unsupported),
        (451, ContentPolicy),
        (460, InvalidRequest),
        (499, Server),
        (500, Server),
        (501, Unsupported),
        (502, Server),
        (503, Overloaded),
        (504, Timeout),
        (505, Server),
        (507, Server),
        (508, Unsupported),
        (509, Overloaded),
        (510, Server),
        (511, Connect),
        (520, Server),
        (521, Server),
        (522, Timeout),
        (523, Server),
        (524, Timeout),
        (525, Server),
        (526, Server),
        (527, Server),
        (529, Overloaded),
        (530, Server),
        (561, Server),
        (598, Timeout),
        (599, Server),
        (600, Protocol),
        (999, Protocol),
    ];
    wires(|provider, endpoint| {
        let mut wrong = Vec::new();
        for (status, expected) in ROWS {
            for body in EMPTY {
                let error = classify_body(provider, endpoint, *status, body);
                // Its URLs name the model, so that a page or nothing says that there is none (recorded).
                let is_page = body.trim().is_empty() || body.starts_with('<');
                let named = provider == "gemini" && *status == 404 && is_page;
                let expected = if named { &ModelUnavailable } else { expected };
                if error.kind() != *expected {
                    wrong.push(format!(
                        "{provider} {endpoint}, {status} {body}: {} instead of {expected}",
                        error.kind()
                    ));
                }
                if error.status() != Some(*status) {
                    wrong.push(format!("{provider} {endpoint}, {status} {body}: {error:?}"));
                }
            }
        }
        (!wrong.is_empty()).then(|| wrong.join("\n"))
    });
}
