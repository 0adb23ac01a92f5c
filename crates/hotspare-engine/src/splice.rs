//! Fitting the continuation of a cut answer to what the caller already has.
//!
//! Not a guess: it joins only where the join is exact. With prefill the model carries on in its own turn, and all that it
//! says is new. Without, the answer must begin with the very text that was sent, which is swallowed.
//!
//! Some servers (llama.cpp's, for one) show the turn that the model was given before they go on with it. So what begins like
//! that turn is held back until it differs, and then all of it is new, or until the whole turn has been said again, which is
//! swallowed. After a turn of a few letters that could be either: the continuation fails, and the model is asked anew.
//!
//! White space at the end of what was sent is not given to the model: some providers refuse a turn that ends in it, and
//! tokens begin with their space. So the model says it again, and what is the same is swallowed; a model that goes on
//! without any is in the middle of another word. Invariant: the caller never gets a word twice, never loses one, and never
//! gets two joined; where that cannot be had, the continuation fails.

use std::sync::Arc;

use hotspare_core::{Error, Event, Kind};

/// A turn of so many bytes is not said twice in a row by chance, from its first letter to its last.
const NO_CHANCE: usize = 8;

/// One continuation under way.
#[derive(Clone, Debug)]
pub(crate) struct Splice {
    text: Arc<str>,
    matched: usize,
    join: Join,
    doubtful: bool,
    /// The model has reasoned, and said nothing since.
    reasoning: bool,
}

/// How the text is passed that the caller already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    /// The model says all of it again.
    Exact,
    /// Only the white space at its end is missing, which begins at `words`. While `again` is a number, so many bytes of the
    /// words were said, and it is open whether again.
    Given { words: usize, again: Option<usize> },
}

/// What a model is given of `text` as the beginning of its own turn; `None` if that is nothing.
pub(crate) fn prefill(text: &Arc<str>) -> Option<Arc<str>> {
    let words = text.trim_end();
    match words.len() {
        0 => None,
        length if length == text.len() => Some(Arc::clone(text)),
        _ => Some(words.into()),
    }
}

impl Splice {
    /// Carries on after `text`.
    pub(crate) fn new(text: Arc<str>, prefill: bool) -> Self {
        let words = text.trim_end().len();
        let (matched, join) =
            if prefill { (words, Join::Given { words, again: Some(0) }) } else { (0, Join::Exact) };
        Self { text, matched, join, doubtful: false, reasoning: false }
    }

    /// Whether all that was already sent has been passed.
    pub(crate) fn is_joined(&self) -> bool {
        self.matched == self.text.len() && !matches!(self.join, Join::Given { again: Some(_), .. })
    }

