//! Explores every order of what can happen to a call, up to a bound, and checks its invariants.
//!
//! Each path is replayed from the start, because permits cannot be cloned; states are deduplicated by fingerprint.
//! Bound: three targets, paths of up to 6 inputs: content, the end, failures of five kinds, late events of attempts
//! that are over, the result of a judgement, the next timer, room at a full target, and the caller leaving, or pausing
//! after each piece.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use hotspare_core::{BreakerState, Next, Response};

use super::*;
use crate::rules::ValidateOutput;
use hotspare_core::StartKind;

const DEPTH: usize = 6;

/// What every target answers, a letter per event.
const ANSWER: &str = "abcdefghijkl";

/// How much of its answer an attempt has written, the beginning that it was given included.
fn written(rig: &Rig, id: usize) -> usize {
    let given = rig.begun[id].resume.as_ref().filter(|resume| resume.prefill);
    given.map_or(0, |resume| resume.text.len()) + rig.call.attempts[id].contents as usize
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Content(usize),
    Ends(usize),
    /// The answer finishes, and its stream stays open.
    Finishes(usize),
    Judged(usize),
    Breaks(usize, Kind),
    /// Another call ends, which makes room at a full target.
    Room,
    Timer,
    Leaves,
    /// The caller asks for the next piece, after a pause that is longer than any limit on a target.
    ReadsOn,
}

/// Longer than any limit on first content or on gaps, shorter than the call's own.
const PAUSE: Duration = Duration::from_secs(100);

fn apply(rig: &mut Rig, action: Action) {
    match action {
        Action::Content(id) => {
            let next = written(rig, id);
            rig.text(id, &ANSWER[next..=next]);
        }
        Action::Ends(id) => rig.finishes(id),
        Action::Finishes(id) => rig.says(id, Event::Finished(FinishReason::Stop)),
        Action::Judged(id) => rig.judges(id),
        Action::Breaks(id, Kind::RateLimited) if !rig.call.route.limits.wait_for_rate_limit.is_zero() => {
            let error = Error::new(Kind::RateLimited, "").with_retry_after(Duration::from_secs(2));
            rig.tell(Input::Failed(AttemptId(id), error));
        }
        Action::Breaks(id, kind) => rig.fails(id, kind),
        Action::Room => rig.makes_room(),
        Action::Leaves => rig.tell(Input::CallerGone),
        Action::ReadsOn => rig.reads_on(PAUSE),
        Action::Timer => {
            if let Some(at) = rig.call.poll_timeout() {
                rig.now = at.max(rig.now);
                rig.run();
            }
        }
    }
}

fn possible(rig: &Rig) -> Vec<Action> {
    if rig.paused.is_some() {
        // Until the caller asks for more, nothing drives the call.
        return vec![Action::ReadsOn, Action::Leaves];
    }
    let mut all = vec![Action::Timer, Action::Leaves];
    if !rig.others.is_empty() {
        all.push(Action::Room);
    }
    for begin in &rig.begun {
        let id = begin.id.0;
        // Events of attempts that are over may still be in transit.
        all.push(Action::Content(id));
        if rig.live.contains(&begin.id) {
            all.push(Action::Ends(id));
            if rig.judges_later {
                all.push(Action::Finishes(id));
            }
            let kinds = [Kind::Server, Kind::RateLimited, Kind::InvalidRequest, Kind::Truncated, Kind::Auth];
            all.extend(kinds.map(|kind| Action::Breaks(id, kind)));
        }
        if rig.judging.contains_key(&begin.id) {
            // The runtime may shut down before it is judged.
            all.extend([Action::Judged(id), Action::Breaks(id, Kind::Cancelled)]);
        }
    }
    all
}

/// The caller has the beginning of the answer, nothing twice and nothing left out, whoever wrote it. If the call has
/// succeeded, the caller has all of it.
fn check_text(rig: &Rig) -> Result<(), String> {
    let streamed: String = rig.out.iter().filter_map(Event::as_text).collect();
    let summary = rig.done.first().and_then(|result| result.as_ref().ok());
    let text = match summary.and_then(|summary| summary.response.as_deref()) {
        Some(Response::Chat(answer)) => answer.text(),
        _ => streamed,
    };
    if !ANSWER.starts_with(&text) {
        return Err(format!("the caller got {text:?}"));
    }
    let served = rig.call.committed.filter(|_| summary.is_some());
    match served.map(|id| written(rig, id.0)) {
        Some(whole) if whole != text.len() => Err(format!("of {whole} letters the caller got {text:?}")),
        _ => Ok(()),
    }
}

