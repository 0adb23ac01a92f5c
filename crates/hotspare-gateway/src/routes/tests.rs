//! What a caller is told about an unknown path.

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
