//! Clients that are used from several threads and runtimes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use hotspare::{BreakerConfig, BreakerState, ChatRequest, Client, Endpoint, Error, Kind};
use hotspare_chaos::Scripted;
use hotspare_tests::until;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn ask(client: &Client, target: &str) {
    runtime().block_on(client.chat(ChatRequest::to(target).user("hi"))).unwrap_err();
}

/// A listener that takes its time is not overtaken by a change that another thread notices meanwhile.
#[test]
fn listeners_are_told_of_changes_in_the_order_in_which_they_happened() {
    let mut breaker = BreakerConfig::window();
    breaker.failures = Some(1);
    let broken = || Endpoint::custom(Arc::new(Scripted::new().status(502)), "m").breaker(breaker.clone());
    let client = Client::builder().target("a", broken()).target("b", broken()).build().unwrap();
    let (told, is_first) = (Arc::new(Mutex::new(Vec::new())), AtomicBool::new(true));
    let (begun, has_begun) = mpsc::channel();
    let (second_is_over, wait_for_second) = mpsc::channel();
    let (log, wait_for_second) = (Arc::clone(&told), Mutex::new(wait_for_second));
    client.on_transition(move |change| {
        if is_first.swap(false, Ordering::SeqCst) {
            begun.send(()).unwrap();
            wait_for_second.lock().unwrap().recv().unwrap();
        }
        log.lock().unwrap().push((change.targets[0].to_string(), change.to));
    });
    std::thread::scope(|scope| {
        scope.spawn(|| ask(&client, "a"));
        has_begun.recv().unwrap();
        ask(&client, "b");
        second_is_over.send(()).unwrap();
    });
    let opened = |target: &str| (target.to_owned(), BreakerState::Open);
    assert_eq!(*told.lock().unwrap(), [opened("a"), opened("b")]);
}

/// A thread that called `block_on` on a runtime of its own may never do so again.
#[test]
fn probe_on_a_runtime_that_is_not_driven_is_given_up() {
    let mut breaker = BreakerConfig::window();
    (breaker.failures, breaker.cooldown) = (Some(1), Duration::from_millis(1));
    let refused = Error::new(Kind::Protocol, "no answer");
    let provider = Scripted::new().fail(refused).stall().text("hi");
    let target = Endpoint::custom(Arc::new(provider), "m").breaker(breaker).probe(true).max_in_flight(1);
    let client = Client::builder().target("main", target).build().unwrap();
    let ask = || client.chat(ChatRequest::to("main").user("hi"));
    let idle = runtime();
    idle.block_on(async {
        ask().await.unwrap_err();
        until("a probe", async || client.targets()[0].counts.in_flight == 1).await;
    });
    let later =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let answer = later.block_on(async {
        tokio::time::advance(Duration::from_secs(100)).await;
        ask().await.unwrap()
    });
    assert_eq!((answer.text().as_str(), client.targets()[0].counts.in_flight), ("hi", 0));
    drop(idle);
    assert_eq!(client.targets()[0].counts.in_flight, 0, "it has nothing left to release");
}
