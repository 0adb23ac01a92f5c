//! Recorded frames as one animated SVG without scripts, for pages that cannot run the program.
//!
//! Invariant: it holds exactly the frames that were shown.

use std::fmt::Write;
use std::time::Duration;

use super::frame::{Frame, Line, Style};

/// Width of a character and height of a line, in SVG units.
const LETTER: f64 = 8.4;
const ROW: f64 = 19.0;
const MARGIN: f64 = 14.0;

/// Frames in order, one every [`Recording::EVERY`].
#[derive(Debug, Default)]
pub(crate) struct Recording {
    frames: Vec<Frame>,
}

impl Recording {
    /// Interval between recorded frames.
    pub(crate) const EVERY: Duration = Duration::from_millis(700);

    /// Keeps a frame if it is due.
    pub(crate) fn keep(&mut self, passed: Duration, frame: &Frame) {
        let due = Self::EVERY * u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
        if passed >= due {
            self.frames.push(frame.clone());
        }
    }

    /// Adds a last frame, which is shown for a while before the animation restarts.
    pub(crate) fn close(&mut self, frame: Frame) {
        for _ in 0..6 {
            self.frames.push(frame.clone());
        }
    }

    /// Renders the animation.
    pub(crate) fn to_svg(&self) -> String {
        let columns = self.lines().map(|line| line.text().chars().count()).max().unwrap_or(0);
        let rows = self.frames.iter().map(|frame| frame.0.len()).max().unwrap_or(0);
        let (width, height) = (columns as f64 * LETTER + 2.0 * MARGIN, rows as f64 * ROW + 2.0 * MARGIN);
        let step = Self::EVERY.as_secs_f64();
        let total = step * self.frames.len() as f64;
        let share = 100.0 / self.frames.len().max(1) as f64;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\">\n\
             <title>hotspare demo: one provider fails, then two at once, and no request is lost</title>\n\
             <style>text{{white-space:pre;fill:#d6deeb}}.s{{font-weight:bold;fill:#fff}}.f{{fill:#7f8ea3}}.g{{fill:#5fd38d}}.w{{fill:#f2c14e}}.b{{fill:#ff6b6b}}\
             g{{visibility:hidden;animation:k {total:.1}s steps(1) infinite}}@keyframes k{{0%{{visibility:visible}}{share:.4}%{{visibility:hidden}}}}</style>\n\
             <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#101722\"/>\n"
        );
        for (at, frame) in self.frames.iter().enumerate() {
            let _ = writeln!(out, "<g style=\"animation-delay:{:.1}s\">", at as f64 * step);
            for (row, line) in frame.0.iter().enumerate().filter(|(_, line)| !line.0.is_empty()) {
                let _ = write!(out, "<text x=\"{MARGIN}\" y=\"{:.0}\">", MARGIN + ROW * (row as f64 + 0.75));
                for span in &line.0 {
                    let text = escaped(&span.text);
                    let _ = match class(span.style) {
                        Some(class) => write!(out, "<tspan class=\"{class}\">{text}</tspan>"),
                        None => write!(out, "{text}"),
                    };
                }
                out.push_str("</text>\n");
            }
            out.push_str("</g>\n");
        }
        out.push_str("</svg>\n");
        out
    }

    fn lines(&self) -> impl Iterator<Item = &Line> {
        self.frames.iter().flat_map(|frame| &frame.0)
    }
}

const fn class(style: Style) -> Option<&'static str> {
    match style {
        Style::Plain => None,
        Style::Strong => Some("s"),
        Style::Faint => Some("f"),
        Style::Good => Some("g"),
        Style::Warn => Some("w"),
        Style::Bad => Some("b"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_text_is_escaped_in_the_svg() {
        let mut frame = Frame::default();
        frame.push(Line::default().put(Style::Bad, "</text><script>&\u{1b}[2J"));
        let mut recording = Recording::default();
        recording.keep(Duration::ZERO, &frame);
        recording.keep(Duration::from_millis(1), &frame);
        assert_eq!(recording.frames.len(), 1, "a frame that is not due is not kept");
        let svg = recording.to_svg();
        assert!(svg.contains("&lt;/text&gt;&lt;script&gt;&amp; [2J"), "{svg}");
    }
}
