//! Separates the thinking that open models write into their text (`<think>…</think>`) as reasoning.
//!
//! Off by default: a target opts in, because a model may write the same characters as ordinary text. Invariant: only a
//! tag at the very beginning of the answer counts; nothing else is changed, and the result does not depend on how the
//! stream was split into deltas.

use std::borrow::Cow;

use hotspare_core::{Event, ThinkTags};

/// The most white space allowed before the opening tag, in bytes: chat templates put a line break there.
const LEAD_LIMIT: usize = 64;

/// Turns text between tags at the beginning of an answer into reasoning. Create one for each answer.
///
/// The tags are removed, together with white space before the opening one and line breaks after the closing one, which
/// belong to them. Thinking that is never closed stays reasoning.
#[derive(Clone, Debug)]
pub struct ThinkSplitter {
    open: Cow<'static, str>,
    close: Cow<'static, str>,
    state: State,
    /// Text that may still turn out to be a tag. Shorter than a tag, apart from white space within the limit.
    held: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Only white space or a prefix of the opening tag has arrived.
    Start,
    /// Between the tags.
    Inside,
    /// Directly after the closing tag.
    Closed,
    /// The rest is text.
    Done,
}

impl Default for ThinkSplitter {
    fn default() -> Self {
        Self::with_tags("<think>", "</think>")
    }
}

impl ThinkSplitter {
    /// Creates a splitter for tags other than `<think>` and `</think>`.
    fn with_tags(open: impl Into<Cow<'static, str>>, close: impl Into<Cow<'static, str>>) -> Self {
        Self { open: open.into(), close: close.into(), state: State::Start, held: String::new() }
    }

    /// Creates a splitter for a target's tags.
    #[must_use]
    pub fn of(tags: &ThinkTags) -> Self {
        let splitter = Self::with_tags(tags.open.clone(), tags.close.clone());
        if tags.already_open { splitter.already_open() } else { splitter }
    }

    /// For models whose prompt template ends with the opening tag, so that the answer begins inside.
    #[must_use]
    pub fn already_open(mut self) -> Self {
        self.state = State::Inside;
        self
    }

    /// Whether all further events pass through unchanged.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next event and returns the events that replace it: none, one or two.
    pub fn push(&mut self, event: Event) -> impl Iterator<Item = Event> + use<> {
        let events = match event {
            Event::TextDelta(text) if self.state != State::Done => self.text(&text),
            event if event.is_content() || matches!(event, Event::Finished(_)) => [self.flush(), Some(event)],
            event => [None, Some(event)],
        };
        events.into_iter().flatten()
    }

    /// Returns the text still held back if the stream ends without a finish reason. (`Finished` flushes by itself.)
    pub fn flush(&mut self) -> Option<Event> {
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::Inside => reasoning(held),
            State::Start | State::Closed | State::Done => {
                self.state = State::Done;
                text(held)
            }
        }
    }

    fn text(&mut self, delta: &str) -> [Option<Event>; 2] {
        match self.state {
            State::Start => self.start(delta),
            State::Inside => self.inside(delta),
            State::Closed => [None, self.closed(delta)],
            State::Done => [None, text(delta.to_owned())],
        }
    }

    fn start(&mut self, delta: &str) -> [Option<Event>; 2] {
        let mut held = std::mem::take(&mut self.held);
        held.push_str(delta);
        let seen = held.trim_start();
        let lead = held.len() - seen.len();
        if lead <= LEAD_LIMIT {
            if let Some(rest) = seen.strip_prefix(&*self.open) {
                self.state = State::Inside;
                return self.inside(rest);
            }
            if self.open.starts_with(seen) {
                self.held = held;
                return [None, None];
            }
        }
        self.state = State::Done;
        [None, text(held)]
    }

    fn inside(&mut self, delta: &str) -> [Option<Event>; 2] {
        let mut thought = std::mem::take(&mut self.held);
        thought.push_str(delta);
        if let Some(at) = thought.find(&*self.close) {
            self.state = State::Closed;
            let rest = self.closed(&thought[at + self.close.len()..]);
            thought.truncate(at);
            return [reasoning(thought), rest];
        }
        self.held = thought.split_off(thought.len() - overlap(&thought, &self.close));
        [reasoning(thought), None]
    }

    fn closed(&mut self, delta: &str) -> Option<Event> {
        let rest = delta.trim_start_matches(['\n', '\r']);
        if !rest.is_empty() {
            self.state = State::Done;
        }
        text(rest.to_owned())
    }
}

fn text(text: String) -> Option<Event> {
    (!text.is_empty()).then_some(Event::TextDelta(text))
}

