//! What a route can configure differently from the defaults.

use super::*;
use crate::rules::{Adaptive, OnKind};

fn with(kind: Kind, on: OnKind) -> Setup {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.rules.on.insert(kind, on);
    setup
}

fn targets(rig: &Rig) -> Vec<usize> {
    rig.begun.iter().map(|begin| begin.target.position()).collect()
}

#[test]
fn stop_and_next_rules_override_the_policy() {
    let mut rig = with(Kind::Overloaded, OnKind::Stop).rig();
    rig.fails(0, Kind::Overloaded);
    assert_eq!(rig.done[0].as_ref().unwrap_err().kind(), Kind::Overloaded);
    let mut rig = with(Kind::ContentPolicy, OnKind::Next).rig();
    rig.fails(0, Kind::ContentPolicy);
    assert_eq!(targets(&rig), [0, 1]);
    let mut rig = with(Kind::Server, OnKind::Next).rig();
    rig.fails(0, Kind::Server);
    assert_eq!(targets(&rig), [0, 1], "the policy alone would retry the same target");
}

#[test]
fn same_rule_retries_once_then_fails_over() {
    let mut rig = with(Kind::Overloaded, OnKind::Same).rig();
    rig.fails(0, Kind::Overloaded);
    rig.wait(Duration::from_millis(100));
    rig.fails(1, Kind::Overloaded);
    assert_eq!(targets(&rig), [0, 0, 1]);
}

/// Neither the policy table, nor a rule of the route, nor a pause that it would wait out sends the request there again.
#[test]
fn request_is_not_repeated_where_the_provider_rules_that_out() {
    let pause = Duration::from_secs(1);
    let mut patient = Setup::new(&["a", "b", "c"]);
    patient.limits.wait_for_rate_limit = pause;
    for (setup, kind) in [
        (Setup::new(&["a", "b", "c"]), Kind::Server),
        (with(Kind::Overloaded, OnKind::Same), Kind::Overloaded),
        (patient, Kind::RateLimited),
    ] {
        for (ruled_out, expected) in [(false, [0, 0]), (true, [0, 1])] {
            let error = Error::new(kind, "").with_retry_after((kind == Kind::RateLimited).then_some(pause));
            let error = if ruled_out { error.with_retry_ruled_out() } else { error };
            let mut rig = setup.rig();
            rig.tell(Input::Failed(AttemptId(0), error));
            rig.wait(pause);
            assert_eq!(targets(&rig), expected, "{kind}");
        }
    }
}

/// Another key is another customer, and a request without streaming another request.
#[test]
fn provider_that_rules_out_a_retry_gets_what_differs_from_the_request() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.keys = 2;
    let mut rig = setup.rig();
    rig.tell(Input::Failed(AttemptId(0), Error::new(Kind::Auth, "").with_retry_ruled_out()));
    assert_eq!(targets(&rig), [0, 0]);
    assert_ne!(rig.begun[0].key, rig.begun[1].key);
    (setup.stream, setup.rules.stream_upstream) = (false, true);
    let mut rig = setup.rig();
    rig.tell(Input::Failed(AttemptId(0), Error::new(Kind::InvalidRequest, "").with_retry_ruled_out()));
    assert_eq!((targets(&rig), rig.begun[1].stream), (vec![0, 0], false));
}

/// The route would rather wait than change the target, but not longer than it would wait for a silent one.
#[test]
fn same_rule_waits_out_a_short_pause_but_no_long_one_beside_an_available_target() {
    let limited = |secs| Error::new(Kind::RateLimited, "").with_retry_after(Duration::from_secs(secs));
    let mut setup = with(Kind::RateLimited, OnKind::Same);
    setup.names = &["a", "b"];
    setup.strategy = Arc::new(Sequential::new(["a", "b"]));
    for (pause, ills, expected) in
        [(6, &[][..], [0, 0]), (15, &[], [0, 1]), (15, &[(1, Ill::Open(60))], [0, 0])]
    {
        setup.ills = ills;
        let mut rig = setup.rig();
        rig.tell(Input::Failed(AttemptId(0), limited(pause)));
        rig.wait(Duration::from_secs(pause));
        assert_eq!(targets(&rig), expected, "{pause} s");
    }
}

#[test]
fn rule_can_send_a_kind_to_named_targets() {
    let mut rig = with(Kind::ContextOverflow, OnKind::To(vec!["c".into()])).rig();
    rig.fails(0, Kind::ContextOverflow);
    assert_eq!(targets(&rig), [0, 2]);
    assert!(rig.call.trail().skipped[0].why.contains("to other targets"));
}

