//! How a call is driven where time and order matter: callers that pause, processes that stop, streams that never pause.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use hotspare::provider::{Describe, Outbound, Provider, Signal};
use hotspare::{
    ChatRequest, Chunk, Client, Endpoint, Error, Event, FinishReason, Kind, Outcome, Race, RouteSpec,
    Sequential, TargetStatus,
};
use hotspare_chaos::Scripted;

type Signals = BoxStream<'static, Result<Signal, Error>>;

/// A provider whose replies are made by this function.
#[derive(Debug)]
struct Made(fn(&Arc<AtomicUsize>) -> Signals, Arc<AtomicUsize>);

impl Describe for Made {
    fn wire(&self) -> &'static str {
        "made"
    }
}

#[async_trait]
impl Provider for Made {
    async fn send(&self, _: Outbound) -> Result<Signals, Error> {
        Ok((self.0)(&self.1))
    }
}

fn made(reply: fn(&Arc<AtomicUsize>) -> Signals) -> Made {
    Made(reply, Arc::default())
}

fn event(event: Event) -> Result<Signal, Error> {
    Ok(Signal::Chunk(Chunk::from(event)))
}

fn text(text: &str) -> Result<Signal, Error> {
    event(Event::TextDelta(text.to_owned()))
}

fn request() -> ChatRequest {
    ChatRequest::to("chat").user("hi")
}

fn endpoint(provider: impl Provider + 'static) -> Endpoint {
    Endpoint::custom(Arc::new(provider), "model")
}

/// A client with a target `main` and a spare.
fn with_spare(main: impl Provider + 'static, spare: &Scripted) -> Client {
    Client::builder()
        .target("main", endpoint(main))
        .target("spare", endpoint(spare.clone()))
        .route("chat", RouteSpec::new(Sequential::new(["main", "spare"])))
        .build()
        .unwrap()
}

/// A client that races `a` and `b`.
fn racing(a: impl Provider + 'static, b: impl Provider + 'static) -> Client {
    Client::builder()
        .target("a", endpoint(a))
        .target("b", endpoint(b))
        .route("chat", RouteSpec::new(Race::new(["a", "b"])))
        .build()
        .unwrap()
}

/// Polls once, and returns whether it is still pending.
async fn waits(future: &mut Pin<&mut impl Future>) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

fn status(client: &Client, name: &str) -> TargetStatus {
    client.targets().into_iter().find(|target| target.id.as_str() == name).unwrap()
}

/// The other one is not left running until the caller reads on, which may be never.
#[tokio::test(start_paused = true)]
async fn stream_is_opened_by_the_target_that_serves_and_by_no_other() {
    let client = racing(Scripted::new().pieces(["one ", "two"]), Scripted::new().stall());
    let mut stream = client.stream(request()).await.unwrap();
    assert_eq!(stream.served_by().unwrap().as_str(), "a");
    assert_eq!(status(&client, "b").counts.in_flight, 0);
    stream.next().await.unwrap().unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    while let Some(event) = stream.next().await {
        event.unwrap();
    }
    let view = status(&client, "b").view;
    assert_eq!((view.samples, view.failure_rate_bp), (0, 0), "it is not to blame for the caller's pause");
}

/// A reply whose next piece arrives 3 s after the one before it, read by a task of its own, as a connection is: that needs a
/// few turns before it delivers.
fn through_a_task(pieces: Vec<Result<Signal, Error>>) -> Signals {
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    tokio::spawn(async move {
        for piece in pieces {
            hotspare_tests::pass_time(Duration::from_secs(3)).await;
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            let _ = sender.unbounded_send(piece);
        }
    });
    receiver.boxed()
}

/// Lets tasks run until they wait, then the process stands still for so long.
async fn stand_still(time: Duration) {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(time).await;
}

/// What a target has sent while the process stood still is read before its silence is judged.
#[tokio::test(start_paused = true)]
async fn answer_that_began_while_the_process_stood_still_is_not_late() {
    let spare = Scripted::new().text("unused");
    let answer = |_: &_| through_a_task(vec![text("hi"), event(Event::Finished(FinishReason::Stop))]);
    let client = with_spare(made(answer), &spare);
    let mut opening = pin!(client.stream(request()));
    assert!(waits(&mut opening).await);
    stand_still(Duration::from_secs(12)).await;
    let stream = opening.await.unwrap();
    assert_eq!(stream.served_by().unwrap().as_str(), "main");
    let answer = stream.into_response().await.unwrap();
    assert!(spare.requests().is_empty(), "{}", answer.trail);
    let notes = &answer.trail.attempts[0].notes;
    assert!(notes[0].contains("this call was not polled"), "{notes:?}");
    assert_eq!(status(&client, "main").view.latency, None, "how long it took is unknown");
}

