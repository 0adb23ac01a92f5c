//! Every successful reply, read by its adapter and by an independent reader.

use hotspare::Kind;
use hotspare::recorded::{Decoded, ExchangeOutcome};

use crate::reader;
use crate::recordings::all;
use crate::report::Report;

/// Replies that differ deliberately, and why.
pub(crate) const EXCEPTIONS: &[(&str, &str)] = &[
    ("4121199933c02df4", "a call of a tool without a schema: its input is text, not JSON"),
    ("69b6a40b05fa627f", "an empty turn: deliberately a failure, so that another target answers"),
];

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
        // In other sets it is the second reason that counts, whichever recording it applies to.
        let is_empty =
            |id: &str| id == EXCEPTIONS[1].0 && wrong.iter().any(|it| it.ends_with("empty answer"));
        let is_listed = |id: &str| id == exchange.id || (!set.described && is_empty(id));
        if let Some((_, why)) = EXCEPTIONS.iter().find(|(id, _)| is_listed(id)) {
            report.exception(exchange, why);
            if wrong.is_empty() {
                differing.push(format!("{name}: is decoded correctly, so it is no longer an exception"));
            }
            continue;
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
