//! Words and sentences in which hosts say the same thing, verbatim.

use super::hosts::mean;
use super::*;

#[test]
fn rejected_keys_with_unusual_statuses_are_auth_errors() {
    use Kind::Auth;
    mean(&[
        (
            400,
            r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com"}}]}}]"#,
            Auth,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"Missing or invalid Authorization header.","status":"INVALID_ARGUMENT"}}]"#,
            Auth,
        ),
        (
            400,
            r#"{"error":{"message":"litellm.BadRequestError: VertexAIException BadRequestError - {\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a valid API key.\",\"status\":\"INVALID_ARGUMENT\"}}","type":null,"code":"400"}}"#,
            Auth,
        ),
        (
            403,
            r#"{"error":{"message":"The API key you provided is invalid.","object":"error","type":"error","code":"UNAUTHORIZED"}}"#,
            Auth,
        ),
    ]);
}

#[test]
fn missing_models_are_model_unavailable() {
    use Kind::ModelUnavailable;
    mean(&[
        (
            404,
            r#"[{"error":{"code":404,"message":"models/gpt-4o is not found for API version v1main, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods.","status":"NOT_FOUND"}}]"#,
            ModelUnavailable,
        ),
        (
            404,
            r#"[{"error":{"code":404,"message":"models/no-existe is not found for API version v1main, or is not supported for generateContent.","status":"NOT_FOUND"}}]"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"error":{"message":"Unknown Model, please check the model code.","code":"1211"}}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"error":{"message":"Unavailable model: o3-mini","code":"unavailable_model","details":"Unavailable model: o3-mini"}}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"error":{"message":"/chat/completions: Invalid model name passed in model=gpt-3. Call `/v1/models` to view available models for your key.","type":"None","param":"None","code":"400"}}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"error":{"message":"Model not exist.","type":"invalid_request_error","param":null,"code":"invalid_parameter_error"}}"#,
            ModelUnavailable,
        ),
    ]);
}

