//! Joins the continuation of a cut answer to what the caller already has.
//!
//! Not a guess: it joins only where the join is exact. With prefill the model continues its own turn, and everything it
//! writes is new. Without, the answer must begin with exactly the text that was sent, which is dropped.
//!
//! Some servers (llama.cpp's, for one) echo the prefill before they continue it. So text that begins like the prefill
//! is held back until it differs, in which case all of it is new, or until the whole prefill has been repeated, in
//! which case the repetition is dropped. After a prefill of a few characters it could be either: the continuation
//! fails, and the model is asked again without prefill.
//!
//! White space at the end of what was sent is not part of the prefill: some providers reject a turn that ends in white
//! space, and tokens begin with their space. So the model writes it again, and what is the same is dropped; a model
//! that continues without any is in the middle of another word. Invariant: the caller never gets a word twice, never
//! loses one, and never gets two joined; if that is impossible, the continuation fails.

use std::sync::Arc;

use hotspare_core::{Error, Event, Kind};

/// A prefill of this many bytes is not repeated in full by chance.
const NO_CHANCE: usize = 8;

/// Texts beyond this length in bytes are not searched for a pattern.
const LONGEST_PATTERN: usize = 1_024;

/// A continuation in progress.
#[derive(Clone, Debug)]
pub(crate) struct Splice {
    text: Arc<str>,
    matched: usize,
    join: Join,
    doubtful: bool,
    /// Whether the model has reasoned without any text since.
    reasoning: bool,
    /// Whether it has added anything.
    resumed: bool,
}

/// How the new text relates to what the caller already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    /// The model writes all of it again.
    Exact,
    /// Only its trailing white space, from `words` on, is missing. While `again` is a number, that many bytes of the
    /// prefill have been seen, and it is undecided whether they are an echo.
    Given { words: usize, again: Option<usize> },
}

/// The prefill for a model that continues `text`; `None` if it would be empty.
pub(crate) fn prefill(text: &Arc<str>) -> Option<Arc<str>> {
    let words = text.trim_end();
    match words.len() {
        0 => None,
        length if length == text.len() => Some(Arc::clone(text)),
        _ => Some(words.into()),
    }
}

impl Splice {
    /// A continuation of `text`.
    pub(crate) fn new(text: Arc<str>, prefill: bool) -> Self {
        let words = text.trim_end().len();
        let (matched, join) =
            if prefill { (words, Join::Given { words, again: Some(0) }) } else { (0, Join::Exact) };
        Self { text, matched, join, doubtful: false, reasoning: false, resumed: false }
    }

    /// Whether everything that was already sent has been accounted for.
    pub(crate) fn is_joined(&self) -> bool {
        self.matched == self.text.len() && !matches!(self.join, Join::Given { again: Some(_), .. })
    }

