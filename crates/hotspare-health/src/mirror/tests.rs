//! What a mirror leaves to send, by itself and against a provider with a bucket of tokens.
//!
//! Not how a book uses it. Invariant: time and what the provider does come from the test alone.

use std::collections::BTreeMap;
use std::time::Duration;

use hotspare_core::Allowance;
use proptest::prelude::*;

use super::*;
use crate::quota::Bucket;

fn at(millis: u64) -> Moment {
    Moment::ZERO + Duration::from_millis(millis)
}

/// A report of what is left of a bucket of so many tokens, which fills in a minute.
fn tokens_left(limit: u64, left: u64) -> RateLimits {
    let mut limits = RateLimits::default();
    let reset = Duration::from_nanos((limit - left) * (60_000_000_000 / limit));
    limits.tokens = Allowance::new(limit, left, Some(reset));
    limits
}

fn served(prompt: u64, answer: u64) -> Used {
    Used { prompt, answer: Some(answer) }
}

/// A mirror that has seen calls of 100 and 50 tokens, and then a report that this much is left of 60,000.
fn mirror_with(left: u64) -> Mirror {
    let mut mirror = Mirror::default();
    for _ in 0..100 {
        let grant = mirror.take(at(0), 100);
        mirror.report(at(0), grant, &tokens_left(60_000, left));
        mirror.end(at(0), grant, 100, served(100, 50));
    }
    mirror
}

fn left(mirror: &Mirror, now: Moment) -> u64 {
    let mut tokens = 0;
    while mirror.wait(now, tokens + 1).is_none() {
        tokens += 1;
    }
    tokens + mirror.most()
}

#[test]
fn report_leaves_out_what_was_granted_after_its_request() {
    let mut mirror = mirror_with(10_000);
    let reporting = mirror.take(at(0), 100);
    let later: Vec<Grant> = (0..3).map(|_| mirror.take(at(0), 100)).collect();
    mirror.report(at(0), reporting, &tokens_left(60_000, 9_000));
    assert_eq!(left(&mirror, at(0)), 9_000 - 3 * 150);
    mirror.end(at(0), reporting, 100, served(100, 200));
    assert_eq!(left(&mirror, at(0)), 9_000 - 3 * 150, "the report includes it");
    let mut refused = mirror.clone();
    refused.end(at(0), later[0], 100, Used::default());
    assert_eq!(left(&refused, at(0)), 9_000 - 2 * 150, "it used nothing");
    mirror.end(at(0), later[0], 100, served(100, 80));
    assert_eq!(left(&mirror, at(0)), 9_000 - 2 * 150 - 180, "it used more than was reserved");
    mirror.report(at(0), later[2], &tokens_left(60_000, 8_000));
    mirror.report(at(0), later[1], &tokens_left(60_000, 20_000));
    mirror.end(at(0), later[1], 100, Used::default());
    assert_eq!(left(&mirror, at(0)), 8_000, "reports and ends of earlier requests are out of date");
}

#[test]
fn replies_that_report_nothing_leave_the_estimate_alone() {
    let mut mirror = mirror_with(10_000);
    let grants: Vec<Grant> = (0..5).map(|_| mirror.take(at(0), 100)).collect();
    let mut requests = RateLimits::default();
    requests.requests = Allowance::new(60, 10, Some(Duration::from_secs(50)));
    requests.output_tokens = Allowance::new(8_000, 8_000, None);
    for grant in &grants {
        mirror.report(at(0), *grant, &RateLimits::default());
        mirror.report(at(0), *grant, &requests);
        assert_eq!(left(&mirror, at(0)), 10_000 - 5 * 150);
    }
    mirror.end(at(0), grants[0], 100, Used::default());
    assert_eq!(left(&mirror, at(0)), 10_000 - 4 * 150, "no report of tokens covers it");
}

#[test]
fn calls_that_ended_before_an_earlier_one_reports_count_as_what_they_used() {
    let mut mirror = mirror_with(10_000);
    let reporting = mirror.take(at(0), 100);
    for _ in 0..20 {
        let refused = mirror.take(at(0), 100);
        mirror.end(at(0), refused, 100, Used::default());
    }
    let long = mirror.take(at(0), 100);
    mirror.end(at(0), long, 100, served(100, 400));
    let running = mirror.take(at(0), 100);
    mirror.report(at(0), reporting, &tokens_left(60_000, 9_000));
    assert_eq!(left(&mirror, at(0)), 9_000 - 500 - running.reserved);
}

#[test]
fn report_counts_from_when_its_request_was_sent() {
    let mut mirror = mirror_with(10_000);
    let reporting = mirror.take(at(0), 100);
    mirror.report(at(10_000), reporting, &tokens_left(60_000, 9_000));
    assert_eq!(left(&mirror, at(10_000)), 19_000, "10,000 have flowed in since");
    let stale = mirror.take(at(10_000), 100);
    mirror.report(at(40_000), stale, &tokens_left(60_000, 100));
    assert_eq!(left(&mirror, at(40_000)), 48_850, "half of the bucket has been refilled since that report");
}