#[test]
fn host_limitations_are_unsupported() {
    use Kind::Unsupported;
    mean(&[
        (
            400,
            r#"{"error":{"message":"`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Invalid max_tokens value, the valid range of max_tokens is [1, 8192]","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"max_tokens (131072) exceeds model's maximum output tokens (65536) for model nemotron-3-ultra (ref: 5348158a)","type":"api_error","param":null,"code":null}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]","type":"invalid_request_error","param":null,"code":"invalid_parameter_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"At most 1 image(s) may be provided in one request.","type":"BadRequestError","param":null,"code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"At most 1 image(s) may be provided in one prompt. (parameter=image)","type":"BadRequestError","param":"image","code":400}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"Qwen/Qwen3-8B is not a multimodal model","type":"BadRequestError","param":null,"code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"json mode cannot be combined with tool/function calling","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : property 'reasoning_content' is unsupported)]","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"<400> InternalError.Algo.InvalidParameter: This model only support stream mode, please enable the stream parameter to access the model. ","type":"invalid_request_error","param":null,"code":"invalid_parameter_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"parameter.enable_thinking must be set to false for non-streaming calls","type":"invalid_request_error","param":null,"code":"invalid_parameter_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"code":"Client specified an invalid argument","error":"Argument not supported on this model: presencePenalty"}"#,
            Unsupported,
        ),
        (400, r#"{"detail":"Unsupported parameter: max_output_tokens"}"#, Unsupported),
        (
            500,
            r#"{"error":{"message":"Conversation roles must alternate user/assistant/user/assistant/... at row 12, column 67","code":500,"type":"server_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"Conversation roles must alternate user/assistant/user/assistant/...","type":"BadRequestError","param":null,"code":400}"#,
            Unsupported,
        ),
        (
            410,
            r#"{"code":"The requested resource is no longer available","error":"Live search is deprecated. Please switch to the Agent Tools API: https://docs.x.ai/docs/guides/tools/overview"}"#,
            Unsupported,
        ),
    ]);
}

#[test]
fn rate_limits_disguised_as_other_errors_are_recognized() {
    use Kind::{Forbidden, GrowthLimited, RateLimited};
    mean(&[
        (
            429,
            r#"{"error":{"message":"Allocated quota exceeded, please increase your quota limit.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            RateLimited,
        ),
        (
            429,
            r#"{"error":{"message":"Request rate increased too quickly. To ensure system stability, please adjust your client logic to scale requests more smoothly over time.","type":"limit_burst_rate","param":null,"code":"limit_burst_rate"}}"#,
            GrowthLimited,
        ),
        (
            429,
            r#"{"error":{"message":"Your current subscription plan does not yet include access to GLM-5","code":"1311"}}"#,
            Forbidden,
        ),
    ]);
}

#[test]
fn billing_messages_are_quota_exhausted() {
    use Kind::QuotaExhausted;
    mean(&[
        (
            403,
            r#"{"error":{"message":"The free tier of the model has been exhausted. If you wish to continue access the model on a paid basis, please disable the \"use free tier only\" mode in the management console.","type":"AllocationQuota.FreeTierOnly","param":null,"code":"AllocationQuota.FreeTierOnly"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Free allocated quota exceeded.","type":"Throttling.AllocationQuota","param":null,"code":"Throttling.AllocationQuota"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"The postpaid bill is overdue.","type":"PostpaidBillOverdue","param":null,"code":"PostpaidBillOverdue"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-02-01 10:00:00","code":"1310"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"type":"rate_limit_error","code":"1310","message":"[1310][Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-08-01 10:03:40][202607280616391a9088331cb844d2]"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Your GLM Coding Plan package has expired and is temporarily unavailable.","code":"1309"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"usage limit exceeded, 5-hour usage limit reached for Token Plan Plus (4500/4500 used), resets at 2026-03-20T15:00:00+08:00 (2056)","http_code":"429"},"request_id":"x"}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Your account org-x<ak-y> request reached organization TPD rate limit, current: 1526210, limit: 1500000","type":"rate_limit_reached_error"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"error":{"message":"The request failed because your account has an overdue balance. Request id: 0217","code":"AccountOverdueError","param":"","type":"Forbidden"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"error":{"message":"AI Gateway requires a valid credit card on file to service requests. Please visit https://vercel.com/d?to=... to add a card and unlock your free credits.","type":"customer_verification_required"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"detail":{"error":"inference prohibited, please enter a payment method or top up your balance"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"error":{"message":"your subscription payment is past due. update your payment method: https://ollama.com/settings/billing (ref: x)","type":"api_error","param":null,"code":null}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Your account [2100] has reached the set inference limit for the [deepseek-r1] model, and the model service has been paused. To continue using this model, please visit the Model Activation page to adjust or close the \"Safe Experience Mode\". Request id: 02","code":"SetLimitExceeded","param":"","type":"TooManyRequests"}}"#,
            QuotaExhausted,
        ),
    ]);
}

#[test]
fn content_filter_errors_are_content_policy() {
    use Kind::ContentPolicy;
    mean(&[
        (
            400,
            r#"{"contentFilter":[{"level":1,"role":"assistant"}],"error":{"code":"1301","message":"System detected potentially unsafe or sensitive content in input or generation. Please avoid using prompts that may generate sensitive content. Thank you for your cooperation."}}"#,
            ContentPolicy,
        ),
        (
            422,
            r#"{"type":"error","error":{"type":"unprocessable_entity_error","message":"input new_sensitive (1026)","http_code":"422"},"request_id":"x"}"#,
            ContentPolicy,
        ),
        (
            400,
            r#"{"error":{"message":"The request failed because the input text may contain sensitive information. Request id: 02","code":"SensitiveContentDetected","param":"","type":"BadRequest"}}"#,
            ContentPolicy,
        ),
        (
            400,
            r#"{"error":{"message":"The request failed because the input text may contain sensitive information.","code":"InputTextSensitiveContentDetected","param":"","type":"BadRequest"}}"#,
            ContentPolicy,
        ),
        (
            451,
            r#"{"error":{"message":"The content you provided or machine outputted is blocked.","type":"censorship_blocked"}}"#,
            ContentPolicy,
        ),
        (
            451,
            r#"{"error":{"message":"Provider returned error","code":451,"metadata":{"raw":"{\"error\":{\"message\":\"The content you provided or machine outputted is blocked.\",\"type\":\"censorship_blocked\"}}","provider_name":"StepFun"}}}"#,
            ContentPolicy,
        ),
        (
            400,
            r#"{"error":{"message":"litellm.BadRequestError: litellm.ContentPolicyViolationError: litellm.ContentPolicyViolationError: AzureException - The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.","type":null,"param":null,"code":"400"}}"#,
            ContentPolicy,
        ),
        (
            400,
            r#"{"error":{"message":"litellm.ContentPolicyViolationError: AzureException - The response was filtered due to the prompt triggering Azure OpenAI's content management policy...","type":null,"param":null,"code":"400","provider_specific_fields":{"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true}}}}}}"#,
            ContentPolicy,
        ),
    ]);
}

#[test]
fn overflow_messages_are_context_overflow() {
    use Kind::ContextOverflow;
    mean(&[
        (
            400,
            r#"{"error":{"message":"Invalid 'input[0]': maximum input length is 8192 tokens.","type":"invalid_request_error","param":null,"code":null}}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"object":"error","message":"Input id 0 has 9000 tokens, exceeding max 8192 tokens.","type":"invalid_request_prompt","param":null,"code":"3210"}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"object":"error","message":"The decoder prompt (length 5012) is longer than the maximum model length of 4096. Make sure that `max_model_len` is no smaller than the number of text tokens.","type":"BadRequestError","param":null,"code":400}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"error":{"message":"The decoder prompt (length 5012) is longer than the maximum model length of 4096. Make sure that `max_model_len` is no smaller than the number of text tokens plus multimodal tokens.","type":"BadRequestError","param":null,"code":400}}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"errors":[{"code":"invalid_input_argument","message":"Invalid input argument for Model 'x': the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model","more_info":"x"}],"trace":"t","status_code":400}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"error":{"message":"Total tokens of image and text exceed max message tokens. Request id: 02","code":"InvalidParameter","param":"","type":"BadRequest"}}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"error":{"message":"litellm.BadRequestError: BedrockException - {\"message\":\"Input is too long for requested model.\"}","type":null,"code":"400"}}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"error":{"message":"litellm.BadRequestError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again\"}}","type":null,"code":"400"}}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"error_code":"BAD_REQUEST","message":"{\"external_model_provider\":\"amazon-bedrock\",\"external_model_error\":{\"message\":\"Input is too long for requested model.\"}}"}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"code":20015,"message":"length of prompt_tokens (33281) must be less than max_seq_len (32768).","data":null}"#,
            ContextOverflow,
        ),
    ]);
}