    /// Whether the caller has no text yet, so that there is nothing to continue.
    pub(crate) fn starts_over(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Whether it failed because an echo of the prefill cannot be distinguished from new text.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// The part of an event that is new to the caller.
    ///
    /// # Errors
    /// [`Kind::BadOutput`] if the answer is not a continuation.
    pub(crate) fn fit(&mut self, event: Event) -> Result<Option<Event>, Error> {
        match event {
            Event::TextDelta(mut text) => {
                if !self.is_joined() {
                    self.reasoning &= text.is_empty();
                    self.join(&mut text)?;
                }
                self.resumed |= !text.is_empty();
                Ok((!text.is_empty()).then_some(Event::TextDelta(text)))
            }
            Event::RefusalDelta(_) => Err(differs()),
            Event::Native(_) if !self.resumed => Err(differs()),
            // Whatever it had to add stayed in its reasoning.
            Event::Finished(_) if self.reasoning => Err(unspoken()),
            Event::Finished(_) | Event::ToolStarted { .. } => {
                self.end_text()?;
                Ok(Some(event))
            }
            // The caller has already had the beginning; the reasoning behind another answer explains nothing here, nor
            // does its signature.
            Event::ReasoningDelta(thought) if !self.resumed => {
                self.reasoning |= !thought.is_empty() && !self.is_joined();
                Ok(None)
            }
            // One that stands by itself may belong to the tool call behind it.
            Event::ReasoningSignature(ref signature) if !self.resumed && !signature.redacted => Ok(None),
            Event::Started { .. } | Event::Mark => Ok(None),
            event => Ok(Some(event)),
        }
    }

    /// Drops from its text what the caller already has.
    fn join(&mut self, text: &mut String) -> Result<(), Error> {
        match self.join {
            Join::Exact => self.swallow(text),
            Join::Given { words, again } => {
                if let Some(said) = again {
                    self.tell_apart(words, said, text)?;
                }
                self.fit_space(words, text)
            }
        }
    }

    /// Its text is over, so there was none beyond what the caller has.
    fn end_text(&mut self) -> Result<(), Error> {
        match self.join {
            Join::Exact if !self.is_joined() => return Err(differs()),
            Join::Exact => {}
            // It stopped in the middle of what seems to be an echo.
            Join::Given { again: Some(1..), .. } => return Err(differs()),
            Join::Given { words, .. } => {
                self.join = Join::Given { words, again: None };
                self.matched = self.text.len();
            }
        }
        self.resumed = true;
        self.reasoning = false;
        Ok(())
    }

    /// Drops from a repeated answer what the caller already has.
    fn swallow(&mut self, text: &mut String) -> Result<(), Error> {
        let known = &self.text.as_bytes()[self.matched..];
        let common = known.len().min(text.len());
        if text.as_bytes()[..common] != known[..common] {
            return Err(differs());
        }
        self.matched += common;
        // Both are valid UTF-8 and equal up to here, so this is a boundary of both.
        text.drain(..common);
        Ok(())
    }

    /// Decides whether the model echoes its prefill, of which `said` bytes have been seen. Until that is decided, the
    /// text is held back.
    fn tell_apart(&mut self, words: usize, said: usize, text: &mut String) -> Result<(), Error> {
        let rest = &self.text[said..words];
        let common = common(rest, text);
        let again = common == rest.len();
        if !again && common == text.len() {
            text.clear();
            self.join = Join::Given { words, again: Some(said + common) };
            return Ok(());
        }
        if again && (words < NO_CHANCE || repeats_itself(&self.text[..words])) {
            self.doubtful = true;
            return Err(differs());
        }
        if again {
            text.drain(..common);
        } else {
            text.insert_str(0, &self.text[..said]);
        }
        self.join = Join::Given { words, again: None };
        Ok(())
    }

    /// Drops from the model's text the white space that the caller already has.
    fn fit_space(&mut self, words: usize, text: &mut String) -> Result<(), Error> {
        let common = common(&self.text[self.matched..], text);
        self.matched += common;
        text.drain(..common);
        let Some(first) = text.chars().next() else { return Ok(()) };
        if self.matched == words && self.matched < self.text.len() && !first.is_whitespace() {
            return Err(differs());
        }
        // White space that differs from the caller's does not join separate words.
        self.matched = self.text.len();
        Ok(())
    }
}

/// Whether it is one piece of text twice or more, such as a rule of dashes: its continuation may well be the same again.
fn repeats_itself(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= LONGEST_PATTERN
        && (1..=bytes.len() / 2).any(|period| bytes[period..] == bytes[..bytes.len() - period])
}

/// Length of their common prefix in bytes.
fn common(known: &str, new: &str) -> usize {
    let same = known.chars().zip(new.chars()).take_while(|(known, new)| known == new);
    same.map(|(_, new)| new.len_utf8()).sum()
}

fn unspoken() -> Error {
    Error::new(Kind::BadOutput, "the continuation has reasoning but no text")
}

fn differs() -> Error {
    Error::new(Kind::BadOutput, "the continuation does not match the text already delivered")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(sent: &str, pieces: &[&str]) -> Result<String, Error> {
        let mut splice = Splice::new(sent.into(), false);
        let mut text = sent.to_owned();
        for piece in pieces {
            if let Some(Event::TextDelta(new)) = splice.fit(Event::TextDelta((*piece).to_owned()))? {
                text.push_str(&new);
            }
        }
        Ok(text)
    }

    fn after_prefill(sent: &str, pieces: &[&str]) -> Result<String, Error> {
        let mut splice = Splice::new(sent.into(), true);
        let mut text = sent.to_owned();
        for piece in pieces {
            if let Some(Event::TextDelta(new)) = splice.fit(Event::TextDelta((*piece).to_owned()))? {
                text.push_str(&new);
            }
        }
        splice.fit(Event::Finished(hotspare_core::FinishReason::Stop)).map(|_| text)
    }

    #[test]
    fn trailing_whitespace_is_neither_prefilled_nor_duplicated() {
        assert_eq!(prefill(&"the pump \n".into()).as_deref(), Some("the pump"));
        assert_eq!(prefill(&" \n".into()), None, "some providers reject an empty turn");
        assert_eq!(after_prefill("the pump ", &[" failed"]).unwrap(), "the pump failed");
        assert_eq!(after_prefill("the pump\n\n", &["\n", "", "\n- one"]).unwrap(), "the pump\n\n- one");
        assert_eq!(after_prefill("the pump\n", &["\n\n", "- one"]).unwrap(), "the pump\n\n- one");
        assert_eq!(after_prefill("the pump ", &["\n- one"]).unwrap(), "the pump \n- one");
        assert_eq!(after_prefill("the pump", &[" failed"]).unwrap(), "the pump failed");
        assert_eq!(after_prefill("the stand", &["by"]).unwrap(), "the standby");
        assert_eq!(after_prefill("done. ", &[]).unwrap(), "done. ", "nothing was missing");
        assert_eq!(after_prefill("the stand ", &["by"]).unwrap_err().kind(), Kind::BadOutput);
    }

    #[test]
    fn echoed_prefill_is_not_duplicated() {
        assert_eq!(after_prefill("the pump", &["the pump failed"]).unwrap(), "the pump failed");
        assert_eq!(after_prefill("the pump ", &["the", " pump", " failed"]).unwrap(), "the pump failed");
        assert_eq!(after_prefill("the pump", &["the pump"]).unwrap(), "the pump", "nothing was missing");
        // Text that merely begins like the prefill is new, and none of it is lost.
        assert_eq!(after_prefill("the stand", &["the", "re"]).unwrap(), "the standthere");
        assert_eq!(after_prefill("12", &["1"]).unwrap_err().kind(), Kind::BadOutput);
        assert_eq!(after_prefill("11", &["11", " men"]).unwrap_err().kind(), Kind::BadOutput, "1111 or 11?");
        assert_eq!(after_prefill("11", &["12"]).unwrap(), "1112");
        // Ten dashes of twenty, or an echo of ten?
        assert_eq!(after_prefill("----------", &["----------"]).unwrap_err().kind(), Kind::BadOutput);
        assert_eq!(after_prefill("| a | a | a ", &["| a | a | a |"]).unwrap_err().kind(), Kind::BadOutput);
    }

    #[test]
    fn reasoning_only_continuation_is_rejected() {
        let leg = |events: Vec<Event>| {
            let mut splice = Splice::new("the pump".into(), true);
            events.into_iter().try_for_each(|event| splice.fit(event).map(drop))
        };
        let thought = || Event::ReasoningDelta("hm".into());
        let finish = || Event::Finished(hotspare_core::FinishReason::Stop);
        assert_eq!(leg(vec![thought(), finish()]).unwrap_err().kind(), Kind::BadOutput);
        assert!(leg(vec![thought(), Event::TextDelta(" failed".into()), finish()]).is_ok());
        assert!(leg(vec![finish()]).is_ok(), "nothing was missing");
    }

    /// After text, the answer may go on with a tool call.
    #[test]
    fn tool_call_ends_the_text() {
        let call = || Event::ToolStarted { index: 0, id: "c".into(), name: "f".into() };
        let leg = |prefill: bool, text: &str| {
            let mut splice = Splice::new("the pump ".into(), prefill);
            splice.fit(Event::TextDelta(text.into()))?;
            splice.fit(call()).map(|event| (event.is_some(), splice.is_joined()))
        };
        assert_eq!(leg(true, "").unwrap(), (true, true), "nothing was missing");
        assert_eq!(leg(true, " failed").unwrap(), (true, true));
        assert_eq!(leg(false, "the pump ").unwrap(), (true, true));
        assert_eq!(leg(false, "the").unwrap_err().kind(), Kind::BadOutput);
        assert_eq!(leg(true, "the").unwrap_err().kind(), Kind::BadOutput, "the pump the, or an echo?");
    }

    /// What the caller has no reasoning for has no signature either; one that stands by itself belongs to what follows.
    #[test]
    fn reasoning_passes_once_the_answer_has_been_resumed() {
        let mut splice = Splice::new("the pump".into(), true);
        let mut fits = |event: Event| splice.fit(event).unwrap().is_some();
        let signed = |redacted: bool| {
            let origin = hotspare_core::Origin("x".into());
            Event::ReasoningSignature(hotspare_core::Signature { origin, data: "x".into(), redacted })
        };
        let thought = || Event::ReasoningDelta("hm".into());
        assert!(!fits(thought()) && !fits(signed(false)) && fits(signed(true)));
        assert!(fits(Event::TextDelta(" failed".into())));
        assert!(fits(thought()) && fits(signed(false)));
    }

    #[test]
    fn mismatched_continuation_is_rejected() {
        assert_eq!(run("the pump", &["the", " fan"]).unwrap_err().kind(), Kind::BadOutput);
    }

    proptest! {
        #[test]
        fn cut_and_chunk_boundaries_do_not_change_the_text(
            words in prop::collection::vec("[a-zé世 ]{0,5}", 1..20), cut in 0usize..20,
        ) {
            let whole: String = words.concat();
            let sent: String = words[..cut.min(words.len())].concat();
            let pieces: Vec<&str> = words.iter().map(String::as_str).collect();
            prop_assert_eq!(run(&sent, &pieces).unwrap(), &*whole);
            // Echoed by a server that got it as prefill, without the trailing white space.
            if sent.trim_end().len() >= NO_CHANCE && !repeats_itself(sent.trim_end()) {
                prop_assert_eq!(after_prefill(&sent, &pieces).unwrap(), whole);
            }
        }
    }
}
