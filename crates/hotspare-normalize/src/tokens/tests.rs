//! Sizes of prompts, and what is learned about them.

use hotspare_core::{ChatRequest, Json, Media, Message, Part, Role, Tool, ToolChoice};
use proptest::prelude::*;

use super::*;

fn tool() -> Tool {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    Tool::new("get_weather", Json::parse(schema).unwrap()).with_description("Weather of a city")
}

#[test]
fn tools_count_as_idle_when_tool_choice_is_none() {
    let plain = ChatRequest::to("r").user("What is the weather in Paris?");
    let with = plain.clone().tool(tool());
    let mut without = with.clone();
    without.tool_choice = Some(ToolChoice::None);
    let sizes = [&plain, &with, &without].map(chat_size);
    assert_eq!((sizes[0].tokens(), sizes[2].tokens()), (15, 15));
    assert!(sizes[1].tokens() > sizes[0].tokens() + 30, "{sizes:?}");
    assert_eq!(sizes[2].amount(PromptPart::IdleTools), sizes[1].amount(PromptPart::ToolText));
    assert_eq!(sizes[2].amount(PromptPart::Tools), 0);
}

/// Counted with o200k: one token for 128 spaces, for 8 alternating breaks and tabs, and for about 3 of mixed white
/// space.
#[test]
fn whitespace_is_estimated_by_length() {
    let any: String = (0..6_000_u64).map(|n| [' ', '\n', '\t', '\r'][(n * n / 7 % 4) as usize]).collect();
    for (text, counted) in [(" ".repeat(12_800), 100), ("\n\t".repeat(4_000), 1_000), (any, 2_000)] {
        let estimate = estimate_text(&text);
        assert!((counted / 3..=counted * 3).contains(&estimate), "{estimate} for {counted}");
    }
    assert_eq!(estimate_text("if x:\n        y\n\n\n    z\n"), 8, "indentation is one token with its break");
}

#[test]
fn images_are_estimated_by_pixels() {
    // The head of a PNG holds its dimensions.
    let png = |width: u32, height: u32| {
        let mut bytes = vec![0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 0, 0, 13, b'I', b'H', b'D', b'R'];
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 2, 0, 0, 0, 0, 0, 0]);
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
        Part::Image(Media::Base64 { media_type: "image/png".into(), data })
    };
    let size = |part: Part| {
        let size = chat_size(&ChatRequest::to("r").message(Message::new(Role::User, vec![part])));
        (size.amount(PromptPart::Image), size.amount(PromptPart::Media), size.is_opaque())
    };
    assert_eq!(size(png(750, 750)), (1, 750, false));
    assert_eq!(size(png(10, 10)), (1, 1, false));
    assert_eq!(size(png(10_000, 10_000)), (1, 1_600, false));
    // An unreadable image is assumed to have a typical size, and nothing is learned from it.
    assert_eq!(size(Part::Image(Media::Url("https://h/x.png".into()))), (1, 1_000, true));
    let broken = Media::Base64 { media_type: "image/png".into(), data: "%".into() };
    assert_eq!(size(Part::Image(broken)), (1, 1_000, true));
}

/// A prompt of one message with `text` tokens, and with `tools` tools of 40 tokens each.
fn prompt(text: u64, tools: u64) -> PromptSize {
    let mut size = PromptSize::of_text(text);
    size.add(PromptPart::Request, 1);
    size.add(PromptPart::Message, 1);
    size.add(PromptPart::Tools, tools.min(1));
    size.add(PromptPart::Tool, tools);
    size.add(PromptPart::ToolText, tools * 40);
    size
}

/// Whether the estimate is off by less than this percentage.
fn near(estimate: u64, counted: u64, per_cent: u64) -> bool {
    estimate.abs_diff(counted) * 100 <= counted * per_cent
}

