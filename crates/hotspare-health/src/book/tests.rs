//! Behaviour that involves several scopes.

use std::time::Duration;

use super::*;

fn at(secs: u64) -> Moment {
    Moment::ZERO + Duration::from_secs(secs)
}

fn granted(admission: Admission) -> Permit {
    match admission {
        Admission::Granted(permit) => permit,
        Admission::Refused(refusal) => panic!("{refusal:?}"),
    }
}

const OF_TEN_TOKENS: CallProfile =
    CallProfile { tokens: 10, unstreamed: false, reasons: false, answers_briefly: false };
const FAILURE: Verdict = Verdict::Failure { weight_milli: 1_000, not_before: None };

fn open(book: &mut Book, now: Moment, scopes: &[ScopeId], at: ScopeId) {
    for _ in 0..5 {
        let permit = granted(book.admit(now, scopes));
        book.settle(now, permit, HealthOutcome::at(at, FAILURE), 0);
    }
}

#[test]
fn outcome_affects_only_its_scope() {
    let mut book = Book::new();
    let [host, model, other] = std::array::from_fn(|_| book.add_scope(Config::window()));
    open(&mut book, at(1), &[host, model], model);
    assert!(
        matches!(book.admit(at(1), &[host, model]), Admission::Refused(refusal) if refusal.scope == model)
    );
    let permit = granted(book.admit(at(1), &[host, other]));
    book.settle(at(1), permit, HealthOutcome::success(), 0);
}

#[test]
fn refusal_by_one_scope_does_not_consume_another_scopes_probe() {
    let mut book = Book::new();
    let [host, model] = std::array::from_fn(|_| book.add_scope(Config::window()));
    open(&mut book, at(1), &[host], host);
    // The host has cooled down and needs its single probe; the refusal by the model must not consume it.
    open(&mut book, at(6), &[model], model);
    assert!(matches!(book.admit(at(7), &[host, model]), Admission::Refused(_)));
    assert!(book.view(at(7), &[host], 0).usable);
}

#[test]
fn pauses_and_rejected_keys_do_not_affect_health() {
    let mut book = Book::new();
    let [host, key] = std::array::from_fn(|_| book.add_scope(Config::window()));
    for verdict in [Verdict::Hold { until: at(30) }, Verdict::Disable { until: at(600) }] {
        let permit = granted(book.admit_last_resort(at(1), &[host], CallProfile::default()));
        book.settle(at(1), permit, HealthOutcome::neutral(), 0);
        let mut book = book.clone();
        let permit = granted(book.admit(at(1), &[host, key]));
        assert_eq!(book.settle(at(1), permit, HealthOutcome::at(key, verdict), 0), vec![]);
        let view = book.view(at(2), &[host, key], 0);
        assert_eq!((view.usable, view.state, view.failure_rate_bp), (false, BreakerState::Closed, 0));
        assert!(book.view(at(2), &[host], 0).usable, "the host has other keys");
    }
}

#[test]
fn last_resort_bypasses_only_an_open_breaker() {
    let mut book = Book::new();
    let scope = book.add_scope(Config::window());
    open(&mut book, at(1), &[scope], scope);
    let permit = granted(book.admit_last_resort(at(1), &[scope], CallProfile::default()));
    assert!(permit.is_last_resort() && permit.is_probe());
    let transitions = book.settle(at(1), permit, HealthOutcome::success(), 0);
    let told: Vec<_> = transitions.iter().map(|one| (one.from, one.to, one.reason)).collect();
    let (open, half_open, closed) = (BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed);
    assert_eq!(
        told,
        [(open, half_open, Reason::LastResort), (half_open, closed, Reason::ProbeSucceeded)],
        "a successful last resort is a successful probe"
    );
    let permit = granted(book.admit(at(1), &[scope]));
    book.settle(at(1), permit, HealthOutcome::at(scope, Verdict::Disable { until: at(600) }), 0);
    assert!(matches!(book.admit_last_resort(at(1), &[scope], CallProfile::default()), Admission::Refused(_)));
}

