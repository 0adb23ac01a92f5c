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
    let [host, model, other] = std::array::from_fn(|_| book.add_scope(Config::default()));
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
    let [host, model] = std::array::from_fn(|_| book.add_scope(Config::default()));
    open(&mut book, at(1), &[host], host);
    // The host cools down and needs its one probe; the model is blocked: nobody may take the probe in vain.
    open(&mut book, at(6), &[model], model);
    assert!(matches!(book.admit(at(7), &[host, model]), Admission::Refused(_)));
    assert!(book.view(at(7), &[host]).usable);
}

#[test]
fn pauses_and_dead_keys_are_not_ill_health() {
    let mut book = Book::new();
    let [host, key] = std::array::from_fn(|_| book.add_scope(Config::default()));
    for verdict in [Verdict::Hold { until: at(30) }, Verdict::Disable { until: Some(at(600)) }] {
        let permit = granted(book.admit_last_resort(at(1), &[host]));
        book.settle(at(1), permit, Outcome::neutral(), 0);
        let mut book = book.clone();
        let permit = granted(book.admit(at(1), &[host, key]));
        assert_eq!(book.settle(at(1), permit, Outcome::at(key, verdict), 0), vec![]);
        let view = book.view(at(2), &[host, key]);
        assert_eq!((view.usable, view.state, view.failure_rate_bp), (false, BreakerState::Closed, 0));
        assert!(book.view(at(2), &[host]).usable, "the host has other keys");
    }
}

#[test]
fn a_last_resort_passes_an_open_breaker_and_nothing_else() {
    let mut book = Book::new();
    let scope = book.add_scope(Config::default());
    open(&mut book, at(1), &[scope], scope);
    let permit = granted(book.admit_last_resort(at(1), &[scope]));
    assert!(permit.is_last_resort() && permit.is_probe());
    let transitions = book.settle(at(1), permit, Outcome::success(), 0);
    assert_eq!(
        transitions.last().map(|last| last.to),
        Some(BreakerState::Closed),
        "a good one is a good probe"
    );
    book.cordon(scope, true);
    assert!(matches!(book.admit_last_resort(at(1), &[scope]), Admission::Refused(_)));
}

#[test]
fn a_cooldown_ends_without_anybody_advancing_time() {
    let mut book = Book::new();
    let scope = book.add_scope(Config::default());
    open(&mut book, at(1), &[scope], scope);
    assert!(matches!(book.admit(at(2), &[scope]), Admission::Refused(_)));
    assert!(granted(book.admit(at(7), &[scope])).is_probe());
    assert!(
        matches!(book.admit(at(7), &[scope]), Admission::Refused(refusal) if refusal.cause == Cause::HalfOpenBusy)
    );
}
