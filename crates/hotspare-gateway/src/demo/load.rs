//! Simulated callers; every other one streams its answer.
//!
//! Invariant: an answer counts only if its text is complete; every request is counted once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hotspare::{ChatRequest, Client, Event};
use tokio::task::JoinSet;

/// How long the plain loop waits for an answer: far less than the usual 30 s or 60 s, in its favour.
const PLAIN_LIMIT: Duration = Duration::from_secs(4);

/// Callers of one kind.
#[derive(Debug)]
pub(crate) struct LoadGenerator {
    client: Client,
    plain: bool,
    expected: Arc<str>,
    sent: AtomicU64,
    score: Arc<Mutex<Score>>,
    in_flight: Mutex<JoinSet<()>>,
}

/// Results of the callers' requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Score {
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    pub(crate) lost: u64,
    pub(crate) slowest: Duration,
    /// Calls whose answer was not used.
    pub(crate) wasted: u64,
    /// The cost of all calls as a multiple of the cost of those that served.
    pub(crate) cost: Option<f64>,
    /// Why answers were lost.
    pub(crate) reasons: BTreeMap<String, u64>,
}

impl LoadGenerator {
    pub(crate) fn through_gateway(client: Client, expected: String) -> Self {
        Self::new(client, false, expected)
    }

    pub(crate) fn plain_loop(client: Client, expected: String) -> Self {
        Self::new(client, true, expected)
    }

    fn new(client: Client, plain: bool, expected: String) -> Self {
        let expected = expected.into();
        Self {
            client,
            plain,
            expected,
            sent: AtomicU64::new(0),
            score: Arc::default(),
            in_flight: Mutex::default(),
        }
    }

    /// Starts one more request.
    pub(crate) fn send_request(&self) {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let (client, expected, score) =
            (self.client.clone(), Arc::clone(&self.expected), Arc::clone(&self.score));
        let (stream, plain) = (number.is_multiple_of(2), self.plain);
        lock(&score).asked += 1;
        lock(&self.in_flight).spawn(async move {
            let started = Instant::now();
            let (result, wasted) = if plain {
                try_in_order(&client, stream, &expected).await
            } else {
                (send_one(&client, "gateway", stream, &expected).await, 0)
            };
            let mut score = lock(&score);
            score.wasted += wasted;
            score.slowest = score.slowest.max(started.elapsed());
            match result {
                Ok(()) => score.answered += 1,
                Err(reason) => {
                    score.lost += 1;
                    *score.reasons.entry(reason).or_default() += 1;
                }
            }
        });
    }

    pub(crate) fn score(&self) -> Score {
        lock(&self.score).clone()
    }

    /// Waits for all requests.
    pub(crate) async fn finish(&self) -> Score {
        let in_flight = std::mem::take(&mut *lock(&self.in_flight));
        in_flight.join_all().await;
        self.score()
    }
}

/// Tries each target in turn until one answers. Text that was already streamed cannot be taken back.
async fn try_in_order(client: &Client, stream: bool, expected: &str) -> (Result<(), String>, u64) {
    let mut wasted = 0;
    let mut result = Err("no target was tried".to_owned());
    for target in ["only-main", "only-spare", "only-third"] {
        result = match tokio::time::timeout(PLAIN_LIMIT, send_one(client, target, stream, expected)).await {
            Ok(result) => result,
            Err(_) => Err("timed out".to_owned()),
        };
        match &result {
            Ok(()) => return (result, wasted),
            Err(reason) => {
                wasted += 1;
                if reason.starts_with("cut") {
                    return (result, wasted);
                }
            }
        }
    }
    (result, wasted)
}

/// Sends one request and checks that its text is complete.
async fn send_one(client: &Client, model: &str, stream: bool, expected: &str) -> Result<(), String> {
    let request = ChatRequest::to(model).user("What happened this morning?");
    if !stream {
        let answer = client.chat(request).await.map_err(|error| error.kind().to_string())?;
        return if answer.text() == expected { Ok(()) } else { Err("another text".into()) };
    }
    let mut events = client.stream(request).await.map_err(|error| error.kind().to_string())?;
    let mut text = String::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::TextDelta(piece)) => text.push_str(&piece),
            Ok(_) => {}
            Err(error) => return Err(format!("cut after {} bytes ({})", text.len(), error.kind())),
        }
    }
    if text == expected { Ok(()) } else { Err("another text".into()) }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
