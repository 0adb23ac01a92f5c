//! Every successful reply, read by its adapter and by an independent reader.

use hotspare::Kind;
use hotspare::recorded::{Decoded, Exchange, ExchangeOutcome};

use crate::reader;
use crate::recordings::all;
use crate::report::Report;

/// A reply that differs deliberately.
pub(crate) struct Exception {
    /// Its recording in the documented set.
    pub(crate) id: &'static str,
    /// Whether a reply, what was read of it, and the differences have the exception's exact form. In the documented set the
    /// recording must be the listed one, too.
    fits: fn(&Exchange, &reader::Answer, &[String]) -> bool,
    why: &'static str,
}

/// Replies that differ deliberately, and why.
pub(crate) const EXCEPTIONS: &[Exception] = &[
    Exception {
        id: "4121199933c02df4",
        fits: is_call_of_text,
        why: "a call of a tool without a schema: its input is text, not JSON",
    },
    Exception {
        id: "69b6a40b05fa627f",
        fits: is_empty_turn,
        why: "an empty turn: deliberately a failure, so that another target answers",
    },
];

/// The most tokens that the end of a turn takes: with more, there was content, which somebody has lost.
const END_TOKENS: u64 = 4;

/// A call of the type `custom`, whose name and input are in a field of their own.
fn is_call_of_text(exchange: &Exchange, _: &reader::Answer, wrong: &[String]) -> bool {
    let body = String::from_utf8_lossy(&exchange.body).split_whitespace().collect::<String>();
    body.contains(r#""type":"custom","custom":{"#)
        && matches!(wrong, [what] if what.ends_with("a tool call without a name"))
}

/// A turn that the model itself ended at once: without any content, hidden or not, and without a reason to stop early.
fn is_empty_turn(_: &Exchange, expected: &reader::Answer, wrong: &[String]) -> bool {
    expected.is_empty()
        && expected.meaning() == Some("stop")
        && expected.output.is_some_and(|tokens| tokens <= END_TOKENS)
        && expected.reasoning_tokens.unwrap_or(0) == 0
        && matches!(wrong, [what] if what.ends_with("empty answer"))
}

#[test]
fn decoded_answers_match_an_independent_reader() {
    let set = all();
    let mut report = Report::new(set.fingerprint, set.recordings.len());
    let mut differing = Vec::new();
    for recording in &set.recordings {
        let exchange = &recording.exchange;
        let decoded = exchange.decode();
        if let ExchangeOutcome::Skipped(why) = decoded.outcome {
            report.skipped(exchange, why);
            continue;
        }
        if !exchange.head.status.is_success() {
            report.failure(exchange);
            report.providers.note(exchange, &decoded);
            continue;
        }
        let name = format!("{} {} {}", exchange.provider, exchange.endpoint, exchange.id);
        let expected = reader::read(exchange);
        let (compared, wrong) = match (&decoded.outcome, &expected) {
            (_, Some(expected)) => (true, judge(&decoded, expected)),
            (ExchangeOutcome::Vectors(answer), None) => {
                let expected = reader::vectors::read(exchange);
                (true, reader::vectors::differences(&answer.vectors, &expected))
            }
            // A list of something other than vectors.
            (ExchangeOutcome::Failed(_), None) if exchange.endpoint == "embeddings" => {
                let expected = reader::vectors::read(exchange);
                (true, reader::vectors::differences(&[], &expected))
            }
            _ => (false, Vec::new()),
        };
        let known = |exception: &&Exception| !set.described || exception.id == exchange.id;
        let fits = |exception: &&Exception| {
            expected.as_ref().is_some_and(|expected| (exception.fits)(exchange, expected, &wrong))
        };
        if let Some(exception) = EXCEPTIONS.iter().find(|it| !wrong.is_empty() && known(it) && fits(it)) {
            report.exception(exchange, exception.why);
            continue;
        }
        if set.described && wrong.is_empty() && EXCEPTIONS.iter().any(|it| it.id == exchange.id) {
            differing.push(format!("{name}: is decoded correctly, so it is no longer an exception"));
        }
        report.answer(exchange, compared, wrong.is_empty());
        if compared && wrong.is_empty() && !matches!(decoded.outcome, ExchangeOutcome::Failed(_)) {
            report.providers.note(exchange, &decoded);
        }
        if !wrong.is_empty() {
            differing.push(format!("{name}: {}", wrong.join("; ")));
        }
    }
    println!("{}", report.counts());
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
    report.settle();
}

/// What an adapter read differently from `expected`.
fn judge(decoded: &Decoded, expected: &reader::Answer) -> Vec<String> {
    match (&decoded.outcome, expected.failed) {
        (ExchangeOutcome::Failed(_), true) => Vec::new(),
        (ExchangeOutcome::Answered { .. }, true) => vec!["a failure was decoded as an answer".into()],
        // A tool call with malformed arguments is decoded, but rejected as an answer.
        (ExchangeOutcome::Failed(error), false)
            if error.kind() == Kind::BadOutput && expected.has_broken_arguments() =>
        {
            Vec::new()
        }
        (ExchangeOutcome::Failed(error), false) => vec![error.to_string()],
        (ExchangeOutcome::Answered { answer, .. }, false) => expected.differences(answer),
        (other, _) => vec![format!("{other:?}")],
    }
}

/// What became of a reply on the Messages wire, judged by both readers and the exceptions.
fn is_excused(content: &str, stop: &str, tokens: u64) -> bool {
    let body = format!(
        r#"{{"id":"m","type":"message","role":"assistant","content":{content},"stop_reason":"{stop}","usage":{{"input_tokens":1,"output_tokens":{tokens}}}}}"#
    );
    let record = serde_json::json!({
        "provider": "somebody", "endpoint": "messages", "status": 200, "response_body": body,
        "response_headers": {"content-type": "application/json"},
    });
    let exchange = Exchange::parse(record.to_string().as_bytes()).unwrap();
    let expected = reader::read(&exchange).unwrap();
    let wrong = judge(&exchange.decode(), &expected);
    EXCEPTIONS.iter().any(|exception| (exception.fits)(&exchange, &expected, &wrong))
}

#[test]
fn only_a_turn_that_the_model_ended_at_once_is_an_exception() {
    assert!(is_excused("[]", "end_turn", 2));
    for (content, stop, tokens) in [
        ("[]", "end_turn", 40),
        ("[]", "max_tokens", 2),
        ("[]", "refusal", 2),
        ("[]", "tool_use", 2),
        ("[]", "pause_turn", 2),
        (r#"[{"type":"text","text":"hi"}]"#, "end_turn", 2),
        (r#"[{"type":"tool_use","id":"t","name":"f","input":{}}]"#, "tool_use", 2),
    ] {
        assert!(!is_excused(content, stop, tokens), "{content} {stop} {tokens}");
    }
}
