//! How few tokens a text can become, told without making them: a prompt far beyond the context is refused before the
//! work that it would cost.
//!
//! A token that covers a character is no longer than the longest token with that character in it, so each character
//! counts for at least one part in that many of a token, and the sum over a text is never more than its tokens. What a
//! tokenizer may drop, fuse or merge before it comes to tokens counts for nothing.

use std::collections::HashMap;

use serde_json::Value;

/// One token, in the parts that characters are counted in. Shares are rounded down, which keeps a sum below the truth.
const TOKEN: u64 = 1 << 32;

/// What each character counts for, at least.
#[derive(Debug)]
pub(super) struct Least {
    unit: Unit,
    /// Whether characters may become one with what follows them (NFC).
    composed: bool,
}

#[derive(Debug)]
enum Unit {
    /// Nothing is known of this kind of tokenizer.
    Unknown,
    /// Tokens are made of bytes.
    Byte(Box<[u64; 256]>),
    /// Tokens are made of characters, and those that no token has come as bytes, one token each.
    Character(HashMap<char, u64>),
}

/// Text that is on its way to a context, counted as it comes.
#[derive(Debug)]
pub struct Budget<'a> {
    least: &'a Least,
    spent: u64,
    limit: u64,
}

/// The text has more tokens than the budget allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beyond;

impl Budget<'_> {
    /// Counts some more text; stops where it is too much.
    pub fn spend(&mut self, text: &str) -> Result<(), Beyond> {
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            // The next piece may begin with a mark that belongs to this one's end.
            let kept = !self.least.composed
                || (is_inert(character) && characters.peek().copied().is_some_and(is_inert));
            if kept {
                self.spent += self.least.share(character);
                if self.spent > self.limit {
                    return Err(Beyond);
                }
            }
        }
        Ok(())
    }
}

/// Characters that composition leaves as they are where another such follows: ASCII and CJK ideographs.
fn is_inert(character: char) -> bool {
    character.is_ascii() || matches!(character, '\u{4E00}'..='\u{9FFF}')
}

impl Least {
    /// What `tokenizer.json` says about lengths.
    pub(super) fn of(file: &Value) -> Self {
        let mut composed = false;
        let mut bytes = false;
        let mut space = ' ';
        let known = ["normalizer", "pre_tokenizer"].into_iter().all(|stage| {
            stages(&file[stage])
                .into_iter()
                .all(|part| keeps_text(part, &mut composed, &mut bytes, &mut space))
        });
        let model = &file["model"];
        let pairs =
            model["type"] == "BPE" || (model["type"].is_null() && model["merges"].is_array());
        let Some(vocab) = model["vocab"].as_object().filter(|_| known && pairs) else {
            return Self {
                unit: Unit::Unknown,
                composed,
            };
        };
        let added = file["added_tokens"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let contents = || added.iter().filter_map(|token| token["content"].as_str());
        // Such a token takes the blanks around it with it, however many.
        let strips = added
            .iter()
            .any(|token| token["lstrip"] == true || token["rstrip"] == true);
        let unit = if bytes {
            let mut longest = Box::new([0_u64; 256]);
            for token in vocab.keys() {
                let spelt: Option<Vec<u8>> = token.chars().map(byte_of).collect();
                note_bytes(&mut longest, &spelt.unwrap_or_default());
            }
            for content in contents() {
                note_bytes(&mut longest, content.as_bytes());
            }
            for (byte, longest) in longest.iter_mut().enumerate() {
                // A byte that is no token is dropped where nothing merges it.
                let alone = vocab.contains_key(&spelling(byte as u8).to_string());
                let stripped = strips && (byte >= 128 || (byte as u8 as char).is_whitespace());
                *longest = if alone && !stripped && *longest > 0 {
                    TOKEN / *longest
                } else {
                    0
                };
            }
            Unit::Byte(longest)
        } else if model["byte_fallback"] == true
            && (0..=255).all(|byte: u8| vocab.contains_key(&format!("<0x{byte:02X}>")))
        {
            let mut longest: HashMap<char, u64> = HashMap::new();
            for token in vocab.keys().map(String::as_str).chain(contents()) {
                let length = token.chars().count() as u64;
                for character in token.chars() {
                    let seen = longest.entry(character).or_default();
                    *seen = length.max(*seen);
                }
            }
            // Blanks become another character, and may stand in an added token as they are.
            let blank = [' ', space].map(|c| longest.get(&c).copied().unwrap_or(1));
            longest.insert(' ', blank.into_iter().max().unwrap_or(1));
            let mut shares: HashMap<char, u64> = longest
                .into_iter()
                .map(|(character, longest)| (character, TOKEN / longest.max(1)))
                .collect();
            if strips {
                shares.insert(space, 0);
                shares.extend(BLANKS.map(|blank| (blank, 0)));
            }
            Unit::Character(shares)
        } else {
            Unit::Unknown
        };
        Self { unit, composed }
    }

    /// A budget of so many tokens.
    pub(super) fn budget(&self, tokens: u32) -> Budget<'_> {
        Budget {
            least: self,
            spent: 0,
            limit: u64::from(tokens) * TOKEN,
        }
    }

