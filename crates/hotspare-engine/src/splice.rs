//! Fitting the continuation of a cut answer to what the caller already has.
//!
//! Not a guess: it joins only where the join is exact. With prefill the model carries on in its own turn, and all that it
//! says is new. Without, the answer must begin with the very text that was sent, which is swallowed.
//!
//! White space at the end of what was sent is not given to the model: some providers refuse a turn that ends in it, and
//! tokens begin with their space. So the model says it again, and what is the same is swallowed; a model that goes on
//! without any is in the middle of another word. Invariant: the caller never gets a word twice, never loses one, and never
//! gets two joined; where that cannot be had, the continuation fails.

use std::sync::Arc;

use hotspare_core::{Error, Event, Kind};

/// One continuation under way.
#[derive(Clone, Debug)]
pub(crate) struct Splice {
    text: Arc<str>,
    matched: usize,
    join: Join,
}

/// How the text is passed that the caller already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    /// The model says all of it again.
    Exact,
    /// Only the white space at its end is missing, which begins here.
    Space(usize),
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
        let (matched, join) = if prefill { (words, Join::Space(words)) } else { (0, Join::Exact) };
        Self { text, matched, join }
    }

    /// Whether all that was already sent has been passed.
    pub(crate) fn is_joined(&self) -> bool {
        self.matched == self.text.len()
    }

    /// What of an event is new to the caller.
    ///
    /// # Errors
    /// [`Kind::BadOutput`] if the answer is not a continuation.
    pub(crate) fn fit(&mut self, event: Event) -> Result<Option<Event>, Error> {
        match event {
            Event::TextDelta(mut text) if !self.is_joined() => {
                if let Join::Space(from) = self.join {
                    let known = self.text[self.matched..].chars().zip(text.chars());
                    let same = known.take_while(|(known, new)| known == new).map(|(_, new)| new.len_utf8());
                    let common: usize = same.sum();
                    self.matched += common;
                    text.drain(..common);
                    if text.is_empty() {
                        return Ok(None);
                    }
                    if self.matched == from && !text.starts_with(char::is_whitespace) {
                        return Err(differs());
                    }
                    // Other white space than what the caller has joins nothing that was apart.
                    self.matched = self.text.len();
                    return Ok(Some(Event::TextDelta(text)));
                }
                let known = &self.text.as_bytes()[self.matched..];
                let common = known.len().min(text.len());
                if text.as_bytes()[..common] != known[..common] {
                    return Err(differs());
                }
                self.matched += common;
                if common == text.len() {
                    return Ok(None);
                }
                // Both are valid text and equal up to here, so this is a boundary of both.
                text.drain(..common);
                Ok(Some(Event::TextDelta(text)))
            }
            Event::ToolStarted { .. } | Event::RefusalDelta(_) | Event::Native(_) => Err(differs()),
            Event::Finished(_) if !self.is_joined() && self.join == Join::Exact => Err(differs()),
            Event::Finished(_) => {
                // Nothing was missing but what the caller has already.
                self.matched = self.text.len();
                Ok(Some(event))
            }
            // The caller has had its beginning, and the reasoning that led to another answer explains nothing here.
            Event::Started { .. } | Event::ReasoningDelta(_) | Event::ReasoningSignature(_) | Event::Mark => {
                Ok(None)
            }
            event => Ok(Some(event)),
        }
    }
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
            prop_assert_eq!(run(&sent, &pieces).unwrap(), whole);
        }
    }
}
