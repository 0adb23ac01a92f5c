//! The same outages in virtual time and on real sockets, compared.
//!
//! One description defines both setups: three equal servers, a request every 10 ms, streams of twenty tokens, short
//! limits. Invariant: both tiers meet the same criteria: requests lost match exactly in every round, starts per request within 5 %,
//! added time to first content within 20 % or 5 ms. Effects of the real clock (a loaded machine, the accept queue) are
//! removed by taking the median of several rounds for starts and times, and by subtracting the same run without a fault.

use std::time::{Duration, Instant};

use hotspare::{ChatRequest, Event, OnCut, RouteSpec, Rules, Sequential};
use hotspare_chaos::{Fault, FaultPlan, WireFormat};
use hotspare_sim::{Measure, Player, RunOptions, Scenario, quantile, run};
use hotspare_tests::{NAMES, Rig, short_limits};

/// Number of requests, and their interval.
const REQUESTS: u64 = 300;
const EVERY: Duration = Duration::from_millis(10);
/// Pace of every server.
const FIRST: Duration = Duration::from_millis(40);
const GAP: Duration = Duration::from_millis(2);
const TOKENS: usize = 20;

/// One outage in both tiers.
struct Pair {
    name: &'static str,
    fault: &'static str,
    meets: Meets,
    on_cut: OnCut,
}

/// Which calls meet the fault.
#[derive(Clone, Copy)]
enum Meets {
    /// A share of calls to the first server, in hundredths of a per cent.
    Share(u32),
    /// These calls to the first server, counted from 0. A pair that loses calls needs fewer of them than open a breaker:
    /// when it opens depends on the machine, and what is lost should not.
    Calls(u64, u64),
    /// All calls to any server, once the first has been asked this often.
    AllFrom(u64),
}

const fn pair(name: &'static str, fault: &'static str, meets: Meets) -> Pair {
    Pair { name, fault, meets, on_cut: OnCut::Continue }
}

const PAIRS: [Pair; 10] = [
    pair("refused", "refuse", Meets::Share(10_000)),
    pair("status-500", "status:500", Meets::Share(10_000)),
    pair("half-errors", "status:500", Meets::Share(5_000)),
    pair("rate-limited", "rate-limited:60", Meets::Share(10_000)),
    pair("silence", "silence", Meets::Share(10_000)),
    pair("slow-first-token", "slow-first-token:5000ms", Meets::Share(10_000)),
    pair("cut", "cut-after:5", Meets::Share(10_000)),
    pair("stall", "stall-after:5", Meets::Share(10_000)),
    // Of 300 calls, three are lost; then 200.
    Pair { on_cut: OnCut::Terminate, ..pair("cut-terminate", "cut-after:5", Meets::Calls(100, 103)) },
    pair("all-rate-limited", "rate-limited:60", Meets::AllFrom(100)),
];

impl Pair {
    /// Its faults in a scenario of the simulator.
    fn simulated(&self) -> String {
        let fault = |on: &str, share: f64, from: String, until: &str| {
            format!(
                "[[faults]]\non = [{on}]\neffect = \"{}\"\nshare = \"{share}%\"\nafter = \"1ms\"\n\
                 from = \"{from}\"\nuntil = \"{until}\"\n",
                self.fault
            )
        };
        // Call 0 arrives after one interval.
        let before = |call: u64| format!("{}ms", (EVERY * (call as u32 + 1) - EVERY / 2).as_millis());
        let (main, begin, end) = ("\"main\"", || "0s".to_owned(), "1h");
        match self.meets {
            Meets::Share(share) => fault(main, f64::from(share) / 100.0, begin(), end),
            Meets::Calls(from, until) => fault(main, 100.0, before(from), &before(until)),
            Meets::AllFrom(from) => {
                let spares = NAMES[1..].iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
                fault(main, 100.0, before(from), end) + &fault(&spares, 100.0, begin(), end)
            }
        }
    }
}

/// The names of the pairs.
pub(crate) fn names() -> Vec<&'static str> {
    PAIRS.iter().map(|pair| pair.name).collect()
}

/// The result of a run in either tier.
#[derive(Clone, Copy, Debug, Default)]
struct RunResult {
    lost: f64,
    attempts: f64,
    /// Median and 95th percentile of time to first content, in milliseconds.
    p50: f64,
    p95: f64,
}

impl RunResult {
    fn relative_to(self, healthy: Self) -> Self {
        Self { p50: self.p50 - healthy.p50, p95: self.p95 - healthy.p95, ..self }
    }
}

