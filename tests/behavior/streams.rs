//! Streams that survive cuts and stalls at every position.

use std::sync::Arc;
use std::time::Duration;

use hotspare::provider::Provider;
use hotspare::{
    ChatRequest, Client, Endpoint, Error, Event, Kind, Limits, OnCut, RouteSpec, Rules, Sequential,
    UsageSource,
};
use hotspare_chaos::{Fault, FaultPlan, Scripted, Settings, WireFormat};
use hotspare_tests::{Rig, short_limits, until};

fn sample_request() -> ChatRequest {
    ChatRequest::to("chat").user("what happened?")
}

async fn read(rig: &Rig) -> (String, usize, Result<(), Error>) {
    let mut stream = match rig.client.stream(sample_request()).await {
        Ok(stream) => stream,
        Err(error) => return (String::new(), 0, Err(error)),
    };
    let (mut text, mut handovers) = (String::new(), 0);
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::TextDelta(piece)) => text.push_str(&piece),
            Ok(Event::Handover { .. }) => handovers += 1,
            Ok(_) => {}
            Err(error) => return (text, handovers, Err(error)),
        }
    }
    (text, handovers, Ok(()))
}

/// A cut at every token of a 60-token answer still gives the exact text, both with a model that continues its own turn
/// and with one that has to start over.
#[tokio::test]
async fn cut_at_every_position_continues_exactly() {
    for prefill in [true, false] {
        for fault in [Fault::CutAfter as fn(u32) -> Fault, Fault::ErrorEventAfter] {
            let rig = rig(prefill, OnCut::Continue).await;
            let expected = rig.servers[0].settings().answer.concat();
            for at in 0..=60 {
                rig.servers[0].set_fault(Some(fault(at))).await;
                let (text, handovers, result) = read(&rig).await;
                result.unwrap_or_else(|error| {
                    panic!("cut at {at}, prefill {prefill}: {error}\n{}", error.trail())
                });
                assert_eq!(text, expected, "cut at {at}, prefill {prefill}");
                // A cut before the first token is survived before anything was delivered.
                assert_eq!(handovers, usize::from(at > 0), "cut at {at}, prefill {prefill}");
            }
        }
    }
}

/// A silence after every token of a 60-token answer: the spare continues each from the token where the main target
/// stopped.
#[tokio::test(flavor = "multi_thread")]
async fn stall_at_every_position_continues_exactly() {
    // The silence is found after the shipped limit, so that a busy machine is not taken for a silent spare. No spare starts
    // before that, beside a main target that is slow to begin.
    let mut limits = Limits::default();
    limits.first_content = Duration::from_secs(60);
    let [first, second] = [true, false].map(|prefill| {
        let limits = limits.clone();
        async move {
            let rig =
                Rig::continuing_within(limits, [WireFormat::OpenAi; 2], prefill, Rules::default()).await;
            rig.servers[0].set_plan(FaultPlan::scripted((1..=60).map(|at| Some(Fault::StallAfter(at)))));
            let words = rig.servers[0].settings().answer;
            let legs = futures::future::join_all((0..60).map(|_| legs(&rig))).await;
            let mut positions = Vec::new();
            for legs in legs {
                let legs =
                    legs.unwrap_or_else(|error| panic!("prefill {prefill}: {error}\n{}", error.trail()));
                assert_eq!(legs.concat(), words.concat(), "prefill {prefill}");
                positions.extend((1..=60).filter(|at| words[..*at].concat() == legs[0]));
            }
            positions.sort_unstable();
            assert_eq!(positions, (1..=60).collect::<Vec<usize>>(), "prefill {prefill}");
        }
    });
    futures::future::join(first, second).await;
}

/// The text of each target.
async fn legs(rig: &Rig) -> Result<Vec<String>, Error> {
    let mut stream = rig.client.stream(sample_request()).await?;
    let mut legs = vec![String::new()];
    while let Some(event) = stream.next().await {
        match event? {
            Event::TextDelta(piece) => legs.last_mut().unwrap().push_str(&piece),
            Event::Handover { .. } => legs.push(String::new()),
            _ => {}
        }
    }
    Ok(legs)
}

/// The limits on first content and on gaps apply to nothing else: a flowing answer is never cut.
#[tokio::test(start_paused = true)]
async fn healthy_stream_outlives_every_short_limit() {
    let mut limits = short_limits();
    limits.first_content_deadline = Duration::from_millis(400);
    let words = ["one "; 30];
    let main = Arc::new(Scripted::new().paced(Duration::from_millis(40), words));
    let spare = Arc::new(Scripted::new().text("unused"));
    let target =
        |provider: &Arc<Scripted>| Endpoint::custom(Arc::clone(provider) as Arc<dyn Provider>, "model");
    let client = Client::builder()
        .target("main", target(&main))
        .target("spare", target(&spare))
        .route("chat", RouteSpec::new(Sequential::new(["main", "spare"])).limits(limits))
        .build()
        .unwrap();
    let answer = client.stream(sample_request()).await.unwrap().into_response().await.unwrap();
    assert_eq!((answer.text(), answer.trail.attempts.len()), (words.concat(), 1), "{}", answer.trail);
    assert_eq!(spare.requests().len(), 0);
}

