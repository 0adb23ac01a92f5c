//! Properties of all strategies, and an example of what each is for.

use std::time::Duration;

use hotspare_core::{ChatRequest, ModelProfile, Price, TargetId, TargetView};
use proptest::prelude::{Strategy as _, any, prop, prop_assert, prop_assert_eq, prop_assume, proptest};

use super::{
    Candidate, Cheapest, Choice, Fastest, HealthAware, Hedge, Hedged, MostReliable, Race, Ranking, Reason,
    Scene, Sequential, Start, Sticky, Strategy, Tiered, Weighted, strategy_named, strategy_names,
};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn all() -> Vec<Box<dyn Strategy>> {
    let members = || NAMES.iter().zip(1..).map(|(name, weight)| (TargetId::from(*name), weight)).collect();
    let named = strategy_names().into_iter().map(|name| strategy_named(name, members(), Some(3)).unwrap());
    let composed: [Box<dyn Strategy>; 2] = [
        Box::new(Hedged::new(Sequential::new(NAMES), Hedge::after(Duration::from_millis(400)))),
        Box::new(Tiered::new(vec![
            Box::new(Weighted::new([("a", 1), ("b", 2)])),
            Box::new(Race::new(["b", "c", "d", "e"])),
        ])),
    ];
    named.chain(composed).collect()
}

#[test]
fn a_strategy_has_the_name_by_which_it_is_made() {
    for name in strategy_names() {
        let strategy = strategy_named(name, vec![("a".into(), 1)], None).unwrap();
        assert_eq!((strategy.name(), strategy.members()), (name, vec!["a".into()]));
    }
    assert!(strategy_named("tiered", Vec::new(), None).is_none());
}

fn view() -> impl proptest::strategy::Strategy<Value = TargetView> {
    (any::<bool>(), 0u32..10_000, 0u32..10_000, prop::option::of(0u64..5_000), 0u32..40).prop_map(
        |(usable, failures, weight, latency, samples)| {
            let mut view = TargetView::default();
            view.usable = usable;
            view.failure_rate_bp = failures;
            view.weight_bp = weight;
            view.latency = latency.map(Duration::from_millis);
            view.latency_p95 = view.latency;
            view.degraded = weight < 1_000;
            view.samples = samples;
            view
        },
    )
}

/// The order of names that a strategy returns.
fn order(
    strategy: &dyn Strategy,
    views: &[(&str, TargetView)],
    draw: u64,
    turn: u64,
    user: Option<&str>,
) -> Vec<String> {
    let names: Vec<TargetId> = views.iter().map(|(name, _)| TargetId::from(*name)).collect();
    let profile = ModelProfile::default();
    let candidates: Vec<Candidate<'_>> = names
        .iter()
        .zip(views)
        .map(|(target, (_, view))| Candidate {
            target,
            profile: &profile,
            view: view.clone(),
            prompt_tokens: 10,
        })
        .collect();
    let request = ChatRequest::to("r").user("hi");
    let request = user.map_or(request.clone(), |user| request.end_user(user)).into();
    let scene = Scene::new(&candidates, &request, 10).with_draw(Some(draw), turn);
    let ranking = strategy.rank(&scene);
    ranking.choices.iter().map(|choice| names[choice.index].to_string()).collect()
}

fn well() -> Vec<(&'static str, TargetView)> {
    NAMES.iter().map(|name| (*name, TargetView::default())).collect()
}