fn check(rig: &Rig) -> Result<(), String> {
    check_text(rig)?;
    let attempts = rig.begun.len();
    let most = 3 + usize::try_from(rig.call.route.limits.max_extra_starts).unwrap();
    let keys = rig.call.fleet.targets()[0].key_count();
    if attempts > most + 3 * (keys - 1) {
        return Err(format!("{attempts} starts, at most {most} are allowed"));
    }
    check_kinds(rig)?;
    if rig.done.len() > 1 {
        return Err("the call ended twice".into());
    }
    for place in 0..3 {
        let counts = rig.world.counts(TargetIndex(place));
        let ended = counts.served + counts.cancelled + counts.failed.values().sum::<u64>();
        if counts.started != ended + u64::from(counts.in_flight) {
            return Err(format!(
                "of {} starts {ended} have ended, {} are in flight",
                counts.started, counts.in_flight
            ));
        }
    }
    let in_flight: u32 = (0..3).map(|place| rig.world.counts(TargetIndex(place)).in_flight).sum();
    let in_flight = in_flight - u32::try_from(rig.others.len()).unwrap();
    match rig.done.first() {
        Some(result) => {
            if in_flight != 0 || !rig.live.is_empty() || !rig.judging.is_empty() {
                return Err("the call has ended with attempts still in flight".into());
            }
            if rig.call.poll_timeout().is_some() {
                return Err("the call has ended but still has a timer".into());
            }
            if result.is_ok() && rig.call.spec.output_check.is_some() {
                return Err("an invalid answer was a success".into());
            }
            let finished = rig.out.iter().any(|event| matches!(event, Event::Finished(_)));
            if finished && result.as_ref().is_err_and(|error| error.kind() == Kind::BadOutput) {
                return Err("the caller was told that an unfit answer had finished".into());
            }
            let whole = result.as_ref().is_ok_and(|summary| summary.response.is_some());
            if result.is_ok() && !finished && !whole {
                return Err("a truncated answer was a success".into());
            }
            check_trail(rig, result)?;
        }
        None => {
            let attempts = rig.live.len() + rig.judging.len();
            if usize::try_from(in_flight).unwrap() != attempts {
                return Err(format!("{in_flight} permits are out for {attempts} attempts"));
            }
            match rig.call.poll_timeout() {
                // Until the caller asks for more, nothing waits for a timer.
                _ if rig.paused.is_some() => {}
                None => return Err("the call has no timer".into()),
                Some(at) if at <= rig.now => return Err(format!("the timer at {at:?} stays due")),
                Some(_) => {}
            }
            if rig.call.queue_at.is_none() && (0..3).any(|place| rig.world.queued(TargetIndex(place)) > 0) {
                return Err("it no longer waits, but is still queued".into());
            }
        }
    }
    check_callers_deadlines(rig)?;
    check_refused_targets(rig)?;
    check_not_lost(rig)?;
    let handovers = rig.out.iter().filter(|event| matches!(event, Event::Handover { .. })).count();
    if handovers > 0 && rig.call.route.rules.on_cut == OnCut::Terminate {
        return Err("the text of two targets was mixed".into());
    }
    Ok(())
}

/// What each attempt is said to be agrees with what was started before it.
fn check_kinds(rig: &Rig) -> Result<(), String> {
    for (index, begin) in rig.begun.iter().enumerate() {
        let tried = rig.begun[..index].iter().any(|earlier| earlier.target == begin.target);
        let fits = match begin.kind {
            StartKind::First => index == 0,
            StartKind::Retry => tried,
            StartKind::Hedge | StartKind::Race => index > 0 && !tried,
            // One that lost a race may continue another target's answer.
            StartKind::Failover | StartKind::LastResort => true,
            other => unreachable!("{other} is no start that the model knows"),
        };
        if !fits {
            return Err(format!("attempt {index} is no {:?}", begin.kind));
        }
    }
    Ok(())
}

/// The trail records every attempt, and of the targets before the last one that was asked every one that was skipped.
fn check_trail(rig: &Rig, result: &Result<Summary, Error>) -> Result<(), String> {
    let trail = result.as_ref().map_or_else(Error::trail, |summary| &summary.trail);
    if trail.attempts.len() != rig.begun.len() {
        return Err("an attempt is missing from the trail".into());
    }
    let last = rig.targets().into_iter().max().unwrap_or(0);
    for target in rig.call.fleet.targets().iter().take(last) {
        let asked = trail.attempts.iter().any(|attempt| attempt.target == target.id);
        if !asked && !trail.skipped.iter().any(|skipped| skipped.target == target.id) {
            return Err(format!("the trail does not say why {} was skipped", target.id));
        }
    }
    Ok(())
}