/// Runs all pairs. Returns the table, and whether the tiers agree.
pub(crate) async fn compare(rounds: u64, only: Option<&str>) -> Result<(String, bool), String> {
    let mut table = String::from(
        "| outage | lost: real, sim | starts per request: real, sim | added to first content, 50 %: real, sim | 95 %: real, sim | |\n|---|---|---|---|---|---|\n",
    );
    let healthy =
        (median(&run_real_rounds(rounds, None).await?), median(&run_simulated_rounds(rounds, None)?));
    let mut agree = true;
    for pair in PAIRS.iter().filter(|pair| only.is_none_or(|only| only == pair.name)) {
        let name = pair.name;
        let (real, sim) =
            (run_real_rounds(rounds, Some(pair)).await?, run_simulated_rounds(rounds, Some(pair))?);
        let same_lost = lost_in(&real) == lost_in(&sim);
        let (real, sim) = (median(&real).relative_to(healthy.0), median(&sim).relative_to(healthy.1));
        let near = |real: f64, sim: f64| (real - sim).abs() <= (sim.abs() * 0.2).max(5.0);
        let starts = (real.attempts - sim.attempts).abs() <= 0.05 * sim.attempts;
        let apart: Vec<&str> = [
            (same_lost, "lost"),
            (starts, "starts"),
            (near(real.p50, sim.p50), "added, 50 %"),
            (near(real.p95, sim.p95), "added, 95 %"),
        ]
        .into_iter()
        .filter_map(|(same, what)| (!same).then_some(what))
        .collect();
        agree &= apart.is_empty();
        let verdict =
            if apart.is_empty() { "agree".into() } else { format!("**apart: {}**", apart.join(", ")) };
        table += &format!(
            "| `{name}` | {}, {} | {:.3}, {:.3} | {:.1} ms, {:.1} ms | {:.1} ms, {:.1} ms | {verdict} |\n",
            real.lost, sim.lost, real.attempts, sim.attempts, real.p50, sim.p50, real.p95, sim.p95
        );
    }
    Ok((table, agree))
}

/// Requests lost, round by round: a median would hide a round that lost some.
fn lost_in(rounds: &[RunResult]) -> Vec<u64> {
    rounds.iter().map(|round| round.lost as u64).collect()
}

/// The median of each figure.
fn median(rounds: &[RunResult]) -> RunResult {
    let middle = |of: fn(&RunResult) -> f64| quantile(&rounds.iter().map(of).collect::<Vec<_>>(), 0.5);
    RunResult {
        lost: middle(|one| one.lost),
        attempts: middle(|one| one.attempts),
        p50: middle(|one| one.p50),
        p95: middle(|one| one.p95),
    }
}

/// Rounds on real sockets.
async fn run_real_rounds(rounds: u64, pair: Option<&Pair>) -> Result<Vec<RunResult>, String> {
    let mut all = Vec::new();
    for round in 1..=rounds {
        all.push(run_real(round, pair).await?);
    }
    Ok(all)
}

async fn run_real(seed: u64, pair: Option<&Pair>) -> Result<RunResult, String> {
    let mut rules = Rules::default();
    rules.on_cut = pair.map_or(OnCut::Continue, |pair| pair.on_cut);
    let route = RouteSpec::new(Sequential::new(NAMES)).limits(short_limits()).rules(rules);
    let rig = Rig::with(&[WireFormat::OpenAi; 3], route).await;
    for server in &rig.servers {
        let settings = server.settings().tokens(TOKENS).pace(FIRST, GAP);
        server.set_settings(settings);
    }
    if let Some(Pair { fault, meets, .. }) = pair {
        let fault: Fault = fault.parse().map_err(|error| format!("{fault}: {error}"))?;
        let calls = |from: u64, until: u64| {
            FaultPlan::scripted((0..until).map(move |call| (call >= from).then_some(fault)))
        };
        match *meets {
            Meets::Share(10_000) => rig.servers[0].set_fault(Some(fault)).await,
            Meets::Share(share) => rig.servers[0].set_plan(FaultPlan::seeded(seed).share(fault, share)),
            Meets::Calls(from, until) => rig.servers[0].set_plan(calls(from, until)),
            Meets::AllFrom(from) => {
                rig.servers[0].set_plan(calls(from, REQUESTS));
                for spare in &rig.servers[1..] {
                    spare.set_fault(Some(fault)).await;
                }
            }
        }
    }
    let expected = rig.servers[0].settings().answer.concat();
    let mut calls = Vec::new();
    let begun = Instant::now();
    for number in 0..REQUESTS {
        // Scheduled by absolute time, so that a late request does not delay later ones.
        let due = EVERY * u32::try_from(number).unwrap_or(u32::MAX);
        tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
        let (client, expected) = (rig.client.clone(), expected.clone());
        calls.push(tokio::spawn(async move { time_to_first_content(&client, &expected).await }));
    }
    let mut waits = Vec::new();
    for call in calls {
        if let Ok(Some(wait)) = call.await {
            waits.push(wait.as_secs_f64() * 1_000.0);
        }
    }
    let starts: u64 = rig.client.targets().iter().map(|target| target.counts.started).sum();
    Ok(RunResult {
        lost: REQUESTS as f64 - waits.len() as f64,
        attempts: starts as f64 / REQUESTS as f64,
        p50: quantile(&waits, 0.5),
        p95: quantile(&waits, 0.95),
    })
}