/// A call that fails twice at one target is one bad request, or one bad moment.
#[test]
fn retries_within_a_call_count_as_one_failure() {
    let mut rig = Setup::new(&["a"]).rig();
    rig.fails(0, Kind::Server);
    rig.wait(Duration::from_secs(1));
    assert_eq!(rig.targets(), [0, 0]);
    rig.fails(1, Kind::Server);
    assert_eq!((rig.error().kind(), rig.world.view(rig.now, TargetIndex(0), 0).samples), (Kind::Server, 1));
}

#[test]
fn renewed_key_is_tried_at_once_without_blame() {
    let mut rig = Setup::new(&["a"]).rig();
    rig.tell(Input::Renewed(AttemptId(0), Error::new(Kind::Auth, "")));
    assert_eq!(targets(&rig), [0, 0]);
    assert!(!rig.world.view(rig.now, TargetIndex(0), 0).disabled);
    rig.tell(Input::Renewed(AttemptId(1), Error::new(Kind::Auth, "")));
    rig.tell(Input::Renewed(AttemptId(2), Error::new(Kind::Auth, "")));
    assert_eq!(targets(&rig).len(), 3, "retries are bounded");
    assert_eq!(rig.done[0].as_ref().unwrap_err().kind(), Kind::Auth);
    assert!(!rig.world.view(rig.now, TargetIndex(0), 0).disabled, "the newer key was never seen to fail");
}

#[test]
fn key_renewal_does_not_prevent_failover() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.limits.max_extra_starts = 0;
    let mut rig = setup.rig();
    rig.tell(Input::Renewed(AttemptId(0), Error::new(Kind::Auth, "")));
    assert_eq!(targets(&rig), [0, 1]);
    assert!(!rig.world.view(rig.now, TargetIndex(0), 0).disabled);
}

#[test]
fn cordon_affects_only_its_target() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.limits.max_extra_starts = 0;
    let mut rig = setup.rig();
    rig.world.set_cordoned(TargetIndex(0), true);
    assert!(
        !rig.world.view(rig.now, TargetIndex(0), 0).usable
            && rig.world.view(rig.now, TargetIndex(0), 0).cordoned
    );
    assert!(rig.world.view(rig.now, TargetIndex(1), 0).usable);
    let _ = rig.next_call(&setup);
    assert_eq!(targets(&rig), [1]);
    rig.world.set_cordoned(TargetIndex(0), false);
    let _ = rig.next_call(&setup);
    assert_eq!(targets(&rig), [0]);
}

#[test]
fn adaptive_limit_follows_typical_latency() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.limits.adaptive = Some(Adaptive::default());
    let mut rig = setup.rig();
    for _ in 0..30 {
        rig.now = rig.now + Duration::from_millis(600);
        rig.finishes_with_text(0);
        rig.now = rig.now + Duration::from_millis(10);
        let _ = rig.next_call(&setup);
    }
    assert_eq!(targets(&rig), [0]);
    let patience = rig.call.poll_timeout().unwrap().saturating_since(rig.now);
    assert!(patience > Duration::from_secs(1) && patience < Duration::from_secs(4), "{patience:?}");
    rig.wait(patience);
    assert_eq!(targets(&rig), [0, 1], "long before the fixed limit of 8 s");
}

#[test]
fn second_identical_failure_weighs_a_third() {
    let mut rig = with(Kind::Server, OnKind::Next).rig();
    rig.fails(0, Kind::Server);
    rig.fails(1, Kind::Server);
    let rates = [0, 1].map(|place| rig.world.view(rig.now, TargetIndex(place), 0).failure_rate_bp);
    assert_eq!(rates, [10_000, 3_330]);
}

#[test]
fn translated_request_400_is_confirmed_on_another_wire() {
    let setup = Setup::new(&["a", "b", "c"]);
    let mut rig = setup.rig();
    rig.call.spec.native_wire = Some("odd");
    rig.fails(0, Kind::InvalidRequest);
    assert_eq!(targets(&rig), [0, 1], "tried on the caller's own wire");
    rig.fails(1, Kind::InvalidRequest);
    assert_eq!(rig.error().kind(), Kind::InvalidRequest);
    assert_eq!(targets(&rig), [0, 1]);
    assert!((0..2).all(|place| rig.world.view(rig.now, TargetIndex(place), 0).samples == 0));
}