proptest! {
    #[test]
    fn every_strategy_ranks_all_candidates_deterministically(
        views in prop::collection::vec(view(), 0..5), draw: u64, turn: u64, user in prop::option::of("[a-z]{1,4}"),
    ) {
        let views: Vec<_> = NAMES.iter().copied().zip(views).collect();
        for strategy in all() {
            let first = order(&*strategy, &views, draw, turn, user.as_deref());
            let mut sorted = first.clone();
            sorted.sort();
            let expected: Vec<_> = views.iter().map(|(name, _)| (*name).to_owned()).collect();
            prop_assert_eq!(sorted, expected, "{}", strategy.name());
            prop_assert_eq!(first, order(&*strategy, &views, draw, turn, user.as_deref()), "{}", strategy.name());
        }
    }

    #[test]
    fn losing_a_target_moves_only_its_sessions(user in "[a-z0-9]{1,9}", lost in 0usize..5) {
        let sticky = Sticky::new(NAMES);
        let before = order(&sticky, &well(), 0, 0, Some(&user));
        let mut views = well();
        views.remove(lost);
        let after = order(&sticky, &views, 0, 0, Some(&user));
        if before[0] != NAMES[lost] {
            prop_assert_eq!(&before[0], &after[0]);
        }
    }
}

#[test]
fn weights_are_traffic_shares() {
    let weighted = Weighted::new([("a", 1), ("b", 3)]);
    let views = vec![("a", TargetView::default()), ("b", TargetView::default())];
    let mut draw = 1u64;
    let mut to_b = 0;
    for _ in 0..10_000 {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        to_b += u32::from(order(&weighted, &views, draw >> 20, 0, None)[0] == "b");
    }
    assert!((7_300..7_700).contains(&to_b), "{to_b}");
}

#[test]
fn target_failing_one_call_in_ten_is_ranked_last() {
    let mut views = well();
    views[0].1.failure_rate_bp = 1_000;
    views[0].1.samples = 40;
    assert_eq!(order(&HealthAware::new(NAMES), &views, 7, 0, None), ["b", "c", "d", "e", "a"]);
    views[0].1.samples = 5;
    assert_eq!(order(&HealthAware::new(NAMES), &views, 7, 0, None)[0], "a", "five calls prove nothing");
    assert_eq!(order(&Sequential::new(NAMES), &views, 7, 0, None)[0], "a");
}

/// Until its first call has shown how fast it is, other calls must not gather at it.
#[test]
fn unknown_target_gets_one_call_before_its_latency_is_known() {
    let mut views = vec![("new", TargetView::default()), ("known", TargetView::default())];
    views[1].1.latency = Some(Duration::from_millis(400));
    let first = |views: &[_]| order(&Fastest::new(["new", "known"]), views, 1, 0, None)[0].clone();
    assert_eq!(first(&views), "new");
    views[0].1.in_flight = 10;
    assert_eq!(first(&views), "known");
}

/// The lower tier starts in its own way if the upper one has no candidate, so its width and budget count too.
#[test]
fn tiers_are_as_wide_as_the_widest() {
    let hedged = Hedged::new(Sequential::new(["d"]), Hedge::after(Duration::from_millis(400)));
    let race = Race::new(["b", "c"]).at_once(2);
    let budget = hedged.hedge_budget_bp();
    let tiered = Tiered::new(vec![Box::new(Sequential::new(["a"])), Box::new(race), Box::new(hedged)]);
    assert!(budget.is_some());
    assert_eq!((tiered.width(), tiered.hedge_budget_bp()), (2, budget));
}

#[test]
fn only_usable_targets_race() {
    let race = Race::new(NAMES);
    let mut views = well();
    views[0].1.usable = false;
    assert_eq!(order(&race, &views, 0, 0, None), ["b", "c", "d", "e", "a"]);
}

#[test]
fn busy_and_slow_targets_are_avoided() {
    let mut views = vec![("a", TargetView::default()), ("b", TargetView::default())];
    views[0].1.latency = Some(Duration::from_millis(100));
    views[0].1.in_flight = 9;
    views[1].1.latency = Some(Duration::from_millis(400));
    assert_eq!(order(&Fastest::new(["a", "b"]), &views, 1, 0, None)[0], "b");
    assert_eq!(
        order(&Fastest::new(["a", "b"]), &views, 50, 0, None)[0],
        "a",
        "explored, or it would look slow forever"
    );
}