/// No call goes on after its caller's deadline; a stream goes on after the one for the first content only if the caller has
/// received some, or waits for an answer that is held until it is complete.
fn check_callers_deadlines(rig: &Rig) -> Result<(), String> {
    let call = &rig.call;
    if call.is_over() {
        return Ok(());
    }
    if call.spec.deadline.is_some_and(|within| rig.now >= call.started + within) {
        return Err("the call goes on after its caller's deadline".into());
    }
    let begun = call.attempts.iter().any(|attempt| attempt.passed_on);
    if rig.now >= call.callers_first_content_at() && !begun && !call.holds_whole() {
        return Err("the caller still waits for the first content after its deadline".into());
    }
    Ok(())
}

/// Targets that refused are asked again in time, as long as only late attempts are in flight.
fn check_refused_targets(rig: &Rig) -> Result<(), String> {
    let call = &rig.call;
    if call.committed.is_some() && !call.retries.is_empty() {
        return Err("a retry is pending although an attempt serves".into());
    }
    let unheard = !call.is_over() && call.committed.is_none() && !call.has_content();
    let soon = rig.now + call.route.limits.first_content_deadline;
    if unheard && call.spec.stream && call.poll_timeout().is_none_or(|at| at > soon) {
        return Err("nothing bounds the wait for content".into());
    }
    // One that is late and yet waited for has a timer for when that ends.
    let is_waited_for =
        |attempt: &AttemptState| attempt.waited_for_until.is_some_and(|at| call.poll_timeout() <= Some(at));
    let works = |attempt: &AttemptState| {
        attempt.is_live() && (!attempt.late || is_waited_for(attempt) || attempt.first_content.is_some())
    };
    let served = call.committed.is_some() || !call.retries.is_empty() || call.stopped;
    if call.is_over() || served || call.attempts.iter().any(works) {
        return Ok(());
    }
    for (choice, refusal) in &call.refused {
        let Some(until) = refusal.until.filter(|until| *until < call.first_content_at) else { continue };
        let due = until.max(rig.now + Duration::from_millis(1));
        if call.attempts.iter().any(AttemptState::is_live) && call.poll_timeout().is_none_or(|at| at > due) {
            return Err(format!(
                "{} was refused until {until:?}, but is not tried then",
                choice.target.position()
            ));
        }
        let room = call.refused_at < rig.now && !rig.others.iter().any(|(place, _)| *place == choice.target);
        if refusal.cause == hotspare_health::Cause::Full
            && room
            && rig.world.counts(choice.target).in_flight == 0
        {
            return Err(format!("{} has a free slot, but is not tried", choice.target.position()));
        }
    }
    Ok(())
}

/// A call does not end in an error while a target that it has not tried would admit it and has time to answer.
/// Computed from the targets' health when the call ends, not from what the call knew of them.
fn check_not_lost(rig: &Rig) -> Result<(), String> {
    let call = &rig.call;
    let Some(Err(error)) = rig.done.first() else { return Ok(()) };
    let in_time = rig.now < call.total_at && (call.committed.is_some() || rig.now < call.first_content_at);
    let says_stop = |kind: Kind| matches!(kind.policy().next, Next::Confirm | Next::OptIn | Next::Stop);
    // Nothing may follow what a caller has already got, unless it is plain text that another target may continue.
    let begun = call.attempts.iter().any(|attempt| attempt.passed_on);
    let continues = call.route.rules.on_cut == OnCut::Continue && call.sent.is_some();
    if !in_time || says_stop(error.kind()) || (begun && !continues) {
        return Ok(());
    }
    for (place, target) in call.fleet.targets().iter().enumerate() {
        let tried = rig.begun.iter().any(|begin| begin.target == TargetIndex(place));
        // Another target on its wire has found the request malformed.
        let objects = call.objections.contains(target.wire);
        if !tried && !objects && rig.world.view(rig.now, TargetIndex(place), call.prompt_tokens).usable {
            return Err(format!("the call was lost ({error}) although {} would have admitted it", target.id));
        }
    }
    Ok(())
}

/// For each breaker, the notices start at Closed and each transition starts where the previous one ended.
fn check_notices(rig: &mut Rig) -> Result<(), String> {
    let mut states = BTreeMap::new();
    for told in rig.world.take_notices() {
        let state = states.entry(told.scope).or_insert(BreakerState::Closed);
        if std::mem::replace(state, told.to) != told.from {
            return Err(format!("a transition from {:?} was reported that did not happen", told.from));
        }
    }
    Ok(())
}

