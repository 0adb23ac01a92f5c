//! Sizes of prompts, and what is learned about them.

use hotspare_core::{ChatRequest, Json, Media, Message, Part, Role, Tool, ToolChoice};
use proptest::prelude::*;

use super::*;

fn tool() -> Tool {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    Tool::new("get_weather", Json::parse(schema).unwrap()).with_description("Weather of a city")
}

#[test]
fn tools_count_unless_none_may_be_called() {
    let plain = ChatRequest::to("r").user("What is the weather in Paris?");
    let with = plain.clone().tool(tool());
    let mut without = with.clone();
    without.tool_choice = Some(ToolChoice::None);
    let sizes = [&plain, &with, &without].map(PromptSize::of);
    assert_eq!((sizes[0], sizes[2]), (PromptSize { tokens: 15, shape: 0 }, sizes[0]));
    assert!(sizes[1].tokens > sizes[0].tokens + 30 && sizes[1].shape == 1, "{sizes:?}");
}

#[test]
fn images_count_by_their_pixels() {
    // The head of a PNG says how large it is.
    let png = |width: u32, height: u32| {
        let mut bytes = vec![0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 0, 0, 13, b'I', b'H', b'D', b'R'];
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 2, 0, 0, 0, 0, 0, 0]);
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
        Part::Image(Media::Base64 { media_type: "image/png".into(), data })
    };
    let tokens = |part: Part| {
        let request = ChatRequest::to("r").message(Message::new(Role::User, vec![part]));
        PromptSize::of(&request).tokens - 8
    };
    assert_eq!(tokens(png(750, 750)), 750);
    assert_eq!(tokens(png(10, 10)), 85);
    assert_eq!(tokens(png(10_000, 10_000)), 1_600);
    assert_eq!(tokens(Part::Image(Media::Url("https://h/x.png".into()))), 1_000);
    assert_eq!(
        tokens(Part::Image(Media::Base64 { media_type: "image/png".into(), data: "%".into() })),
        1_000
    );
}

#[test]
fn a_target_that_wraps_tools_in_words_is_learned() {
    let mut calibration = Calibration::default();
    let size = |tokens: u64, shape: usize| PromptSize { tokens, shape };
    assert_eq!(calibration.scale().estimate(0, 1_000), 1_000);
    for n in 1..=20_u64 {
        calibration.learn(size(n * 100, 0), n * 120);
        calibration.learn(size(n * 100, 1), n * 120 + 350);
    }
    // One odd report among many changes nothing.
    calibration.learn(size(500, 0), 30_000);
    let scale = calibration.scale();
    for (shape, tokens, counted) in [(0, 5_000, 6_000_u64), (1, 5_000, 6_350), (0, 100, 120), (1, 200, 590)] {
        let estimate = scale.estimate(shape, tokens);
        assert!(estimate.abs_diff(counted) * 50 <= counted, "{shape} {tokens}: {estimate} for {counted}");
    }
    // A shape that was never seen uses what is known of the others.
    assert!((1_150..=1_300).contains(&scale.estimate(2, 1_000)), "{}", scale.estimate(2, 1_000));
}

proptest! {
    #[test]
    fn text_is_about_the_sum_of_its_pieces(a in "\\PC{0,60}", b in "\\PC{0,60}") {
        let whole = estimate_text(&format!("{a}{b}"));
        let sum = estimate_text(&a) + estimate_text(&b);
        prop_assert!(whole <= sum + 1 && whole + 60 >= sum, "{whole} {sum}");
        prop_assert!(whole >= estimate_text(&a).max(estimate_text(&b)).saturating_sub(1));
    }

    #[test]
    fn nothing_that_is_reported_breaks_the_estimate(
        seen in proptest::collection::vec((0..u64::MAX, 0..6_usize, 0..u64::MAX), 0..80),
        tokens in 0..u64::MAX,
    ) {
        let mut calibration = Calibration::default();
        for (tokens, shape, reported) in seen {
            calibration.learn(PromptSize { tokens, shape }, reported);
            calibration.learn(PromptSize { tokens: tokens % 4_000, shape }, reported % 5_000);
        }
        let estimate = calibration.scale().estimate(0, tokens);
        prop_assert!(estimate >= tokens / 10, "{estimate} for {tokens}");
    }
}