fn ranked(strategy: &dyn Strategy, views: &[(&str, TargetView)], draw: u64) -> Ranking {
    let names: Vec<TargetId> = views.iter().map(|(name, _)| TargetId::from(*name)).collect();
    let profile = ModelProfile::default();
    let candidates: Vec<_> = names
        .iter()
        .zip(views)
        .map(|(target, (_, view))| Candidate {
            target,
            profile: &profile,
            view: view.clone(),
            prompt_tokens: 10,
        })
        .collect();
    let request = ChatRequest::to("r").user("hi").into();
    strategy.rank(&Scene::new(&candidates, &request, 10).with_draw(Some(draw), 0))
}

proptest! {
    /// A failing target's latency includes its penalties, and of two targets with different expected waits the better
    /// one always comes first.
    #[test]
    fn longer_expected_wait_never_ranks_first_of_two(
        a in 1u64..60_000, b in 1u64..60_000, loads in (0u32..20, 0u32..20), draw: u64,
    ) {
        let mut views = vec![("a", TargetView::default()), ("b", TargetView::default())];
        views[0].1.latency = Some(Duration::from_millis(a));
        views[1].1.latency = Some(Duration::from_millis(b));
        (views[0].1.in_flight, views[1].1.in_flight) = loads;
        let wait = |millis: u64, calls: u32| millis * (u64::from(calls) + 1);
        prop_assume!(draw % 50 != 0);
        let first = order(&Fastest::new(["a", "b"]), &views, draw, 0, None)[0].clone();
        let (a, b) = (wait(a, loads.0), wait(b, loads.1));
        prop_assert!(a == b || (first == "a") == (a < b), "{first} of {a} and {b}");
    }

    /// With many targets the slowest never comes first, except when explored.
    #[test]
    fn slowest_of_many_never_ranks_first(slowest in 0usize..5, draw: u64) {
        let mut views = well();
        for (index, (_, view)) in views.iter_mut().enumerate() {
            view.latency = Some(Duration::from_millis(if index == slowest { 9_000 } else { 300 }));
        }
        let first = &order(&Fastest::new(NAMES), &views, draw, 0, None)[0];
        prop_assert!(first != NAMES[slowest] || draw % 50 == 0);
    }

    /// Weighted members before spares: a spare never ranks above a member of the first tier, however that tier is
    /// drawn.
    #[test]
    fn spare_never_ranks_above_the_first_tier(views in prop::collection::vec(view(), 5), draw: u64) {
        let views: Vec<_> = NAMES.iter().copied().zip(views).collect();
        let tiered = Tiered::new(vec![
            Box::new(Weighted::new([("a", 1), ("b", 5)])),
            Box::new(Fastest::new(["c", "d", "e"])),
        ]);
        let order = order(&tiered, &views, draw, 0, None);
        prop_assert!(order[..2].iter().all(|name| name == "a" || name == "b"), "{order:?}");
    }

    /// Every choice has a human-readable reason.
    #[test]
    fn every_choice_has_a_reason(views in prop::collection::vec(view(), 5), draw: u64) {
        let views: Vec<_> = NAMES.iter().copied().zip(views).collect();
        for strategy in all() {
            for choice in ranked(&*strategy, &views, draw).choices {
                let why = choice.reason.to_string();
                prop_assert!(why.len() > 5 && !why.contains("Some("), "{why}");
            }
        }
    }
}

/// Statistics cover only the calls that a target gets, so every healthy target must get some.
#[test]
fn every_healthy_target_gets_traffic() {
    let mut views = well();
    for (index, (_, view)) in views.iter_mut().enumerate() {
        view.latency = Some(Duration::from_millis(300 * (index as u64 + 1)));
    }
    let first = |draw| order(&Fastest::new(NAMES), &views, draw, 0, None)[0].clone();
    let firsts: std::collections::BTreeSet<String> = (0..1_000).map(first).collect();
    assert_eq!(firsts.len(), NAMES.len(), "{firsts:?}");
}