#[test]
fn spare_400_on_the_callers_wire_is_confirmed_on_another_wire() {
    let mut setup = Setup::new(&["a", "b", "c"]);
    setup.strategy = Arc::new(Sequential::new(["a", "c", "b"]));
    let stood_in = || {
        let mut rig = setup.rig();
        rig.call.spec.native_wire = Some("even");
        rig.fails(0, Kind::Overloaded);
        rig.fails(1, Kind::InvalidRequest);
        assert_eq!(targets(&rig), [0, 2, 1], "the spare may be stricter than the main target");
        rig
    };
    let mut rig = stood_in();
    rig.finishes_with_text(2);
    assert!(rig.done[0].is_ok());
    let mut rig = stood_in();
    rig.fails(2, Kind::InvalidRequest);
    assert_eq!(rig.error().kind(), Kind::InvalidRequest, "two wires agree");

    setup.strategy = Arc::new(Sequential::new(["a", "c"]));
    let mut rig = setup.rig();
    rig.call.spec.native_wire = Some("even");
    rig.fails(0, Kind::Overloaded);
    rig.fails(1, Kind::InvalidRequest);
    assert_eq!(rig.error().kind(), Kind::InvalidRequest, "no other wire is left");
}

#[test]
fn cut_during_reasoning_restarts_without_prefill() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.capabilities.assistant_prefill = Some(true);
    let mut rig = setup.rig();
    rig.says(0, Event::ReasoningDelta("hm".into()));
    rig.fails(0, Kind::Truncated);
    let resume = rig.begun[1].resume.clone().unwrap();
    assert_eq!((resume.prefill, resume.text.as_ref()), (false, ""));
    rig.says(1, Event::ReasoningDelta("well".into()));
    rig.text(1, "the pump");
    rig.finishes(1);
    assert_eq!(rig.said(), "[a>b]the pump");
    assert!(rig.done[0].is_ok());
}

#[test]
fn prefill_omits_trailing_space_before_the_cut() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.capabilities.assistant_prefill = Some(true);
    let mut rig = setup.rig();
    rig.text(0, "the pump ");
    rig.fails(0, Kind::Truncated);
    assert_eq!(rig.begun[1].resume.as_ref().unwrap().text.as_ref(), "the pump");
    rig.text(1, " ");
    rig.text(1, "failed");
    rig.finishes(1);
    assert_eq!(rig.said(), "the pump [a>b]failed");
    assert!(rig.done[0].is_ok());
}

/// Two letters, followed by the same two letters: either the server echoes the prefill, or a word continues.
#[test]
fn ambiguous_prefill_echo_retries_without_prefill() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.capabilities.assistant_prefill = Some(true);
    let mut rig = setup.rig();
    rig.text(0, "It");
    rig.fails(0, Kind::Truncated);
    assert!(rig.begun[1].resume.as_ref().unwrap().prefill);
    rig.text(1, "It is down.");
    assert_eq!(rig.targets(), [0, 1, 1]);
    let resume = rig.begun[2].resume.clone().unwrap();
    assert_eq!((resume.prefill, resume.text.as_ref()), (false, "It"));
    assert_eq!(rig.call.trail().attempts[2].why, "retry without prefill");
    rig.text(2, "It is down.");
    rig.finishes(2);
    assert_eq!(rig.said(), "It[a>b] is down.");
    assert!(rig.done[0].is_ok());
}

/// The estimate is 5 tokens plus room for the answer, and the window is known to be far larger.
#[test]
fn one_overflow_does_not_lastingly_exclude_a_target() {
    let known =
        |rig: &Rig| [0, 1].map(|place| rig.world.view(rig.now, TargetIndex(place), 5).tokens.overflow);
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.context_window = Some(128_000);
    let mut rig = setup.rig();
    rig.fails(0, Kind::ContextOverflow);
    assert_eq!(known(&rig), [None, None], "the estimate was wrong");

    setup.profile.context_window = None;
    let mut rig = setup.rig();
    rig.fails(0, Kind::ContextOverflow);
    rig.fails(1, Kind::ContextOverflow);
    assert_eq!(known(&rig), [Some(1_029), Some(1_029)]);
    let _ = rig.next_call(&setup);
    assert_eq!(rig.targets(), [0], "tried anyway, as no other target is left");
    let skipped = &rig.call.trail().skipped;
    assert!(skipped.len() == 1 && skipped[0].why.contains("recently rejected"), "{skipped:?}");
    let mut usage = hotspare_core::Usage::default();
    (usage.input, usage.output) = (Some(2_000), Some(8));
    usage.source = hotspare_core::UsageSource::Reported;
    rig.says(0, Event::Usage(Box::new(usage)));
    rig.finishes_with_text(0);
    assert_eq!(known(&rig), [None, Some(1_029)], "it holds more than it seemed");
}

#[test]
fn overflow_of_an_unmeasurable_prompt_is_not_learned() {
    fn known(rig: &Rig) -> Option<u64> {
        rig.world.view(rig.now, TargetIndex(0), 5).tokens.overflow
    }
    let setup = Setup::new(&["a", "b"]);
    let mut rig = setup.rig();
    rig.call.attempts[0].choice.size.set_opaque();
    rig.fails(0, Kind::ContextOverflow);
    assert_eq!(known(&rig), None, "a file by URL");
    let mut judged = Setup::new(&["a", "b"]);
    judged.form = Some(OutputCheck::json_object());
    let mut rig = judged.rig();
    rig.finishes_with_text(0);
    assert_eq!(rig.targets(), [0, 0]);
    rig.fails(1, Kind::ContextOverflow);
    assert_eq!(known(&rig), None, "asked again, with its own answer on top");
    let mut rig = setup.rig();
    rig.fails(0, Kind::ContextOverflow);
    assert!(known(&rig).is_some(), "an unmodified request is learned from");
}

