//! Examples of each rule; the exhaustive run is in `explore`.

use super::*;

fn at(millis: u64) -> Moment {
    Moment::ZERO + Duration::from_millis(millis)
}

fn fail(breaker: &mut Breaker, now: Moment) -> Option<Change> {
    let pass = breaker.admit(now, false);
    breaker.failure(now, pass, Weight::alike(1_000), None, 0)
}

fn succeed(breaker: &mut Breaker, now: Moment) -> Option<Change> {
    let pass = breaker.admit(now, false);
    breaker.success(now, pass, 0)
}

fn admit_last_resort(breaker: &mut Breaker, now: Moment) -> Pass {
    assert!(breaker.override_pause().is_some());
    breaker.admit(now, false)
}

#[test]
fn rare_failures_do_not_open() {
    let mut breaker = Breaker::new(Config::window());
    for step in 0..1_000 {
        let change = if step % 50 == 0 {
            fail(&mut breaker, at(step * 200))
        } else {
            succeed(&mut breaker, at(step * 200))
        };
        assert_eq!(change, None);
    }
}

#[test]
fn opens_at_the_fifth_failure_within_the_window_only() {
    let mut breaker = Breaker::new(Config::window());
    for step in 0..20 {
        assert_eq!(fail(&mut breaker, at(step * 9_000)), None, "four in any 30 s");
    }
    let mut breaker = Breaker::new(Config::window());
    let changes: Vec<_> = (0..5).map(|step| fail(&mut breaker, at(step * 100))).collect();
    assert!(changes[..4].iter().all(Option::is_none));
    assert_eq!(changes[4].map(|(_, to, _)| to), Some(BreakerState::Open));
}

#[test]
fn opens_when_half_of_ten_calls_fail() {
    let config = Config { failures: None, ..Config::window() };
    let mut breaker = Breaker::new(config);
    for step in 0..9 {
        let now = at(step * 10);
        let change = if step % 2 == 0 { succeed(&mut breaker, now) } else { fail(&mut breaker, now) };
        assert_eq!(change, None);
    }
    let change = fail(&mut breaker, at(100));
    assert_eq!(change.map(|(_, _, reason)| reason), Some(Reason::FailureRate { rate_bp: 5_000, calls: 10 }));
}

#[test]
fn opens_when_nearly_all_calls_are_late() {
    let mut breaker = Breaker::new(Config::window());
    let mut opened = None;
    for step in 0..20 {
        let mut pass = breaker.admit(at(step * 100), false);
        breaker.late(at(step * 100), &mut pass);
        opened = opened.or(breaker.success(at(step * 100 + 50), pass, 0));
    }
    assert_eq!(opened.map(|(_, to, _)| to), Some(BreakerState::Open));
}

/// Whoever has no other target may want a late answer; a probe without any shows that there is none to be had.
#[test]
fn slow_target_is_told_apart_until_a_probe_fails() {
    let mut breaker = Breaker::new(Config::window());
    let mut now = at(0);
    while breaker.state() == BreakerState::Closed {
        let mut pass = breaker.admit(now, false);
        breaker.late(now, &mut pass);
        breaker.success(now, pass, 0);
        now = now + Duration::from_millis(100);
    }
    let cause = |breaker: &Breaker, now: Moment| breaker.check(now).unwrap_err().0;
    assert_eq!(cause(&breaker, now), Cause::Slow);
    let (probe, other) = (admit_last_resort(&mut breaker, now), breaker.admit(now, false));
    assert_eq!(cause(&breaker, now), Cause::Slow);
    assert!(breaker.slow(now, probe, 0).is_some(), "a probe that is late as well reopens it");
    assert_eq!(cause(&breaker, now), Cause::Slow);
    let mut failed = breaker.clone();
    assert_eq!(failed.failure(now, other, Weight::alike(1_000), None, 0), None, "of an older generation");
    assert_eq!(cause(&failed, now), Cause::Open, "but it did fail");
    let probe = admit_last_resort(&mut breaker, now);
    breaker.failure(now, probe, Weight::alike(1_000), None, 0);
    assert_eq!(cause(&breaker, now), Cause::Open);
}

