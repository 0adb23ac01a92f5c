//! The shipped wires pass the conformance kit for third-party wires.

use hotspare_core::Kind;
use hotspare_provider::conformance::{Conformance, Reply};

fn sse(frames: &[&str]) -> Reply {
    Reply::sse(frames.iter().map(|frame| format!("data: {frame}\n\n")).collect::<String>())
}

#[test]
fn chat_completions_conform() {
    use hotspare_openai::{Dialect, OpenAi};
    let piece = |delta: &str, finish: &str| {
        format!(
            r#"{{"id":"c","model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#
        )
    };
    let error =
        |kind: &str, code: &str| format!(r#"{{"error":{{"message":"no","type":"{kind}","code":"{code}"}}}}"#);
    for row in [&Dialect::OPENAI, &Dialect::DEEPSEEK, &Dialect::COMPATIBLE] {
        let report = Conformance::new(OpenAi::new(row))
            .whole(
                Reply::json(200, r#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello there"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#),
                "hello there",
            )
            .streamed(
                sse(&[
                    &piece(r#"{"role":"assistant","content":""}"#, "null"),
                    &piece(r#"{"content":"hello"}"#, "null"),
                    &piece(r#"{"content":" thére"}"#, "null"),
                    &piece("{}", "\"stop\""),
                    r#"{"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
                    "[DONE]",
                ]),
                "hello thére",
            )
            .tool_call(
                sse(&[
                    &piece(r#"{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":""}}]}"#, "null"),
                    &piece(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}"#, "null"),
                    &piece(r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#, "null"),
                    &piece("{}", "\"tool_calls\""),
                    "[DONE]",
                ]),
                "f",
            )
            .length(sse(&[&piece(r#"{"content":"hel"}"#, "null"), &piece("{}", "\"length\""), "[DONE]"]), "hel")
            .late_failure(
                sse(&[&piece(r#"{"content":"hel"}"#, "null"), &error("server_error", "server_error")]),
                "hel",
                Kind::Server,
            )
            .failure(Kind::Auth, Reply::json(401, error("invalid_request_error", "invalid_api_key")))
            .failure(Kind::RateLimited, Reply::json(429, error("requests", "rate_limit_exceeded")))
            .failure(Kind::QuotaExhausted, Reply::json(429, error("insufficient_quota", "insufficient_quota")))
            .failure(Kind::ContextOverflow, Reply::json(400, error("invalid_request_error", "context_length_exceeded")))
            .run();
        report.assert();
    }
}

#[test]
fn messages_conform() {
    let start = r#"{"type":"message_start","message":{"id":"m","model":"c","content":[],"usage":{"input_tokens":3,"output_tokens":1}}}"#;
    let open = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let piece = |text: &str| {
        format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
        )
    };
    let close = r#"{"type":"content_block_stop","index":0}"#;
    let end = |why: &str| {
        format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"{why}"}},"usage":{{"output_tokens":2}}}}"#
        )
    };
    let stop = r#"{"type":"message_stop"}"#;
    let error = |kind: &str| format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"no"}}}}"#);
    let report = Conformance::new(hotspare_anthropic::Anthropic::new())
        .whole(
            Reply::json(200, r#"{"id":"m","type":"message","model":"c","content":[{"type":"text","text":"hello there"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}"#),
            "hello there",
        )
        .streamed(sse(&[start, open, &piece("hello"), &piece(" thére"), close, &end("end_turn"), stop]), "hello thére")
        .tool_call(
            sse(&[
                start,
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
                close,
                &end("tool_use"),
                stop,
            ]),
            "f",
        )
        .length(sse(&[start, open, &piece("hel"), close, &end("max_tokens"), stop]), "hel")
        .late_failure(sse(&[start, open, &piece("hel"), &error("overloaded_error")]), "hel", Kind::Overloaded)
        .failure(Kind::Auth, Reply::json(401, error("authentication_error")))
        .failure(Kind::RateLimited, Reply::json(429, error("rate_limit_error")))
        .failure(Kind::QuotaExhausted, Reply::json(402, error("billing_error")))
        .failure(Kind::Overloaded, Reply::json(529, error("overloaded_error")))
        .run();
    report.assert();
}

#[test]
fn gemini_content_conforms() {
    let piece = |parts: &str, more: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"role":"model","parts":[{parts}]}}{more}}}],"modelVersion":"g"}}"#
        )
    };
    let text = |text: &str| format!(r#"{{"text":"{text}"}}"#);
    let end = |why: &str| format!(r#","finishReason":"{why}""#);
    let error = |status: u16, word: &str| {
        format!(r#"{{"error":{{"code":{status},"message":"no","status":"{word}"}}}}"#)
    };
    let report = Conformance::new(hotspare_gemini::Gemini::new())
        .whole(Reply::json(200, piece(&text("hello there"), &end("STOP"))), "hello there")
        .streamed(sse(&[&piece(&text("hello"), ""), &piece(&text(" thére"), &end("STOP"))]), "hello thére")
        .tool_call(sse(&[&piece(r#"{"functionCall":{"name":"f","args":{"a":1}}}"#, &end("STOP"))]), "f")
        .length(sse(&[&piece(&text("hel"), &end("MAX_TOKENS"))]), "hel")
        .late_failure(sse(&[&piece(&text("hel"), ""), &error(503, "UNAVAILABLE")]), "hel", Kind::Overloaded)
        .failure(Kind::Auth, Reply::json(401, error(401, "UNAUTHENTICATED")))
        .failure(Kind::RateLimited, Reply::json(429, error(429, "RESOURCE_EXHAUSTED")))
        .failure(Kind::Overloaded, Reply::json(503, error(503, "UNAVAILABLE")))
        .run();
    report.assert();
}

#[test]
fn responses_conform() {
    use hotspare_openai::{Dialect, Responses};
    let event = |kind: &str, rest: &str| format!(r#"{{"type":"{kind}"{rest}}}"#);
    let created = event("response.created", r#","response":{"id":"r","model":"m","status":"in_progress"}"#);
    let begin =
        |item: &str| event("response.output_item.added", &format!(r#","output_index":0,"item":{item}"#));
    let end = |item: &str| event("response.output_item.done", &format!(r#","output_index":0,"item":{item}"#));
    let opened = begin(r#"{"type":"message","id":"i","role":"assistant","content":[]}"#);
    let piece = |text: &str| {
        let rest = format!(r#","output_index":0,"item_id":"i","content_index":0,"delta":"{text}""#);
        event("response.output_text.delta", &rest)
    };
    let message = |text: &str| {
        format!(
            r#"{{"type":"message","id":"i","role":"assistant","content":[{{"type":"output_text","text":"{text}"}}]}}"#
        )
    };
    let response = |status: &str, more: &str| {
        format!(
            r#"{{"id":"r","object":"response","model":"m","status":"{status}"{more},"usage":{{"input_tokens":3,"output_tokens":2}}}}"#
        )
    };
    let last = |kind: &str, more: &str| {
        event(&format!("response.{kind}"), &format!(r#","response":{}"#, response(kind, more)))
    };
    let error = |code: &str| format!(r#"{{"error":{{"message":"no","type":"t","code":"{code}"}}}}"#);
    let call = |arguments: &str| {
        format!(r#"{{"type":"function_call","id":"i","call_id":"t","name":"f","arguments":"{arguments}"}}"#)
    };
    let arguments = |text: &str| {
        event(
            "response.function_call_arguments.delta",
            &format!(r#","output_index":0,"item_id":"i","delta":"{text}""#),
        )
    };
    let whole = response("completed", &format!(r#","output":[{}]"#, message("hello there")));
    let cut = r#","incomplete_details":{"reason":"max_output_tokens"}"#;
    let report = Conformance::new(Responses::new(&Dialect::OPENAI))
        .whole(Reply::json(200, whole), "hello there")
        .streamed(
            sse(&[
                &created,
                &opened,
                &piece("hello"),
                &piece(" thére"),
                &end(&message("hello thére")),
                &last("completed", ""),
            ]),
            "hello thére",
        )
        .tool_call(
            sse(&[
                &created,
                &begin(&call("")),
                &arguments(r#"{\"a\":"#),
                &arguments("1}"),
                &end(&call(r#"{\"a\":1}"#)),
                &last("completed", ""),
            ]),
            "f",
        )
        .length(
            sse(&[&created, &opened, &piece("hel"), &end(&message("hel")), &last("incomplete", cut)]),
            "hel",
        )
        .late_failure(
            sse(&[
                &created,
                &opened,
                &piece("hel"),
                r#"{"type":"error","code":"server_is_overloaded","message":"no"}"#,
            ]),
            "hel",
            Kind::Overloaded,
        )
        .failure(Kind::Auth, Reply::json(401, error("invalid_api_key")))
        .failure(Kind::RateLimited, Reply::json(429, error("rate_limit_exceeded")))
        .failure(Kind::QuotaExhausted, Reply::json(429, error("insufficient_quota")))
        .run();
    report.assert();
}

#[test]
fn cohere_v2_chat_conforms() {
    let start = r#"{"type":"message-start","id":"c","delta":{"message":{"role":"assistant"}}}"#;
    let piece = |text: &str| {
        format!(
            r#"{{"type":"content-delta","index":0,"delta":{{"message":{{"content":{{"text":"{text}"}}}}}}}}"#
        )
    };
    let end = |why: &str| {
        format!(
            r#"{{"type":"message-end","delta":{{"finish_reason":"{why}","usage":{{"tokens":{{"input_tokens":3,"output_tokens":2}}}}}}}}"#
        )
    };
    let report = Conformance::new(hotspare_cohere::Cohere::new())
        .whole(
            Reply::json(200, r#"{"id":"c","message":{"role":"assistant","content":[{"type":"text","text":"hello there"}]},"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":3,"output_tokens":2}}}"#),
            "hello there",
        )
        .streamed(sse(&[start, &piece("hello"), &piece(" thére"), &end("COMPLETE"), "[DONE]"]), "hello thére")
        .tool_call(
            sse(&[
                start,
                r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"t","type":"function","function":{"name":"f","arguments":""}}}}}"#,
                r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\":"}}}}}"#,
                r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"1}"}}}}}"#,
                r#"{"type":"tool-call-end","index":0}"#,
                &end("TOOL_CALL"),
            ]),
            "f",
        )
        .length(sse(&[start, &piece("hel"), &end("MAX_TOKENS")]), "hel")
        .late_failure(sse(&[start, &piece("hel"), &end("ERROR")]), "hel", Kind::Server)
        .failure(Kind::Auth, Reply::json(401, r#"{"message":"invalid api token"}"#))
        .failure(Kind::RateLimited, Reply::json(429, r#"{"message":"rate limit exceeded"}"#))
        .failure(Kind::QuotaExhausted, Reply::json(402, r#"{"message":"no"}"#))
        .run();
    report.assert();
}

#[test]
fn ollama_chat_conforms() {
    let piece = |message: &str, rest: &str| {
        format!(r#"{{"model":"m","message":{{"role":"assistant",{message}}},"done":{rest}}}"#)
    };
    let text = |text: &str| format!(r#""content":"{text}""#);
    let end = |why: &str| format!(r#"true,"done_reason":"{why}","prompt_eval_count":3,"eval_count":2"#);
    let lines = |lines: &[&str]| Reply::new(200, "application/x-ndjson", lines.join("\n") + "\n");
    let call = r#""content":"","tool_calls":[{"id":"t","function":{"name":"f","arguments":{"a":1}}}]"#;
    let report = Conformance::new(hotspare_ollama::Ollama::new())
        .whole(Reply::json(200, piece(&text("hello there"), &end("stop"))), "hello there")
        .streamed(
            lines(&[
                &piece(&text("hello"), "false"),
                &piece(&text(" thére"), "false"),
                &piece(&text(""), &end("stop")),
            ]),
            "hello thére",
        )
        .tool_call(lines(&[&piece(call, "false"), &piece(&text(""), &end("stop"))]), "f")
        .length(lines(&[&piece(&text("hel"), "false"), &piece(&text(""), &end("length"))]), "hel")
        .late_failure(
            lines(&[&piece(&text("hel"), "false"), r#"{"error":"the model crashed"}"#]),
            "hel",
            Kind::Server,
        )
        .failure(Kind::Auth, Reply::json(401, r#"{"error":"unauthorized"}"#))
        .failure(Kind::RateLimited, Reply::json(429, r#"{"error":"too many requests"}"#))
        .failure(Kind::ModelUnavailable, Reply::json(404, r#"{"error":"model 'x' not found"}"#))
        .run();
    report.assert();
}

/// A binary stream with these events.
fn binary(events: &[(&str, &str)]) -> Reply {
    let framed = |(name, payload): &(&str, &str)| {
        let (kind, which) = if name.ends_with("Exception") {
            ("exception", ":exception-type")
        } else {
            ("event", ":event-type")
        };
        let mut headers = Vec::new();
        for (header, value) in [(which, *name), (":message-type", kind)] {
            headers.push(u8::try_from(header.len()).unwrap());
            headers.extend(header.as_bytes());
            headers.push(7);
            headers.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            headers.extend(value.as_bytes());
        }
        let length = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
        let mut out = length(16 + headers.len() + payload.len()).to_vec();
        out.extend(length(headers.len()));
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out.extend(headers);
        out.extend(payload.as_bytes());
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out
    };
    Reply::new(200, "application/vnd.amazon.eventstream", events.iter().flat_map(framed).collect::<Vec<u8>>())
}

#[test]
fn converse_conforms() {
    let start = ("messageStart", r#"{"role":"assistant","p":"ab"}"#);
    let close = ("contentBlockStop", r#"{"contentBlockIndex":0}"#);
    let counts = ("metadata", r#"{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}"#);
    let hello = ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"hello"}}"#);
    let there = ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":" thére"}}"#);
    let error = |name: &str| format!(r#"{{"__type":"{name}","message":"no"}}"#);
    let report = Conformance::new(hotspare_bedrock::Bedrock::new("us-east-1"))
        .whole(
            Reply::json(200, r#"{"output":{"message":{"role":"assistant","content":[{"text":"hello there"}]}},"stopReason":"end_turn","usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}"#),
            "hello there",
        )
        .streamed(binary(&[start, hello, there, close, ("messageStop", r#"{"stopReason":"end_turn"}"#), counts]), "hello thére")
        .tool_call(
            binary(&[
                start,
                ("contentBlockStart", r#"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}"#),
                ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"a\":"}}}"#),
                ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"1}"}}}"#),
                close,
                ("messageStop", r#"{"stopReason":"tool_use"}"#),
                counts,
            ]),
            "f",
        )
        .length(binary(&[start, hello, close, ("messageStop", r#"{"stopReason":"max_tokens"}"#)]), "hello")
        .late_failure(binary(&[start, hello, ("serviceUnavailableException", r#"{"message":"no"}"#)]), "hello", Kind::Overloaded)
        .failure(Kind::Auth, Reply::json(403, error("UnrecognizedClientException")))
        .failure(Kind::Forbidden, Reply::json(403, error("AccessDeniedException")))
        .failure(Kind::RateLimited, Reply::json(429, error("ThrottlingException")))
        .failure(Kind::QuotaExhausted, Reply::json(400, error("ServiceQuotaExceededException")))
        .failure(Kind::Overloaded, Reply::json(503, error("ServiceUnavailableException")))
        .run();
    report.assert();
}

/// The kit detects violations: each flaw of this wire fails the named check.
#[test]
fn conformance_kit_detects_flaws() {
    let find = |flaw: &'static str| {
        let report = Conformance::new(flawed::Flawed(flaw))
            .whole(Reply::json(200, r#"{"text":"hello"}"#), "hello")
            .cannot(hotspare_provider::conformance::Scenario::Streamed, "it does not")
            .cannot(hotspare_provider::conformance::Scenario::ToolCall, "it does not")
            .cannot(hotspare_provider::conformance::Scenario::Length, "it does not")
            .cannot(hotspare_provider::conformance::Scenario::LateFailure, "it does not")
            .failure(Kind::Auth, Reply::json(401, "{}"))
            .failure(Kind::RateLimited, Reply::json(429, "{}"))
            .run();
        report
            .to_string()
            .lines()
            .filter(|line| line.starts_with("FAILED"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(find("nothing"), Vec::<String>::new());
    for (flaw, check) in [
        ("truncated is fine", "truncation is an error"),
        ("splits show", "chunk boundaries do not matter"),
        ("finishes twice", "signals are in order"),
        ("every failure is the caller's", "failures are classified by status alone"),
        ("shows the key", "the key is never shown"),
        ("open header", "the key's header is sensitive"),
    ] {
        let found = find(flaw);
        assert!(found.iter().any(|line| line.contains(check)), "{flaw}: {found:?}");
    }
    let report = Conformance::new(flawed::Flawed("nothing")).run();
    assert!(!report.passed(), "a missing scenario fails: {report}");
}

mod flawed {
    //! A wire that is correct except for one flaw.

    use std::collections::VecDeque;

    use hotspare_core::{Chunk, Error, Event, FinishReason, Kind};
    use hotspare_provider::{
        Decoder, Decoding, Describe, Frame, Framer, Head, HttpRequest, Outbound, Whole, Wire,
    };

    #[derive(Debug)]
    pub(super) struct Flawed(pub(super) &'static str);

    impl Describe for Flawed {
        fn wire(&self) -> &'static str {
            "flawed"
        }
    }

    impl Wire for Flawed {
        fn encode(&self, call: &Outbound) -> Result<HttpRequest, Error> {
            let mut request = HttpRequest::post_json("http://host/".into(), "{}");
            if let Some(secret) = &call.secret {
                if self.0 == "shows the key" {
                    request.url = format!("http://host/{}", secret.expose());
                }
                if self.0 == "open header" {
                    request.headers.insert("x-key", secret.expose().parse().unwrap());
                    return Ok(request);
                }
                return request.with_key("x-key", secret.expose());
            }
            Ok(request)
        }

        fn decoder(&self, _: &Outbound, head: &Head) -> Result<Decoding, Error> {
            if head.media_type() != "application/json" {
                return Err(Error::new(Kind::Protocol, "no answer"));
            }
            let framer: Box<dyn Framer> =
                if self.0 == "splits show" { Box::new(Pieces) } else { Box::new(Whole::default()) };
            Ok(Decoding { framer, decoder: Box::new(Read(self.0)) })
        }

        fn classify(&self, head: &Head, _: &[u8]) -> Error {
            let kind = match head.status.as_u16() {
                _ if self.0 == "every failure is the caller's" => Kind::InvalidRequest,
                401 => Kind::Auth,
                429 => Kind::RateLimited,
                400..=499 => Kind::InvalidRequest,
                _ => Kind::Server,
            };
            Error::new(kind, "no")
        }
    }

    /// Treats each chunk as a frame.
    struct Pieces;

    impl Framer for Pieces {
        fn push(&mut self, bytes: bytes::Bytes, out: &mut VecDeque<Frame>) -> Result<(), Error> {
            out.push_back(Frame::piece(bytes));
            Ok(())
        }

        fn finish(&mut self, _: &mut VecDeque<Frame>) -> Result<(), Error> {
            Ok(())
        }
    }

    struct Read(&'static str);

    impl Decoder for Read {
        fn push(&mut self, frame: Frame, out: &mut VecDeque<Chunk>) -> Result<(), Error> {
            let value: Option<serde_json::Value> = serde_json::from_slice(&frame.data).ok();
            let text = value.as_ref().and_then(|value| value["text"].as_str());
            match text {
                Some(text) => out.push_back(Event::TextDelta(text.to_owned()).into()),
                None if self.0 == "truncated is fine" => {}
                None => return Err(Error::new(Kind::Protocol, "no answer")),
            }
            out.push_back(Event::Finished(FinishReason::Stop).into());
            if self.0 == "finishes twice" {
                out.push_back(Event::Finished(FinishReason::Stop).into());
            }
            Ok(())
        }

        fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
            Ok(())
        }
    }
}