/// The time to first content, if the answer is complete.
async fn time_to_first_content(client: &hotspare::Client, expected: &str) -> Option<Duration> {
    let begun = Instant::now();
    let mut events = client.stream(ChatRequest::to("chat").user("what happened?")).await.ok()?;
    let (mut text, mut first) = (String::new(), None);
    while let Some(event) = events.next().await {
        if let Event::TextDelta(piece) = event.ok()? {
            first.get_or_insert_with(|| begun.elapsed());
            text.push_str(&piece);
        }
    }
    first.filter(|_| text == expected)
}

/// The same setup in virtual time. The real servers all send the same text, so that a truncated answer joins exactly
/// with one that starts over; simulated targets each have their own text, so there the continuation is given the
/// beginning.
fn run_simulated_rounds(rounds: u64, pair: Option<&Pair>) -> Result<Vec<RunResult>, String> {
    let faults = pair.map_or_else(String::new, Pair::simulated);
    let millis = |time: Duration| time.as_millis();
    let (first, gap, length) = (millis(FIRST), millis(GAP), millis(EVERY) * (u128::from(REQUESTS) + 1) - 1);
    let targets: String = NAMES
        .iter()
        .map(|name| {
            format!(
                "[[targets]]\nname = \"{name}\"\nprefill = true\n\
                 ttft = {{ min = \"{first}ms\", p50 = \"{first}ms\", max = \"{first}ms\" }}\n\
                 token_gap = {{ min = \"{gap}ms\", p50 = \"{gap}ms\", max = \"{gap}ms\" }}\n"
            )
        })
        .collect();
    let limits = short_limits();
    let on_cut = match pair.map(|pair| pair.on_cut) {
        Some(OnCut::Terminate) => "terminate",
        _ => "continue",
    };
    let text = format!(
        "what = \"a pair\"\nlength = \"{length}ms\"\nwindow = [\"0s\", \"{length}ms\"]\n\
         load = {{ rate = {}.0, cv = 0.0, output_tokens = {TOKENS} }}\n\
         route = {{ strategy = \"sequential\", first_content = \"{}ms\", gap = \"{}ms\", deadline = \"{}ms\", total = \"{}ms\", on_cut = \"{on_cut}\" }}\n\
         {targets}{faults}",
        1_000 / millis(EVERY),
        millis(limits.first_content),
        millis(limits.gap),
        millis(limits.first_content_deadline),
        millis(limits.total),
    );
    let scenario = Scenario::parse("pair", &text)?;
    let player = Player::from(scenario.setup()?);
    let mut all = Vec::new();
    for seed in 1..=rounds {
        let outcome = run(&scenario, &player, seed, &RunOptions::default())?;
        if let Some(breach) = outcome.breaches.first() {
            return Err(format!("an invariant broke: {}", breach.what));
        }
        let value = |measure: Measure| outcome.in_window(measure).unwrap_or(0.0);
        all.push(RunResult {
            lost: value(Measure::Lost),
            attempts: value(Measure::Attempts),
            p50: value(Measure::TtftP50) * 1_000.0,
            p95: value(Measure::TtftP95) * 1_000.0,
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_round_that_loses_a_request_is_seen() {
        let round = |lost: f64| RunResult { lost, attempts: 1.0, p50: 40.0, p95: 40.0 };
        let (kept, lossy) = ([round(0.0); 3], [round(0.0), round(1.0), round(0.0)]);
        assert_eq!(median(&kept).lost, median(&lossy).lost);
        assert_ne!(lost_in(&kept), lost_in(&lossy));
    }
}
