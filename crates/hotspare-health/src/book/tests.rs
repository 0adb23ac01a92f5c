//! What holds for several scopes at once.

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

const FAILURE: Verdict = Verdict::Failure { weight_milli: 1_000, not_before: None };

fn open(book: &mut Book, now: Moment, scopes: &[ScopeId], at: ScopeId) {
    for _ in 0..5 {
        let permit = granted(book.admit(now, scopes));
        book.settle(now, permit, Outcome::at(at, FAILURE), 0);
    }
}

#[test]
fn an_outcome_touches_only_what_it_names() {
    let mut book = Book::new();
    let [host, model, other] = std::array::from_fn(|_| book.add_scope(Config::window()));
    open(&mut book, at(1), &[host, model], model);
    assert!(
        matches!(book.admit(at(1), &[host, model]), Admission::Refused(refusal) if refusal.scope == model)
    );
    let permit = granted(book.admit(at(1), &[host, other]));
    book.settle(at(1), permit, Outcome::success(), 0);
}

#[test]
fn a_refusal_by_one_scope_leaves_the_others_untouched() {
    let mut book = Book::new();
    let [host, model] = std::array::from_fn(|_| book.add_scope(Config::window()));
    open(&mut book, at(1), &[host], host);
    // The host cools down and needs its one probe; the model is blocked: nobody may take the probe in vain.
    open(&mut book, at(6), &[model], model);
    assert!(matches!(book.admit(at(7), &[host, model]), Admission::Refused(_)));
    assert!(book.view(at(7), &[host], 0).usable);
}

#[test]
fn pauses_and_dead_keys_are_not_ill_health() {
    let mut book = Book::new();
    let [host, key] = std::array::from_fn(|_| book.add_scope(Config::window()));
    for verdict in [Verdict::Hold { until: at(30) }, Verdict::Disable { until: Some(at(600)) }] {
        let permit = granted(book.admit_last_resort(at(1), &[host], 0));
        book.settle(at(1), permit, Outcome::neutral(), 0);
        let mut book = book.clone();
        let permit = granted(book.admit(at(1), &[host, key]));
        assert_eq!(book.settle(at(1), permit, Outcome::at(key, verdict), 0), vec![]);
        let view = book.view(at(2), &[host, key], 0);
        assert_eq!((view.usable, view.state, view.failure_rate_bp), (false, BreakerState::Closed, 0));
        assert!(book.view(at(2), &[host], 0).usable, "the host has other keys");
    }
}

#[test]
fn a_last_resort_passes_an_open_breaker_and_nothing_else() {
    let mut book = Book::new();
    let scope = book.add_scope(Config::window());
    open(&mut book, at(1), &[scope], scope);
    let permit = granted(book.admit_last_resort(at(1), &[scope], 0));
    assert!(permit.is_last_resort() && permit.is_probe());
    let transitions = book.settle(at(1), permit, Outcome::success(), 0);
    assert_eq!(
        transitions.last().map(|last| last.to),
        Some(BreakerState::Closed),
        "a good one is a good probe"
    );
    book.cordon(scope, true);
    assert!(matches!(book.admit_last_resort(at(1), &[scope], 0), Admission::Refused(_)));
}

#[test]
fn a_cooldown_ends_without_anybody_advancing_time() {
    let mut book = Book::new();
    let scope = book.add_scope(Config::window());
    open(&mut book, at(1), &[scope], scope);
    assert!(matches!(book.admit(at(2), &[scope]), Admission::Refused(_)));
    assert!(granted(book.admit(at(7), &[scope])).is_probe());
    assert!(
        matches!(book.admit(at(7), &[scope]), Admission::Refused(refusal) if refusal.cause == Cause::HalfOpenBusy)
    );
}

#[test]
fn letting_time_pass_costs_nothing_for_scopes_that_are_well_and_misses_none_that_is_not() {
    let mut book = Book::new();
    let scopes: Vec<ScopeId> = (0..1_000).map(|_| book.add_scope(Config::window())).collect();
    assert_eq!(book.next_change(), None);
    for (index, scope) in scopes.iter().enumerate().step_by(100) {
        open(&mut book, at(10 + index as u64), &[*scope], *scope);
    }
    let told = book.advance(at(2_000));
    let half_open = |one: &&Transition| one.to == BreakerState::HalfOpen;
    let already = 10 - told.iter().filter(half_open).count();
    assert!(already >= 9, "each settle lets time pass for all: {told:?}");
    assert_eq!(book.next_change(), None, "nothing is lent and nothing is open");
    for scope in scopes.iter().step_by(100) {
        let _lost = granted(book.admit(at(2_000), &[*scope]));
    }
    assert_eq!(book.next_change(), Some(at(2_060)));
    assert_eq!(book.advance(at(2_060)).len(), 10, "every lease ran out");
}

