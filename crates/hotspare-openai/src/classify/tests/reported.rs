//! Verbatim errors of relays, plans and self-hosted servers, which once were read as something else.

use super::hosts::assert_classified;
use super::*;

#[test]
fn limits_of_one_target_are_unsupported() {
    use Kind::Unsupported;
    assert_classified(&[
        (
            400,
            r#"{"error":{"message":"Invalid content type. image_url is only supported by certain models.","type":"invalid_request_error","param":null,"code":null}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. Please use /v1/responses instead.","type":"invalid_request_error","param":null,"code":null}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"too many images provided. This model supports up to 5 images","type":"invalid_request_error","param":null,"code":null}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant","type":"invalid_request_message_order","param":null,"code":"3230","raw_status_code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"Tool call id was call_abc123 but must be a-z, A-Z, 0-9, with a length of 9.","type":"invalid_function_call","param":null,"code":"3280","raw_status_code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"This response_format type is unavailable now","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"The last message of deepseek-reasoner must be a user message, or an assistant message with prefix mode on (refer to https://api-docs.deepseek.com/guides/chat_prefix_completion).","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Reasoning is mandatory for this endpoint and cannot be disabled.","code":400}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\": {\"type\": \"invalid_request_error\", \"code\": \"invalid_request_error\", \"message\": \"Model 'moonshotai/kimi-k2.6' supports at most 1 image per prompt.\", \"request_id\": \"req\"}}","provider_name":"Crucible"}}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"code\":400,\"message\":\"Developer instruction is not enabled for models/gemma-3-27b-it\",\"status\":\"INVALID_ARGUMENT\"}}","provider_name":"Google AI Studio"}}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"object\":\"error\",\"message\":\"System role not supported\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}","provider_name":"X"}}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"Only user and assistant roles are supported!","type":"BadRequestError","param":null,"code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"tool_choice=\"required\" requires --tool-call-parser to be set","type":"BadRequestError","param":null,"code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"Mistral tokenizers: Tool call id was x but must be a-z, A-Z, 0-9, with a length of 9.","type":"BadRequestError","param":null,"code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"Cannot use custom grammar constraints with tools.","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"Value is not callable: null at row 62, column 114:\n{%- set content = message.content.split","type":"server_error"}}"#,
            Unsupported,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"Unknown method: items at row 10, column 20:\n...","type":"server_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"Assistant response prefill is incompatible with enable_thinking.","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"failed to parse grammar","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"failed to parse grammar","type":"server_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"Unable to generate parser for this template. Automatic parser generation failed: \n------------\nWhile executing CallExpression at line 85","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":"Error rendering prompt with jinja template: \"Cannot call something that is not a function: got UndefinedValue\".\n\nThis is usually an issue with the model's prompt template."}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Requests with max_tokens > 4096 must have stream=true","type":"invalid_request_error","param":null,"code":null}}"#,
            Unsupported,
        ),
        (
            422,
            r#"{"error":{"message":"json_schema response_format is unavailable for this model","type":"invalid_request_error","param":null,"code":null}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"code":400,"reason":"INVALID_REQUEST_BODY","message":"model features function calling not support","metadata":{}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"message":"Tools and response_format cannot be used together","type":"invalid_request_error","param":"tools","code":"wrong_api_format"}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"This model only supports single tool-calls at once!","type":"BadRequestError","param":null,"code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly","status":"INVALID_ARGUMENT"}}]"#,
            Unsupported,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"Budget 0 is invalid. This model only works in thinking mode.","status":"INVALID_ARGUMENT"}}]"#,
            Unsupported,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"Developer instruction is not enabled for models/gemma-3-27b-it","status":"INVALID_ARGUMENT"}}]"#,
            Unsupported,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"A schema in GenerationConfig in the request exceeds the maximum allowed nesting depth.","status":"INVALID_ARGUMENT"}}]"#,
            Unsupported,
        ),
        (
            402,
            r#"{"error":{"message":"This request requires more credits, or fewer max_tokens. You requested up to 31776 tokens, but can only afford 9063. To increase, visit https://openrouter.ai/workspaces/default/keys/x and adjust the key's total limit","code":402}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"Can only get item pairs from a mapping.","type":"BadRequestError","param":null,"code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":"Error rendering prompt with jinja template: \"No user query found in messages.\""}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\n  \"error\": {\n    \"code\": 400,\n    \"message\": \"Unable to submit request because it has a maxOutputTokens value of 100000 but the supported range is from 1 (inclusive) to 65537 (exclusive). Update the value and try again.\",\n    \"status\": \"INVALID_ARGUMENT\"\n  }\n}\n","provider_name":"Google"}}}"#,
            Unsupported,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"System message must be at the beginning.","type":"server_error"}}"#,
            Unsupported,
        ),
        (
            402,
            r#"{"error":{"message":"This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 2000.","code":402}}"#,
            Unsupported,
        ),
        (
            500,
            r#"{"object":"error","message":"This model only supports single tool-calls at once!","type":"InternalServerError","param":null,"code":500}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template if the tokenizer does not define one.","type":"BadRequestError","param":null,"code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"This model does not appear to support chat: no chat template","type":"BadRequestError","param":null,"code":400}"#,
            Unsupported,
        ),
    ]);
}

