//! Assembles vectors into the whole answer.
//!
//! Does not judge what they mean. Invariant: an answer has one vector for each input, all of one length and all numbers
//! finite; anything less is a failure, never a shorter answer.

use hotspare_core::{EmbedResponse, Error, Event, FinishReason, Kind, Usage, Vector};

/// The most numbers in one answer (256 MiB of them): far above any provider's limit on inputs.
const LIMIT: usize = 64 << 20;

/// Assembles events into an answer of vectors. Its memory is bounded.
#[derive(Clone, Debug)]
pub struct Vectors {
    id: Option<String>,
    model: Option<String>,
    /// By index of the input.
    vectors: Vec<Option<Vec<f32>>>,
    dimensions: Option<u32>,
    usage: Usage,
    finished: bool,
    total_values: usize,
}

impl Vectors {
    /// Expects one vector for each of `inputs`, with `dimensions` numbers if that is known.
    #[must_use]
    pub fn new(inputs: usize, dimensions: Option<u32>) -> Self {
        Self {
            id: None,
            model: None,
            vectors: vec![None; inputs],
            dimensions,
            usage: Usage::default(),
            finished: false,
            total_values: 0,
        }
    }

    /// Adds the next event.
    ///
    /// # Errors
    /// [`Kind::Protocol`] for a vector that was not requested, is repeated or contains a non-finite number;
    /// [`Kind::Unsupported`] for one of another length than was requested.
    pub fn push(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Started { id, model } => {
                self.id = id.or(self.id.take());
                self.model = model.or(self.model.take());
            }
            Event::Usage(usage) => self.usage.update(&usage),
            Event::Finished(FinishReason::Stop) => self.finished = true,
            Event::Vector(vector) => self.insert(*vector)?,
            _ => {}
        }
        Ok(())
    }

    /// The whole answer.
    ///
    /// # Errors
    /// [`Kind::Truncated`] if the answer did not end, [`Kind::Protocol`] if a vector is missing or lengths differ.
    pub fn finish(self) -> Result<EmbedResponse, Error> {
        if !self.finished {
            return Err(Error::new(Kind::Truncated, "the vectors ended early"));
        }
        let inputs = self.vectors.len();
        let whole: Option<Vec<Vec<f32>>> = self.vectors.into_iter().collect();
        let Some(vectors) = whole else {
            return Err(Error::new(Kind::Protocol, format!("not every one of {inputs} inputs has a vector")));
        };
        let length = vectors.first().map_or(0, Vec::len);
        if vectors.iter().any(|vector| vector.len() != length) {
            return Err(Error::new(Kind::Protocol, "the vectors have different lengths"));
        }
        let mut response = EmbedResponse::new(vectors);
        response.id = self.id;
        response.model = self.model;
        response.usage = self.usage;
        Ok(response)
    }

    fn insert(&mut self, vector: Vector) -> Result<(), Error> {
        let Vector { index, values } = vector;
        let inputs = self.vectors.len();
        let slot = usize::try_from(index).ok().and_then(|index| self.vectors.get_mut(index));
        let Some(slot) = slot else {
            return Err(Error::new(
                Kind::Protocol,
                format!("vector {index} is out of range for {inputs} inputs"),
            ));
        };
        if slot.is_some() {
            return Err(Error::new(Kind::Protocol, format!("vector {index} is duplicated")));
        }
        if values.is_empty() || !values.iter().all(|value| value.is_finite()) {
            return Err(Error::new(Kind::Protocol, format!("vector {index} is empty or not finite")));
        }
        let length = u32::try_from(values.len()).unwrap_or(u32::MAX);
        if let Some(wanted) = self.dimensions.filter(|wanted| *wanted != length) {
            let what = format!("its vectors have {length} dimensions instead of {wanted}");
            return Err(Error::new(Kind::Unsupported, what));
        }
        self.total_values = self.total_values.saturating_add(values.len());
        if self.total_values > LIMIT {
            return Err(Error::new(Kind::Protocol, format!("the vectors have more than {LIMIT} values")));
        }
        *slot = Some(values);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(index: u32, values: &[f32]) -> Event {
        Event::Vector(Box::new(Vector { index, values: values.to_vec() }))
    }

    fn fold(inputs: usize, dimensions: Option<u32>, events: Vec<Event>) -> Result<EmbedResponse, Kind> {
        let mut vectors = Vectors::new(inputs, dimensions);
        for event in events {
            vectors.push(event).map_err(|error| error.kind())?;
        }
        vectors.finish().map_err(|error| error.kind())
    }

    #[test]
    fn vectors_are_in_input_order() {
        let end = Event::Finished(FinishReason::Stop);
        let whole = fold(2, Some(1), vec![vector(1, &[2.0]), vector(0, &[1.0]), end]).unwrap();
        assert_eq!(whole.vectors, [[1.0], [2.0]]);
    }

    #[test]
    fn missing_or_malformed_vectors_are_errors() {
        let end = || Event::Finished(FinishReason::Stop);
        let cases = [
            (Kind::Truncated, vec![vector(0, &[1.0]), vector(1, &[1.0])]),
            (Kind::Protocol, vec![vector(0, &[1.0]), end()]),
            (Kind::Protocol, vec![vector(0, &[1.0]), vector(0, &[1.0]), end()]),
            (Kind::Protocol, vec![vector(0, &[1.0]), vector(2, &[1.0]), end()]),
            (Kind::Protocol, vec![vector(0, &[1.0]), vector(1, &[1.0, 2.0]), end()]),
            (Kind::Protocol, vec![vector(0, &[1.0]), vector(1, &[f32::NAN]), end()]),
            (Kind::Protocol, vec![vector(0, &[1.0]), vector(1, &[]), end()]),
        ];
        for (kind, events) in cases {
            assert_eq!(fold(2, None, events.clone()).unwrap_err(), kind, "{events:?}");
        }
        let longer = vec![vector(0, &[1.0, 2.0]), end()];
        assert_eq!(fold(1, Some(1), longer).unwrap_err(), Kind::Unsupported);
    }
}