#[test]
fn equal_targets_share_the_traffic() {
    let mut views = well();
    views.iter_mut().for_each(|(_, view)| view.latency = Some(Duration::from_millis(300)));
    let mut draw = 1u64;
    let mut firsts = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..10_000 {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *firsts.entry(order(&Fastest::new(NAMES), &views, draw, 0, None)[0].clone()).or_default() += 1;
    }
    assert!(firsts.len() >= 4, "equals share the calls: {firsts:?}");
}

#[test]
fn degraded_targets_disable_hedges_and_races() {
    let hedged = Hedged::new(Sequential::new(NAMES), Hedge::after(Duration::from_millis(400)));
    let race = Race::new(NAMES).at_once(3);
    let mut views = well();
    let twice = |strategy: &dyn Strategy, views: &[(&'static str, TargetView)]| {
        let early = |choice: &&Choice| choice.start != Start::AfterFailure;
        ranked(strategy, views, 0).choices.iter().skip(1).filter(early).count()
    };
    assert_eq!((twice(&hedged, &views), twice(&race, &views)), (1, 2));
    views[1].1.degraded = true;
    assert_eq!(twice(&hedged, &views), 0, "the second is slow itself");
    views.iter_mut().for_each(|(_, view)| view.degraded = true);
    assert_eq!((twice(&hedged, &views), twice(&race, &views)), (0, 0));
}

#[test]
fn degraded_target_keeps_a_tenth_of_the_traffic() {
    let mut views = well();
    views[0].1.degraded = true;
    views[0].1.weight_bp = 1_000;
    let strategy = HealthAware::new(NAMES);
    let first = |draw: u64| order(&strategy, &views, draw, 0, None)[0] == "a";
    let share = (0..10_000u64).filter(|draw| first(*draw)).count();
    assert!((900..1_300).contains(&share), "a tenth, and one in fifty of the rest: {share}");
    let last = ranked(&strategy, &views, 5_001).choices.pop().unwrap();
    assert_eq!(last.reason.to_string(), "moved back: slower than usual");
}

/// Only calls in time restore it, so it must get some under strategies that rank it last.
#[test]
fn degraded_target_is_explored() {
    let mut views = well();
    (views[4].1.degraded, views[4].1.latency) = (true, Some(Duration::from_secs(9)));
    views[..4].iter_mut().for_each(|(_, view)| view.latency = Some(Duration::from_millis(300)));
    for strategy in [&Fastest::new(NAMES) as &dyn Strategy, &MostReliable::new(NAMES)] {
        for others in 1..5 {
            let views: Vec<_> = views[..others].iter().chain(&views[4..]).cloned().collect();
            let share = (0..10_000).filter(|draw| order(strategy, &views, *draw, 0, None)[0] == "e").count();
            assert!((50..=200).contains(&share), "{} of {}: {share}", strategy.name(), others + 1);
        }
    }
}

#[test]
fn without_a_draw_the_most_likely_order_is_returned() {
    let likely = |strategy: &dyn Strategy, views: &[(&str, TargetView)]| {
        let names: Vec<TargetId> = views.iter().map(|(name, _)| TargetId::from(*name)).collect();
        let profile = ModelProfile::default();
        let candidate = |(target, (_, view)): (_, &(&str, TargetView))| Candidate {
            target,
            profile: &profile,
            view: view.clone(),
            prompt_tokens: 10,
        };
        let candidates: Vec<_> = names.iter().zip(views).map(candidate).collect();
        let request = ChatRequest::to("r").user("hi").into();
        let ranking = strategy.rank(&Scene::new(&candidates, &request, 10));
        ranking.choices.iter().map(|choice| names[choice.index].to_string()).collect::<Vec<_>>()
    };
    let canary = Weighted::new([("a", 1), ("b", 9), ("c", 5)]);
    let mut views = well();
    assert_eq!(likely(&canary, &views[..3]), ["b", "c", "a"]);
    views[1].1.weight_bp = 1_000;
    assert_eq!(likely(&canary, &views[..3]), ["c", "a", "b"], "5, 1 and 0.9 of the weights");
    assert_eq!(likely(&HealthAware::new(NAMES), &views), ["a", "c", "d", "e", "b"]);
    for (index, (_, view)) in views.iter_mut().enumerate() {
        view.latency = Some(Duration::from_millis(500 - index as u64));
    }
    assert_eq!(likely(&Fastest::new(NAMES), &views), ["e", "d", "c", "b", "a"]);
    assert_eq!(likely(&MostReliable::new(NAMES), &views), NAMES);
}

#[test]
fn most_reliable_ranks_first_and_the_next_is_explored() {
    let mut views = well();
    for ((_, view), ppm) in views.iter_mut().zip([20_000, 300, 300, 9_000, 1]) {
        view.expected_failure_ppm = ppm;
    }
    views[4].1.usable = false;
    assert_eq!(order(&MostReliable::new(NAMES), &views, 7, 0, None), ["b", "c", "d", "a", "e"]);
    let looks =
        (0..10_000).filter(|draw| order(&MostReliable::new(NAMES), &views, *draw, 0, None)[0] != "b").count();
    assert_eq!(looks, 20);
}

/// Returns an index that is not in the scene, as a third-party strategy may.
#[derive(Debug)]
struct UnknownMembers;

impl Strategy for UnknownMembers {
    fn name(&self) -> &'static str {
        "unknown-members"
    }

    fn members(&self) -> Vec<TargetId> {
        Vec::new()
    }

    fn rank(&self, _: &Scene<'_>) -> Ranking {
        Ranking { choices: [9, 0, 1].map(|index| Choice::new(index, Reason::Retry)).into() }
    }
}

