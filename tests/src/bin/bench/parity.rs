//! The cost of validating an answer's format and counting a prompt, compared with bare parsing of the same text.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotspare::{ChatRequest, Event, FinishReason, Json, Request};
use hotspare_core::Encoding;
use hotspare_normalize::{Assembler, JsonSchema, OutputCheck, count_text, prompt_size};

const ROUNDS: u32 = 200;

/// How long judging an answer may take, in times of parsing it, if it is valid and if it must be repaired.
const VALID_GOAL: u32 = 2;
const REPAIRED_GOAL: u32 = 3;
/// How long measuring a prompt of about 100,000 tokens may take. Exact counts are taken only near a window's limit.
const ESTIMATE_GOAL: Duration = Duration::from_millis(5);
const COUNT_GOAL: Duration = Duration::from_millis(100);

/// Prints a figure beside its goal.
fn print_row(what: &str, time: Duration, goal: Duration) {
    let verdict = if time <= goal { "met" } else { "missed" };
    println!("  {what:<36}{time:>10.1?}  goal {goal:>8.1?}  {verdict}");
}

/// The median over this many runs.
fn median(rounds: u32, mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

pub(crate) fn run() {
    let schema = r#"{"type":"object","properties":{"rows":{"type":"array","items":{"type":"object","properties":{
        "id":{"type":"integer","minimum":0},"owner":{"type":"string","minLength":1},"open":{"type":"boolean"},
        "tags":{"type":"array","items":{"enum":["net","disk","cpu"]}}},"required":["id","owner","open"],
        "additionalProperties":false}}},"required":["rows"],"additionalProperties":false}"#;
    let row = |id: usize| format!(r#"{{"id":{id},"owner":"team-{id}","open":true,"tags":["net","disk"]}}"#);
    let rows: Vec<String> = (0..66).map(row).collect();
    let answer = format!(r#"{{"rows":[{}]}}"#, rows.join(","));
    let fenced = format!("```json\n{answer}\n```");
    let validator = JsonSchema::compile(&Json::parse(schema).expect("JSON")).expect("a schema");
    let form = OutputCheck::validated(Arc::new(validator));
    let bare = median(ROUNDS, || {
        black_box(serde_json::from_str::<serde_json::Value>(black_box(&answer)).expect("JSON"));
    });
    let judge = |text: &str| {
        median(ROUNDS, || {
            let mut assembler = Assembler::default();
            for piece in text.as_bytes().chunks(16) {
                let piece = String::from_utf8_lossy(piece).into_owned();
                assembler.push(Event::TextDelta(piece)).expect("in order");
            }
            assembler.push(Event::Finished(FinishReason::Stop)).expect("in order");
            let whole = assembler.finish().expect("an answer");
            black_box(form.check(&whole.text(), &whole.finish).expect("it has the form"));
        })
    };
    let (valid, repaired) = (judge(&answer), judge(&fenced));
    println!("an answer of {} bytes:", answer.len());
    println!("  {:<36}{bare:>10.1?}", "serde_json alone");
    print_row("assembled and judged, valid", valid, bare * VALID_GOAL);
    print_row("assembled, repaired and judged", repaired, bare * REPAIRED_GOAL);

    let words = "The standby pump took over at 09:12; pressure is back to 4.2 bar and nobody noticed. ";
    let text = words.repeat(4_600);
    let request = Request::Chat(Arc::new(ChatRequest::to("r").user(text.clone())));
    let tokens = prompt_size(&request).tokens();
    let estimated = median(20, || {
        black_box(prompt_size(black_box(&request)));
    });
    println!("a prompt of about {tokens} tokens ({} bytes):", text.len());
    print_row("estimated", estimated, ESTIMATE_GOAL);
    match count_text(Encoding::O200k, "") {
        Some(_) => {
            let counted = median(5, || {
                black_box(count_text(Encoding::O200k, black_box(&text)));
            });
            print_row("counted exactly", counted, COUNT_GOAL);
        }
        None => println!("  counted exactly: built without the feature tiktoken"),
    }
}
