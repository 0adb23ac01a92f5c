//! A structured answer, obtained as the arguments of a tool call.
//!
//! For models that enforce no schema on their text but write arguments to one. Not for requests with tools of their
//! own. Invariant: the rewritten events contain an answer in text, never a call; the text is what the model wrote as
//! arguments, however it was split into deltas; a model that answers in text anyway is passed through unchanged.

use hotspare_core::{ChatRequest, Event, FinishReason, JsonTree, OutputFormat, Role, Tool, ToolChoice};

/// The name of the tool if the format's own name is not a valid one.
const NAME: &str = "answer";

/// The longest tool name that all known providers accept.
const NAME_LIMIT: usize = 64;

/// The description of the tool for the model.
const DESCRIPTION: &str = "Returns the answer. Only its arguments are read.";

/// Longer text before a call, in bytes, is taken for an answer in text; a preamble is a sentence or two.
const PREAMBLE_LIMIT: usize = 256;

/// The request with its format as a tool that must be called, instead of a schema for its text.
///
/// `None` if that is impossible: there is no schema, its root is not a plain object (providers accept nothing else as
/// arguments), the request already has tools, or the assistant's last turn is to be continued.
#[must_use]
pub fn by_tool(request: &ChatRequest) -> Option<ChatRequest> {
    let OutputFormat::JsonSchema { name, schema, .. } = &request.output else { return None };
    let continues = request.messages.last().is_some_and(|message| message.role == Role::Assistant);
    if continues || !request.tools.is_empty() || !request.native_tools.is_empty() {
        return None;
    }
    let mut root = JsonTree::parse(schema.as_str())?;
    let alternative = ["anyOf", "oneOf", "allOf"].iter().any(|keyword| root.get(keyword).is_some());
    if root.get("type").and_then(JsonTree::text).as_deref() != Some("object") || alternative {
        return None;
    }
    // Annotations for readers of the schema; some models refuse a tool whose root has them.
    root.remove(&["$schema", "$id", "$comment", "title"]);
    let name = if is_name(name) { name.clone() } else { NAME.to_owned() };
    let mut rewritten_request = request.clone();
    rewritten_request.output = OutputFormat::Text;
    rewritten_request.tools = vec![Tool::new(&name, root.to_json()?).with_description(DESCRIPTION)];
    rewritten_request.tool_choice = Some(ToolChoice::Named(name));
    // Several calls would be several answers.
    rewritten_request.parallel_tools = Some(false);
    Some(rewritten_request)
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=NAME_LIMIT).contains(&name.len()) && name.bytes().all(allowed)
}

/// Emits the arguments of an answer's first tool call as its text. Create one for each answer.
///
/// A short text before the call is not part of the answer and is dropped, as are further calls.
#[derive(Clone, Debug, Default)]
pub struct ToolAnswer {
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// No call yet: the text so far, as long as it may be a preamble.
    Preamble(String),
    /// The model answers in text.
    Text,
    /// The call with this index is the answer; `has_arguments` once any of its arguments have arrived.
    Call { index: u32, has_arguments: bool },
}

impl Default for State {
    fn default() -> Self {
        Self::Preamble(String::new())
    }
}

impl ToolAnswer {
    /// Takes the next event and returns the events that replace it: none, one or two.
    pub fn push(&mut self, event: Event) -> impl Iterator<Item = Event> + use<> {
        let events = match event {
            Event::TextDelta(text) => [None, self.text(text)],
            Event::ToolStarted { index, .. } => {
                if !matches!(self.state, State::Call { .. }) {
                    self.state = State::Call { index, has_arguments: false };
                }
                [None, None]
            }
            Event::ToolDelta { index, arguments } => [None, self.arguments(index, arguments)],
            Event::Finished(reason) => self.finished(reason),
            event => [None, Some(event)],
        };
        events.into_iter().flatten()
    }

    fn text(&mut self, text: String) -> Option<Event> {
        match &mut self.state {
            State::Preamble(preamble) => {
                preamble.push_str(&text);
                // JSON is not a preamble.
                if preamble.len() <= PREAMBLE_LIMIT && !preamble.trim_start().starts_with(['{', '`']) {
                    return None;
                }
                let preamble = std::mem::take(preamble);
                self.state = State::Text;
                Some(Event::TextDelta(preamble))
            }
            State::Text => Some(Event::TextDelta(text)),
            State::Call { .. } => None,
        }
    }