#[test]
fn hedge_is_the_second_usable_target() {
    fn starts(strategy: impl Strategy, views: &[(&'static str, TargetView)]) -> Vec<Start> {
        let hedged = Hedged::new(strategy, Hedge::at_p95());
        ranked(&hedged, views, 0).choices.iter().map(|choice| choice.start).collect()
    }
    let mut views = well();
    views.truncate(3);
    for ((_, view), p95) in views.iter_mut().zip([400, 500, 600]) {
        view.latency_p95 = Some(Duration::from_millis(p95));
    }
    let (late, after) = (Start::AfterFailure, |millis| Start::After(Duration::from_millis(millis)));
    assert_eq!(starts(Sequential::new(["a", "b", "c"]), &views), [late, after(400), late]);
    assert_eq!(starts(UnknownMembers, &views), [late, late, after(400)]);
    views[0].1.usable = false;
    assert_eq!(starts(Sequential::new(["a", "b", "c"]), &views), [late, late, after(500)]);
    views[1].1.usable = false;
    assert_eq!(starts(Sequential::new(["a", "b", "c"]), &views), [late, late, late]);
}

/// The second costs a tenth more per token, but counts the same prompt as a quarter fewer tokens.
#[test]
fn cheapest_uses_the_tokens_that_each_target_counts() {
    let names = [TargetId::from("a"), TargetId::from("b")];
    let priced = |input: u64| {
        let mut profile = ModelProfile::default();
        profile.price = Some(Price::micros_per_million(input, 0));
        profile
    };
    let profiles = [priced(1_000_000), priced(1_100_000)];
    let order = |counts: [u64; 2]| {
        let candidates: Vec<_> = (0..2)
            .map(|at| Candidate {
                target: &names[at],
                profile: &profiles[at],
                view: TargetView::default(),
                prompt_tokens: counts[at],
            })
            .collect();
        let request = ChatRequest::to("r").user("hi").into();
        let ranking = Cheapest::new(["a", "b"]).rank(&Scene::new(&candidates, &request, 10_000));
        ranking.choices.iter().map(|choice| choice.reason.to_string()).collect::<Vec<_>>()
    };
    let even = order([10_000, 10_000]);
    assert!(even[0].contains("0.010000") && even[1].contains("0.011000"), "{even:?}");
    let fewer = order([10_000, 7_500]);
    assert!(fewer[0].contains("0.008250") && fewer[1].contains("0.010000"), "{fewer:?}");
}
