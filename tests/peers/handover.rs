//! What a caller of each wire of the gateway sees of an answer that another target continues.

use hotspare::{OnCut, Rules};
use hotspare_chaos::{Fault, WireFormat};
use hotspare_tests::Rig;
use serde_json::{Value, json};

use crate::gateway::start;

/// Of the 60 tokens, those that the main target delivers.
const DELIVERED: usize = 40;

/// The data of every frame of a streamed answer whose main target is cut.
async fn cut_answer(rig: &Rig, path: &str, body: Value) -> Vec<Value> {
    let fault = Fault::CutAfter(u32::try_from(DELIVERED).unwrap());
    rig.servers[0].set_fault(Some(fault)).await;
    let gateway = start(rig.client.clone()).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/{path}", gateway.url());
    let text = http.post(url).body(body.to_string()).send().await.unwrap().text().await.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// A spare that continues its own turn, on each wire and on the caller's.
async fn rigs(wire: WireFormat) -> Vec<Rig> {
    let mut rigs = Vec::new();
    for wires in [[wire, wire], [wire, WireFormat::Gemini], [WireFormat::Gemini, wire]] {
        rigs.push(Rig::continuing(wires, true, Rules::default()).await);
    }
    rigs
}

/// The caller got the sum of both targets' tokens: those of the delivered part are estimated, the spare's reported.
fn assert_counts(rig: &Rig, input: &Value, output: &Value, frames: &[Value]) {
    let [main, spare] = [0, 1].map(|place| rig.client.targets()[place].counts.usage);
    let delivered = rig.servers[0].settings().answer[..DELIVERED].concat();
    assert_eq!(main.output, Some((delivered.len() as u64).div_ceil(4)));
    // A spare that cannot continue an answer writes all of it again.
    assert!(matches!(spare.output, Some(20 | 60)), "{spare:?}");
    let sum = |a: Option<u64>, b: Option<u64>| json!(a.unwrap() + b.unwrap());
    let expected = (sum(main.input, spare.input), sum(main.output, spare.output));
    assert_eq!((input, output), (&expected.0, &expected.1), "{frames:?}");
}

#[tokio::test]
async fn chat_answer_keeps_its_id_and_counts_both_parts() {
    for rig in rigs(WireFormat::OpenAi).await {
        let body = json!({
            "model": "chat", "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "user", "content": "hi"}],
        });
        let frames = cut_answer(&rig, "chat/completions", body).await;
        let text: String =
            frames.iter().filter_map(|frame| frame["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(text, rig.servers[0].settings().answer.concat());
        let handover = json!({"handover": {"from": "main", "to": "spare"}});
        assert_eq!(frames.iter().filter(|frame| frame["hotspare"] == handover).count(), 1);
        for field in ["id", "model", "created"] {
            assert!(frames.iter().all(|frame| frame[field] == frames[0][field]), "{field}: {frames:?}");
        }
        let usage: Vec<&Value> = frames.iter().filter(|frame| frame["usage"].is_object()).collect();
        let [usage] = usage[..] else { panic!("{} reports of usage: {frames:?}", usage.len()) };
        let usage = &usage["usage"];
        assert_counts(&rig, &usage["prompt_tokens"], &usage["completion_tokens"], &frames);
    }
}

#[tokio::test]
async fn messages_answer_counts_both_parts() {
    for rig in rigs(WireFormat::Anthropic).await {
        let body = json!({
            "model": "chat", "stream": true, "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}],
        });
        let frames = cut_answer(&rig, "messages", body).await;
        let text: String = frames.iter().filter_map(|frame| frame["delta"]["text"].as_str()).collect();
        assert_eq!(text, rig.servers[0].settings().answer.concat());
        assert_eq!(frames.iter().filter(|frame| frame["type"] == "message_start").count(), 1);
        let usage = &frames.iter().find(|frame| frame["type"] == "message_delta").unwrap()["usage"];
        assert_counts(&rig, &usage["input_tokens"], &usage["output_tokens"], &frames);
    }
}

#[tokio::test]
async fn responses_answer_marks_the_handover_and_counts_both_parts() {
    for rig in rigs(WireFormat::Responses).await {
        let frames =
            cut_answer(&rig, "responses", json!({"model": "chat", "stream": true, "input": "hi"})).await;
        let deltas = frames.iter().filter(|frame| frame["type"] == "response.output_text.delta");
        let text: String = deltas.filter_map(|frame| frame["delta"].as_str()).collect();
        assert_eq!(text, rig.servers[0].settings().answer.concat());
        let end = frames.last().unwrap();
        assert_eq!(end["type"], "response.completed");
        assert_eq!(end["response"]["id"], frames[0]["response"]["id"], "{frames:?}");
        let handover = json!({"handover": {"from": "main", "to": "spare"}});
        assert_eq!(frames.iter().filter(|frame| frame["hotspare"] == handover).count(), 1, "{frames:?}");
        assert_eq!(end["response"]["hotspare"], handover);
        let usage = &end["response"]["usage"];
        assert_counts(&rig, &usage["input_tokens"], &usage["output_tokens"], &frames);
    }
}

#[tokio::test]
async fn error_in_a_stream_tells_the_tokens_of_what_was_delivered() {
    let mut rules = Rules::default();
    rules.on_cut = OnCut::Terminate;
    let prompt = json!([{"role": "user", "content": "hi"}]);
    for (wire, path, body) in [
        (WireFormat::OpenAi, "chat/completions", json!({"messages": prompt})),
        (WireFormat::Anthropic, "messages", json!({"messages": prompt, "max_tokens": 64})),
        (WireFormat::Responses, "responses", json!({"input": "hi"})),
    ] {
        let rig = Rig::continuing([wire, WireFormat::OpenAi], true, rules.clone()).await;
        let mut body = body;
        (body["model"], body["stream"]) = ("chat".into(), true.into());
        let frames = cut_answer(&rig, path, body).await;
        let end = frames.last().unwrap();
        let attempts = end["error"].get("attempts").unwrap_or(&end["attempts"]);
        let counted = rig.client.targets()[0].counts.usage;
        let usage = json!({"input": counted.input, "output": counted.output, "estimated": true});
        assert_eq!(
            (&attempts[0]["target"], &attempts[0]["usage"]),
            (&json!("main"), &usage),
            "{path}: {end}"
        );
        let delivered = rig.servers[0].settings().answer[..DELIVERED].concat();
        assert_eq!(counted.output, Some((delivered.len() as u64).div_ceil(4)));
    }
}