#[test]
fn cooldown_ends_without_an_explicit_advance() {
    let mut book = Book::new();
    let scope = book.add_scope(Config::window());
    open(&mut book, at(1), &[scope], scope);
    assert!(matches!(book.admit(at(2), &[scope]), Admission::Refused(_)));
    assert!(granted(book.admit(at(7), &[scope])).is_probe());
    assert_eq!(book.advance(at(7)).iter().map(|one| one.reason).collect::<Vec<_>>(), [Reason::CooledDown]);
    assert!(
        matches!(book.admit(at(7), &[scope]), Admission::Refused(refusal) if refusal.cause == Cause::HalfOpenBusy)
    );
}

#[test]
fn advance_visits_exactly_the_unhealthy_scopes() {
    let mut book = Book::new();
    let scopes: Vec<ScopeId> = (0..1_000).map(|_| book.add_scope(Config::window())).collect();
    assert_eq!(book.next_change(), None);
    for (index, scope) in scopes.iter().enumerate().step_by(100) {
        open(&mut book, at(10 + index as u64), &[*scope], *scope);
    }
    let told = book.advance(at(2_000));
    let half_open = |one: &&Transition| one.to == BreakerState::HalfOpen;
    let already = 10 - told.iter().filter(half_open).count();
    assert!(already >= 9, "each settle advances all scopes: {told:?}");
    assert_eq!(book.next_change(), None, "no lease is held and no breaker is open");
    for scope in scopes.iter().step_by(100) {
        let _lost = granted(book.admit(at(2_000), &[*scope]));
    }
    assert_eq!(book.next_change(), Some(at(2_060)));
    assert_eq!(book.advance(at(2_060)).len(), 10, "every lease expired");
}

#[test]
fn latency_is_tracked_per_model_not_per_host() {
    let mut book = Book::new();
    let host = book.add_shared_scope(Config::window());
    let [fast, slow] = std::array::from_fn(|_| book.add_scope(Config::window()));
    for second in 0..60 {
        for (model, millis) in [(fast, 200), (slow, 4_000)] {
            let mut permit = granted(book.admit_call(at(second), &[host, model], OF_TEN_TOKENS));
            let after = Duration::from_millis(millis);
            book.observe(at(second), &mut permit, Observation::FirstContent { after });
            book.settle(at(second), permit, HealthOutcome::success(), 0);
        }
    }
    assert!(book.view(at(60), &[host, fast], 10).streamed.average < Some(Duration::from_secs(1)));
    // A model whose calls are all late opens; the host and its other model do not.
    for second in 60..90 {
        let Admission::Granted(mut permit) = book.admit_call(at(second), &[host, slow], OF_TEN_TOKENS) else {
            continue;
        };
        book.observe(at(second), &mut permit, Observation::Late);
        book.settle(at(second), permit, HealthOutcome::at(slow, Verdict::Slow), 0);
    }
    assert!(!book.view(at(90), &[host, slow], 10).usable);
    assert!(book.view(at(90), &[host, fast], 10).usable);
}

#[test]
fn frozen_target_degrades_after_five_calls_and_recovers() {
    let mut book = Book::new();
    let model = book.add_scope(Config::window());
    let usual = Duration::from_millis(400);
    let answer = |book: &mut Book, now: Moment| {
        let mut permit = granted(book.admit_call(now, &[model], OF_TEN_TOKENS));
        book.observe(now, &mut permit, Observation::FirstContent { after: usual });
        book.settle(now, permit, HealthOutcome::success(), 0);
    };
    (0..60).for_each(|_| answer(&mut book, at(1)));
    let mut frozen: Vec<Permit> =
        (0..5).map(|_| granted(book.admit_call(at(2), &[model], OF_TEN_TOKENS))).collect();
    assert!(frozen[0].late_after() < Some(Duration::from_millis(500)));
    for permit in &mut frozen {
        book.observe(at(3), permit, Observation::Overdue);
    }
    let view = book.view(at(3), &[model], 10);
    assert!(view.degraded && view.usable, "it keeps a tenth of the traffic, so that recovery is noticed");
    assert_eq!((view.weight_bp, view.state), (1_000, BreakerState::Closed));
    for mut permit in frozen {
        book.observe(at(60), &mut permit, Observation::Abandoned { after: Duration::from_secs(58) });
        book.settle(at(60), permit, HealthOutcome::neutral(), 0);
    }
    assert!(
        book.view(at(60), &[model], 10).streamed.average > Some(usual * 10),
        "a call without content is not fast"
    );
    (0..17).for_each(|_| answer(&mut book, at(61)));
    assert!(!book.view(at(61), &[model], 10).degraded);
}

