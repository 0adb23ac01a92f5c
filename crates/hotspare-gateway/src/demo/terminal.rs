//! Draws frames on the viewer's terminal, and reads the viewer's keys.
//!
//! Invariant: dropping it restores the terminal, even if the program fails.

use std::io::{self, Write};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read};
use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{cursor, queue};

use super::frame::{Frame, Tone};

/// A terminal that shows frames.
#[derive(Debug)]
pub(crate) struct Terminal {
    out: io::Stdout,
}

/// What the viewer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Key(char),
    Quit,
}

impl Terminal {
    /// Takes over the terminal.
    ///
    /// # Errors
    /// If it cannot be switched.
    pub(crate) fn open() -> io::Result<Self> {
        enable_raw_mode()?;
        let mut terminal = Self { out: io::stdout() };
        queue!(terminal.out, EnterAlternateScreen, cursor::Hide)?;
        terminal.out.flush()?;
        Ok(terminal)
    }

    /// Draws a frame over the one before.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub(crate) fn draw(&mut self, frame: &Frame) -> io::Result<()> {
        let (columns, rows) = size().unwrap_or((80, 24));
        queue!(self.out, cursor::MoveTo(0, 0))?;
        for (row, line) in (0..rows).zip(&frame.0) {
            let mut room = usize::from(columns);
            queue!(self.out, cursor::MoveTo(0, row))?;
            for span in &line.0 {
                let text: String = span.text.chars().take(room).collect();
                room -= text.chars().count();
                match span.tone {
                    Tone::Plain => {}
                    Tone::Strong => queue!(self.out, SetAttribute(Attribute::Bold))?,
                    Tone::Faint => queue!(self.out, SetForegroundColor(Color::DarkGrey))?,
                    Tone::Good => queue!(self.out, SetForegroundColor(Color::Green))?,
                    Tone::Warn => queue!(self.out, SetForegroundColor(Color::Yellow))?,
                    Tone::Bad => queue!(self.out, SetForegroundColor(Color::Red))?,
                }
                queue!(self.out, Print(text), ResetColor, SetAttribute(Attribute::Reset))?;
            }
            queue!(self.out, Clear(ClearType::UntilNewLine))?;
        }
        queue!(self.out, Clear(ClearType::FromCursorDown))?;
        self.out.flush()
    }

    /// Keys pressed since the last call; never waits.
    pub(crate) fn wishes(&self) -> Vec<Wish> {
        let mut wishes = Vec::new();
        while poll(Duration::ZERO).unwrap_or(false) {
            let Ok(Event::Key(key)) = read() else { continue };
            let interrupt = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
            match key.code {
                _ if key.kind == KeyEventKind::Release => {}
                _ if interrupt => wishes.push(Wish::Quit),
                KeyCode::Char('q') => wishes.push(Wish::Quit),
                KeyCode::Char(letter) => wishes.push(Wish::Key(letter)),
                _ => {}
            }
        }
        wishes
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = queue!(self.out, cursor::Show, LeaveAlternateScreen);
        let _ = self.out.flush();
        let _ = disable_raw_mode();
    }
}
