//! A screenful of styled text, independent of where it is shown.
//!
//! Not a terminal: the same frame is drawn by [`Terminal`](super::terminal::Terminal) and written by a
//! [`Recording`](super::recording::Recording). Invariant: no control codes in any text.

/// How a piece of text is styled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Strong,
    Faint,
    Good,
    Warn,
    Bad,
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) style: Style,
    pub(crate) text: String,
}

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(pub(crate) Vec<Span>);

impl Line {
    /// Appends text.
    pub(crate) fn put(mut self, style: Style, text: impl Into<String>) -> Self {
        let text = text.into().replace(|letter: char| letter.is_control(), " ");
        self.0.push(Span { style, text });
        self
    }

    /// The line without styles.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|span| span.text.as_str()).collect()
    }
}

/// Lines from top to bottom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame(pub(crate) Vec<Line>);

impl Frame {
    /// Appends a line.
    pub(crate) fn push(&mut self, line: Line) {
        self.0.push(line);
    }

    /// Appends an empty line.
    pub(crate) fn space(&mut self) {
        self.push(Line::default());
    }
}