#[test]
fn growth_limit_halves_the_traffic_without_affecting_health() {
    let mut book = Book::new();
    let key = book.add_scope(Config::window());
    let mut permits: Vec<Permit> = (0..60).map(|_| granted(book.admit(at(61), &[key]))).collect();
    let refused = permits.pop().unwrap();
    assert_eq!(
        book.settle(at(61), refused, HealthOutcome::at(key, Verdict::Ease { until: None }), 0),
        vec![]
    );
    let mut started = 0;
    for second in 62..122 {
        for _ in 0..100 {
            let Admission::Granted(permit) = book.admit(at(second), &[key]) else { break };
            book.settle(at(second), permit, HealthOutcome::success(), 0);
            started += 1;
        }
    }
    assert!((25..=35).contains(&started), "half of sixty a minute: {started}");
    assert_eq!(book.view(at(122), &[key], 0).state, BreakerState::Closed);
}

/// A provider that refuses growth would refuse a last resort too, and none gets anywhere without a network.
#[test]
fn last_resort_keeps_to_limited_growth_and_to_the_pause_of_an_unreachable_host() {
    let refused = |book: &mut Book, now, scopes: &[ScopeId]| match book.admit(now, scopes) {
        Admission::Granted(_) => panic!("admitted"),
        Admission::Refused(refusal) => refusal.cause,
    };
    let resort = |book: &mut Book, now, scopes: &[ScopeId]| match book.admit_last_resort(
        now,
        scopes,
        CallProfile::default(),
    ) {
        Admission::Granted(_) => None,
        Admission::Refused(refusal) => Some(refusal.cause),
    };
    let mut book = Book::new();
    let model = book.add_scope(Config::textbook());
    let mut permits: Vec<Permit> = (0..60).map(|_| granted(book.admit(at(61), &[model]))).collect();
    let eased = HealthOutcome::at(model, Verdict::Ease { until: None });
    let _ = book.settle(at(61), permits.pop().unwrap(), eased, 0);
    for permit in permits {
        let _ = book.settle(at(61), permit, HealthOutcome::at(model, FAILURE), 0);
    }
    assert_eq!(refused(&mut book, at(70), &[model]), Cause::Open);
    let resorts = (0..100).filter(|_| resort(&mut book, at(70), &[model]).is_none()).count();
    assert!((1..10).contains(&resorts), "a burst at half the rate: {resorts}");
    assert_eq!(resort(&mut book, at(70), &[model]), Some(Cause::Growing));
    assert_eq!(refused(&mut book, at(70), &[model]), Cause::Open, "it lasts longer");

    let mut book = Book::new();
    let hosts = [book.add_host(Config::textbook()), book.add_host(Config::textbook())];
    let lost = Verdict::Unreachable { weight_milli: 1_000 };
    for host in hosts.into_iter().cycle().take(4) {
        let permit = granted(book.admit(at(1), &[host]));
        let _ = book.settle(at(1), permit, HealthOutcome::at(host, lost), 0);
    }
    assert_eq!(refused(&mut book, at(1), &[hosts[0]]), Cause::NetworkSuspected);
    assert_eq!(resort(&mut book, at(1), &[hosts[0]]), Some(Cause::NetworkSuspected));
    assert_eq!(resort(&mut book, at(3), &[hosts[0]]), None);
}