/// A truncated answer continues over another wire, including the one whose streams have no end marker.
#[tokio::test]
async fn cut_stream_continues_on_another_wire() {
    let faults = [Fault::CutAfter as fn(u32) -> Fault, Fault::CleanEndAfter, Fault::ErrorEventAfter];
    for wires in [
        [WireFormat::Gemini, WireFormat::Anthropic],
        [WireFormat::OpenAi, WireFormat::Gemini],
        [WireFormat::Gemini; 2],
    ] {
        for prefill in [true, false] {
            let rig = rig_with_wires(wires, prefill, OnCut::Continue).await;
            let expected = rig.servers[0].settings().answer.concat();
            for fault in faults {
                for at in [1, 7, 30, 59, 60] {
                    rig.servers[0].set_fault(Some(fault(at))).await;
                    let name = format!("{wires:?}, {}, prefill {prefill}", fault(at));
                    let (text, handovers, result) = read(&rig).await;
                    result.unwrap_or_else(|error| panic!("{name}: {error}\n{}", error.trail()));
                    assert_eq!((text.as_str(), handovers), (expected.as_str(), 1), "{name}");
                }
            }
        }
    }
}

/// Words that end in a space: the answer continues even on a provider that rejects prefills with trailing white space.
#[tokio::test]
async fn cut_after_a_space_continues_exactly() {
    for spare in [WireFormat::Anthropic, WireFormat::OpenAi] {
        let rig = rig_with_wires([WireFormat::OpenAi, spare], true, OnCut::Continue).await;
        let words = ["The ", "pump ", "failed.\n", "\n", "- It ", "was ", "old."];
        for (server, wire) in rig.servers.iter().zip([WireFormat::OpenAi, spare]) {
            server.set_settings(Settings::new(wire).answer(words));
        }
        for at in 1..=6 {
            rig.servers[0].set_fault(Some(Fault::CutAfter(at))).await;
            let (text, handovers, result) = read(&rig).await;
            result.unwrap_or_else(|error| panic!("cut at {at}: {error}\n{}", error.trail()));
            assert_eq!((text, handovers), (words.concat(), 1), "cut at {at}");
        }
    }
}

#[tokio::test]
async fn mismatched_continuation_is_never_spliced_in() {
    let rig = rig(false, OnCut::Continue).await;
    let words = rig.servers[0].settings().answer;
    rig.servers[1].set_settings(Settings::new(WireFormat::OpenAi).answer(["Something", " else."]));
    for at in 1..=60 {
        rig.servers[0].set_fault(Some(Fault::CutAfter(at))).await;
        let (text, handovers, result) = read(&rig).await;
        let delivered = words[..usize::try_from(at).unwrap()].concat();
        assert_eq!((text, handovers), (delivered, 0), "cut at {at}");
        assert_eq!(result.unwrap_err().kind(), Kind::Truncated, "cut at {at}");
    }
}

#[tokio::test]
async fn on_cut_terminate_reports_an_error_not_a_clean_end() {
    for fault in
        [Fault::CutAfter(5), Fault::CleanEndAfter(5), Fault::StallAfter(5), Fault::ErrorEventAfter(5)]
    {
        let rig = rig(false, OnCut::Terminate).await;
        rig.servers[0].set_fault(Some(fault)).await;
        let (text, _, result) = read(&rig).await;
        let error = result.unwrap_err();
        assert_eq!(text, rig.servers[0].settings().answer[..5].concat(), "{fault}");
        let expected = match fault {
            Fault::StallAfter(_) => Kind::Stalled,
            Fault::ErrorEventAfter(_) => Kind::Overloaded,
            _ => Kind::Truncated,
        };
        assert_eq!(error.kind(), expected, "{fault}");
        assert!(error.trail().attempts[0].usage.output.is_some(), "usage up to the cut is counted");
    }
}

/// The counts that reach the caller are those of both parts: what the main target delivered, and what the spare added.
#[tokio::test]
async fn continued_answer_counts_the_tokens_of_both_parts() {
    for wires in [[WireFormat::OpenAi; 2], [WireFormat::Anthropic, WireFormat::OpenAi]] {
        let rig = rig_with_wires(wires, true, OnCut::Continue).await;
        rig.servers[0].set_fault(Some(Fault::CutAfter(40))).await;
        let delivered = rig.servers[0].settings().answer[..40].concat();
        let answer = rig.client.stream(sample_request()).await.unwrap().into_response().await.unwrap();
        assert_eq!(answer.text(), rig.servers[0].settings().answer.concat());
        let output = (delivered.len() as u64).div_ceil(4) + 20;
        assert_eq!(answer.usage.output, Some(output), "{wires:?}: {}", answer.trail);
        assert_eq!(answer.usage.source, UsageSource::Estimated, "the first part was never counted");
        assert_eq!(answer.usage, answer.trail.usage(), "both prompts are counted, too");
    }
}

#[tokio::test]
async fn dropping_a_stream_cancels_upstream() {
    let rig = rig(false, OnCut::Continue).await;
    rig.servers[0].set_fault(Some(Fault::SlowDrip(std::time::Duration::from_millis(20)))).await;
    let mut stream = rig.client.stream(sample_request()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    until("the request is cancelled", async || rig.servers[0].stats().cancelled > 0).await;
    let target = &rig.client.targets()[0];
    assert_eq!((target.counts.in_flight, target.counts.cancelled, target.view.failure_rate_bp), (0, 1, 0));
}

/// The main target is cut; the spare supports prefill or not.
async fn rig(prefill: bool, on_cut: OnCut) -> Rig {
    rig_with_wires([WireFormat::OpenAi; 2], prefill, on_cut).await
}

async fn rig_with_wires(wires: [WireFormat; 2], prefill: bool, on_cut: OnCut) -> Rig {
    let mut rules = Rules::default();
    rules.on_cut = on_cut;
    let mut limits = Limits::default();
    if on_cut == OnCut::Terminate {
        // One of these streams stalls; the others may take their time.
        limits.gap = Duration::from_secs(1);
    }
    Rig::continuing_within(limits, wires, prefill, rules).await
}
