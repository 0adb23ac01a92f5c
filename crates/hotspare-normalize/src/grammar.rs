//! The legal order of an answer's events.
//!
//! Not a collector: of the content, it keeps only the finish reason, so a check allocates nothing. Invariant: events
//! that pass can be assembled into one answer without losing or misplacing a word. Lenient where real servers are odd
//! (no `Started`, or several; usage and annotations after the end), strict where leniency would corrupt an answer.

use hotspare_core::{Error, Event, FinishReason, Kind};

/// Checks the order of one answer's events and tracks the open block.
#[derive(Clone, Debug, Default)]
pub struct Grammar {
    block: Block,
    finished: Option<FinishReason>,
    /// The number of tool calls so far, which is also the index that the next one must have.
    tools: u32,
    content: bool,
    /// Whether there was more than reasoning and white space.
    answer: bool,
    /// Whether there was anything that text of another model cannot be joined to.
    rich: bool,
}

/// The open block of a stream. Limits on silence depend on it: a model may think for minutes, but text that stops has
/// been cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Block {
    /// None: before the first content, and after the end.
    #[default]
    None,
    /// Reasoning.
    Reasoning,
    /// A refusal.
    Refusal,
    /// Text.
    Text,
    /// A tool call's arguments.
    Tool,
}

impl Grammar {
    /// Checks and tracks the next event.
    ///
    /// Empty deltas are always in order and change nothing: servers send them as role frames and together with the
    /// finish reason.
    ///
    /// # Errors
    /// [`Kind::Protocol`], naming what was out of order. Such an event is not tracked.
    pub fn check(&mut self, event: &Event) -> Result<(), Error> {
        match event {
            Event::Mark
            | Event::ReasoningSignature(_)
            | Event::ServiceTier(_)
            | Event::Started { .. }
            | Event::Turns(_)
            | Event::Usage(_) => {}
            Event::TextDelta(text) if text.is_empty() => {}
            Event::TextDelta(text) => {
                self.open(Block::Text, "text")?;
                self.answer = self.answer || !text.trim().is_empty();
            }
            Event::ReasoningDelta(text) if text.is_empty() => {}
            Event::ReasoningDelta(_) => self.open(Block::Reasoning, "reasoning")?,
            Event::RefusalDelta(text) if text.is_empty() => {}
            Event::RefusalDelta(_) => {
                self.open(Block::Refusal, "a refusal")?;
                self.answer = true;
                self.rich = true;
            }
            Event::ToolStarted { index, .. } => self.begin_tool(*index)?,
            Event::ToolDelta { index, arguments } => {
                if *index >= self.tools {
                    return Err(disorder(format!("arguments for tool call {index}, which never began")));
                }
                if !arguments.is_empty() {
                    self.open(Block::Tool, "tool arguments")?;
                }
            }
            Event::Finished(reason) => match &self.finished {
                None => {
                    self.finished = Some(reason.clone());
                    self.block = Block::None;
                }
                Some(first) if first == reason => {}
                Some(_) => return Err(disorder("a second finish reason that contradicts the first")),
            },
            Event::Handover { .. } => {
                self.unfinished("a handover")?;
                self.block = Block::None;
            }
            Event::Native(_) => {
                self.unfinished("a part")?;
                self.block = Block::None;
                self.content = true;
                self.answer = true;
                self.rich = true;
            }
            Event::Vector(_) => {
                self.unfinished("a vector")?;
                self.content = true;
                self.answer = true;
                self.rich = true;
            }
            // Annotations, log probabilities and unknown events may come at any time.
            _ => self.rich = true,
        }
        Ok(())
    }

    /// The block that is open.
    #[must_use]
    pub fn block(&self) -> Block {
        self.block
    }

    /// The finish reason, once the answer has ended.
    #[must_use]
    pub fn finished(&self) -> Option<&FinishReason> {
        self.finished.as_ref()
    }

    /// Whether there was any text, reasoning, refusal, tool call or vector.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.content
    }

    /// Like [`Grammar::has_content`], but ignores reasoning and white space.
    #[must_use]
    pub fn has_answer(&self) -> bool {
        self.answer
    }

    /// Whether there was a tool call.
    #[must_use]
    pub fn has_tool_calls(&self) -> bool {
        self.tools > 0
    }

    /// Whether there was nothing but text and reasoning: no tool call, refusal, annotation, log probability or unknown
    /// event. Only such an answer can be continued by another model after it was cut off.
    #[must_use]
    pub fn text_only(&self) -> bool {
        !self.rich
    }

    fn open(&mut self, block: Block, what: &str) -> Result<(), Error> {
        self.unfinished(what)?;
        self.block = block;
        self.content = true;
        Ok(())
    }

    fn begin_tool(&mut self, index: u32) -> Result<(), Error> {
        if index < self.tools {
            return Err(disorder(format!("tool call {index} began twice")));
        }
        if index > self.tools {
            return Err(disorder(format!("tool call {index} began before tool call {}", self.tools)));
        }
        self.open(Block::Tool, "a tool call")?;
        self.tools = self.tools.saturating_add(1);
        self.answer = true;
        self.rich = true;
        Ok(())
    }

    fn unfinished(&self, what: &str) -> Result<(), Error> {
        match self.finished {
            None => Ok(()),
            Some(_) => Err(disorder(format!("{what} after the finish reason"))),
        }
    }
}

fn disorder(message: impl Into<String>) -> Error {
    Error::new(Kind::Protocol, message)
}

#[cfg(test)]
mod tests;
