//! Legal and illegal orders of events.

use super::*;
use hotspare_core::Json;

fn text(text: &str) -> Event {
    Event::TextDelta(text.into())
}

fn tool(index: u32) -> Event {
    Event::ToolStarted { index, id: "a".into(), name: "f".into() }
}

fn arguments(index: u32, text: &str) -> Event {
    Event::ToolDelta { index, arguments: text.into() }
}

fn stop() -> Event {
    Event::Finished(FinishReason::Stop)
}

fn started() -> Event {
    Event::Started { id: None, model: None }
}

fn check(events: &[Event]) -> Result<Grammar, Error> {
    let mut grammar = Grammar::default();
    for event in events {
        grammar.check(event)?;
    }
    Ok(grammar)
}

#[test]
fn unusual_but_harmless_orders_are_accepted() {
    let note = || Event::Annotation(Json::parse("{}").unwrap());
    for events in [
        vec![],
        vec![stop()],
        vec![started(), started(), text("a"), started(), stop()],
        vec![text("a"), stop(), stop(), Event::Usage(Box::default()), note(), text(""), started()],
        vec![
            tool(0),
            tool(1),
            arguments(0, "{}"),
            arguments(1, "{}"),
            arguments(0, ""),
            stop(),
            arguments(1, ""),
        ],
    ] {
        assert!(check(&events).is_ok(), "{events:?}");
    }
}

#[test]
fn order_violations_are_named() {
    for (events, word) in [
        (vec![stop(), text("a")], "text after"),
        (vec![stop(), Event::ReasoningDelta("a".into())], "reasoning after"),
        (vec![stop(), Event::RefusalDelta("a".into())], "refusal after"),
        (vec![stop(), tool(0)], "tool call after"),
        (vec![tool(0), stop(), arguments(0, "{")], "arguments after"),
        (vec![arguments(0, "")], "never began"),
        (vec![tool(0), arguments(1, "{")], "never began"),
        (vec![tool(1)], "before tool call 0"),
        (vec![tool(u32::MAX)], "before tool call 0"),
        (vec![tool(0), tool(0)], "began twice"),
        (vec![stop(), Event::Finished(FinishReason::Length)], "contradicts"),
    ] {
        let error = check(&events).unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol);
        assert!(error.message().contains(word), "{error} lacks {word:?}");
    }
}

#[test]
fn rejected_event_leaves_the_state_unchanged() {
    let mut grammar = check(&[text("a"), stop()]).unwrap();
    let before = format!("{grammar:?}");
    grammar.check(&tool(0)).unwrap_err();
    grammar.check(&Event::RefusalDelta("no".into())).unwrap_err();
    assert_eq!(format!("{grammar:?}"), before);
}

#[test]
fn tracks_the_open_block() {
    let mut grammar = Grammar::default();
    let mut block = |event: Event| {
        grammar.check(&event).unwrap();
        grammar.block()
    };
    assert_eq!(block(started()), Block::None);
    assert_eq!(block(text("")), Block::None);
    assert_eq!(block(Event::ReasoningDelta("a".into())), Block::Reasoning);
    assert_eq!(block(text("")), Block::Reasoning);
    assert_eq!(block(text("a")), Block::Text);
    assert_eq!(block(Event::Usage(Box::default())), Block::Text);
    assert_eq!(block(tool(0)), Block::Tool);
    assert_eq!(block(Event::RefusalDelta("a".into())), Block::Refusal);
    assert_eq!(block(stop()), Block::None);
}

#[test]
fn tracks_what_has_arrived() {
    let grammar = check(&[started(), text(""), stop()]).unwrap();
    assert!(!grammar.has_content() && grammar.text_only() && !grammar.has_tool_calls());
    assert_eq!(grammar.finished(), Some(&FinishReason::Stop));
    let grammar = check(&[Event::ReasoningDelta("hm".into()), text("a")]).unwrap();
    assert!(grammar.has_content() && grammar.text_only() && grammar.finished().is_none());
    let grammar = check(&[text("a"), Event::LogProbs(Json::parse("[]").unwrap())]).unwrap();
    assert!(!grammar.text_only());
    let grammar = check(&[tool(0)]).unwrap();
    assert!(grammar.has_content() && grammar.has_tool_calls() && !grammar.text_only());
}