#[test]
fn long_answers_do_not_demand_a_full_bucket() {
    let mut mirror = Mirror::default();
    let grant = mirror.take(at(0), 100);
    mirror.report(at(0), grant, &tokens_left(30_000, 30_000));
    mirror.end(at(0), grant, 100, served(100, 20_000));
    assert_eq!(mirror.wait(at(0), 100), None);
    mirror.report(at(0), grant, &tokens_left(30_000, 27_600));
    assert_eq!(mirror.wait(at(0), 100), None, "an answer, and a quarter of the bucket in case it is longer");
    mirror.report(at(0), grant, &tokens_left(30_000, 27_000));
    assert!(mirror.wait(at(0), 100).is_some());
}

#[test]
fn requests_are_counted_exactly() {
    let mut mirror = Mirror::default();
    let reporting = mirror.take(at(0), 100);
    let (mut granted, mut limits) = (Vec::new(), RateLimits::default());
    granted.extend((0..7).map(|_| mirror.take(at(0), 100)));
    limits.requests = Allowance::new(60, 10, Some(Duration::from_secs(50)));
    mirror.report(at(0), reporting, &limits);
    for grant in granted {
        mirror.end(at(0), grant, 100, served(100, 5_000));
    }
    for _ in 0..3 {
        assert_eq!(mirror.wait(at(0), 100), None);
        mirror.take(at(0), 100);
    }
    assert_eq!(mirror.wait(at(0), 100), Some(at(1_000)));
}

#[test]
fn no_answer_is_reserved_in_a_bucket_of_prompts() {
    let mut mirror = mirror_with(10_000);
    let grant = mirror.take(at(0), 100);
    let mut limits = tokens_left(60_000, 100);
    limits.output_tokens = Allowance::new(8_000, 8_000, None);
    mirror.report(at(0), grant, &limits);
    assert_eq!(mirror.wait(at(0), 100), None);
    let later = mirror.take(at(0), 100);
    assert_eq!(mirror.wait(at(0), 1), Some(at(1)));
    mirror.end(at(0), later, 100, served(80, 5_000));
    assert_eq!(mirror.wait(at(0), 20), None, "its prompt was shorter than estimated");
}

#[test]
fn nothing_is_reserved_for_a_short_answer() {
    let mut mirror = mirror_with(100);
    assert!(mirror.wait(at(0), 50).is_some());
    assert_eq!(mirror.wait_for_prompt(at(0), 50), None);
    let grant = mirror.take_prompt(at(0), 50);
    assert_eq!(grant.reserved, 50);
    assert_eq!(mirror.wait_for_prompt(at(0), 50), None, "50 of 100 are left");
}

#[test]
fn ended_calls_that_no_report_covers_are_bounded() {
    let mut mirror = mirror_with(10_000);
    for _ in 0..10 * ENDED {
        let grant = mirror.take(at(0), 100);
        mirror.end(at(0), grant, 100, Used::default());
    }
    assert_eq!(mirror.ended.len(), ENDED);
    let grant = mirror.take(at(0), 100);
    mirror.report(at(0), grant, &tokens_left(60_000, 9_000));
    assert!(mirror.ended.is_empty(), "the report covers them");
}

#[test]
fn wrong_counts_of_tokens_block_no_longer_than_the_bucket_takes_to_fill() {
    let mut mirror = mirror_with(1_000);
    let grant = mirror.take(at(0), 100);
    mirror.end(at(0), grant, 100, served(u64::MAX, u64::MAX));
    let ready = mirror.wait(at(0), 100).unwrap();
    assert!(ready <= at(3_600_000), "{ready:?}");
    let grant = mirror.take(at(0), 100);
    mirror.report(at(0), grant, &tokens_left(60_000, 0));
    assert!(mirror.wait(at(0), 100).unwrap() <= at(60_000), "the bucket is full by then");
    for _ in 0..100 {
        let grant = mirror.take(at(0), 100);
        mirror.end(at(0), grant, 100, served(100, 50));
    }
    let grant = mirror.take(at(0), 100);
    mirror.report(at(0), grant, &tokens_left(60_000, 1_000));
    assert_eq!(mirror.wait(at(0), 100), None, "the usual length is known again");
}

/// What becomes of a call that was sent.
enum Later {
    Report(Grant, RateLimits),
    End(Grant, u64, Used),
}

/// How calls fare at a provider with a bucket of tokens, when only those are sent that the mirror lets through.
#[derive(Debug, Default)]
struct Fared {
    sent: u64,
    refused: u64,
    used: u64,
}

const LIMIT: u64 = 120_000;

