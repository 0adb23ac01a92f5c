//! Conversations that move between models.

use super::*;
use hotspare_core::{Json, Message, Native, Reasoning, Role, ToolCall, ToolResult};
use proptest::prelude::*;

fn origin(name: &str) -> Origin {
    Origin(name.into())
}

fn signature(author: &str, redacted: bool) -> Signature {
    Signature { origin: origin(author), data: "proof".into(), redacted }
}

fn assistant(parts: Vec<Part>) -> Message {
    Message::new(Role::Assistant, parts)
}

fn call(id: &str) -> Part {
    Part::ToolCall(ToolCall::new(id, "f", "{}"))
}

fn result(id: &str, text: &str) -> Message {
    Message::tool(ToolResult::new(id, text))
}

fn request(messages: impl IntoIterator<Item = Message>) -> ChatRequest {
    messages.into_iter().fold(ChatRequest::to("m"), ChatRequest::message)
}

/// The ids of calls, and for each result in order its id and text.
type Ids = (Vec<String>, Vec<(String, String)>);

fn ids(request: &ChatRequest) -> Ids {
    let (mut calls, mut results) = (Vec::new(), Vec::new());
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        match part {
            Part::ToolCall(call) => calls.push(call.id.clone()),
            Part::ToolResult(result) => {
                let text = result.content.iter().filter_map(Part::as_text).collect();
                results.push((result.id.clone(), text));
            }
            _ => {}
        }
    }
    (calls, results)
}

#[test]
fn portable_conversation_is_not_copied() {
    let signed = Part::Reasoning(Reasoning::new("hm").with_signature(signature("a", false)));
    let request = request([
        Message::system("s"),
        Message::user("u"),
        assistant(vec![signed, Part::Text("t".into()), call("call_1-x")]),
        result("call_1-x", "r"),
        Message::assistant(" "),
    ]);
    let portable = portable(&request, "w", Some(&origin("a"))).unwrap();
    assert!(matches!(portable.request, Cow::Borrowed(_)));
    assert!(portable.notes.is_empty());
}

#[test]
fn foreign_signatures_are_dropped_and_visible_reasoning_is_kept() {
    let request = request([assistant(vec![
        Part::Reasoning(Reasoning::new("shown").with_signature(signature("a", false))),
        Part::Reasoning(Reasoning::new("[hidden]").with_signature(signature("a", true))),
        Part::Reasoning(Reasoning::default().with_signature(signature("a", false))),
        Part::Reasoning(Reasoning::new("mine").with_signature(signature("b", false))),
        Part::Text("t".into()),
    ])]);
    let moved = portable(&request, "w", Some(&origin("b"))).unwrap();
    assert_eq!(moved.notes, [Note::HiddenReasoning(2), Note::Signatures(1)]);
    assert_eq!(
        moved.request.messages[0].parts,
        [
            Part::Reasoning(Reasoning::new("shown")),
            Part::Reasoning(Reasoning::new("mine").with_signature(signature("b", false))),
            Part::Text("t".into()),
        ]
    );
    assert_eq!(portable(&request, "w", None).unwrap().notes, [Note::HiddenReasoning(2), Note::Signatures(2)]);
}

#[test]
fn empty_turns_are_dropped() {
    let hidden = Part::Reasoning(Reasoning::default().with_signature(signature("a", true)));
    let request = request([
        Message::user("u"),
        assistant(vec![hidden]),
        assistant(vec![]),
        Message::user(""),
        assistant(vec![Part::Text(String::new()), Part::Text(" ".into())]),
    ]);
    let moved = portable(&request, "w", None).unwrap();
    assert_eq!(moved.request.messages, [Message::user("u"), Message::assistant(" ")]);
    assert_eq!(moved.notes, [Note::HiddenReasoning(1), Note::Empty(5)]);
}

#[test]
fn tool_results_match_their_calls_after_ids_are_rewritten() {
    let odd = "functions.f:0";
    let request = request([
        assistant(vec![call("x"), call("")]),
        result("", "second"),
        result("x", "first"),
        assistant(vec![call("x"), call("x"), call(odd)]),
        result(odd, "odd"),
        result("x", "one"),
        result("x", "two"),
    ]);
    let moved = portable(&request, "w", None).unwrap();
    assert_eq!(moved.notes, [Note::ToolIds(4)]);
    let (calls, results) = ids(&moved.request);
    let pairs: Vec<(&str, &str)> = results.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
    let id = |n: usize| calls[n].as_str();
    assert_eq!(id(0), "x");
    assert_eq!(pairs, [(id(1), "second"), ("x", "first"), (id(4), "odd"), (id(2), "one"), (id(3), "two")]);
    let again = portable(&moved.request, "w", None).unwrap();
    assert!(matches!(again.request, Cow::Borrowed(_)), "a second pass finds nothing to change");
}

#[test]
fn short_tool_ids_are_nine_alphanumerics() {
    let taken = derived_id(&["call_1", "0"]);
    let turns = [
        assistant(vec![call("abcDEF123"), call(&taken), call("call_1")]),
        result("call_1", "third"),
        result("abcDEF123", "first"),
        result(&taken, "second"),
        assistant(vec![call("call_2")]),
        result("call_2", "fourth"),
    ];
    let long = request(turns.clone());
    let (short, note) = short_tool_ids(&long).unwrap();
    assert_eq!(note, Note::ToolIds(2));
    let (calls, results) = ids(&short);
    assert!(calls.iter().all(|id| is_short(id)), "{calls:?}");
    assert_eq!(calls.iter().collect::<BTreeSet<_>>().len(), 4, "{calls:?}");
    assert_eq!(calls[..2], ["abcDEF123".to_owned(), taken]);
    let answered: Vec<&String> = results.iter().map(|(id, _)| id).collect();
    assert_eq!(answered, [&calls[2], &calls[0], &calls[1], &calls[3]]);
    assert!(short_tool_ids(&short).is_none(), "a second pass finds nothing to change");
    let (beginning, _) = short_tool_ids(&request(turns[..4].to_vec())).unwrap();
    assert_eq!(beginning.messages, short.messages[..4], "a growing conversation keeps its beginning");
}