/// Covers every field of a call except those that no input changes.
fn fingerprint(rig: &Rig) -> u64 {
    let Call {
        fleet: _,
        route: _,
        spec: _,
        started,
        total_at,
        first_content_at,
        listening,
        draws,
        prompt_tokens,
        nobody: _,
        passed_over: _,
        waiting,
        refused,
        refused_at,
        refusals,
        disabled,
        overspent,
        unaffordable: _,
        late,
        attempts,
        losers,
        extra_starts,
        wanted,
        retries,
        reask,
        reasked,
        unstreamed_only,
        no_prefill,
        hedge_at,
        hedging: _,
        queue_at,
        ticket,
        queued,
        min_window,
        dimensions,
        restricted,
        objections,
        blamed,
        errors,
        stopped,
        committed,
        cut,
        sent,
        outbox,
        aborts,
        trail,
        phase,
    } = &rig.call;
    let mut hasher = DefaultHasher::new();
    rig.world.fingerprint(&mut hasher);
    (started, total_at, first_content_at, listening, draws, prompt_tokens).hash(&mut hasher);
    (extra_starts, wanted, reasked, unstreamed_only, no_prefill, hedge_at, queue_at, ticket, queued)
        .hash(&mut hasher);
    // Only relevant while a refused target may be asked again.
    (!refused.is_empty()).then_some(refused_at).hash(&mut hasher);
    (min_window, dimensions, restricted, objections, blamed, stopped, committed).hash(&mut hasher);
    (disabled, overspent, late).hash(&mut hasher);
    (sent, rig.now).hash(&mut hasher);
    format!("{waiting:?} {refused:?} {refusals:?} {losers:?} {attempts:?} {retries:?} {reask:?} {errors:?}")
        .hash(&mut hasher);
    format!("{cut:?} {outbox:?} {aborts:?} {trail:?} {phase:?}").hash(&mut hasher);
    hasher.finish()
}

fn explore(setup: &Setup) -> (usize, u64) {
    let mut seen = BTreeSet::new();
    let mut queue = VecDeque::from([Vec::new()]);
    let mut edges = 0;
    while let Some(path) = queue.pop_front() {
        let replay = |path: &[Action]| {
            let mut rig = setup.rig();
            path.iter().for_each(|action| apply(&mut rig, *action));
            rig
        };
        let here = replay(&path);
        if !seen.insert(fingerprint(&here)) {
            continue;
        }
        for action in possible(&here) {
            edges += 1;
            let mut next = replay(&path);
            apply(&mut next, action);
            let mut path = path.clone();
            path.push(action);
            if let Err(broken) = check(&next).and_then(|()| check_notices(&mut next)) {
                panic!("{broken}\nafter {path:?}\n{:?}", next.call);
            }
            if path.len() < DEPTH && next.done.is_empty() {
                queue.push_back(path);
            }
        }
    }
    (seen.len(), edges)
}