#[tokio::test(start_paused = true)]
async fn stream_that_went_on_while_the_process_stood_still_is_not_cut_off() {
    let spare = Scripted::new().text("unused");
    let client = with_spare(made(|_| through_a_task(vec![text("one "), text("two")])), &spare);
    let mut stream = client.stream(request()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    {
        let mut next = pin!(stream.next());
        assert!(waits(&mut next).await);
        stand_still(Duration::from_secs(60)).await;
        assert_eq!(next.await.unwrap().unwrap().as_text(), Some("two"));
    }
    assert!(spare.requests().is_empty());
    assert_eq!(status(&client, "main").view.failure_rate_bp, 0);
}

/// A reply whose pieces are there once a test says so.
fn on_demand(said: &Arc<AtomicUsize>) -> Signals {
    let said = Arc::clone(said);
    let piece = move |_: &mut Context<'_>| match said.load(Ordering::Relaxed) {
        0 => Poll::Pending,
        count => {
            said.store(count + 1, Ordering::Relaxed);
            let pieces = [text("hi"), event(Event::Finished(FinishReason::Stop))];
            Poll::Ready(pieces.into_iter().nth(count - 1))
        }
    };
    stream::poll_fn(piece).boxed()
}

#[tokio::test(start_paused = true)]
async fn what_has_arrived_is_read_before_a_timer_that_is_a_little_late() {
    let spare = Scripted::new().text("unused");
    let said = Arc::<AtomicUsize>::default();
    let client = with_spare(Made(on_demand, Arc::clone(&said)), &spare);
    let mut opening = pin!(client.stream(request()));
    assert!(waits(&mut opening).await);
    said.store(1, Ordering::Relaxed);
    tokio::time::advance(Duration::from_millis(8_200)).await;
    let answer = opening.await.unwrap().into_response().await.unwrap();
    assert!(spare.requests().is_empty(), "{}", answer.trail);
}

/// A target that is silent is left all the same, and timers that are late whenever they go off excuse it once.
#[tokio::test(start_paused = true)]
async fn silent_target_is_left_although_every_timer_is_late() {
    let spare = Scripted::new().text("hi");
    let client = with_spare(Scripted::new().stall(), &spare);
    let mut opening = pin!(client.stream(request()));
    let mut passed = 0;
    while waits(&mut opening).await {
        stand_still(Duration::from_secs(9)).await;
        passed += 9;
        assert!(passed < 60, "the spare does not start");
    }
    assert_eq!(spare.requests().len(), 1);
}

/// A reply with more signals than a call may take in one turn, none of them content.
fn chatter(polls: &Arc<AtomicUsize>) -> Signals {
    let polls = Arc::clone(polls);
    let signal = move |_: &mut Context<'_>| match polls.fetch_add(1, Ordering::Relaxed) {
        0..10_000 => Poll::Ready(Some(Ok(Signal::Alive))),
        _ => Poll::Pending,
    };
    stream::poll_fn(signal).boxed()
}

/// Other tasks of its thread have their turn.
#[tokio::test(start_paused = true)]
async fn reply_that_never_pauses_is_read_in_turns() {
    let polls = Arc::<AtomicUsize>::default();
    let client = with_spare(Made(chatter, Arc::clone(&polls)), &Scripted::new());
    let mut asking = pin!(client.chat(request()));
    assert!(waits(&mut asking).await);
    assert!(polls.load(Ordering::Relaxed) <= 64, "{polls:?} signals in one turn");
    for _ in 0..1_000 {
        assert!(waits(&mut asking).await);
        tokio::task::yield_now().await;
    }
    assert!(polls.load(Ordering::Relaxed) > 10_000, "it goes on");
}

#[tokio::test(start_paused = true)]
async fn reply_to_a_probe_that_never_pauses_is_read_in_turns() {
    let polls = Arc::<AtomicUsize>::default();
    let client = with_spare(Made(chatter, Arc::clone(&polls)), &Scripted::new());
    let mut asking = pin!(client.check_key("main", 1));
    assert!(waits(&mut asking).await);
    assert!(polls.load(Ordering::Relaxed) < 1_000, "{polls:?} signals in one turn");
}