#[test]
fn plans_and_money_are_quota_exhausted() {
    use Kind::QuotaExhausted;
    assert_classified(&[
        (
            403,
            r#"{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 10:45:12."}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"[{"error":{"code":403,"message":"This API method requires billing to be enabled.","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"BILLING_DISABLED"}]}}]"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"[{"error":{"code":429,"message":"Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing.","status":"RESOURCE_EXHAUSTED"}}]"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"[{"error":{"code":429,"message":"Your project has exceeded its monthly spending cap. Please go to AI Studio","status":"RESOURCE_EXHAUSTED"}}]"#,
            QuotaExhausted,
        ),
        (429, r#"{"error":{"code":"1113","message":"余额不足或无可用资源包,请充值。"}}"#, QuotaExhausted),
        (
            429,
            r#"{"error":{"code":"1304","message":"该API已达今日调用次数限额，如有更多需求，请联系客服购买"}}"#,
            QuotaExhausted,
        ),
        (
            200,
            r#"{"id":"x","choices":null,"base_resp":{"status_code":2056,"status_msg":"usage limit exceeded"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"error":{"code":"OperationDenied.ServiceOverdue","message":"The operation is denied because your account is overdue","param":"","type":"Forbidden"}}"#,
            QuotaExhausted,
        ),
        (
            400,
            r#"{"error":{"code":"InvalidSubscription","message":"Your account 210 does not have a valid CodingPlan subscription, or your subscription has expired.","param":"","type":"BadRequest"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"code":"QuotaExceeded","message":"Your account 210 has exhausted its free trial quota for the model doubao-x","param":"","type":"TooManyRequests"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"code":"AccountQuotaExceeded","message":"You have exceeded the 5-hour usage quota. It will reset at 2026-02-03 20:31:50 +0800 CST.","param":"","type":"TooManyRequests"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"error":{"message":"[sk-xxx] 该令牌额度已用尽 !token.UnlimitedQuota && token.RemainQuota = -1000 (request id: x)","type":"one_api_error","param":"","code":""}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Your token-plan 1-week quota has been exhausted. It will reset at 09-03 13:34:00 UTC","type":"rate_limit_exceeded","param":null,"code":"rate_limit_exceeded"}}"#,
            QuotaExhausted,
        ),
        (
            200,
            r#"{"id":"x","choices":[],"base_resp":{"status_code":2056,"status_msg":"usage limit exceeded (2056)"}}"#,
            QuotaExhausted,
        ),
    ]);
}

#[test]
fn models_that_are_not_loaded_or_not_served_are_unavailable() {
    use Kind::ModelUnavailable;
    assert_classified(&[
        (
            400,
            r#"{"error":{"message":"This model is only supported in v1/responses and not in v1/chat/completions.","type":"invalid_request_error","param":null,"code":null}}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"model 'x' not found","type":"invalid_request_error"}}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"error":"No models loaded. Please load a model in the developer page or use the `lms load` command."}"#,
            ModelUnavailable,
        ),
        (400, r#"{"error":"Model is not loaded"}"#, ModelUnavailable),
        (
            400,
            r#"{"error":"Bad Request: The endpoint is paused, ask a maintainer to restart it"}"#,
            ModelUnavailable,
        ),
        (
            503,
            r#"{"error":{"message":"当前分组 default 下对于模型 gpt-4 无可用渠道 (request id: 2025)","type":"one_api_error","param":"","code":null}}"#,
            ModelUnavailable,
        ),
        (
            503,
            r#"{"error":{"message":"There are no available channels for model gpt-4 under the current group default","type":"one_api_error","param":"","code":null}}"#,
            ModelUnavailable,
        ),
        (
            503,
            r#"{"error":{"message":"分组 default 下模型 gpt-4 的可用渠道不存在（distributor） (request id: x)","type":"new_api_error","param":"","code":"get_channel_failed"}}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"error":{"message":"litellm.BadRequestError: LLM Provider NOT provided. Pass in the LLM provider you are trying to call. You passed model=foo","type":null,"param":"","code":"400"}}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"error":{"message":"No providers available for model x","type":"no_providers_available","param":"","code":null}}"#,
            ModelUnavailable,
        ),
        (
            412,
            r#"{"error":"pull model manifest: 412: The model you are attempting to pull requires a newer version of Ollama."}"#,
            ModelUnavailable,
        ),
    ]);
}

#[test]
fn long_prompts_are_context_overflows() {
    use Kind::ContextOverflow;
    assert_classified(&[
        (
            400,
            r#"{"object":"error","message":"You passed 40961 input tokens and requested 0 output tokens. However, the model's context length is only 40960 tokens, resulting in a maximum input length of 40960 tokens. Please reduce the length of the input prompt.","type":"BadRequestError","param":null,"code":400}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"Unable to submit request because the input token count is 1200000 but model only supports up to 1048576","status":"INVALID_ARGUMENT"}}]"#,
            ContextOverflow,
        ),
        (
            422,
            r#"{"error":{"message":"Input validation error: The sum of 'inputs' tokens and 'max_new_tokens' must not exceed 4097. Please adjust your inputs accordingly.","type":"invalid_request_error","param":null,"code":null}}"#,
            ContextOverflow,
        ),
        (
            200,
            r#"{"id":"x","choices":null,"base_resp":{"status_code":2013,"status_msg":"invalid params, context window exceeds limit"}}"#,
            ContextOverflow,
        ),
    ]);
}

#[test]
fn crowded_hosts_are_overloaded() {
    use Kind::Overloaded;
    assert_classified(&[
        (429, r#"{"error":{"message":"Model busy, retry later"}}"#, Overloaded),
        (
            429,
            r#"[{"error":{"code":429,"message":"No capacity available for model gemini-3-pro on the server","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"MODEL_CAPACITY_EXHAUSTED"}]}}]"#,
            Overloaded,
        ),
        (429, r#"{"error":{"code":"1305","message":"该模型当前访问量过大，请您稍后再试"}}"#, Overloaded),
        (
            200,
            r#"{"id":"x","choices":null,"base_resp":{"status_code":2064,"status_msg":"The server cluster is currently under high load"}}"#,
            Overloaded,
        ),
        (
            429,
            r#"{"error":{"code":"ServerOverloaded","message":"The service is currently unable to handle additional requests due to server overload. Please try again later.","param":"","type":"TooManyRequests"}}"#,
            Overloaded,
        ),
        (
            429,
            r#"{"error":{"message":"当前分组上游负载已饱和，请稍后再试 (request id: x)","type":"upstream_error","param":"","code":"429"}}"#,
            Overloaded,
        ),
    ]);
}

#[test]
fn rejected_keys_are_auth_errors() {
    use Kind::Auth;
    assert_classified(&[
        (
            400,
            r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"code\":400,\"message\":\"API key expired. Please renew the API key.\",\"status\":\"INVALID_ARGUMENT\"}}","provider_name":"X"}}}"#,
            Auth,
        ),
        (403, r#"{"error_code":"403","message":"Invalid access token. [ReqId: x]"}"#, Auth),
        (
            403,
            r#"{"errors":[{"code":10000,"message":"Authentication error"}],"success":false,"result":null,"messages":[]}"#,
            Auth,
        ),
        (
            403,
            r#"[{"error":{"code":403,"message":"Your API key was reported as leaked. Please use another API key.","status":"PERMISSION_DENIED"}}]"#,
            Auth,
        ),
        (
            403,
            r#"[{"error":{"code":403,"message":"Method doesn't allow unregistered callers (callers without established identity). Please use API Key","status":"PERMISSION_DENIED"}}]"#,
            Auth,
        ),
        (429, r#"{"error":{"code":"1112","message":"您的账户已被锁定，请联系客服解锁"}}"#, Auth),
    ]);
}

#[test]
fn mistakes_of_the_caller_are_invalid() {
    use Kind::InvalidRequest;
    assert_classified(&[
        (
            400,
            r#"{"error":{"message":"Missing namespace for function_call 'create_widget'. It does not exist in the default namespace. Round-trip the model's function_call item with its namespace field included.","type":"invalid_request_error","param":null,"code":null}}"#,
            InvalidRequest,
        ),
        (
            200,
            r#"{"id":"x","choices":null,"base_resp":{"status_code":2013,"status_msg":"invalid params, messages is empty"}}"#,
            InvalidRequest,
        ),
        (
            400,
            r#"{"error":{"message":"The file 'file-abc' does not exist. Upload it before asking the model.","type":"invalid_request_error","param":"messages[0]","code":null}}"#,
            InvalidRequest,
        ),
        (
            400,
            r#"{"error":{"message":"The vector store 'vs_1' does not exist for this model","type":"invalid_request_error","param":"tools[0]","code":null}}"#,
            InvalidRequest,
        ),
        (
            400,
            r#"{"error":{"message":"Invalid 'input[2].id': item 'msg_x' is not found; the model output must be replayed","type":"invalid_request_error","param":"input[2].id","code":null}}"#,
            InvalidRequest,
        ),
        (
            400,
            r#"{"error":{"message":"Tool 'get_model' is not found in tools","type":"invalid_request_error","param":"tool_choice","code":null}}"#,
            InvalidRequest,
        ),
        (
            400,
            r#"{"error":{"message":"tool_call_id  is not found for model kimi-k2","type":"invalid_request_error","param":"messages","code":null}}"#,
            InvalidRequest,
        ),
        (
            200,
            r#"{"id":"x","choices":null,"base_resp":{"status_code":1042,"status_msg":"invisible character ratio limit"}}"#,
            InvalidRequest,
        ),
    ]);
}

#[test]
fn other_reported_errors_are_classified() {
    use Kind::{ContentPolicy, Forbidden, GrowthLimited, RateLimited, Server, Timeout};
    assert_classified(&[
        (
            400,
            r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"code\":400,\"message\":\"User location is not supported for the API use.\",\"status\":\"FAILED_PRECONDITION\"}}","provider_name":"Google AI Studio"}}}"#,
            Forbidden,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}]"#,
            Forbidden,
        ),
        (
            200,
            r#"{"id":"x","choices":null,"base_resp":{"status_code":2061,"status_msg":"your current token plan not support model, MiniMax-M2.7-highspeed"}}"#,
            Forbidden,
        ),
        (400, r#"{"detail":"Model gpt-5.4 not supported for free plan"}"#, Forbidden),
        (
            400,
            r#"{"object":"error","message":"EngineCore encountered an issue. See stack trace (above) for the root cause.","type":"BadRequestError","param":null,"code":400}"#,
            Server,
        ),
        (
            400,
            r#"{"object":"error","message":"Already borrowed","type":"BadRequestError","param":null,"code":400}"#,
            Server,
        ),
        (400, r#"{"error":"Model unloaded."}"#, Server),
        (400, r#"{"error":"Channel Error"}"#, Server),
        (
            200,
            r#"{"id":"x","choices":null,"base_resp":{"status_code":1001,"status_msg":"request timeout"}}"#,
            Timeout,
        ),
        (
            200,
            r#"{"id":"x","choices":null,"base_resp":{"status_code":1041,"status_msg":"conn limit"}}"#,
            RateLimited,
        ),
        (
            429,
            r#"{"error":{"code":"RequestBurstTooFast","message":"Rate of requests increased too quickly","param":"","type":"TooManyRequests"}}"#,
            GrowthLimited,
        ),
        (
            429,
            r#"{"error":{"code":"Throttling","message":"Request rate increased too quickly. To ensure system stability, please adjust your client logic to scale requests more smoothly over time."}}"#,
            GrowthLimited,
        ),
        (
            400,
            r#"{"error":{"code":"InputImageSensitiveContentDetected.PrivacyInformation","message":"The request failed because the input image may contain real person.","param":"","type":"BadRequest"}}"#,
            ContentPolicy,
        ),
        (
            400,
            r#"{"error":{"code":"SensitiveContentDetected.SevereViolation","message":"The request failed because the input text may contain severe violation information","param":"","type":"BadRequest"}}"#,
            ContentPolicy,
        ),
    ]);
}
