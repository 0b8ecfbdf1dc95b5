//! Capitals as Python makes them: a letter at the head of a word may have another capital than one among capitals.

/// The letter at the head of a word.
fn head(character: char) -> String {
    let single = match character {
        '\u{1C4}'..='\u{1C6}' => Some('\u{1C5}'),
        '\u{1C7}'..='\u{1C9}' => Some('\u{1C8}'),
        '\u{1CA}'..='\u{1CC}' => Some('\u{1CB}'),
        '\u{1F1}'..='\u{1F3}' => Some('\u{1F2}'),
        // Georgian has capitals for whole texts alone.
        '\u{10D0}'..='\u{10FA}' | '\u{10FD}'..='\u{10FF}' => Some(character),
        '\u{1F80}'..='\u{1FAF}' => char::from_u32(u32::from(character) | 8),
        '\u{1FB3}' | '\u{1FBC}' => Some('\u{1FBC}'),
        '\u{1FC3}' | '\u{1FCC}' => Some('\u{1FCC}'),
        '\u{1FF3}' | '\u{1FFC}' => Some('\u{1FFC}'),
        _ => None,
    };
    if let Some(single) = single {
        return single.to_string();
    }
    let greek = ('\u{1F00}'..='\u{1FFF}').contains(&character);
    let mut capitals = character.to_uppercase();
    let mut out = String::from_iter(capitals.next());
    for next in capitals {
        match next {
            // The iota below stays below.
            '\u{399}' if greek => out.push('\u{345}'),
            'N' if character == 'ŉ' => out.push('N'),
            next => out.extend(next.to_lowercase()),
        }
    }
    out
}

pub(super) fn is_cased(character: char) -> bool {
    // The letters of `head` that are capital and small at once.
    let both = matches!(character, '\u{1C5}' | '\u{1C8}' | '\u{1CB}' | '\u{1F2}')
        || matches!(character, '\u{1F88}'..='\u{1F8F}' | '\u{1F98}'..='\u{1F9F}' | '\u{1FA8}'..='\u{1FAF}')
        || matches!(character, '\u{1FBC}' | '\u{1FCC}' | '\u{1FFC}');
    both || character.is_uppercase() || character.is_lowercase()
}

/// `str.title`: a capital after everything that has no case, small letters after everything that has.
pub(super) fn title(text: &str) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if !inside {
            out.push_str(&head(character));
        } else if character == 'Σ' {
            // At the end of a word it has a form of its own.
            let last = characters.peek().is_none_or(|next| !is_cased(*next));
            out.push(if last { 'ς' } else { 'σ' });
        } else {
            out.extend(character.to_lowercase());
        }
        inside = is_cased(character);
    }
    out
}

/// `str.capitalize`.
pub(super) fn capitalize(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(head).unwrap_or_default();
    first + &characters.as_str().to_lowercase()
}

/// The filter `title`, which has other words than the method: they begin after blanks, dashes and opening brackets.
pub(super) fn words(text: &str) -> String {
    let begins = |c: char| super::lines::is_space(c) || "-({[<".contains(c);
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(begins) {
        let mut characters = word.chars();
        if let Some(first) = characters.next() {
            out.extend(first.to_uppercase());
        }
        out.push_str(&characters.as_str().to_lowercase());
    }
    out
}
