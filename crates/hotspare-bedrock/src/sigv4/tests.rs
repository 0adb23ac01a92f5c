//! Checks signatures against published ones.

use std::time::Duration;

use super::*;

const KEY: &str = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// 2015-08-30 12:36:00 UTC, the time used by the published test suite.
fn moment() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

fn signed(mut request: HttpRequest, signer: &SigV4, key: &str) -> HttpRequest {
    signer.sign(&mut request, &Secret::new(key), moment()).unwrap();
    request
}

/// `post-vanilla` of the AWS Signature Version 4 test suite.
#[test]
fn matches_the_published_sigv4_signature() {
    let mut request = HttpRequest::post_json("https://example.amazonaws.com/".into(), "");
    request.headers.clear();
    let signed = signed(request, &SigV4::new("us-east-1").with_service("service"), KEY);
    assert_eq!(signed.headers["x-amz-date"], "20150830T123600Z");
    assert_eq!(
        signed.headers["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, \
         Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    );
}

#[test]
fn parses_bearer_keys_and_access_keys_with_optional_token() {
    let request = || {
        HttpRequest::post_json(
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/a%3A0/converse".into(),
            "{}",
        )
    };
    let signer = SigV4::new("us-east-1");
    assert!(signed(request(), &signer, "bearer").headers.get("authorization").is_none());
    let with_token = signed(request(), &signer, &format!("{KEY}:TOKEN"));
    assert_eq!(with_token.headers["x-amz-security-token"], "TOKEN");
    assert!(with_token.headers["authorization"].is_sensitive());
    assert!(!format!("{:?}", with_token.headers).contains("TOKEN"));
    let authorization = with_token.headers["authorization"].to_str().unwrap();
    assert!(
        authorization.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token"),
        "{authorization}"
    );
    let wrong = signer.sign(&mut request(), &Secret::new("a:b:c:d"), moment()).unwrap_err();
    assert_eq!(wrong.kind(), Kind::Auth);
}