#[test]
fn opens_when_nearly_all_calls_are_rescued_by_others() {
    let mut breaker = Breaker::new(Config::window());
    let mut opened = None;
    for step in 0..12 {
        let mut pass = breaker.admit(at(step * 100), false);
        breaker.late(at(step * 100), &mut pass);
        opened = opened.or(breaker.slow(at(step * 100 + 50), pass, 0));
    }
    assert!(matches!(opened, Some((_, BreakerState::Open, Reason::SlowRate { .. }))), "{opened:?}");
    let now = breaker.until;
    breaker.advance(now, 0);
    let probe = breaker.admit(now, false);
    assert!(breaker.slow(now, probe, 0).is_some(), "a late probe proves nothing");
}

/// Where there is too little traffic for a share, the reason names the run and no rate within the window.
#[test]
fn run_of_late_calls_at_low_traffic_is_reported_as_a_run() {
    let mut breaker = Breaker::new(Config::default());
    let mut opened = None;
    for call in 0..10 {
        let now = at(call * 60_000);
        let mut pass = breaker.admit(now, false);
        breaker.late(now, &mut pass);
        assert_eq!(opened, None, "after {call} calls");
        opened = breaker.success(now, pass, 0);
    }
    let (_, _, reason) = opened.unwrap();
    assert_eq!(
        (reason, reason.to_string().as_str()),
        (Reason::SlowRun { calls: 10 }, "the last 10 calls were late")
    );
}

/// As opposed to any other failure: four in a row. Where calls succeed, single ones open nothing.
#[test]
fn three_refused_connections_in_a_row_open_but_single_ones_among_answers_do_not() {
    let mut breaker = Breaker::new(Config::default());
    let unreachable = |breaker: &mut Breaker, millis| {
        let pass = breaker.admit(at(millis), false);
        breaker.unreachable(at(millis), pass, Weight::alike(1_000), 0)
    };
    for round in 0..1_000 {
        assert_eq!(unreachable(&mut breaker, round * 1_000), None, "{round}");
        for call in 1..8 {
            let now = at(round * 1_000 + call);
            let pass = breaker.admit(now, false);
            assert_eq!(breaker.success(now, pass, 0), None);
        }
    }
    let opened = [1, 2, 3].map(|call| unreachable(&mut breaker, 1_000_000 + call).is_some());
    assert_eq!(opened, [false, false, true]);
}

/// Opens it at `now` and returns the pause that follows in seconds, without the random half.
fn pause_of(breaker: &mut Breaker, now: Moment) -> u64 {
    let pass = breaker.admit(now, false);
    breaker.failure(now, pass, Weight::alike(1_000), None, 0).unwrap();
    let pause = breaker.until.saturating_since(now);
    breaker.advance(breaker.until, 0);
    pause.as_secs() * 2
}

#[test]
fn the_cooldown_doubles_up_to_its_cap() {
    let cooldown_cap = Duration::from_secs(60);
    let mut breaker = Breaker::new(Config { failures: Some(1), cooldown_cap, ..Config::window() });
    let mut now = at(7_200_000);
    let pauses = [(); 6].map(|()| {
        let pause = pause_of(&mut breaker, now);
        now = breaker.until;
        pause
    });
    assert_eq!(pauses, [4, 10, 20, 40, 60, 60]);
}

#[test]
fn cooldown_shrinks_within_minutes_after_a_long_outage() {
    let mut breaker = Breaker::new(Config { failures: Some(1), ..Config::window() });
    let mut now = at(7_200_000);
    for _ in 0..500 {
        assert!(pause_of(&mut breaker, now) <= 15);
        now = breaker.until;
    }
    assert!(succeed(&mut breaker, now).is_some());
    assert_eq!(
        pause_of(&mut breaker, now + Duration::from_secs(600)),
        4,
        "closed for ten minutes: 5 s, rounded down"
    );
}

