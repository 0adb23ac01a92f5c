//! Line numbers in a configuration's text.
//!
//! Invariant: a mistake is reported with its line and key but without the text itself, which may be secret.

/// The text.
pub(super) struct Lines<'a>(&'a str);

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self(text)
    }

    /// The line number of an offset, counted from 1.
    pub(super) fn number(&self, offset: usize) -> usize {
        1 + self.0.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    /// A mistake with its line number; `path` is the table that contains it.
    pub(super) fn tell(&self, error: &toml::de::Error, path: &str) -> (usize, String) {
        let message = error.message().trim();
        let Some(span) = error.span() else { return (1, format!("{path}: {message}")) };
        let key = self.key(span.start).filter(|_| !message.starts_with("unknown field"));
        let place = match (path, key) {
            ("", _) => String::new(),
            (path, Some(key)) => format!("{path}.{key}: "),
            (path, None) => format!("{path}: "),
        };
        (self.number(span.start), format!("{place}{message}"))
    }

    /// The key whose value is at this offset.
    fn key(&self, offset: usize) -> Option<&'a str> {
        let line = self.0.get(..offset)?.rsplit('\n').next()?;
        let before = line.trim_end().strip_suffix('=').or_else(|| Some(line.rsplit_once('=')?.0))?.trim_end();
        let start = before
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .map_or(0, |at| at + 1);
        Some(&before[start..]).filter(|key| !key.is_empty())
    }
}