/// Calls for so many minutes that arrive as `gaps` say, each of a prompt and an answer, whose reply begins and ends after
/// these times. The provider counts the answer when it accepts a request.
fn play(minutes: u64, gaps: &[u64], sizes: &[(u64, u64)], times: &[(u64, u64)]) -> Fared {
    let (mut mirror, mut provider, mut fared) =
        (Mirror::default(), Bucket::per_minute(LIMIT), Fared::default());
    let mut agenda: BTreeMap<(u64, usize), Later> = BTreeMap::new();
    let (mut now, mut call) = (0, 0);
    while now < minutes * 60_000 {
        now += gaps[call % gaps.len()];
        while let Some(entry) = agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            let due = at(entry.key().0);
            match entry.remove() {
                Later::Report(grant, limits) => mirror.report(due, grant, &limits),
                Later::End(grant, prompt, used) => mirror.end(due, grant, prompt, used),
            }
        }
        let ((prompt, answer), (first, rest)) = (sizes[call % sizes.len()], times[call % times.len()]);
        call += 1;
        if mirror.wait(at(now), prompt).is_some() {
            continue;
        }
        let grant = mirror.take(at(now), prompt);
        fared.sent += 1;
        if provider.ready_at(at(now), prompt + answer) > at(now) {
            fared.refused += 1;
            agenda.insert((now + 80, 2 * call), Later::End(grant, prompt, Used::default()));
            continue;
        }
        provider.take(at(now), prompt + answer);
        fared.used += prompt + answer;
        let limits = tokens_left(LIMIT, provider.level(at(now)));
        agenda.insert((now + first, 2 * call), Later::Report(grant, limits));
        agenda.insert((now + first + rest, 2 * call + 1), Later::End(grant, prompt, served(prompt, answer)));
    }
    fared
}

/// There is a full bucket and what flows into it in ten minutes.
const ALL: u64 = LIMIT + LIMIT / 60 * 600;

fn gaps() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(1_u64..400, 50..300)
}

/// Times to the first content and from there to the end.
fn times() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((50_u64..8_000, 0_u64..9_000), 50..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn calls_alike_use_up_a_quota_and_are_never_refused(
        gaps in gaps(), times in times(), prompt in 400_u64..900, answer in 0_u64..900,
    ) {
        let fared = play(10, &gaps, &[(prompt, answer)], &times);
        prop_assert!(fared.refused == 0, "{fared:?}");
        let wanted = (600_000 / (gaps.iter().sum::<u64>() / gaps.len() as u64 + 1)) * (prompt + answer);
        prop_assert!(fared.used * 100 >= ALL.min(wanted) * 95, "{fared:?} of {ALL} and {wanted}");
    }

    #[test]
    fn few_calls_with_answers_of_any_length_are_refused(
        gaps in gaps(), times in times(),
        sizes in prop::collection::vec((400_u64..900, 100_u64..900), 50..300),
    ) {
        let fared = play(10, &gaps, &sizes, &times);
        prop_assert!(fared.refused * 50 <= fared.sent, "{fared:?}");
        let size = sizes.iter().map(|(prompt, answer)| prompt + answer).sum::<u64>() / sizes.len() as u64;
        let wanted = 600_000 / (gaps.iter().sum::<u64>() / gaps.len() as u64 + 1) * size;
        prop_assert!(fared.used * 100 >= ALL.min(wanted) * 93, "{fared:?} of {ALL} and {wanted}");
    }

    /// Replies that take so long are unstreamed, or come from hosts that hold back the headers until they answer. For an
    /// hour, because the first such report tells little of what is left.
    #[test]
    fn late_reports_leave_a_quota_usable(
        gaps in gaps(), prompt in 400_u64..900, answer in 0_u64..900,
        times in prop::collection::vec((60_000_u64..300_000, 0_u64..9_000), 50..300),
    ) {
        let all = LIMIT + LIMIT * 60;
        let fared = play(60, &gaps, &[(prompt, answer)], &times);
        let wanted = (3_600_000 / (gaps.iter().sum::<u64>() / gaps.len() as u64 + 1)) * (prompt + answer);
        prop_assert!(fared.used * 100 >= all.min(wanted) * 95, "{fared:?} of {all} and {wanted}");
    }

    #[test]
    fn reports_of_any_age_leave_a_quota_usable(
        gaps in gaps(), prompt in 400_u64..900, answer in 0_u64..900,
        times in prop::collection::vec((50_u64..90_000, 0_u64..9_000), 50..300),
    ) {
        let fared = play(10, &gaps, &[(prompt, answer)], &times);
        let wanted = (600_000 / (gaps.iter().sum::<u64>() / gaps.len() as u64 + 1)) * (prompt + answer);
        prop_assert!(fared.used * 100 >= ALL.min(wanted) * 95, "{fared:?} of {ALL} and {wanted}");
    }
}