#[test]
fn orphaned_tool_results_are_invalid_requests() {
    for (messages, word) in [
        (vec![result("x", "r")], "was not made before it"),
        (vec![result("x", "r"), assistant(vec![call("x")])], "was not made before it"),
        (vec![assistant(vec![call("x")]), result("x", "r"), result("x", "r")], "already has its result"),
        (vec![assistant(vec![call("x")]), result("my secret words", "r")], "was not made before it"),
    ] {
        let error = portable(&request(messages), "w", None).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidRequest);
        assert!(error.message().contains(word) && error.message().contains("messages["), "{error}");
        assert!(!error.message().contains("secret"), "{error}");
    }
}

#[test]
fn native_parts_of_another_wire_are_dropped() {
    let native = |wire: &str| Native::new(wire, Json::parse(r#"{"type":"server_tool_use"}"#).unwrap());
    let parts =
        |wire: &str| vec![Part::Text("hi".into()), Part::Fields(native(wire)), Part::Native(native(wire))];
    let request = request(vec![Message::new(Role::Assistant, parts("w"))]);
    assert!(portable(&request, "w", None).unwrap().notes.is_empty());
    let moved = portable(&request, "v", None).unwrap();
    assert_eq!(moved.notes, [Note::Native(1)]);
    assert_eq!(moved.request.messages[0].parts, [Part::Text("hi".into())]);
}

#[test]
fn a_message_of_nothing_but_its_own_wires_fields_is_kept_there() {
    let spoken = |parts: Vec<Part>| {
        let mut message = assistant(parts);
        let audio = Json::parse(r#"{"id":"a"}"#).unwrap();
        message.extras = BTreeMap::from([("w".into(), BTreeMap::from([("audio".into(), audio)]))]);
        message
    };
    let request = request([
        Message::user("u"),
        spoken(vec![]),
        Message::user("v"),
        spoken(vec![Part::Text(String::new())]),
        assistant(vec![]),
    ]);
    let own = portable(&request, "w", None).unwrap();
    let roles: Vec<Role> = own.request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::Assistant]);
    assert_eq!(own.notes, [Note::Empty(2)], "one text and one message");
    let moved = portable(&request, "v", None).unwrap();
    assert!(moved.request.messages.iter().all(|message| message.role == Role::User));
    assert_eq!(moved.notes, [Note::Empty(4)]);
}

proptest! {
    /// Conversations of rounds: some calls, then all their results in either order.
    #[test]
    fn rewritten_conversations_are_well_formed(
        rounds in proptest::collection::vec(proptest::collection::vec("[abé. ]{0,2}|[a-z]{39,42}", 1..4), 1..5),
        backwards in any::<bool>(),
    ) {
        let mut messages = Vec::new();
        for round in &rounds {
            messages.push(assistant(round.iter().map(|id| call(id)).collect()));
            let results = round.iter().map(|id| result(id, id));
            if backwards { messages.extend(results.rev()) } else { messages.extend(results) }
        }
        let request = request(messages);
        let moved = portable(&request, "w", None).unwrap();
        let (calls, results) = ids(&moved.request);
        let unique: BTreeSet<&String> = calls.iter().collect();
        prop_assert_eq!(unique.len(), calls.len());
        prop_assert!(calls.iter().all(|id| is_portable_id(id)));
        // Each result still answers the call that had its id before.
        let before: BTreeMap<&String, String> = calls.iter().zip(ids(&request).0).collect();
        for (id, text) in &results {
            prop_assert_eq!(before.get(id), Some(text));
        }
        // What has been rewritten stays the same as the conversation grows.
        let longer = request.clone().message(assistant(vec![call("later")])).message(Message::user("x"));
        let longer = portable(&longer, "w", None).unwrap();
        prop_assert_eq!(&longer.request.messages[..moved.request.messages.len()], &moved.request.messages[..]);
    }
}

#[test]
fn leading_assistant_turn_is_preceded_by_a_user_turn() {
    for (before, changed) in [
        (vec![], true),
        (vec![Message::system("s"), Message::new(Role::Developer, vec![Part::Text("d".into())])], true),
        (vec![Message::system("s"), Message::user(" ")], true),
        (vec![Message::user("u")], false),
        (vec![Message::system("s"), Message::user("u")], false),
    ] {
        let head = before.len();
        let talk = [Message::assistant("How can I help?"), Message::user("x"), Message::assistant("y")];
        let mut conversation = before.clone();
        for message in talk {
            conversation.push(message);
            let rewritten = user_first(&request(conversation.clone()));
            assert_eq!(rewritten.is_some(), changed, "{conversation:?}");
            if let Some((rewritten, note)) = rewritten {
                // The same however long the conversation has become, so that it stays in the prompt cache.
                assert_eq!(note, Note::UserFirst);
                assert_eq!(rewritten.messages[..head], conversation[..head]);
                assert_eq!(rewritten.messages[head], Message::user(OPENING));
                assert_eq!(rewritten.messages[head + 1..], conversation[head..]);
                assert!(user_first(&rewritten).is_none());
            }
        }
        assert!(user_first(&request(before)).is_none(), "the user turn comes first");
    }
}
