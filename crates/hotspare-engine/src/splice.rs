//! Fitting the continuation of a cut answer to what the caller already has.
//!
//! Not a guess: it joins only where the join is exact. With prefill the model carries on in its own turn, and all that it
//! says is new. Without, the answer must begin with the very text that was sent, which is swallowed. Invariant: the caller
//! never gets a word twice and never loses one; where that cannot be had, the continuation fails.

use std::sync::Arc;

use hotspare_core::{Error, Event, Kind};

/// One continuation under way.
#[derive(Clone, Debug)]
pub(crate) struct Splice {
    text: Arc<str>,
    matched: usize,
}

impl Splice {
    /// Carries on after `text`.
    pub(crate) fn new(text: Arc<str>, prefill: bool) -> Self {
        let matched = if prefill { text.len() } else { 0 };
        Self { text, matched }
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
            Event::Finished(_) if !self.is_joined() => Err(differs()),
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