#[tokio::test(start_paused = true)]
async fn reply_that_never_pauses_ends_at_the_callers_deadline() {
    let endless = |_: &_| stream::repeat_with(|| Ok(Signal::Alive)).boxed();
    let client = with_spare(made(endless), &Scripted::new().stall());
    let asking = client.chat(request().deadline(Duration::from_secs(1)));
    let time = async {
        loop {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    };
    let error = tokio::select! {
        answer = asking => answer.unwrap_err(),
        () = time => unreachable!("time does not end"),
    };
    assert_eq!(error.kind(), Kind::Deadline);
}

#[tokio::test(start_paused = true)]
async fn answer_that_is_always_ready_ends_at_the_callers_deadline() {
    let client = with_spare(Scripted::new().pieces(["piece "; 100]), &Scripted::new());
    let mut stream = client.stream(request().deadline(Duration::from_secs(1))).await.unwrap();
    for _ in 0..10 {
        stream.next().await.unwrap().unwrap();
    }
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(stream.next().await.unwrap().unwrap_err().kind(), Kind::Deadline);
}

/// A reply that panics when it is dropped.
struct PanicsWhenDropped;

impl Stream for PanicsWhenDropped {
    type Item = Result<Signal, Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("a bug in the provider");
    }
}

/// What the call holds is returned all the same: a slot, its permit.
#[tokio::test(start_paused = true)]
async fn call_ends_although_its_replies_panic_when_they_are_dropped() {
    let panics = || made(|_| PanicsWhenDropped.boxed());
    let client = racing(panics(), panics());
    {
        let mut asking = pin!(client.chat(request()));
        assert!(waits(&mut asking).await);
        assert_eq!(status(&client, "b").counts.in_flight, 1);
    }
    for name in ["a", "b"] {
        let counts = status(&client, name).counts;
        assert_eq!((counts.in_flight, counts.cancelled), (0, 1), "{name}");
    }
}

/// A panic of the provider is its failure: it counts against the target, and the spare serves.
#[tokio::test(start_paused = true)]
async fn provider_that_panics_has_failed() {
    let spare = Scripted::new().text("hi");
    let at_once: fn(&Arc<AtomicUsize>) -> Signals = |_| panic!("a bug");
    let later: fn(&Arc<AtomicUsize>) -> Signals = |_| stream::poll_fn(|_| panic!("a bug")).boxed();
    for reply in [at_once, later] {
        let client = with_spare(made(reply), &spare);
        let answer = client.chat(request()).await.unwrap();
        assert_eq!(answer.text(), "hi");
        let Outcome::Failed { message, .. } = &answer.trail.attempts[0].outcome else {
            panic!("{}", answer.trail)
        };
        assert_eq!(message, "the provider's code panicked");
        assert_eq!(status(&client, "main").view.failure_rate_bp, 10_000);
    }
}

/// A caller with a deadline does not wait for a source that hangs.
#[tokio::test(start_paused = true)]
async fn hanging_key_source_does_not_outlast_the_callers_deadline() {
    let (release, hang) = std::sync::mpsc::channel::<()>();
    let (hangs, hang) = (Arc::new(AtomicBool::new(false)), std::sync::Mutex::new(hang));
    let is_hanging = Arc::clone(&hangs);
    let key = hotspare::Key::read("the mount", move || {
        if is_hanging.load(Ordering::SeqCst) {
            let _ = hang.lock().unwrap().recv();
        }
        Ok(hotspare::Secret::new("sk-old"))
    });
    let rejects = Arc::new(Scripted::new().fail(Error::new(Kind::Auth, "no such key")));
    let client = Client::builder()
        .target("main", Endpoint::custom(rejects, "m").key(key))
        .target("spare", Endpoint::custom(Arc::new(Scripted::new().text("hi")), "m"))
        .route("chat", RouteSpec::new(Sequential::new(["main", "spare"])))
        .build()
        .unwrap();
    let request = || ChatRequest::to("chat").user("hi").deadline(Duration::from_millis(200));
    client.chat(request()).await.unwrap();
    hangs.store(true, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(10)).await;
    let caller = client.clone();
    let call = tokio::spawn(async move { caller.chat(request()).await });
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_millis(150)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let answered = call.is_finished();
    drop(release);
    assert!(answered && call.await.unwrap().is_ok());
}