#[test]
fn how_long_calls_take_is_told_apart_by_model_and_not_by_host() {
    let mut book = Book::new();
    let host = book.add_shared_scope(Config::window());
    let [fast, slow] = std::array::from_fn(|_| book.add_scope(Config::window()));
    for second in 0..60 {
        for (model, millis) in [(fast, 200), (slow, 4_000)] {
            let permit = granted(book.admit_for(at(second), &[host, model], 10));
            let after = Duration::from_millis(millis);
            book.observe(at(second), &permit, Observation::FirstContent { after });
            book.settle(at(second), permit, Outcome::success(), 0);
        }
    }
    assert!(book.view(at(60), &[host, fast], 10).latency < Some(Duration::from_secs(1)));
    // A model whose calls are all late opens, and the host with its other model does not.
    for second in 60..90 {
        let Admission::Granted(permit) = book.admit_for(at(second), &[host, slow], 10) else { continue };
        book.observe(at(second), &permit, Observation::Late);
        book.settle(at(second), permit, Outcome::at(slow, Verdict::Slow), 0);
    }
    assert!(!book.view(at(90), &[host, slow], 10).usable);
    assert!(book.view(at(90), &[host, fast], 10).usable);
}

#[test]
fn a_frozen_target_is_degraded_after_five_calls_and_trusted_again_when_it_is_back() {
    let mut book = Book::new();
    let model = book.add_scope(Config::window());
    let usual = Duration::from_millis(400);
    let answer = |book: &mut Book, now: Moment| {
        let permit = granted(book.admit_for(now, &[model], 10));
        book.observe(now, &permit, Observation::FirstContent { after: usual });
        book.settle(now, permit, Outcome::success(), 0);
    };
    (0..60).for_each(|_| answer(&mut book, at(1)));
    let frozen: Vec<Permit> = (0..5).map(|_| granted(book.admit_for(at(2), &[model], 10))).collect();
    assert!(frozen[0].late_after() < Some(Duration::from_millis(500)));
    for permit in &frozen {
        book.observe(at(3), permit, Observation::Overdue);
    }
    let view = book.view(at(3), &[model], 10);
    assert!(view.degraded && view.usable, "it keeps a tenth, so that it is seen to recover");
    assert_eq!((view.weight_bp, view.state), (1_000, BreakerState::Closed));
    for permit in frozen {
        book.observe(at(60), &permit, Observation::Abandoned { after: Duration::from_secs(58) });
        book.settle(at(60), permit, Outcome::neutral(), 0);
    }
    assert!(book.view(at(60), &[model], 10).latency > Some(usual * 10), "what never came was not fast");
    (0..17).for_each(|_| answer(&mut book, at(61)));
    assert!(!book.view(at(61), &[model], 10).degraded);
}

#[test]
fn refused_growth_halves_the_traffic_and_hurts_nobody() {
    let mut book = Book::new();
    let key = book.add_scope(Config::window());
    let mut permits: Vec<Permit> = (0..60).map(|_| granted(book.admit(at(61), &[key]))).collect();
    let refused = permits.pop().unwrap();
    assert_eq!(book.settle(at(61), refused, Outcome::at(key, Verdict::Ease { until: None }), 0), vec![]);
    let mut started = 0;
    for second in 62..122 {
        while let Admission::Granted(permit) = book.admit(at(second), &[key]) {
            book.settle(at(second), permit, Outcome::success(), 0);
            started += 1;
        }
    }
    assert!((25..=35).contains(&started), "half of sixty a minute: {started}");
    assert_eq!(book.view(at(122), &[key], 0).state, BreakerState::Closed);
}

#[test]
fn who_sheds_load_fails_its_callers_as_often_as_it_does() {
    let expected = |weight_milli: u32| {
        let mut book = Book::new();
        let host = book.add_scope(Config::default());
        for call in 0..200 {
            let permit = granted(book.admit(at(call), &[host]));
            let shed = Outcome::at(host, Verdict::Failure { weight_milli, not_before: None });
            book.settle(at(call), permit, if call % 20 == 0 { shed } else { Outcome::success() }, 0);
        }
        book.view(at(200), &[host], 0).expected_failure_ppm
    };
    assert_eq!(expected(250), expected(1_000));
}
