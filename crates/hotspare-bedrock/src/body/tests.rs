//! Every vendor's format, whole and streamed.

use proptest::prelude::*;

use super::*;

fn read(frames: &[&str]) -> Result<(String, FinishReason, Option<Usage>), Error> {
    let (mut decoder, mut out) = (BodyDecoder::default(), VecDeque::new());
    for frame in frames {
        decoder.push(Frame::piece(Bytes::copy_from_slice(frame.as_bytes())), &mut out)?;
    }
    decoder.finish(&mut out)?;
    let (mut text, mut end, mut usage) = (String::new(), None, None::<Usage>);
    for chunk in out {
        match chunk.event {
            Event::TextDelta(piece) => text.push_str(&piece),
            Event::ToolStarted { name, .. } => text.push_str(&format!("<{name}>")),
            Event::ToolDelta { arguments, .. } => text.push_str(&arguments),
            Event::Finished(reason) => end = Some(reason),
            Event::Usage(counts) => usage.get_or_insert_default().update(&counts),
            _ => {}
        }
    }
    Ok((text, end.unwrap(), usage))
}

#[test]
fn decodes_the_body_of_every_vendor() {
    let counted = |input, output| Some(Usage::reported(Some(input), Some(output)));
    let cases: &[(&[&str], &str, FinishReason, Option<Usage>)] = &[
        (
            &[
                r#"{"generation":"hi","prompt_token_count":3,"generation_token_count":2,"stop_reason":"length"}"#,
            ],
            "hi",
            FinishReason::Length,
            counted(3, 2),
        ),
        (
            &[
                r#"{"generation":"h","prompt_token_count":3,"generation_token_count":1,"stop_reason":null}"#,
                r#"{"generation":"i","prompt_token_count":null,"generation_token_count":2,"stop_reason":"stop"}"#,
            ],
            "hi",
            FinishReason::Stop,
            counted(3, 2),
        ),
        (
            &[
                r#"{"inputTextTokenCount":3,"results":[{"tokenCount":2,"outputText":"hi","completionReason":"FINISH"}]}"#,
            ],
            "hi",
            FinishReason::Stop,
            counted(3, 2),
        ),
        (
            &[
                r#"{"outputText":"h","index":0,"totalOutputTextTokenCount":null,"completionReason":null,"inputTextTokenCount":3}"#,
                r#"{"outputText":"i","index":0,"totalOutputTextTokenCount":2,"completionReason":"CONTENT_FILTERED","inputTextTokenCount":null}"#,
            ],
            "hi",
            FinishReason::ContentFilter,
            counted(3, 2),
        ),
        (
            &[
                r#"{"outputs":[{"text":"h","stop_reason":null}]}"#,
                r#"{"outputs":[{"text":"i","stop_reason":"stop"}]}"#,
            ],
            "hi",
            FinishReason::Stop,
            None,
        ),
        (
            &[r#"{"id":1,"completions":[{"data":{"text":"hi"},"finishReason":{"reason":"endoftext"}}]}"#],
            "hi",
            FinishReason::Stop,
            None,
        ),
        (&[r#"{"choices":[{"text":"hi","stop_reason":"length"}]}"#], "hi", FinishReason::Length, None),
        (
            &[
                r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"hi","tool_calls":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},"meta":{}}"#,
            ],
            "hi",
            FinishReason::Stop,
            counted(3, 2),
        ),
        (
            &[
                r#"{"choices":[{"message":{"content":"","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},"stop_reason":"tool_calls"}]}"#,
            ],
            "<f>{}",
            FinishReason::ToolCalls,
            None,
        ),
        (
            &[
                r#"{"output":{"message":{"content":[{"text":"hi"}],"role":"assistant"}},"stopReason":"end_turn","usage":{"inputTokens":3,"outputTokens":2}}"#,
            ],
            "hi",
            FinishReason::Stop,
            counted(3, 2),
        ),
        (
            &[
                r#"{"messageStart":{"role":"assistant"}}"#,
                r#"{"contentBlockDelta":{"delta":{"text":"hi"},"contentBlockIndex":0}}"#,
                r#"{"contentBlockStop":{"contentBlockIndex":0}}"#,
                r#"{"messageStop":{"stopReason":"end_turn"}}"#,
                r#"{"metadata":{"usage":{"inputTokens":3,"outputTokens":2}},"amazon-bedrock-invocationMetrics":{}}"#,
            ],
            "hi",
            FinishReason::Stop,
            counted(3, 2),
        ),
    ];
    for (frames, text, end, usage) in cases {
        assert_eq!(read(frames).unwrap(), ((*text).to_owned(), end.clone(), *usage), "{frames:?}");
    }
}

#[test]
fn malformed_or_truncated_bodies_are_errors() {
    assert_eq!(read(&[]).unwrap_err().kind(), Kind::Protocol);
    assert_eq!(read(&["{}"]).unwrap_err().kind(), Kind::Protocol);
    for wrong in ["x", "[]", r#"["hi"]"#] {
        let error = read(&[wrong]).unwrap_err();
        assert_eq!(error.message(), "the body is not the JSON of a model", "{wrong}");
        assert_eq!(error.kind(), Kind::Protocol, "{wrong}");
    }
    assert_eq!(read(&[r#"{"generation":"h","stop_reason":null}"#]).unwrap_err().kind(), Kind::Truncated);
    assert_eq!(read(&[r#"{"messageStart":{}}"#]).unwrap_err().kind(), Kind::Truncated);
}

#[test]
fn decodes_every_embedding_format() {
    for (body, expected) in [
        (r#"{"embedding":[1.5],"inputTextTokenCount":2}"#, vec![vec![1.5]]),
        (r#"{"embeddingsByType":{"float":[1.5]}}"#, vec![vec![1.5]]),
        (
            r#"{"embeddings":[{"embeddingType":"TEXT","embedding":[1.5]},{"embedding":[2]}]}"#,
            vec![vec![1.5], vec![2.0]],
        ),
    ] {
        let read: Vec<Vec<f32>> =
            vectors(body.as_bytes()).unwrap().vectors.into_iter().map(|vector| vector.values).collect();
        assert_eq!(read, expected, "{body}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bodies_never_panic(inside in "[\\[\\]{}:,\"a-z_0-9]{0,60}", name in "(output|metadata|results|choices|generation)") {
        let _ = read(&[&format!("{{\"{name}\":{inside}}}")]);
        let _ = read(&[&inside]);
    }
}