    fn arguments(&mut self, index: u32, arguments: String) -> Option<Event> {
        match &mut self.state {
            State::Call { index: answer, has_arguments } if *answer == index && !arguments.is_empty() => {
                *has_arguments = true;
                Some(Event::TextDelta(arguments))
            }
            _ => None,
        }
    }

    fn finished(&mut self, reason: FinishReason) -> [Option<Event>; 2] {
        let (rest, reason) = match (&mut self.state, reason) {
            (State::Preamble(preamble), reason) => (std::mem::take(preamble), reason),
            // A call that never got any arguments has none.
            (State::Call { has_arguments: false, .. }, FinishReason::ToolCalls | FinishReason::Stop) => {
                ("{}".to_owned(), FinishReason::Stop)
            }
            (State::Call { .. }, FinishReason::ToolCalls) => (String::new(), FinishReason::Stop),
            (_, reason) => (String::new(), reason),
        };
        // Held text is emitted only once, whatever follows the end.
        match &mut self.state {
            State::Call { has_arguments, .. } => *has_arguments = true,
            state => *state = State::Text,
        }
        [(!rest.is_empty()).then_some(Event::TextDelta(rest)), Some(Event::Finished(reason))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotspare_core::{Json, Message};
    use proptest::prelude::*;

    fn started(index: u32) -> Event {
        Event::ToolStarted { index, id: format!("call_{index}"), name: "triage".into() }
    }

    fn part(index: u32, text: &str) -> Event {
        Event::ToolDelta { index, arguments: text.into() }
    }

    fn rewritten(events: impl IntoIterator<Item = Event>) -> Vec<Event> {
        let mut answer = ToolAnswer::default();
        events.into_iter().flat_map(|event| answer.push(event)).collect()
    }

    /// The text and finish reason of an answer that must contain nothing else.
    fn text(events: impl IntoIterator<Item = Event>) -> (String, Option<FinishReason>) {
        let (mut answer_text, mut finish) = (String::new(), None);
        for event in rewritten(events) {
            match event {
                Event::TextDelta(text) => answer_text.push_str(&text),
                Event::Finished(reason) => finish = Some(reason),
                other => panic!("{other:?}"),
            }
        }
        (answer_text, finish)
    }

    fn text_delta(text: &str) -> Event {
        Event::TextDelta(text.into())
    }

    fn finished_event(reason: FinishReason) -> Event {
        Event::Finished(reason)
    }

    #[test]
    fn first_tool_call_becomes_the_answer_and_finishes_with_stop() {
        let stop = Some(FinishReason::Stop);
        let json = (r#"{"a":1}"#.to_owned(), stop.clone());
        let call = || [started(0), part(0, r#"{"a""#), part(0, ""), part(0, ":1}")];
        for reason in [FinishReason::ToolCalls, FinishReason::Stop] {
            assert_eq!(text(call().into_iter().chain([finished_event(reason)])), json);
        }
        // Text around it and further calls are not part of the answer.
        let more = [text_delta("Let me do that."), text_delta("")].into_iter().chain(call());
        let more = more.chain([
            text_delta(" Done."),
            started(1),
            part(1, "{}"),
            finished_event(FinishReason::ToolCalls),
        ]);
        assert_eq!(text(more), json);
        // A truncated answer is not complete.
        let cut = [started(0), part(0, r#"{"a"#), finished_event(FinishReason::Length)];
        assert_eq!(text(cut), (r#"{"a"#.to_owned(), Some(FinishReason::Length)));
        // No arguments are an empty object, but not in an answer that was cut off before them.
        assert_eq!(text([started(0), finished_event(FinishReason::ToolCalls)]), ("{}".to_owned(), stop));
        let nothing = text([started(0), finished_event(FinishReason::Length)]);
        assert_eq!(nothing, (String::new(), Some(FinishReason::Length)));
    }

    #[test]
    fn text_answer_is_passed_through() {
        let stop = Some(FinishReason::Stop);
        let short =
            text([text_delta("I would "), text_delta("rather not."), finished_event(FinishReason::Stop)]);
        assert_eq!(short, ("I would rather not.".to_owned(), stop.clone()));
        // JSON, fenced or not, and anything longer than a preamble is passed on at once.
        for first in [" {", "```json"] {
            assert_eq!(rewritten([text_delta(first)]), [text_delta(first)]);
        }
        let long = "x".repeat(PREAMBLE_LIMIT + 1);
        assert_eq!(rewritten([text_delta(&long), text_delta("y")]), [text_delta(&long), text_delta("y")]);
        // All other events are passed on, and a repeated finish does not repeat the text.
        let usage = || Event::Usage(Box::default());
        let thought = || Event::ReasoningDelta("hm".into());
        let twice = [
            thought(),
            text_delta("no"),
            finished_event(FinishReason::Stop),
            finished_event(FinishReason::Stop),
            usage(),
        ];
        let once = [
            thought(),
            text_delta("no"),
            finished_event(FinishReason::Stop),
            finished_event(FinishReason::Stop),
            usage(),
        ];
        assert_eq!(rewritten(twice), once);
    }

    proptest! {
        #[test]
        fn argument_delta_boundaries_do_not_change_the_answer(
            arguments in "[{}\":a-zé, ]{0,40}",
            cuts in proptest::collection::vec(0..60_usize, 0..8),
            answer_text in "[a-z ]{0,20}",
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|&at| arguments.is_char_boundary(at)).collect();
            cuts.extend([0, arguments.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| part(0, &arguments[pair[0]..pair[1]]));
            let events = [text_delta(&answer_text), started(0)].into_iter().chain(pieces);
            let whole = if arguments.is_empty() { "{}" } else { &arguments };
            let expected = (whole.to_owned(), Some(FinishReason::Stop));
            prop_assert_eq!(text(events.chain([finished_event(FinishReason::ToolCalls)])), expected);
        }
    }

    fn sample_request(name: &str, schema: &str) -> ChatRequest {
        let schema = Json::parse(schema).unwrap();
        let output = OutputFormat::JsonSchema { name: name.into(), schema, strict: true };
        ChatRequest::to("m").user("x").output(output)
    }

    #[test]
    fn output_schema_becomes_the_only_tool() {
        let schema = r#"{"$schema":"s","title":"T","type":"object","properties":{"b":{"title":"B"},"a":{}}}"#;
        let rewritten_request = by_tool(&sample_request("triage", schema)).unwrap();
        assert_eq!(rewritten_request.output, OutputFormat::Text);
        assert_eq!(rewritten_request.tool_choice, Some(ToolChoice::Named("triage".into())));
        let [tool] = rewritten_request.tools.as_slice() else { panic!("{rewritten_request:?}") };
        // Keys stay in the schema's order, in which models write them.
        let root = r#"{"type":"object","properties":{"b":{"title":"B"},"a":{}}}"#;
        assert_eq!((tool.name.as_str(), tool.parameters.as_str()), ("triage", root));
        for odd in ["", "two words", &"x".repeat(65)] {
            assert_eq!(by_tool(&sample_request(odd, schema)).unwrap().tools[0].name, "answer");
        }
    }

    #[test]
    fn request_that_cannot_use_a_tool_is_unchanged() {
        let object = r#"{"type":"object"}"#;
        for schema in [
            r#"{"type":"array"}"#,
            r#"{"type":["object","null"]}"#,
            r##"{"$ref":"#/$defs/a"}"##,
            r#"{"type":"object","anyOf":[{}]}"#,
            "true",
        ] {
            assert_eq!(by_tool(&sample_request("n", schema)), None, "{schema}");
        }
        assert_eq!(by_tool(&ChatRequest::to("m").user("x")), None);
        assert_eq!(
            by_tool(&sample_request("n", object).tool(Tool::new("t", Json::parse(object).unwrap()))),
            None
        );
        assert_eq!(by_tool(&sample_request("n", object).message(Message::assistant("{"))), None);
    }
}
