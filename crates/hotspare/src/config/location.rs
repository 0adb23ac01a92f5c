//! Line numbers and paths of keys in a configuration's text.
//!
//! Invariant: a mistake is reported with its line and key but without the text itself, which may be secret.

use toml::Spanned;
use toml::de::DeValue;

/// The text.
pub(super) struct LineIndex<'a>(&'a str);

impl<'a> LineIndex<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self(text)
    }

    /// The line number of an offset, counted from 1.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        1 + self.0.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }
}

/// The keys that lead to a part of a value.
#[derive(Debug, Default)]
pub(super) struct KeyPath {
    pub(super) keys: Vec<String>,
    /// The part is the last key itself, not its value.
    pub(super) is_key: bool,
}

impl KeyPath {
    /// The place of the part that begins at this offset; `None` if that is the value itself.
    pub(super) fn of(value: &DeValue<'_>, offset: usize) -> Option<Self> {
        match value {
            DeValue::Table(table) => table.iter().find_map(|(key, value)| {
                let is_key = key.span().contains(&offset);
                let inner = Self::of(value.get_ref(), offset);
                let is_here = is_key || inner.is_some() || value.span().contains(&offset);
                is_here.then(|| {
                    let mut path = inner.unwrap_or_default();
                    path.keys.insert(0, key.get_ref().to_string());
                    path.is_key |= is_key;
                    path
                })
            }),
            DeValue::Array(items) => items.iter().find_map(|item| Self::of(item.get_ref(), offset)),
            _ => None,
        }
    }

    /// Removes this part from the value in which it was found, with the innermost key that leads to it. Returns the keys of
    /// the table that had it.
    pub(super) fn remove_from(mut self, value: &mut DeValue<'_>) -> Vec<String> {
        while let Some(last) = self.keys.pop() {
            let table = self.keys.iter().try_fold(&mut *value, |value, key| match value {
                DeValue::Table(table) => table.get_mut(key.as_str()).map(Spanned::get_mut),
                _ => None,
            });
            if let Some(DeValue::Table(table)) = table
                && table.remove(last.as_str()).is_some()
            {
                break;
            }
            // It is inside a list, which is removed as a whole.
        }
        self.keys
    }

    /// The key to name in a message about this place: one that is itself the mistake is named by the message.
    pub(super) fn path(&self, section: &str) -> String {
        let named = self.keys.len() - usize::from(self.is_key);
        let path: Vec<&str> =
            std::iter::once(section).chain(self.keys[..named].iter().map(String::as_str)).collect();
        path.join(".")
    }
}
