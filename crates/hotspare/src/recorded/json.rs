//! A verdict as one line of JSON.
//!
//! Invariant: one object without a line break; unknown or empty fields are omitted, except the answer's own fields.

use std::time::Duration;

use hotspare_core::{
    Allowance, ChatResponse, Error, FinishReason, Json, Part, RateLimits, ToolCall, Usage, UsageSource,
};
use serde::Serialize;

use super::{Decoded, ExchangeOutcome};

#[derive(Serialize)]
struct DecodedDto<'a> {
    id: &'a str,
    provider: &'a str,
    endpoint: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<AnswerDto<'a>>,
    #[serde(rename = "ok", skip_serializing_if = "Option::is_none")]
    vectors: Option<EmbeddingsDto<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorDto<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<RateLimitsDto>,
}

#[derive(Serialize)]
struct AnswerDto<'a> {
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    refusal: String,
    tool_calls: Vec<ToolCallDto<'a>>,
    finish: &'a str,
    /// The provider's own finish reason if it has no common equivalent.
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_word: Option<&'a str>,
    usage: UsageDto,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    annotations: &'a [Json],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    logprobs: &'a [Json],
    /// Names of events without a common equivalent.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    others: &'a [String],
}

#[derive(Serialize)]
struct EmbeddingsDto<'a> {
    vectors: &'a [Vec<f32>],
    dimensions: usize,
    usage: UsageDto,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ToolCallDto<'a> {
    id: &'a str,
    name: &'a str,
    /// JSON as the model wrote it; incomplete if the answer was truncated inside it.
    arguments: &'a str,
}

#[derive(Serialize)]
struct UsageDto {
    input: Option<u64>,
    output: Option<u64>,
    cached: Option<u64>,
    cache_written: Option<u64>,
    reasoning: Option<u64>,
    source: &'static str,
}

#[derive(Serialize)]
struct ErrorDto<'a> {
    kind: &'static str,
    scope: &'static str,
    retryable: bool,
    should_fail_over: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    message: &'a str,
}

#[derive(Serialize)]
struct RateLimitsDto {
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<AllowanceDto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<AllowanceDto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<AllowanceDto>,
}

#[derive(Serialize)]
struct AllowanceDto {
    limit: u64,
    remaining: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_ms: Option<u64>,
}

impl Decoded {
    /// The verdict as one line of JSON: `ok` with the answer, `error` with the failure, or `skipped` with the reason.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut line = DecodedDto {
            id: &self.id,
            provider: &self.provider,
            endpoint: &self.endpoint,
            status: self.status,
            ok: None,
            vectors: None,
            error: None,
            skipped: None,
            limits: limits(&self.limits),
        };
        match &self.outcome {
            ExchangeOutcome::Answered { answer, others } => line.ok = Some(answer_dto(answer, others)),
            ExchangeOutcome::Failed(error) => line.error = Some(failure(error)),
            ExchangeOutcome::Skipped(why) => line.skipped = Some(why),
            ExchangeOutcome::Vectors(answer) => {
                line.vectors = Some(EmbeddingsDto {
                    vectors: &answer.vectors,
                    dimensions: answer.dimensions(),
                    usage: counts(&answer.usage),
                    model: answer.model.as_deref(),
                    response_id: answer.id.as_deref(),
                });
            }
        }
        // Only strings and numbers, so serialization cannot fail. JSON passed through verbatim may contain line breaks
        // between its tokens; within strings they are always escaped.
        serde_json::to_string(&line).unwrap_or_default().replace(['\n', '\r'], " ")
    }
}

fn answer_dto<'a>(answer: &'a ChatResponse, others: &'a [String]) -> AnswerDto<'a> {
    let concat = |pick: fn(&Part) -> Option<&str>| answer.content.iter().filter_map(pick).collect::<String>();
    let (finish, finish_word) = finish(&answer.finish);
    AnswerDto {
        text: answer.text(),
        reasoning: concat(|part| match part {
            Part::Reasoning(reasoning) => Some(&reasoning.text),
            _ => None,
        }),
        refusal: concat(|part| match part {
            Part::Refusal(refusal) => Some(refusal),
            _ => None,
        }),
        tool_calls: answer.tool_calls().map(call).collect(),
        finish,
        finish_word,
        usage: counts(&answer.usage),
        model: answer.model.as_deref(),
        response_id: answer.id.as_deref(),
        annotations: &answer.annotations,
        logprobs: &answer.logprobs,
        others,
    }
}

fn call(call: &ToolCall) -> ToolCallDto<'_> {
    ToolCallDto { id: &call.id, name: &call.name, arguments: &call.arguments }
}

fn finish(finish: &FinishReason) -> (&str, Option<&str>) {
    match finish {
        FinishReason::ContentFilter => ("content_filter", None),
        FinishReason::Length => ("length", None),
        FinishReason::Refusal => ("refusal", None),
        FinishReason::Stop => ("stop", None),
        FinishReason::ToolCalls => ("tool_calls", None),
        FinishReason::Other(word) => ("other", Some(word)),
        _ => ("other", None),
    }
}

fn counts(usage: &Usage) -> UsageDto {
    UsageDto {
        input: usage.input,
        output: usage.output,
        cached: usage.cached,
        cache_written: usage.cache_write,
        reasoning: usage.reasoning,
        source: match usage.source {
            UsageSource::Estimated => "estimated",
            _ => "reported",
        },
    }
}

fn failure(error: &Error) -> ErrorDto<'_> {
    ErrorDto {
        kind: error.kind().as_str(),
        scope: error.scope().as_str(),
        retryable: error.is_retryable(),
        should_fail_over: error.should_fail_over(),
        retry_after_ms: error.retry_after().map(millis),
        status: error.status(),
        code: error.code(),
        request_id: error.request_id(),
        message: error.message(),
    }
}

fn limits(limits: &RateLimits) -> Option<RateLimitsDto> {
    let allowance_dto = |allowance: Option<Allowance>| {
        allowance.map(|allowance| AllowanceDto {
            limit: allowance.limit,
            remaining: allowance.remaining,
            reset_ms: allowance.reset.map(millis),
        })
    };
    let (requests, tokens) = (allowance_dto(limits.requests), allowance_dto(limits.tokens));
    let output_tokens = allowance_dto(limits.output_tokens);
    let any = requests.is_some() || tokens.is_some() || output_tokens.is_some();
    any.then_some(RateLimitsDto { requests, tokens, output_tokens })
}

fn millis(pause: Duration) -> u64 {
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}
