//! Parts of a page that reports share: its head, its style, and escaping.
//!
//! Not the contents. Invariant: no script, font or URL is loaded.

pub(super) const STYLE: &str = include_str!("style.css");

/// A page up to the start of its contents, which end with `</main></html>`.
#[must_use]
pub fn begin(title: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>{STYLE}</style>\n<main>\n"
    )
}

/// Text as it is written in a page.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
