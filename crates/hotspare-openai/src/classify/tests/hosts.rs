//! Errors of individual hosts, verbatim.

use super::*;

/// Checks each reply (at status 200, an error inside one) and reports all mismatches.
pub(super) fn assert_classified(rows: &[(u16, &str, Kind)]) {
    let read = |status, body: &str| match status {
        200 => in_reply(body).kind(),
        _ => kind(status, body),
    };
    let wrong: Vec<String> = rows
        .iter()
        .filter(|&&(status, body, expected)| read(status, body) != expected)
        .map(|&(status, body, expected)| {
            format!("{} instead of {expected}: {status} {body}", read(status, body))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn caller_errors_inside_a_stream_are_classified() {
    use Kind::{ContentPolicy, InvalidRequest, RateLimited, Server, Unsupported};
    assert_classified(&[
        (
            200,
            r#"{"type":"invalid_request_error","code":null,"message":"Invalid value for tool"}"#,
            InvalidRequest,
        ),
        (
            200,
            r#"{"message":"Your request was rejected. Please try again with different content.","type":"invalid_request_error"}"#,
            InvalidRequest,
        ),
        (200, r#"{"message":"m","type":"invalid_request_error","code":"429"}"#, RateLimited),
        (200, r#"{"code":"invalid_image","message":"The image data is not a valid image."}"#, InvalidRequest),
        (200, r#"{"code":"invalid_image_format","message":"m"}"#, InvalidRequest),
        (200, r#"{"code":"invalid_base64_image","message":"m"}"#, InvalidRequest),
        (200, r#"{"code":"image_parse_error","message":"m"}"#, InvalidRequest),
        (200, r#"{"code":"unsupported_image_media_type","message":"m"}"#, Unsupported),
        (200, r#"{"code":"failed_to_download_image","message":"m"}"#, Unsupported),
        // The code blames the URL; the message shows that the host could not fetch or read it.
        (
            400,
            r#"{"error":{"message":"Error while downloading https://a/b.png.","type":"invalid_request_error","code":"invalid_image_url"}}"#,
            Unsupported,
        ),
        (200, r#"{"code":"cyber_policy","message":"This request was flagged."}"#, ContentPolicy),
        (200, r#"{"code":"moderation_blocked","message":"m"}"#, ContentPolicy),
        (200, r#"{"code":"server_error","type":"server_error","message":"m"}"#, Server),
    ]);
}

#[test]
fn classifies_context_overflows() {
    let sentences = [
        "prompt token count of 391491 exceeds the limit of 128000",
        "The input (516368 tokens) is longer than the model's context length (262144 tokens).",
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]",
        "Invalid request: Your request exceeded model token limit: 8192 (requested: 9215)",
        "Prompt exceeds max length",
        "Trying to keep the first 5121 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.",
        "The number of tokens to keep from the initial prompt is greater than the context length. Try to load the model with a larger context length",
        "Context size has been exceeded.",
        "The input exceeds the maximum allowed input length of 131072 tokens.",
        "Prompt has 34,000 tokens, but the configured context size is 32,768 tokens",
        "Please reduce the length of the messages or completion",
    ];
    for sentence in sentences {
        let body =
            format!(r#"{{"error":{{"message":"{sentence}","type":"invalid_request_error","code":null}}}}"#);
        assert_classified(&[(400, &body, Kind::ContextOverflow)]);
    }
    assert_classified(&[
        (
            400,
            r#"{"error":{"message":"m","code":"model_max_prompt_tokens_exceeded"}}"#,
            Kind::ContextOverflow,
        ),
        (400, r#"{"error":{"code":"1261","message":"m"}}"#, Kind::ContextOverflow),
    ]);
}

#[test]
fn classifies_target_specific_limitations() {
    use Kind::{BadOutput, ModelUnavailable, Overloaded, Server, Unsupported};
    assert_classified(&[
        (
            400,
            r#"{"status":400,"title":"Bad Request","detail":"Function id 'eb3b6aab': DEGRADED function cannot be invoked"}"#,
            Server,
        ),
        (
            400,
            r#"{"error":"The model has crashed without additional information. (Exit code: 18446744072635812000)"}"#,
            Server,
        ),
        (
            400,
            r#"{"id":"x","error":{"message":"Unable to access non-serverless model a/b. Please visit https://a to create and start a new dedicated endpoint for the model.","type":"invalid_request_error","param":null,"code":"model_not_available"}}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"error":{"message":"model \"m\" is not accessible via the /chat/completions endpoint","code":"unsupported_api_for_model"}}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"object":"error","message":"\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set","type":"BadRequestError","param":null,"code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"tool_choice 'required' is incompatible with thinking enabled","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"cannot specify both 'thinking' and 'reasoning_effort'","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (400, r#"{"error":{"code":"1210","message":"Tool choice must be auto"}}"#, Unsupported),
        (
            400,
            r#"{"error":{"code":"1210","message":"This model always engages in thinking and cannot be disabled; please use low, high, or max."}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"bad_request_error","message":"invalid params, invalid chat setting (2013)","http_code":"400"},"request_id":"x"}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"bad_request_error","message":"invalid params, chat content has invalid message role: system (2013)","http_code":"400"},"request_id":"x"}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"message":"Validation: Unsupported parameter(s): `prompt_cache_key`","type":"Bad Request","code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later","type":"invalid_request_error","param":"response_format","code":null}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas you provided 32000.","type":"invalid_request_error","param":"max_tokens","code":"invalid_value"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"max_tokens: 20000 > 8192, which is the maximum allowed number of output tokens for m","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            429,
            r#"{"message":"We're experiencing high traffic right now! Please try again soon.","type":"too_many_requests_error","param":"queue","code":"queue_exceeded"}"#,
            Overloaded,
        ),
        (
            500,
            r#"{"error":{"message":"error parsing tool call: raw='{\"command\":\"ls', err=unexpected end of JSON input","type":"api_error","param":null,"code":null}}"#,
            BadOutput,
        ),
        (
            200,
            r#"{"message":"XML syntax error on line 7: element <function> closed by </parameter>"}"#,
            BadOutput,
        ),
    ]);
}

#[test]
fn classifies_billing_and_key_errors() {
    use Kind::{Auth, Forbidden, QuotaExhausted, RateLimited};
    let budget = r#"{"error":{"message":"Budget has been exceeded! Current cost: 5.0, Max budget: 1.0","type":"budget_exceeded","param":null,"code":"429"}}"#;
    assert_classified(&[
        (429, budget, QuotaExhausted),
        (400, budget, QuotaExhausted),
        (
            403,
            r#"{"error":{"message":"Key limit exceeded (total limit). Manage it using https://a","code":403}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"code":"The caller does not have permission to execute the specified operation","error":"Your newly created teams doesn't have any credits yet."}"#,
            QuotaExhausted,
        ),
        (403, r#"{"code":403,"reason":"NOT_ENOUGH_BALANCE","message":"m","metadata":{}}"#, QuotaExhausted),
        (
            403,
            r#"{"code":30001,"message":"Sorry, your account balance is insufficient","data":null}"#,
            QuotaExhausted,
        ),
        (
            401,
            r#"{"error":{"message":"key not allowed to access model. This key can only access models=['a']. Tried to access m","type":"key_model_access_denied","param":"model","code":"401"}}"#,
            Forbidden,
        ),
        // The same envelope for both: a list of errors.
        (
            429,
            r#"{"errors":[{"message":"AiError: AiError: you have used up your daily free allocation of 10,000 neurons","code":4006}],"success":false,"result":{},"messages":[]}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"errors":[{"message":"AiError: Capacity temporarily exceeded, please try again.","code":3040}],"success":false}"#,
            Kind::Overloaded,
        ),
        (
            400,
            r#"{"errors":[{"message":"AiError: No such model a or task","code":5007}],"success":false}"#,
            Kind::ModelUnavailable,
        ),
        (
            403,
            r#"{"errors":[{"code":"token_quota_reached","message":"This api request is exceeding the monthly limit"}],"trace":"x","status_code":403}"#,
            QuotaExhausted,
        ),
        // One host's report of an error beside an empty answer.
        (
            200,
            r#"{"choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
            QuotaExhausted,
        ),
        (500, r#"{"base_resp":{"status_code":1008,"status_msg":"m"}}"#, QuotaExhausted),
        (200, r#"{"base_resp":{"status_code":1004,"status_msg":"login fail"}}"#, Auth),
        (200, r#"{"base_resp":{"status_code":2049,"status_msg":"m"}}"#, Auth),
        (200, r#"{"base_resp":{"status_code":1002,"status_msg":"rate limit"}}"#, RateLimited),
        (200, r#"{"base_resp":{"status_code":1039,"status_msg":"TPM rate limit"}}"#, RateLimited),
        // The same number from another host.
        (401, r#"{"error":{"code":"1002","message":"Authorization Token is invalid"}}"#, Auth),
    ]);
    let error = reply(&head(429), br#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","resets_in_seconds":173470}}"#);
    assert_eq!((error.kind(), error.retry_after()), (QuotaExhausted, Some(Duration::from_secs(173_470))));
    let mut plan_head = head(429);
    plan_head.received_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_770_121_900);
    let error = reply(&plan_head, br#"{"error":{"code":"AccountQuotaExceeded","message":"You have exceeded the 5-hour usage quota. It will reset at 2026-02-03 20:31:50 +0800 CST.","param":"","type":"TooManyRequests"}}"#);
    assert_eq!((error.kind(), error.retry_after()), (QuotaExhausted, Some(Duration::from_secs(10))));
    assert_eq!(error.scope(), Scope::CredentialModel);
    let volume =
        br#"{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 07:01:20."}"#;
    let error = reply(&head(403), volume);
    assert_eq!((error.kind(), error.retry_after()), (QuotaExhausted, Some(Duration::from_secs(25_280))));
    let loading = br#"{"error":"Model a/b is currently loading","estimated_time":44.5}"#;
    let error = reply(&head(503), loading);
    assert_eq!((error.kind(), error.retry_after()), (Kind::Overloaded, Some(Duration::from_millis(44_500))));
    let plan = r#"{"error":{"code":"1308","message":"Usage limit reached for 5 hour. Your limit will reset at 2026-01-23 01:17:54"}}"#;
    let error = reply(&head(429), plan.as_bytes());
    assert_eq!((error.kind(), error.scope()), (QuotaExhausted, Scope::CredentialModel));
    let relay = r#"{"code":429,"message":"Provider returned error","metadata":{"error_type":"rate_limit_exceeded","retry_after_seconds":7}}"#;
    let error = in_reply(relay);
    assert_eq!((error.kind(), error.retry_after()), (RateLimited, Some(Duration::from_secs(7))));
    let error = in_reply(r#"{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#);
    assert_eq!((error.code(), error.message()), (Some("1008"), "insufficient balance"));
    for (code, read) in [("200", None), ("\"200\"", None), ("599", None), ("600", Some("600"))] {
        let error = in_reply(&format!(r#"{{"status_code":{code},"message":"m"}}"#));
        assert_eq!(error.code(), read, "{code}");
    }
}