#[test]
fn discounted_failures_count_fully_in_the_expected_failure_rate() {
    let expected = |weight_milli: u32| {
        let mut book = Book::new();
        let host = book.add_scope(Config::default());
        for call in 0..200 {
            let permit = granted(book.admit(at(call), &[host]));
            let shed = HealthOutcome::at(host, Verdict::Failure { weight_milli, not_before: None });
            book.settle(at(call), permit, if call % 20 == 0 { shed } else { HealthOutcome::success() }, 0);
        }
        book.view(at(200), &[host], 0).expected_failure_ppm
    };
    assert_eq!(expected(250), expected(1_000));
}

/// Twenty calls a second to a target that refuses a share of them after 80 ms, from second `from` on: how often its
/// breaker opened, and how many calls were sent from then until it first did.
fn shed(served: impl Fn(u64) -> bool, from: u64, secs: u64) -> (usize, usize) {
    let mut book = Book::new();
    let model = book.add_scope(Config::evidence());
    let millis = |ms: u64| Moment::ZERO + Duration::from_millis(ms);
    // Scheduled events: 0 is the first content, 1 an end, 2 a refusal.
    let mut due: std::collections::BTreeMap<(u64, u64, u8), ()> = std::collections::BTreeMap::new();
    let mut permits = std::collections::BTreeMap::new();
    let (mut opened, mut sent) = (0, 0);
    for call in 0..secs * 20 {
        let now = call * 50;
        while let Some((&(at, number, what), ())) = due.first_key_value().filter(|((at, ..), ())| *at <= now)
        {
            due.remove(&(at, number, what));
            let outcome = match what {
                0 => {
                    let after = Duration::from_millis(800);
                    book.observe(
                        millis(at),
                        permits.get_mut(&number).unwrap(),
                        Observation::FirstContent { after },
                    );
                    continue;
                }
                1 => HealthOutcome::success(),
                _ => HealthOutcome::at(model, Verdict::Shed { not_before: None }),
            };
            let told = book.settle(millis(at), permits.remove(&number).unwrap(), outcome, call);
            opened += told.iter().filter(|one| one.to == BreakerState::Open).count();
        }
        let Admission::Granted(permit) = book.admit(millis(now), &[model]) else { continue };
        permits.insert(call, permit);
        let ill = now >= from * 1_000;
        sent += usize::from(ill && opened == 0);
        if ill && !served(call) {
            due.insert((now + 80, call, 2), ());
        } else {
            due.insert((now + 800, call, 0), ());
            due.insert((now + 3_500, call, 1), ());
        }
    }
    (opened, sent)
}

#[test]
fn target_that_refuses_every_call_opens_within_half_a_second() {
    let (opened, sent) = shed(|_| false, 60, 70);
    assert!(opened >= 1);
    // Two or three calls are in flight when the first refusal arrives, and older streams that end well weaken the
    // evidence.
    assert!(sent <= 10, "{sent} calls");
}