    fn share(&self, character: char) -> u64 {
        match &self.unit {
            Unit::Unknown => 0,
            Unit::Byte(shares) => {
                let mut spelt = [0; 4];
                let spelt = character.encode_utf8(&mut spelt).bytes();
                spelt.map(|byte| shares[usize::from(byte)]).sum()
            }
            Unit::Character(shares) => shares.get(&character).copied().unwrap_or(TOKEN),
        }
    }
}

/// White space that is one character of one code point, as `char::is_whitespace` has it.
const BLANKS: [char; 25] = [
    '\t', '\n', '\u{B}', '\u{C}', '\r', ' ', '\u{85}', '\u{A0}', '\u{1680}', '\u{2000}',
    '\u{2001}', '\u{2002}', '\u{2003}', '\u{2004}', '\u{2005}', '\u{2006}', '\u{2007}', '\u{2008}',
    '\u{2009}', '\u{200A}', '\u{2028}', '\u{2029}', '\u{202F}', '\u{205F}', '\u{3000}',
];

fn note_bytes(longest: &mut [u64; 256], token: &[u8]) {
    for byte in token {
        let seen = &mut longest[usize::from(*byte)];
        *seen = (token.len() as u64).max(*seen);
    }
}

/// The parts of a normaliser or pre-tokenizer, in order.
fn stages(stage: &Value) -> Vec<&Value> {
    let parts = stage["normalizers"]
        .as_array()
        .or_else(|| stage["pretokenizers"].as_array());
    match parts {
        Some(parts) => parts.iter().flat_map(stages).collect(),
        None if stage.is_null() => Vec::new(),
        None => vec![stage],
    }
}

/// Whether a part only adds to a text, splits it or spells it otherwise; what it does is noted.
fn keeps_text(part: &Value, composed: &mut bool, bytes: &mut bool, space: &mut char) -> bool {
    let single = |text: &Value| {
        let mut characters = text.as_str()?.chars();
        characters.next().filter(|_| characters.next().is_none())
    };
    match part["type"].as_str() {
        Some("NFC") => *composed = true,
        Some("ByteLevel") => *bytes = true,
        Some("Prepend" | "Digits") => {}
        Some("Split") => return part["behavior"] != "Removed",
        Some("Replace") if part["pattern"]["String"] == " " => match single(&part["content"]) {
            Some(other) => *space = other,
            None => return false,
        },
        Some("Metaspace") => match single(&part["replacement"]) {
            Some(other) => *space = other,
            None => return false,
        },
        Some(_) | None => return false,
    }
    true
}

/// GPT-2's spelling of a byte: printable ones stand for themselves, the rest follow from U+0100 on.
fn spelling(byte: u8) -> char {
    if is_printable(byte) {
        char::from(byte)
    } else {
        let before = (0..byte).filter(|other| !is_printable(*other)).count() as u32;
        char::from_u32(256 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

fn byte_of(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ 0..=255 => Some(code as u8).filter(|byte| is_printable(*byte)),
        code => (0..=255)
            .filter(|byte| !is_printable(*byte))
            .nth(code as usize - 256),
    }
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

#[cfg(test)]
mod tests;