fn reasoning(text: String) -> Option<Event> {
    (!text.is_empty()).then_some(Event::ReasoningDelta(text))
}

/// Length of the longest suffix of `text` that is a proper prefix of `tag`.
fn overlap(text: &str, tag: &str) -> usize {
    let longest = tag.len().saturating_sub(1).min(text.len());
    (1..=longest)
        .rev()
        .find(|&length| text.as_bytes()[text.len() - length..] == tag.as_bytes()[..length])
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotspare_core::FinishReason;
    use proptest::prelude::*;

    /// The reasoning and text of an answer that arrived in these pieces.
    fn split(mut splitter: ThinkSplitter, pieces: &[&str]) -> (String, String) {
        let texts = pieces.iter().map(|&piece| Event::TextDelta(piece.into()));
        let (mut thought, mut said) = (String::new(), String::new());
        for event in texts.chain([Event::Finished(FinishReason::Stop)]) {
            for event in splitter.push(event) {
                match event {
                    Event::ReasoningDelta(text) => {
                        assert!(said.is_empty(), "reasoning after text");
                        thought.push_str(&text);
                    }
                    Event::TextDelta(text) => said.push_str(&text),
                    _ => {}
                }
            }
        }
        assert_eq!(splitter.flush(), None);
        (thought, said)
    }

    fn whole(text: &str) -> (String, String) {
        split(ThinkSplitter::default(), &[text])
    }

    fn pair(thought: &str, said: &str) -> (String, String) {
        (thought.into(), said.into())
    }

    #[test]
    fn splits_think_tags_only_at_the_start() {
        for (text, expected) in [
            ("<think>a</think>\n\n  b</think>", pair("a", "  b</think>")),
            ("\n<think>\na\n</think>b", pair("\na\n", "b")),
            ("<think></think>b", pair("", "b")),
            ("<think>a <b </thin c", pair("a <b </thin c", "")),
            ("<think>a<<</think>b", pair("a<<", "b")),
            ("x <think>a</think>b", pair("", "x <think>a</think>b")),
            ("<thinking>a", pair("", "<thinking>a")),
            ("  <thi", pair("", "  <thi")),
            (" \n ", pair("", " \n ")),
            ("<think>a</think>b<think>c</think>", pair("a", "b<think>c</think>")),
        ] {
            assert_eq!(whole(text), expected, "{text:?}");
        }
        let late = format!("{}<think>a</think>", " ".repeat(LEAD_LIMIT + 1));
        assert_eq!(whole(&late), pair("", &late));
    }

    #[test]
    fn accepts_custom_and_already_open_tags() {
        let other = ThinkSplitter::with_tags("[THINK]", "[/THINK]");
        assert_eq!(split(other, &["[THINK]a[/THI", "NK]b"]), pair("a", "b"));
        assert_eq!(split(ThinkSplitter::default().already_open(), &["a</think>b"]), pair("a", "b"));
    }

    #[test]
    fn held_text_is_flushed_by_the_next_event() {
        let tool = || Event::ToolStarted { index: 0, id: "a".into(), name: "f".into() };
        let mut splitter = ThinkSplitter::default();
        assert_eq!(splitter.push(Event::TextDelta("<th".into())).count(), 0);
        let usage = || Event::Usage(Box::default());
        assert_eq!(splitter.push(usage()).collect::<Vec<_>>(), [usage()]);
        assert_eq!(splitter.push(tool()).collect::<Vec<_>>(), [Event::TextDelta("<th".into()), tool()]);
        // The beginning is over: reasoning that the server separates itself, or text after a call, is left alone.
        let later = || Event::TextDelta("<think>".into());
        assert_eq!(splitter.push(later()).collect::<Vec<_>>(), [later()]);
    }

    proptest! {
        #[test]
        fn delta_boundaries_do_not_change_the_split(
            text in "[ \n]{0,2}(<think>)?([a<é/>\n ]|</thin|<think>|</think>){0,12}",
            cuts in proptest::collection::vec(0..80_usize, 0..10),
            open in any::<bool>(),
        ) {
            let splitter = if open { ThinkSplitter::default().already_open() } else { ThinkSplitter::default() };
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|&at| text.is_char_boundary(at)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let (thought, said) = split(splitter.clone(), &pieces);
            prop_assert_eq!(split(splitter, &[&text]), (thought.clone(), said.clone()));
            // Only tags and the white space beside them are lost.
            let letters = |text: &str| text.matches(['a', 'é']).count();
            prop_assert_eq!(letters(&thought) + letters(&said), letters(&text));
        }
    }
}