/// Whatever the openings in between added to it: nothing at the cap, a step for each probe that failed.
#[test]
fn absolved_openings_leave_the_cooldown_as_it_was() {
    let cooldown_cap = Duration::from_secs(20);
    let config = Config { failures: Some(1), cooldown_cap, ..Config::window() };
    for (earlier, absolved, expected) in [(0, 1, 4), (0, 3, 4), (1, 1, 10), (2, 1, 20), (2, 3, 20)] {
        let mut breaker = Breaker::new(config.clone());
        let mut now = at(7_200_000);
        for _ in 0..earlier {
            pause_of(&mut breaker, now);
            now = breaker.until;
            assert!(succeed(&mut breaker, now).is_some());
        }
        let since = now;
        for _ in 1..absolved {
            pause_of(&mut breaker, now);
            now = breaker.until;
        }
        assert!(fail(&mut breaker, now).is_some());
        assert!(breaker.absolve(now, since).is_some());
        assert!(succeed(&mut breaker, now).is_some());
        assert_eq!(pause_of(&mut breaker, now), expected, "{absolved} absolved after {earlier}");
    }
}

#[test]
fn half_of_the_cooldown_is_jitter() {
    for (draw, least, most) in [(0, 2_500, 2_500), (u64::MAX, 2_500, 5_000)] {
        let mut breaker = Breaker::new(Config { failures: Some(1), ..Config::window() });
        let pass = breaker.admit(at(0), false);
        breaker.failure(at(0), pass, Weight::alike(1_000), None, draw).unwrap();
        let pause = breaker.until.as_nanos() / 1_000_000;
        assert!((least..=most).contains(&pause), "{pause}");
    }
}

/// One good probe in the middle of an outage does not reset the growth; every five minutes spent closed undo one step.
#[test]
fn cooldown_growth_decays_while_closed() {
    let pause_after = |closed_for: u64| {
        let cooldown_cap = Duration::from_secs(300);
        let mut breaker = Breaker::new(Config { failures: Some(1), cooldown_cap, ..Config::window() });
        let mut now = at(7_200_000);
        for _ in 0..4 {
            pause_of(&mut breaker, now);
            now = breaker.until;
        }
        let closed = succeed(&mut breaker, now);
        assert_eq!(closed.map(|(_, to, _)| to), Some(BreakerState::Closed));
        pause_of(&mut breaker, now + Duration::from_secs(closed_for))
    };
    assert_eq!([1, 299, 300, 600, 7_200].map(pause_after), [80, 80, 40, 20, 4]);
}

#[test]
fn stays_open_until_the_promised_time() {
    let mut breaker = Breaker::new(Config { failures: Some(1), ..Config::window() });
    let pass = breaker.admit(at(0), false);
    breaker.failure(at(0), pass, Weight::alike(1_000), Some(at(40_000)), 0);
    assert_eq!(breaker.check(at(39_999)), Err((Cause::Open, at(40_000))));
    assert_eq!(breaker.check(at(40_000)), Ok(()));
}

#[test]
fn failed_last_resort_does_not_shorten_the_promised_pause() {
    let mut breaker = Breaker::new(Config { failures: Some(1), ..Config::window() });
    let pass = breaker.admit(at(0), false);
    breaker.failure(at(0), pass, Weight::alike(1_000), Some(at(40_000)), 0);
    let pass = admit_last_resort(&mut breaker, at(1_000));
    breaker.failure(at(1_100), pass, Weight::alike(1_000), None, 0);
    assert_eq!(breaker.check(at(39_999)), Err((Cause::Open, at(40_000))));
}

#[test]
fn inconclusive_last_resort_does_not_shorten_the_promised_pause() {
    let mut breaker = Breaker::new(Config { failures: Some(1), ..Config::window() });
    let pass = breaker.admit(at(0), false);
    breaker.failure(at(0), pass, Weight::alike(1_000), Some(at(600_000)), 0);
    let pass = admit_last_resort(&mut breaker, at(1_000));
    breaker.neutral(pass);
    assert_eq!(breaker.check(at(599_999)), Err((Cause::Open, at(600_000))));
    assert_eq!(breaker.check(at(600_000)), Ok(()));
}