    /// Whether the caller has no text yet, so that nothing is carried on.
    pub(crate) fn begins_anew(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Whether it failed because it cannot be told if the model went on or began anew.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// What of an event is new to the caller.
    ///
    /// # Errors
    /// [`Kind::BadOutput`] if the answer is not a continuation.
    pub(crate) fn fit(&mut self, event: Event) -> Result<Option<Event>, Error> {
        match event {
            Event::TextDelta(mut text) if !self.is_joined() => {
                self.reasoning &= text.is_empty();
                match self.join {
                    Join::Exact => self.swallow(&mut text)?,
                    Join::Given { words, again } => {
                        if let Some(said) = again {
                            self.tell_apart(words, said, &mut text)?;
                        }
                        self.fit_space(words, &mut text)?;
                    }
                }
                Ok((!text.is_empty()).then_some(Event::TextDelta(text)))
            }
            Event::ToolStarted { .. } | Event::RefusalDelta(_) | Event::Native(_) => Err(differs()),
            Event::Finished(_) => match self.join {
                Join::Exact if !self.is_joined() => Err(differs()),
                // It stopped while it said, as it seems, the beginning again.
                Join::Given { again: Some(1..), .. } => Err(differs()),
                // Whatever it had to add stayed in its reasoning.
                Join::Given { .. } if self.reasoning => Err(unspoken()),
                // Nothing was missing but what the caller has already.
                Join::Exact => Ok(Some(event)),
                Join::Given { words, .. } => {
                    self.join = Join::Given { words, again: None };
                    self.matched = self.text.len();
                    Ok(Some(event))
                }
            },
            // The caller has had its beginning, and the reasoning that led to another answer explains nothing here.
            Event::ReasoningDelta(thought) => {
                self.reasoning |= !thought.is_empty() && !self.is_joined();
                Ok(None)
            }
            Event::Started { .. } | Event::ReasoningSignature(_) | Event::Mark => Ok(None),
            event => Ok(Some(event)),
        }
    }

    /// Takes from an answer that was asked for anew what the caller has.
    fn swallow(&mut self, text: &mut String) -> Result<(), Error> {
        let known = &self.text.as_bytes()[self.matched..];
        let common = known.len().min(text.len());
        if text.as_bytes()[..common] != known[..common] {
            return Err(differs());
        }
        self.matched += common;
        // Both are valid text and equal up to here, so this is a boundary of both.
        text.drain(..common);
        Ok(())
    }

    /// Whether the model says the turn that it was given once more, of which it has `said` so many bytes. Until that is known
    /// nothing is left of the text.
    fn tell_apart(&mut self, words: usize, said: usize, text: &mut String) -> Result<(), Error> {
        let rest = &self.text[said..words];
        let common = common(rest, text);
        let again = common == rest.len();
        if !again && common == text.len() {
            text.clear();
            self.join = Join::Given { words, again: Some(said + common) };
            return Ok(());
        }
        if again && words < NO_CHANCE {
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

    /// Takes from the model's next words the white space that the caller has.
    fn fit_space(&mut self, words: usize, text: &mut String) -> Result<(), Error> {
        let common = common(&self.text[self.matched..], text);
        self.matched += common;
        text.drain(..common);
        let Some(first) = text.chars().next() else { return Ok(()) };
        if self.matched == words && self.matched < self.text.len() && !first.is_whitespace() {
            return Err(differs());
        }
        // Other white space than what the caller has joins nothing that was apart.
        self.matched = self.text.len();
        Ok(())
    }
}

/// Bytes of their common beginning.
fn common(known: &str, new: &str) -> usize {
    let same = known.chars().zip(new.chars()).take_while(|(known, new)| known == new);
    same.map(|(_, new)| new.len_utf8()).sum()
}

fn unspoken() -> Error {
    Error::new(Kind::BadOutput, "the continuation has reasoning and no text")
}

fn differs() -> Error {
    Error::new(Kind::BadOutput, "the answer does not begin like the one that was cut")
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
    fn space_at_the_end_is_neither_given_to_the_model_nor_had_twice() {
        assert_eq!(prefill(&"the pump \n".into()).as_deref(), Some("the pump"));
        assert_eq!(prefill(&" \n".into()), None, "an empty turn is refused by some");
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
    fn a_turn_that_is_shown_again_is_not_had_twice() {
        assert_eq!(after_prefill("the pump", &["the pump failed"]).unwrap(), "the pump failed");
        assert_eq!(after_prefill("the pump ", &["the", " pump", " failed"]).unwrap(), "the pump failed");
        assert_eq!(after_prefill("the pump", &["the pump"]).unwrap(), "the pump", "nothing was missing");
        // What only begins alike is new, and none of it is lost.
        assert_eq!(after_prefill("the stand", &["the", "re"]).unwrap(), "the standthere");
        assert_eq!(after_prefill("12", &["1"]).unwrap_err().kind(), Kind::BadOutput);
        assert_eq!(after_prefill("11", &["11", " men"]).unwrap_err().kind(), Kind::BadOutput, "1111 or 11?");
        assert_eq!(after_prefill("11", &["12"]).unwrap(), "1112");
    }

    #[test]
    fn reasoning_alone_is_not_the_rest_of_an_answer() {
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

    #[test]
    fn another_answer_is_refused() {
        assert_eq!(run("the pump", &["the", " fan"]).unwrap_err().kind(), Kind::BadOutput);
    }

    proptest! {
        #[test]
        fn any_cut_and_any_split_give_the_same_text(
            words in prop::collection::vec("[a-zé世 ]{0,5}", 1..20), cut in 0usize..20,
        ) {
            let whole: String = words.concat();
            let sent: String = words[..cut.min(words.len())].concat();
            let pieces: Vec<&str> = words.iter().map(String::as_str).collect();
            prop_assert_eq!(run(&sent, &pieces).unwrap(), &*whole);
            // Shown again by a server that was given it, without the space at its end.
            if sent.trim_end().len() >= NO_CHANCE {
                prop_assert_eq!(after_prefill(&sent, &pieces).unwrap(), whole);
            }
        }
    }
}
