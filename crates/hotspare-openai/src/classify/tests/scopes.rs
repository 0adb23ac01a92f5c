//! The scope of a failure: the key, the model, the host, or just one request.

use super::*;

/// Replies whose body contradicts their status: the expected kind and scope.
fn assert_classified(rows: &[(u16, &str, Kind, Scope)]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|&(status, body, expected, scope)| {
            let error = reply(&head(status), body.as_bytes());
            let read = (error.kind(), error.scope());
            (read != (expected, scope))
                .then(|| format!("{read:?} instead of {:?}: {status} {body}", (expected, scope)))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn daily_quota_is_scoped_to_the_model_and_billing_to_the_key() {
    use Kind::{QuotaExhausted, RateLimited};
    assert_classified(&[
        (
            429,
            r#"{"error":{"message":"Rate limit reached for model `x` in organization `o` service tier `on_demand` on tokens per day (TPD): Limit 100000, Used 99000, Requested 2000. Please try again in 14m24s.","type":"tokens","code":"rate_limit_exceeded"}}"#,
            QuotaExhausted,
            Scope::CredentialModel,
        ),
        (
            429,
            r#"{"error":{"message":"Rate limit exceeded: free-models-per-day. Add 10 credits","code":429}}"#,
            QuotaExhausted,
            Scope::CredentialModel,
        ),
        (
            429,
            r#"{"error":{"code":"RateLimitReached","message":"Rate limit of 50 per 86400s exceeded for UserByModelByDay. Please wait 42000 seconds before retrying."}}"#,
            QuotaExhausted,
            Scope::CredentialModel,
        ),
        (
            429,
            r#"{"error":{"message":"Rate limit reached for model `x` on tokens per minute (TPM): Limit 6000","type":"tokens","code":"rate_limit_exceeded"}}"#,
            RateLimited,
            Scope::CredentialModel,
        ),
        // Errors in one host's own format, sent over this wire.
        (
            429,
            r#"[{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details. Please retry in 31.5s.","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]}]}}]"#,
            RateLimited,
            Scope::CredentialModel,
        ),
        (
            429,
            r#"[{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details. Please retry in 31.5s.","status":"RESOURCE_EXHAUSTED","details":[{"links":[]},{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}}]"#,
            QuotaExhausted,
            Scope::CredentialModel,
        ),
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details."}}"#,
            QuotaExhausted,
            Scope::Credential,
        ),
        (
            429,
            r#"{"code":"Some resource has been exhausted","error":"Your team has either used all available credits or reached its monthly spending limit."}"#,
            QuotaExhausted,
            Scope::Credential,
        ),
        (
            403,
            r#"{"code":"The caller does not have permission","error":"Your team has either used all available credits or reached its monthly spending limit."}"#,
            QuotaExhausted,
            Scope::Credential,
        ),
        (
            412,
            r#"{"error":{"message":"Account x is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices.","code":"PRECONDITION_FAILED","type":"error"}}"#,
            QuotaExhausted,
            Scope::Credential,
        ),
        (
            400,
            r#"{"error":{"message":"Access denied, please make sure your account is in good standing.","type":"Arrearage","code":"Arrearage"}}"#,
            QuotaExhausted,
            Scope::Credential,
        ),
    ]);
}

#[test]
fn host_side_errors_are_not_blamed_on_the_caller() {
    use Kind::{Auth, Forbidden, ModelUnavailable, Overloaded, Server};
    assert_classified(&[
        (
            400,
            r#"{"error":{"message":"The model `x` has been decommissioned and is no longer supported.","type":"invalid_request_error","code":"model_decommissioned"}}"#,
            ModelUnavailable,
            Scope::Model,
        ),
        (
            410,
            r#"{"error":"The requested model is deprecated and no longer supported by provider x."}"#,
            ModelUnavailable,
            Scope::Model,
        ),
        (
            400,
            r#"{"error":{"code":"OperationNotSupported","message":"The chatCompletion operation does not work with the specified model, x."}}"#,
            ModelUnavailable,
            Scope::Model,
        ),
        (
            400,
            r#"{"error":{"message":"The requested model is not supported.","code":"model_not_supported","type":"invalid_request_error"}}"#,
            ModelUnavailable,
            Scope::Model,
        ),
        (
            400,
            r#"{"error":{"message":"The model `x` requires terms acceptance.","type":"invalid_request_error","code":"model_terms_required"}}"#,
            Forbidden,
            Scope::CredentialModel,
        ),
        (
            400,
            r#"{"error":{"message":"Organization has been restricted.","type":"invalid_request_error","code":"organization_restricted"}}"#,
            Auth,
            Scope::Credential,
        ),
        (
            424,
            r#"{"error":"Request failed during generation: Server error: CANCELLED","error_type":"generation"}"#,
            Server,
            Scope::Model,
        ),
        (498, r#"{"error":{"message":"m","type":"x","code":"y"}}"#, Overloaded, Scope::Model),
    ]);
}

#[test]
fn errors_about_one_request_have_no_scope() {
    use Kind::{ContentPolicy, ContextOverflow, InvalidRequest, ModelUnavailable, Unsupported};
    assert_classified(&[
        (
            403,
            r#"{"code":"The caller does not have permission to execute the specified operation","error":"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}"#,
            ContentPolicy,
            Scope::None,
        ),
        (
            404,
            r#"{"error":{"message":"No endpoints found that support image input","code":404}}"#,
            Unsupported,
            Scope::None,
        ),
        (
            404,
            r#"{"error":{"message":"No endpoints found that can handle the requested parameters.","code":404}}"#,
            Unsupported,
            Scope::None,
        ),
        (
            404,
            r#"{"error":{"message":"No endpoints found for x/y:free.","code":404}}"#,
            ModelUnavailable,
            Scope::Model,
        ),
        (
            404,
            r#"{"error":{"message":"Item with id 'rs_abc' not found. Items are not persisted when `store` is set to false.","type":"invalid_request_error","code":null}}"#,
            InvalidRequest,
            Scope::None,
        ),
        (
            404,
            r#"{"error":{"message":"Conversation with id 'conv_1' not found.","type":"invalid_request_error"}}"#,
            InvalidRequest,
            Scope::None,
        ),
        (
            404,
            r#"{"error":{"message":"No such File object: file-abc","type":"invalid_request_error"}}"#,
            InvalidRequest,
            Scope::None,
        ),
        (404, r#"{"error":{"message":"No such model: x"}}"#, ModelUnavailable, Scope::Model),
        (404, r#"{"error":{"message":"Model with id x not found"}}"#, ModelUnavailable, Scope::Model),
        (
            400,
            r#"{"error":{"message":"Content Exists Risk","type":"invalid_request_error","code":"invalid_request_error"}}"#,
            ContentPolicy,
            Scope::None,
        ),
        (
            400,
            r#"{"error":{"message":"Input data may contain inappropriate content.","code":"data_inspection_failed"}}"#,
            ContentPolicy,
            Scope::None,
        ),
        (
            422,
            r#"{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 512 `max_new_tokens`","error_type":"validation"}"#,
            ContextOverflow,
            Scope::None,
        ),
        (
            422,
            r#"{"error":"Input validation error: `inputs` must have less than 1024 tokens. Given: 2000","error_type":"validation"}"#,
            ContextOverflow,
            Scope::None,
        ),
    ]);
}

#[test]
fn garbled_output_is_bad_output_but_garbled_arguments_are_invalid() {
    assert_classified(&[
        (
            500,
            r#"{"error":{"code":500,"message":"Failed to parse input at pos 12: </tool_call> is not supported","type":"server_error"}}"#,
            Kind::BadOutput,
            Scope::None,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"Failed to parse tool call arguments as JSON: [json.exception.parse_error.101] parse error","type":"server_error"}}"#,
            Kind::InvalidRequest,
            Scope::None,
        ),
    ]);
}

#[test]
fn reads_headers_embedded_in_a_relays_body() {
    let mut later = head(429);
    later.received_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_754_667_600);
    let body = br#"{"error":{"message":"Rate limit exceeded: free-models-per-day.","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"50","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1754671200000"}}}}"#;
    assert_eq!(reply(&later, body).retry_after(), Some(Duration::from_secs(3_600)));
    let delay = br#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"31s"}]}}]"#;
    assert_eq!(reply(&head(429), delay).retry_after(), Some(Duration::from_secs(31)));
}
