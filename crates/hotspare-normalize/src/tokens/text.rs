//! Estimates the tokens of a text by the classes of its characters.
//!
//! Not a tokenizer: the weights are those of current vocabularies of 100,000 to 200,000 entries, in which a common word
//! is one token in most scripts. Invariant: one pass, no allocation; the estimate of a text is never smaller than that
//! of a part of it, except by up to one token at each cut.

/// Hundredths of a token.
type Centi = u64;

/// The classes of ASCII characters, which form runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Break,
    Digit,
    Letter,
    Mark,
    Space,
}

/// The class of each ASCII character.
const CLASSES: [Class; 128] = {
    let mut classes = [Class::Mark; 128];
    let mut byte = 0;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'0'..=b'9' => Class::Digit,
            b' ' => Class::Space,
            b'\t' | b'\n' | b'\r' => Class::Break,
            _ => Class::Mark,
        };
        byte += 1;
    }
    classes
};

/// The approximate number of tokens of `text`: within a fifth of the published encodings for code, JSON and prose in
/// the scripts of the major languages.
#[must_use]
pub fn estimate_text(text: &str) -> u64 {
    let mut centi: Centi = 0;
    let mut whitespace = Whitespace::default();
    let mut rest = text;
    while let Some(&byte) = rest.as_bytes().first() {
        let Some(&class) = CLASSES.get(usize::from(byte)) else {
            // Other characters are weighed one by one.
            let mut characters = rest.chars();
            centi += characters.next().map_or(0, |character| character_cost(u32::from(character)));
            rest = characters.as_str();
            whitespace = Whitespace::default();
            continue;
        };
        // Indentation belongs to the line break before it.
        let belongs = |byte: &u8| {
            let other = CLASSES.get(usize::from(*byte));
            other == Some(&class) || (class == Class::Break && other == Some(&Class::Space))
        };
        let length = rest.bytes().take_while(belongs).count();
        let (run, more) = rest.split_at(length);
        centi += run_cost(class, length as u64);
        match class {
            Class::Break | Class::Space => {
                centi += run.bytes().map(|byte| whitespace.push(byte)).sum::<Centi>()
            }
            _ => whitespace = Whitespace::default(),
        }
        rest = more;
    }
    centi.div_ceil(100)
}

/// The cost of white space beyond one token per run; without it, a text of nothing else would cost almost nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Whitespace {
    last: u8,
    /// How often the character has changed in the current run.
    changes: u64,
    length: u64,
}

impl Whitespace {
    /// Changes of character within one token: indentation with the line break before it, or a few blank lines.
    const MAX_CHANGES: u64 = 4;
    /// The most repetitions of one character in a token; runs of line breaks and tabs are split sooner than spaces.
    const MAX_SPACES: u64 = 128;
    const MAX_OTHERS: u64 = 16;

    /// The cost of a white-space character beyond the one token that its run costs anyway.
    fn push(&mut self, byte: u8) -> Centi {
        let changes = byte != self.last;
        self.last = byte;
        self.length += 1;
        if changes {
            self.changes += 1;
            return if self.changes > Self::MAX_CHANGES { 20 } else { 0 };
        }
        let whole = if byte == b' ' { Self::MAX_SPACES } else { Self::MAX_OTHERS };
        if self.length.is_multiple_of(whole) { 100 } else { 0 }
    }
}

/// The cost of a run of one class.
fn run_cost(class: Class, length: u64) -> Centi {
    match class {
        // Common words are one token; longer ones, and compound names, are split about every five letters.
        Class::Letter => 100 + length.saturating_sub(7) * 20,
        Class::Digit => length.div_ceil(3) * 100,
        // Code and JSON: `":{"` is about as often one token as several.
        Class::Mark => 93 + (length - 1) * 10,
        Class::Break => 100,
        // A single space belongs to the word after it.
        Class::Space => {
            if length > 1 {
                100
            } else {
                0
            }
        }
    }
}

/// The cost of a non-ASCII character, by its block.
fn character_cost(code: u32) -> Centi {
    match code {
        // Latin with diacritics, which breaks words into more pieces than plain letters do.
        0x80..=0x24f => 60,
        0x370..=0x3ff => 50,
        // Cyrillic, Armenian.
        0x400..=0x52f => 35,
        0x530..=0x58f => 50,
        // Hebrew; Arabic and its neighbours.
        0x590..=0x5ff => 45,
        0x600..=0x77f => 40,
        // The scripts of India, in which vowel signs are characters of their own.
        0x900..=0xdff => 40,
        0xe00..=0xe7f => 45,
        0x1100..=0x11ff | 0xac00..=0xd7af => 70,
        0x250..=0x36f | 0x780..=0x8ff | 0xe80..=0x1fff => 70,
        // Punctuation, arrows, boxes.
        0x2000..=0x2fff => 100,
        // Kana, and CJK punctuation.
        0x3000..=0x30ff => 75,
        0x3400..=0x4dbf | 0x4e00..=0x9fff => 85,
        0x1_0000.. => 200,
        _ => 100,
    }
}
