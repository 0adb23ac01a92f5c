//! Verbatim error messages with which hosts say the same thing.

use super::hosts::assert_classified;
use super::*;

#[test]
fn rejected_keys_with_unusual_statuses_are_auth_errors() {
    use Kind::Auth;
    assert_classified(&[
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
    assert_classified(&[
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
        (400, r#"{"error":"Model not supported by provider together"}"#, ModelUnavailable),
        (
            400,
            r#"{"message":"The model you requested is unavailable in your region. To access it, enable cross region inference with AWS_APJ, AWS_EU, AWS_US, AZURE_EU, AZURE_US, ANY_REGION.","request_id":"01bee91c"}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"message":"unknown model \"llama3-70b\"","request_id":"5d1e","error_code":""}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"error":{"message":"Failed to load model \"gpt-oss-20b\". Error: Error loading model.","type":"invalid_request_error","param":"model","code":"model_not_found_locally"}}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"message":"Invalid model. Please select a different model to continue.","reason":"INVALID_MODEL_ID"}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"id":"x","error":{"message":"The dedicated endpoint for a/b is not running. Please visit https://a to start the endpoint.","type":"invalid_request_error","param":null,"code":"dedicated_endpoint_not_running"}}"#,
            ModelUnavailable,
        ),
        (
            400,
            r#"{"error":{"message":"litellm.BadRequestError: You passed in model=x. There are no healthy deployments for this model. Received Model Group=x","type":null,"param":null,"code":"400"}}"#,
            ModelUnavailable,
        ),
    ]);
}

#[test]
fn host_limitations_are_unsupported() {
    use Kind::Unsupported;
    assert_classified(&[
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
        (
            400,
            r#"{"message":"Validation: top_p is immutable for this model and must be 0.95, got 1","type":"Bad Request","code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"invalid temperature: only 1 is allowed for this model","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (416, r#"{"error":"max_completion_tokens is limited for this model"}"#, Unsupported),
        (400, r#"{"error":"'response_format.type' must be 'json_schema' or 'text'"}"#, Unsupported),
        (
            400,
            r#"{"error":"Your request cannot be validated, it is incorrect. detail={'type': 'extra_forbidden', 'loc': ('body', 'dimensions'), 'msg': 'Extra inputs are not permitted', 'input': 1024}"}"#,
            Unsupported,
        ),
        (
            422,
            r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted","input":1}]},"type":"invalid_request_error"}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"message":"Unsupported JSON schema fields: {'minItems', 'items'}","type":"invalid_request_error","param":"response_format","code":"wrong_api_format"}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"json schema conversion failed:\nPattern must start with '^' and end with '$'","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"Failed to initialize samplers: Unexpected empty grammar stack after accepting piece: <think> (248068)","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            422,
            r#"{"error":"Input validation error: `max_new_tokens` must be <= 192. Given: 200","error_type":"validation"}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 150 instead.","type":"invalid_request_error","param":"tools","code":"array_above_max_length"}}"#,
            Unsupported,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"Jinja Exception: System message must be at the beginning.","type":"server_error"}}"#,
            Unsupported,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"Cannot pass both content and thinking in an assistant message with tool calls! at row 290, column 178:\n {{- raise_exception(\"Cannot pass both content and thinking\") }}\n","type":"server_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"After the (optional) system message(s), user and assistant roles should be alternating.","type":"invalid_message","code":400}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Missing `reasoning_content` field in the assistant message at message index 4. For more information, please refer to https://api-docs.deepseek.com/guides/thinking_mode#tool-calls","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"The `reasoning_content` in the thinking mode must be passed back to the API.","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"object":"error","message":"The provided JSON schema contains features not supported by xgrammar.","type":"BadRequestError","param":null,"code":400}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Grammar error: Unknown format: uri","type":"BadRequestError","param":null,"code":400}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error_code":"BAD_REQUEST","message":"Bad request: rpc error: code = InvalidArgument desc = max_tokens (10000) cannot exceed 8192. Please reduce the length of max output tokens generated.\n"}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"This model requires that either input content or output modality contain audio.\",\"type\":\"invalid_request_error\",\"param\":\"model\",\"code\":\"invalid_value\"}}","provider_name":"OpenAI"}}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"'tools' : maximum number of items is 128","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"code":"Client specified an invalid argument","error":"grammar is too complex"}"#,
            Unsupported,
        ),
        (
            413,
            r#"{"code":20042,"message":"input batch size 136 > maximum allowed batch size 64","data":null}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"message":"<400> InternalError.Algo.InvalidParameter: Value error, batch size is invalid, it should not be larger than 10.: input.contents","type":"InvalidParameter","param":null,"code":"InvalidParameter"}}"#,
            Unsupported,
        ),
    ]);
}

#[test]
fn content_filter_errors_are_content_policy() {
    use Kind::ContentPolicy;
    assert_classified(&[
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
        (
            400,
            r#"{"error":{"message":"<400> InternalError.Algo.DataInspectionFailed: Input text data may contain inappropriate content.","type":"invalid_request_error","param":null,"code":null}}"#,
            ContentPolicy,
        ),
        (
            400,
            r#"{"status_code":400,"request_id":"17f9","code":"DataInspectionFailed","message":"Input data may contain inappropriate content."}"#,
            ContentPolicy,
        ),
    ]);
}

#[test]
fn overflow_messages_are_context_overflow() {
    use Kind::ContextOverflow;
    assert_classified(&[
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
        (
            400,
            r#"{"message":"{\"object\":\"error\",\"message\":\"Requested input length 132490 exceeds maximum input length 32767\",\"type\":\"invalid_request_error\"}"}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"object":"error","message":"The engine prompt length 1327246 exceeds the max_model_len 131072. Please reduce prompt.","type":"BadRequestError","param":null,"code":400}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"Illegal param: prefill 744 tokens exceed n_ctx_per_seq, try increasing total context size","type":"invalid_request_error"}}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"error":{"message":"Prompt tokens (70213) exceeds context size (32768)","type":"context_exceeded","n_prompt_tokens":70213,"n_ctx":32768}}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"error":{"message":"输入内容超过最大长度","type":"invalid_request_error","param":null,"code":"invalid_parameter_error"}}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"object":"error","message":"max_tokens must be at least 1, got -186.","type":"BadRequestError","param":null,"code":400}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"detail":"Request length 71599 + 2048 is greater than max_seq_len 65536"}"#,
            ContextOverflow,
        ),
    ]);
}

#[test]
fn request_ids_are_read_from_the_body() {
    let id = |body: &str| reply(&head(400), body.as_bytes()).request_id().map(str::to_owned);
    assert_eq!(id(r#"{"message":"Unauthorized","request_id":"a580"}"#).as_deref(), Some("a580"));
    assert_eq!(id(r#"{"error":{"message":"m","code":"x"},"request_id":"0e2a"}"#).as_deref(), Some("0e2a"));
    assert_eq!(id(r#"{"error":{"message":"m","metadata":{"raw":"{\"request_id\":\"x\"}"}}}"#), None);
    assert_eq!(id(r#"{"message":"m","request_id":""}"#), None);
}
