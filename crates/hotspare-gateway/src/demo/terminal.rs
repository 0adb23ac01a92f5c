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

use super::frame::{Frame, Style};

/// A terminal that shows frames.
#[derive(Debug)]
pub(crate) struct Terminal {
    out: io::Stdout,
}

/// What the viewer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
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
            let mut columns_left = usize::from(columns);
            queue!(self.out, cursor::MoveTo(0, row))?;
            for span in &line.0 {
                let text: String = span.text.chars().take(columns_left).collect();
                columns_left -= text.chars().count();
                match span.style {
                    Style::Plain => {}
                    Style::Strong => queue!(self.out, SetAttribute(Attribute::Bold))?,
                    Style::Faint => queue!(self.out, SetForegroundColor(Color::DarkGrey))?,
                    Style::Good => queue!(self.out, SetForegroundColor(Color::Green))?,
                    Style::Warn => queue!(self.out, SetForegroundColor(Color::Yellow))?,
                    Style::Bad => queue!(self.out, SetForegroundColor(Color::Red))?,
                }
                queue!(self.out, Print(text), ResetColor, SetAttribute(Attribute::Reset))?;
            }
            queue!(self.out, Clear(ClearType::UntilNewLine))?;
        }
        queue!(self.out, Clear(ClearType::FromCursorDown))?;
        self.out.flush()
    }

    /// Keys pressed since the last call; never waits.
    pub(crate) fn poll_inputs(&self) -> Vec<Input> {
        let mut inputs = Vec::new();
        while poll(Duration::ZERO).unwrap_or(false) {
            let Ok(Event::Key(key)) = read() else { continue };
            let interrupt = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
            match key.code {
                _ if key.kind == KeyEventKind::Release => {}
                _ if interrupt => inputs.push(Input::Quit),
                KeyCode::Char('q') => inputs.push(Input::Quit),
                KeyCode::Char(letter) => inputs.push(Input::Key(letter)),
                _ => {}
            }
        }
        inputs
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = queue!(self.out, cursor::Show, LeaveAlternateScreen);
        let _ = self.out.flush();
        let _ = disable_raw_mode();
    }
}