#[test]
fn successful_last_resort_clears_the_promised_pause() {
    let mut breaker = Breaker::new(Config { failures: Some(1), ..Config::window() });
    let pass = breaker.admit(at(0), false);
    breaker.failure(at(0), pass, Weight::alike(1_000), Some(at(3_600_000)), 0);
    let pass = admit_last_resort(&mut breaker, at(1_000));
    breaker.success(at(2_000), pass, 0).unwrap();
    fail(&mut breaker, at(62_000)).unwrap();
    assert!(breaker.until <= at(72_000), "{:?}", breaker.until);
}

#[test]
fn weight_ramps_up_after_recovery() {
    let mut breaker = Breaker::new(Config { failures: Some(1), ..Config::window() });
    fail(&mut breaker, at(0));
    assert_eq!(breaker.weight_bp(at(1)), 0);
    let now = breaker.until;
    breaker.advance(now, 0);
    succeed(&mut breaker, now);
    assert_eq!(breaker.weight_bp(now), 1_000);
    assert_eq!(breaker.weight_bp(now + Duration::from_secs(5)), 5_000);
    assert_eq!(breaker.weight_bp(now + Duration::from_secs(60)), 10_000);
}

#[test]
fn recovered_target_is_on_probation_for_a_dozen_calls() {
    let closed = || {
        let mut breaker = Breaker::new(Config::default());
        (0..4).for_each(|step| assert_ne!(fail(&mut breaker, at(step)).is_some(), step < 3));
        let now = breaker.until;
        breaker.advance(now, 0);
        assert_eq!(succeed(&mut breaker, now).map(|(_, to, _)| to), Some(BreakerState::Closed));
        (breaker, now)
    };
    let failures = |calls: usize| {
        let (mut breaker, now) = closed();
        (0..calls).for_each(|_| assert!(succeed(&mut breaker, now).is_none()));
        (1..10).find(|_| fail(&mut breaker, now).is_some())
    };
    assert_eq!((failures(0), failures(1), failures(13)), (Some(1), Some(2), Some(4)));
}

#[test]
fn promised_pause_is_capped_at_an_hour() {
    let mut breaker = Breaker::new(Config { failures: Some(1), ..Config::window() });
    let pass = breaker.admit(at(0), false);
    breaker.failure(
        at(0),
        pass,
        Weight::alike(1_000),
        Some(Moment::ZERO + Duration::from_secs(30 * 86_400)),
        0,
    );
    assert_eq!(breaker.check(at(1)), Err((Cause::Open, at(3_600_000))));
}

#[test]
fn late_rate_counts_punctual_calls_still_in_flight() {
    let mut breaker = Breaker::new(Config::default());
    let mut passes: Vec<Pass> = (0..19).map(|_| breaker.admit(at(0), false)).collect();
    for mut pass in passes.drain(..10) {
        breaker.first_content(at(1_000), &mut pass);
    }
    passes.iter_mut().for_each(|pass| breaker.late(at(8_000), pass));
    for pass in passes {
        assert_eq!(breaker.slow(at(9_000), pass, 0), None, "10 of 19 were punctual, and are still in flight");
    }
}

/// A slow answer is not a failed probe, and the next probe need not wait for its end.
#[test]
fn slow_probe_with_content_lets_the_next_probe_start() {
    let config = Config { failures: Some(1), lease: Duration::from_secs(60), ..Config::window() };
    let mut breaker = Breaker::new(config);
    let at = |secs| Moment::ZERO + Duration::from_secs(secs);
    let pass = breaker.admit(at(0), false);
    breaker.failure(at(0), pass, Weight::alike(1_000), None, 0).unwrap();
    breaker.advance(at(100), 0);
    let mut drips = breaker.admit(at(100), false);
    breaker.first_content(at(101), &mut drips);
    assert_eq!(breaker.check(at(159)), Err((Cause::HalfOpenBusy, at(160))));
    assert_eq!(breaker.check(at(160)), Ok(()));
    assert_eq!(breaker.advance(at(400), 0), None, "the probe is not abandoned");
    let next = breaker.admit(at(400), false);
    assert_eq!(breaker.success(at(401), next, 0).map(|(_, to, _)| to), Some(BreakerState::Closed));
    assert_eq!(breaker.failure(at(402), drips, Weight::alike(1_000), None, 0), None, "it began before");
}