#[test]
fn target_that_serves_most_calls_stays_closed() {
    // One draw per call, so that runs of refusals occur by chance.
    let draw = |call: u64| {
        (call + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
            >> 32
    };
    for percent in [50, 60, 75, 90] {
        let (opened, _) = shed(|call| draw(call) % 100 < percent, 60, 660);
        assert_eq!(opened, 0, "{percent} % served");
    }
    let (opened, _) = shed(|call| draw(call) % 100 < 10, 60, 660);
    assert!(opened > 0, "nine of ten calls fail");
    // It serves some calls for a minute, then none: it opens within three seconds of load.
    let (opened, sent) = shed(|call| call < 2_400 && draw(call) % 100 < 60, 60, 130);
    assert!(opened > 0 && sent <= 1_200 + 60, "{sent} calls");
}

/// A host with four models.
fn host() -> (Book, ScopeId, [ScopeId; 4]) {
    let mut book = Book::new();
    let host = book.add_host(Config::evidence());
    let models = std::array::from_fn(|_| book.add_part(Config::evidence(), host));
    (book, host, models)
}

fn fail(book: &mut Book, now: Moment, host: ScopeId, model: ScopeId) {
    while let Admission::Granted(permit) = book.admit(now, &[host, model]) {
        book.settle(now, permit, HealthOutcome::at(model, FAILURE), 0);
    }
}

#[test]
fn three_failing_models_open_the_host() {
    let (mut book, host, models) = host();
    fail(&mut book, at(1), host, models[0]);
    fail(&mut book, at(2), host, models[1]);
    assert!(book.view(at(2), &[host, models[3]], 0).usable, "two models are not enough");
    fail(&mut book, at(3), host, models[2]);
    assert_eq!(book.view(at(3), &[host], 0).state, BreakerState::Open);
    let Admission::Refused(refusal) = book.admit(at(3), &[host, models[3]]) else {
        panic!("the host is open")
    };
    assert_eq!(refusal.scope, host);
    // The first call after the cooldown is the probe for all: a healthy fourth model restores the host.
    let permit = granted(book.admit(at(20), &[host, models[3]]));
    book.settle(at(20), permit, HealthOutcome::success(), 0);
    assert_eq!(book.view(at(20), &[host], 0).state, BreakerState::Closed);
}

#[test]
fn failing_models_do_not_open_a_host_that_answers() {
    let (mut book, host, models) = host();
    for (second, model) in [(1, models[0]), (3, models[1]), (5, models[2])] {
        fail(&mut book, at(second), host, model);
        let permit = granted(book.admit(at(second + 1), &[host, models[3]]));
        book.settle(at(second + 1), permit, HealthOutcome::success(), 0);
    }
    assert!(book.view(at(6), &[host, models[3]], 0).usable);
    // One that fails and recovers repeatedly never adds up to three.
    let (mut book, host, models) = self::host();
    for second in (0..400).step_by(20) {
        fail(&mut book, at(second), host, models[0]);
        let permit = granted(book.admit(at(second + 16), &[host, models[0]]));
        book.settle(at(second + 16), permit, HealthOutcome::success(), 0);
    }
    assert!(book.view(at(400), &[host, models[1]], 0).usable);
}

#[test]
fn suspected_network_exonerates_an_open_host() {
    let mut book = Book::new();
    let [a, b] = std::array::from_fn(|_| book.add_host(Config::evidence()));
    let lost = |book: &mut Book, now, host| {
        let permit = granted(book.admit(now, &[host]));
        book.settle(now, permit, HealthOutcome::at(host, Verdict::Unreachable { weight_milli: 1_000 }), 0)
    };
    for _ in 0..3 {
        lost(&mut book, at(10), a);
    }
    assert_eq!(book.view(at(10), &[a], 0).state, BreakerState::Open, "a single host is to blame");
    lost(&mut book, at(11), b);
    let told = lost(&mut book, at(11), b);
    let reasons: Vec<_> = told.iter().map(|one| (one.scope, one.to, one.reason)).collect();
    assert_eq!(reasons, [(a, BreakerState::HalfOpen, Reason::NetworkSuspected)]);
    assert!(book.network_is_suspected(at(11)));
    // Each host is tried once a second, and no breaker opens.
    for tenth in 120..300 {
        let now = Moment::ZERO + Duration::from_millis(tenth * 100);
        for host in [a, b] {
            if let Admission::Granted(permit) = book.admit(now, &[host]) {
                let told = book.settle(
                    now,
                    permit,
                    HealthOutcome::at(host, Verdict::Unreachable { weight_milli: 1_000 }),
                    0,
                );
                assert_eq!(told, []);
            }
        }
    }
    let permit = granted(book.admit(at(31), &[b]));
    book.settle(at(31), permit, HealthOutcome::success(), 0);
    assert!(
        !book.network_is_suspected(at(31)) && book.view(at(31), &[a], 0).usable,
        "a may be the next probe"
    );
}

/// First content after 2 s, the end after 90 s, which is longer than a lease.
#[test]
fn long_probe_answer_closes_the_breaker() {
    let mut book = Book::new();
    let host = book.add_host(Config::window());
    let model = book.add_part(Config::window(), host);
    for ill in [host, model] {
        let now = at(1_000) + Duration::from_secs(u64::from(ill.0) * 1_000);
        open(&mut book, now, &[host, model], ill);
        let now = now + Duration::from_secs(20);
        let mut probe = granted(book.admit(now, &[host, model]));
        assert!(probe.is_probe());
        assert_eq!(book.advance(now).len(), 1, "it is half-open");
        let after = Duration::from_secs(2);
        book.observe(now + after, &mut probe, Observation::FirstContent { after });
        for second in 3..90 {
            assert_eq!(book.advance(now + Duration::from_secs(second)), []);
        }
        let told = book.settle(now + Duration::from_secs(90), probe, HealthOutcome::success(), 0);
        assert_eq!(told.last().map(|told| told.to), Some(BreakerState::Closed));
    }
}

/// Streams hang on connections to a dead process; they are found to be late after its replacement is healthy.
#[test]
fn lateness_from_an_older_generation_is_ignored() {
    let mut book = Book::new();
    let model = book.add_scope(Config::default());
    let mut hung: Vec<Permit> = (0..60).map(|_| granted(book.admit(at(1_000), &[model]))).collect();
    for _ in 0..4 {
        let permit = granted(book.admit(at(1_000), &[model]));
        book.settle(at(1_000), permit, HealthOutcome::at(model, FAILURE), 0);
    }
    for _ in 0..13 {
        let permit = granted(book.admit(at(1_006), &[model]));
        book.settle(at(1_006), permit, HealthOutcome::success(), 0);
    }
    hung.iter_mut().for_each(|permit| book.observe(at(1_008), permit, Observation::Late));
    let permit = granted(book.admit(at(1_008), &[model]));
    assert_eq!(book.settle(at(1_008), permit, HealthOutcome::success(), 0), []);
    for permit in hung {
        assert_eq!(book.settle(at(1_009), permit, HealthOutcome::at(model, Verdict::Slow), 0), []);
    }
}

/// An unstreamed answer shows no sign of life until it is complete, which may take longer than a lease.
#[test]
fn long_unstreamed_probe_closes_the_breaker() {
    let mut book = Book::new();
    let model = book.add_scope(Config::window());
    open(&mut book, at(1_000), &[model], model);
    let call = CallProfile { unstreamed: true, ..CallProfile::default() };
    let probe = granted(book.admit_call(at(1_020), &[model], call));
    assert!(probe.is_probe());
    for second in 1_021..1_085 {
        book.advance(at(second));
    }
    let told = book.settle(at(1_085), probe, HealthOutcome::success(), 0);
    assert_eq!(told.last().map(|told| told.to), Some(BreakerState::Closed), "{told:?}");
}

#[test]
fn probe_does_not_wait_for_room_for_an_answer() {
    let mut book = Book::new();
    let scope = book.add_scope(Config::window());
    let mut limits = RateLimits::default();
    limits.tokens = hotspare_core::Allowance::new(1_000, 50, Some(Duration::from_secs(57)));
    let permit = granted(book.admit_call(at(1), &[scope], OF_TEN_TOKENS));
    book.learn(at(1), &permit, scope, &limits);
    book.used(at(1), &permit, Used { prompt: 10, answer: Some(200) });
    book.settle(at(1), permit, HealthOutcome::success(), 0);
    open_with_last_resort(&mut book, at(1), scope);
    let mut now = at(1);
    while !matches!(book.probe_at(now, &[scope]), Some(at) if at <= now) {
        now = book.probe_at(now, &[scope]).unwrap();
    }
    assert!(now < at(10), "{now:?}");
    let brief = CallProfile { answers_briefly: true, ..CallProfile::default() };
    assert!(book.obstacle(now, &[scope], 0).is_some_and(|refusal| refusal.cause == Cause::QuotaSpent));
    let _permit = granted(book.admit_call(now, &[scope], brief));
}

fn open_with_last_resort(book: &mut Book, now: Moment, scope: ScopeId) {
    for _ in 0..5 {
        let permit = granted(book.admit_last_resort(now, &[scope], CallProfile::default()));
        book.used(now, &permit, Used::default());
        book.settle(now, permit, HealthOutcome::at(scope, FAILURE), 0);
    }
}