#[test]
fn calibration_separates_tool_overhead_from_text() {
    // This target counts 1.25 per token of text, 340 tokens to explain tools, and 20 more for each tool.
    let counted = |text: u64, tools: u64| 10 + text * 5 / 4 + tools.min(1) * 340 + tools * 60;
    let mut calibration = Calibration::default();
    assert_eq!(calibration.scale().estimate(&prompt(1_000, 0)), 1_008);
    for n in 1..=20_u64 {
        let (text, tools) = (n * 37 % 700 + 20, n % 4);
        calibration.learn(&prompt(text, tools), counted(text, tools));
    }
    for (text, tools) in [(5_000, 0), (100, 1), (100, 8), (20_000, 8), (30, 0)] {
        let estimate = calibration.scale().estimate(&prompt(text, tools));
        assert!(near(estimate, counted(text, tools), 10), "{text} {tools}: {estimate}");
    }
    // A single outlier, or a prompt with unmeasurable parts, changes nothing.
    let before = calibration.scale().estimate(&prompt(500, 1));
    calibration.learn(&prompt(500, 1), 30_000);
    let mut opaque = prompt(500, 1);
    opaque.set_opaque();
    calibration.learn(&opaque, 1_900);
    let after = calibration.scale().estimate(&prompt(500, 1));
    assert!(near(after, before, 3), "{before} {after}");
}

#[test]
fn doubt_shrinks_only_for_observed_parts() {
    let mut calibration = Calibration::default();
    let doubt = |calibration: &Calibration, size: &PromptSize| calibration.scale().doubt(size);
    let (words, tools) = (prompt(1_000, 0), prompt(10, 4));
    assert_eq!((doubt(&calibration, &words), doubt(&calibration, &tools) > 300), (120, true));
    for n in 1..=12 {
        calibration.learn(&prompt(n * 100, 0), n * 110);
    }
    assert!(doubt(&calibration, &words) < 50, "{}", doubt(&calibration, &words));
    assert!(doubt(&calibration, &tools) > 250, "{}", doubt(&calibration, &tools));
}

#[test]
fn calibration_adapts_to_a_changed_model() {
    let mut calibration = Calibration::default();
    for n in 1..=40 {
        calibration.learn(&prompt(n * 50, 0), n * 50 + 8);
    }
    for n in 1..=16 {
        calibration.learn(&prompt(n * 50, 0), n * 90 + 8);
    }
    let estimate = calibration.scale().estimate(&prompt(1_000, 0));
    assert!(near(estimate, 1_808, 10), "{estimate}");
}

proptest! {
    #[test]
    fn estimates_are_roughly_additive(a in "\\PC{0,60}", b in "\\PC{0,60}") {
        let whole = estimate_text(&format!("{a}{b}"));
        let sum = estimate_text(&a) + estimate_text(&b);
        prop_assert!(whole <= sum + 1 && whole + 60 >= sum, "{whole} {sum}");
        prop_assert!(whole >= estimate_text(&a).max(estimate_text(&b)).saturating_sub(1));
    }

    #[test]
    fn arbitrary_reports_do_not_break_the_estimate(
        seen in proptest::collection::vec((0..u64::MAX, 0..6_u64, 0..u64::MAX), 0..80),
        tokens in 0..u64::MAX,
    ) {
        let mut calibration = Calibration::default();
        for (tokens, tools, reported) in seen {
            calibration.learn(&prompt(tokens, tools), reported);
            calibration.learn(&prompt(tokens % 4_000, tools), reported % 5_000);
            calibration.learn(&prompt(tokens % 4_000_000, tools), reported % 5_000_000);
        }
        let scale = calibration.scale();
        let (size, doubt) = (prompt(tokens, 0), scale.doubt(&prompt(tokens, 3)));
        prop_assert!(scale.estimate(&size) >= size.tokens() / 4, "{scale:?} for {tokens}");
        prop_assert!(doubt <= u64::from(u32::MAX) * 8, "{doubt}");
    }
}