#[test]
fn a_length_that_is_quoted_from_the_request_is_not_learned() {
    let setup = Setup::new(&["a", "b"]);
    for (quoted, limit) in [(false, Some(4_096)), (false, None), (true, Some(4_096)), (true, None)] {
        let mut rig = setup.rig();
        let said = vec![vec!["a prompt that is too long".to_owned()]];
        let error = Error::new(Kind::ContextOverflow, "").with_overflow(Overflow::new(None, limit));
        let error = error.with_readings(vec![hotspare_core::Reading::new(Kind::ContextOverflow, None, said)]);
        rig.tell(Input::Failed(AttemptId(0), error.settle(|_| quoted)));
        let scale = rig.world.view(rig.now, TargetIndex(0), 5).tokens;
        assert_eq!(scale.window.is_some(), limit.is_some() && !quoted, "{limit:?}");
        assert_eq!(scale.overflow.is_some(), limit.is_none() && !quoted, "{limit:?}");
        assert_eq!(rig.targets(), [0, 1], "a larger window is asked");
    }
}

fn too_long(prompt: u64, limit: u64) -> Input {
    let error = Error::new(Kind::ContextOverflow, "");
    Input::Failed(AttemptId(0), error.with_overflow(Overflow::new(Some(prompt), Some(limit))))
}

#[test]
fn window_that_a_target_names_is_kept_for_an_hour_or_until_it_takes_more() {
    let known = |rig: &Rig| rig.world.view(rig.now, TargetIndex(0), 5).tokens.window;
    let mut setup = Setup::new(&["a", "b"]);
    setup.prompt_tokens = 9_000;
    let mut rig = setup.rig();
    rig.tell(too_long(9_000, 4_096));
    assert_eq!((known(&rig), rig.targets()), (Some(4_096), vec![0, 1]));
    rig.finishes_with_text(1);
    let _ = rig.next_call(&setup);
    let why = &rig.call.trail().skipped[0].why;
    assert!(rig.targets() == [1] && why.ends_with("by its own account its window holds 4096"), "{why}");
    rig.finishes_with_text(1);
    setup.prompt_tokens = 1_000;
    let _ = rig.next_call(&setup);
    assert_eq!(rig.targets(), [0], "what fits is sent");
    let usage = hotspare_core::Usage::reported(Some(5_000), Some(8));
    rig.says(0, Event::Usage(Box::new(usage)));
    rig.finishes_with_text(0);
    assert_eq!(known(&rig), None, "it holds more than it said");
    setup.prompt_tokens = 9_000;
    let mut rig = setup.rig();
    rig.tell(too_long(9_000, 4_096));
    rig.now = rig.now + Duration::from_secs(3_601);
    assert_eq!(known(&rig), None, "it may have been restarted");
}

#[test]
fn only_a_window_below_the_known_one_is_learned() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.profile.context_window = Some(8_192);
    for (limit, learned) in
        [(4_096, Some(4_096)), (8_192, None), (100_000, None), (3, None), (10_u64.pow(18), None)]
    {
        let mut rig = setup.rig();
        rig.tell(too_long(9_000, limit));
        assert_eq!(rig.world.view(rig.now, TargetIndex(0), 5).tokens.window, learned, "{limit}");
    }
}

#[test]
fn count_in_a_rejection_corrects_the_estimate() {
    let mut setup = Setup::new(&["a", "b"]);
    setup.prompt_tokens = 5_000;
    let estimate = |rig: &Rig| {
        let scale = rig.world.view(rig.now, TargetIndex(0), 5).tokens;
        (scale.samples, scale.estimate(&PromptSize::of_text(5_000)), scale.overflow)
    };
    let mut rig = setup.rig();
    assert_eq!(estimate(&rig), (0, 5_000, None));
    rig.tell(too_long(5_900, 5_500));
    let (samples, tokens, overflow) = estimate(&rig);
    assert!(samples == 1 && tokens > 5_400 && overflow == Some(tokens + 1_024), "{tokens} {overflow:?}");
    let mut rig = setup.rig();
    rig.call.attempts[0].choice.size.set_opaque();
    rig.tell(too_long(5_900, 5_500));
    assert_eq!(estimate(&rig), (0, 5_000, None), "it holds what cannot be measured");
}
