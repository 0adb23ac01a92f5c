//! One outage on real sockets: requests, and what came of them.
//!
//! Does not judge. Invariant: an answer counts only if its text is complete, word for word.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hotspare::{
    AnswerLimit, BreakerChange, BreakerState, ChatRequest, Client, Event, HealthAware, RouteSpec, Sequential,
    Trail,
};
use hotspare_chaos::{FaultPlan, WireFormat};
use hotspare_sim::{Lane, TimedCall};
use hotspare_tests::{NAMES, Rig, short_limits, until};

use super::{Outage, Scenario};

/// What came of an outage.
#[derive(Default)]
pub(crate) struct OutageOutcome {
    pub(crate) lost: u64,
    pub(crate) reasons: Vec<String>,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) attempts: u64,
    pub(crate) calls: u64,
    /// The state of each target's breaker at the end.
    pub(crate) breakers: String,
    /// How long it took, in seconds, and what each target went through.
    pub(crate) length: f64,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) timed: Vec<TimedCall>,
}

pub(crate) async fn run(scenario: &Scenario, seed: u64) -> OutageOutcome {
    let wires = [WireFormat::OpenAi, WireFormat::Anthropic, WireFormat::DeepSeek];
    let mut limits = short_limits();
    let in_flight = matches!(scenario.outage, Outage::InFlight);
    if in_flight {
        // Nothing is late while the main target is healthy.
        limits.unstreamed = AnswerLimit::Fixed(Duration::from_secs(30));
        limits.first_content = Duration::from_secs(8);
    }
    let route = match scenario.outage {
        Outage::Share(..) => RouteSpec::new(HealthAware::new(NAMES)),
        _ => RouteSpec::new(Sequential::new(NAMES)),
    };
    let rig = Rig::with(&wires, route.limits(limits)).await;
    match scenario.outage {
        Outage::Main(fault) => rig.servers[0].set_fault(Some(fault)).await,
        Outage::Share(fault, share) => rig.servers[0].set_plan(FaultPlan::seeded(seed).share(fault, share)),
        Outage::All(fault) => {
            for server in &rig.servers {
                server.set_fault(Some(fault)).await;
            }
        }
        Outage::InFlight => {
            let settings = rig.servers[0].settings().pace(Duration::from_secs(60), Duration::ZERO);
            rig.servers[0].set_settings(settings);
        }
    }
    let mut broken_at = Duration::ZERO;
    let recorder = Recorder::new(&rig.client);
    let mut calls = Vec::new();
    for number in 0..scenario.requests {
        let (client, expected) = (rig.client.clone(), rig.servers[0].settings().answer.concat());
        calls.push(tokio::spawn(async move {
            let begun = Instant::now();
            let (trail, result) = send_request(&client, number % 2 == 0, &expected).await;
            (begun, begun.elapsed(), trail, result)
        }));
        if !in_flight {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    if in_flight {
        let arrived = async || rig.servers[0].stats().requests >= scenario.requests;
        until("all requests are in flight", arrived).await;
        broken_at = recorder.begun.elapsed();
        rig.servers[0].kill().await;
    }
    let mut outcome = OutageOutcome::default();
    for call in calls {
        let Ok((begun, latency, trail, result)) = call.await else {
            outcome.lost += 1;
            continue;
        };
        outcome.latencies.push(latency);
        outcome.timed.push(recorder.timed(begun, &trail, result.is_err()));
        if let Err(reason) = result {
            outcome.lost += 1;
            if !outcome.reasons.contains(&reason) {
                outcome.reasons.push(reason);
            }
        }
    }
    let targets = rig.client.targets();
    outcome.attempts = targets.iter().map(|target| target.counts.started).sum();
    // As the client counts them: a server that refuses connections counts nothing.
    outcome.calls = targets[0].counts.started;
    let states: Vec<String> = targets.iter().map(|target| target.view.breaker.to_string()).collect();
    outcome.breakers = states.join(" ");
    (outcome.length, outcome.lanes) = recorder.finish(broken_at, scenario);
    outcome
}

/// Sends one request and checks that its text is complete.
async fn send_request(client: &Client, stream: bool, expected: &str) -> (Trail, Result<(), String>) {
    let request = ChatRequest::to("chat").user("what happened?");
    let failed = |error: hotspare::Error| (error.trail().clone(), Err(error.kind().to_string()));
    let whole = |text: &str| if text == expected { Ok(()) } else { Err("another text".to_owned()) };
    if !stream {
        return match client.chat(request).await {
            Ok(answer) => (answer.trail.clone(), whole(&answer.text())),
            Err(error) => failed(error),
        };
    }
    let mut events = match client.stream(request).await {
        Ok(events) => events,
        Err(error) => return failed(error),
    };
    let mut text = String::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::TextDelta(piece)) => text.push_str(&piece),
            Ok(_) => {}
            Err(error) => return failed(error),
        }
    }
    (events.trail().clone(), whole(&text))
}

/// Notes when breakers change.
struct Recorder {
    begun: Instant,
    changes: Arc<Mutex<Vec<(Duration, BreakerChange)>>>,
}

impl Recorder {
    fn new(client: &Client) -> Self {
        let recorder = Self { begun: Instant::now(), changes: Arc::default() };
        let (begun, changes) = (recorder.begun, Arc::clone(&recorder.changes));
        client.on_transition(move |change| {
            changes.lock().unwrap_or_else(PoisonError::into_inner).push((begun.elapsed(), change.clone()));
        });
        recorder
    }

    /// A call as a timeline needs it.
    fn timed(&self, begun: Instant, trail: &Trail, lost: bool) -> TimedCall {
        let starts = trail.attempts.iter().filter_map(|attempt| {
            let target = NAMES.iter().position(|name| *name == attempt.target.as_str())?;
            Some((target, attempt.started.as_secs_f64()))
        });
        let contents =
            trail.attempts.iter().filter_map(|attempt| Some(attempt.started + attempt.first_content?));
        TimedCall {
            arrived: begun.saturating_duration_since(self.begun).as_secs_f64(),
            starts: starts.collect(),
            first_content: contents.min().map(|after| after.as_secs_f64()),
            lost,
        }
    }

    /// The length of the run in seconds, and what became of each target.
    fn finish(&self, broken_at: Duration, scenario: &Scenario) -> (f64, Vec<Lane>) {
        let length = self.begun.elapsed().as_secs_f64();
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = |(index, name): (usize, &&str)| {
            let broken = index == 0 || matches!(scenario.outage, Outage::All(_));
            let fault = (broken_at.as_secs_f64(), length, scenario.what.to_owned());
            Lane {
                name: (*name).to_owned(),
                faults: broken.then_some(fault).into_iter().collect(),
                states: states(name, &changes),
            }
        };
        (length, NAMES.iter().enumerate().map(lane).collect())
    }
}

/// The state of a target over time: the worst of its breakers'.
fn states(target: &str, changes: &[(Duration, BreakerChange)]) -> Vec<(f64, BreakerState)> {
    let mut breakers = BTreeMap::new();
    let concerns = |change: &BreakerChange| change.targets.iter().any(|name| name.as_str() == target);
    changes
        .iter()
        .filter(|(_, change)| concerns(change))
        .map(|(at, change)| {
            breakers.insert(change.scope_name.clone(), change.to);
            let any = |state| breakers.values().any(|breaker| *breaker == state);
            let worst = [BreakerState::Open, BreakerState::HalfOpen].into_iter().find(|state| any(*state));
            (at.as_secs_f64(), worst.unwrap_or(BreakerState::Closed))
        })
        .collect()
}