#[test]
fn invariants_hold_for_every_event_order() {
    let mut setups = Vec::new();
    for stream in [true, false] {
        for width in [1, 2] {
            for on_cut in [OnCut::Continue, OnCut::Terminate] {
                let mut setup = Setup::new(&["a", "b", "c"]);
                setup.stream = stream;
                setup.rules.on_cut = on_cut;
                setup.strategy = Arc::new(Race::new(["a", "b", "c"]).at_once(width));
                setups.push(setup);
            }
        }
    }
    // A target that continues an answer from where it was cut, instead of writing it again.
    let mut prefilled = Setup::new(&["a", "b", "c"]);
    prefilled.profile.capabilities.assistant_prefill = Some(true);
    setups.push(prefilled);
    // A letter is not JSON, so each complete answer is asked for again, then taken from another target, or ends in an error.
    for stream in [true, false] {
        let mut setup = Setup::new(&["a", "b", "c"]);
        setup.stream = stream;
        setup.form = Some(OutputCheck::json_object());
        setup.judges_later = true;
        setups.push(setup);
    }
    // A stream that is passed on before it is judged, and two answers that are judged at the same time.
    let mut at_end = Setup::new(&["a", "b", "c"]);
    (at_end.form, at_end.judges_later) = (Some(OutputCheck::json_object()), true);
    at_end.rules.validate_output = ValidateOutput::AtEnd;
    let mut together = Setup::new(&["a", "b", "c"]);
    (together.stream, together.judges_later) = (false, true);
    together.strategy = Arc::new(Race::new(["a", "b", "c"]).at_once(2));
    setups.extend([at_end, together]);
    // A second key per target; a route that streams upstream; a hedge; and targets with room for one call.
    let mut keys = Setup::new(&["a", "b", "c"]);
    keys.keys = 2;
    let mut upstream = Setup::new(&["a", "b", "c"]);
    (upstream.stream, upstream.rules.stream_upstream) = (false, true);
    let mut hedged = Setup::new(&["a", "b", "c"]);
    hedged.strategy =
        Arc::new(Hedged::new(Sequential::new(["a", "b", "c"]), Hedge::after(Duration::from_millis(400))));
    let mut narrow = Setup::new(&["a", "b", "c"]);
    narrow.max_in_flight = Some(1);
    narrow.limits.attempt = Some(Duration::from_secs(5));
    // Content that is held back for a while.
    let mut held = Setup::new(&["a", "b", "c"]);
    held.rules.commit = Commit::After(Duration::from_secs(2));
    // A route that waits out pauses, at targets with room for one call.
    let mut patient = Setup::new(&["a", "b", "c"]);
    (patient.limits.wait_for_rate_limit, patient.max_in_flight) = (Duration::from_secs(5), Some(1));
    setups.extend([keys, upstream, hedged, narrow, held, patient]);
    // Callers that pause after each piece: in a race, behind a hedge, and with several pieces at hand at once.
    let mut raced = Setup::new(&["a", "b", "c"]);
    (raced.strategy, raced.max_in_flight) = (Arc::new(Race::new(["a", "b", "c"]).at_once(2)), Some(1));
    let mut behind_hedge = Setup::new(&["a", "b", "c"]);
    behind_hedge.strategy =
        Arc::new(Hedged::new(Sequential::new(["a", "b", "c"]), Hedge::after(Duration::from_millis(400))));
    let mut in_pieces = Setup::new(&["a", "b", "c"]);
    (in_pieces.rules.commit, in_pieces.strategy) =
        (Commit::Events(2), Arc::new(Race::new(["a", "b", "c"]).at_once(2)));
    setups.extend([raced, behind_hedge, in_pieces].map(|setup| Setup { pauses: true, ..setup }));
    // A late target that usually needs longer than its limit, beside others that do as well, or of which one has refused.
    let mut slow = Setup::new(&["a", "b", "c"]);
    slow.usual = &[(0, 10), (1, 10), (2, 10)];
    let mut uneven = Setup::new(&["a", "b", "c"]);
    (uneven.usual, uneven.ills, uneven.max_in_flight) =
        (&[(0, 12), (1, 9), (2, 30)], &[(1, Ill::Held(9))], Some(1));
    let mut slow_race = Setup::new(&["a", "b", "c"]);
    (slow_race.usual, slow_race.strategy) = (slow.usual, Arc::new(Race::new(["a", "b", "c"]).at_once(2)));
    setups.extend([slow, uneven, slow_race]);
    // Callers with deadlines of their own: one that waits for the first content for less long than it is held back, one whose
    // answer is held until it is complete, and one whose whole answer is due soon after its first content, or before.
    let mut urgent = Setup::new(&["a", "b", "c"]);
    urgent.rules.commit = Commit::After(Duration::from_secs(10));
    urgent.first_content_deadline = Some(Duration::from_secs(5));
    let mut whole = Setup::new(&["a", "b", "c"]);
    (whole.rules.commit, whole.first_content_deadline) = (Commit::Whole, Some(Duration::from_secs(5)));
    let mut brief = Setup::new(&["a", "b", "c"]);
    (brief.first_content_deadline, brief.deadline) =
        (Some(Duration::from_secs(9)), Some(Duration::from_secs(12)));
    let mut unstreamed = Setup::new(&["a", "b", "c"]);
    (unstreamed.stream, unstreamed.deadline) = (false, Some(Duration::from_secs(12)));
    let deadlines = [urgent, whole, brief, unstreamed];
    let counts: Vec<String> = deadlines
        .iter()
        .map(|setup| {
            let (states, edges) = explore(setup);
            format!("{states}/{edges}")
        })
        .collect();
    println!("call with its caller's deadlines, states/edges: {}", counts.join(", "));
    // Spares that are unavailable at first.
    for ills in [&[(1, Ill::Busy), (2, Ill::Held(9))], &[(0, Ill::Open(9)), (2, Ill::Busy)]] {
        let mut setup = Setup::new(&["a", "b", "c"]);
        (setup.max_in_flight, setup.ills) = (Some(1), ills);
        setups.push(setup);
    }
    let (mut states, mut edges) = (0, 0);
    for setup in &setups {
        let (more_states, more_edges) = explore(setup);
        states += more_states;
        edges += more_edges;
    }
    println!("call: {states} states, {edges} edges");
    assert!(states > 1_000, "the exploration is not empty: {states}");
}
