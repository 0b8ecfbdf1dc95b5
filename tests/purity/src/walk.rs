//! Goes through the tokens of a file once, groups within groups, and keeps each way out.
use proc_macro2::{Delimiter, Ident, TokenTree};
use syn::ext::IdentExt;

use crate::{
    Allowed, WayOut,
    attribute::{Texts, judged},
    path::{Path, paths},
    text::{group, is_colons, is_sign, prints_an_address, said, tokens, word},
};

/// Macros of a pure crate: those of the standard library and its dependencies that only make values, and its own.
const MACROS: [&str; 16] = [
    "assert",
    "assert_eq",
    "budget",
    "explanations",
    "format",
    "json",
    "json_schema",
    "macro_rules",
    "matches",
    "number_id",
    "options",
    "rules",
    "text_id",
    "vec",
    "write",
    "writeln",
];
/// What opens a way out whoever it belongs to, and can be said without a path to it: words of the language; methods that tell
/// where a value lies, who else has it, how much memory there is or what order bytes have here; what changes behind a shared
/// reference, so that no file of ours hands one that it was allowed to another.
const NAMES: [&str; 34] = [
    "asm",
    "extern",
    "unsafe",
    "as_mut_ptr",
    "as_mut_ptr_range",
    "as_ptr",
    "as_ptr_range",
    "expose_provenance",
    "into_raw",
    "into_raw_parts",
    "ptr_eq",
    "strong_count",
    "weak_count",
    "try_reserve",
    "try_reserve_exact",
    "from_ne_bytes",
    "to_ne_bytes",
    "in_tz",
    "intz",
    "to_zoned",
    "Cell",
    "LazyCell",
    "LazyLock",
    "Mutex",
    "Once",
    "OnceCell",
    "OnceLock",
    "RandomState",
    "RefCell",
    "RwLock",
    "UnsafeCell",
    "HashMap",
    "HashSet",
    "UNIX_EPOCH",
];
/// Words after which `!(…)` is no macro.
const BEFORE_NOT: [&str; 8] = [
    "break", "else", "if", "in", "match", "return", "while", "as",
];

/// Words that no path begins with: `::` after one leads a path of its own.
const KEYWORDS: [&str; 22] = [
    "as", "box", "break", "const", "dyn", "else", "for", "if", "impl", "in", "let", "loop",
    "match", "move", "mut", "pub", "ref", "return", "use", "where", "while", "yield",
];

/// One pass over a file.
pub(crate) struct Walk<'a> {
    allowed: &'a Allowed,
    /// What was found.
    pub(crate) found: Vec<WayOut>,
    texts: Texts,
}

impl<'a> Walk<'a> {
    /// Nothing is found yet.
    pub(crate) fn new(allowed: &'a Allowed) -> Self {
        Self {
            allowed,
            found: Vec::new(),
            texts: Texts::Prose,
        }
    }

    /// Reads tokens, and those in their groups.
    pub(crate) fn tokens(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at = match token {
                // A lifetime: its name is none of ours, not even `'static`.
                TokenTree::Punct(punct) if punct.as_char() == '\'' => at + 2,
                TokenTree::Punct(punct) if punct.as_char() == '#' => self.attribute(tokens, at),
                TokenTree::Punct(_) => self.sign(tokens, at),
                TokenTree::Group(group) => {
                    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.tokens(&inside);
                    at + 1
                }
                TokenTree::Literal(literal) => {
                    if let Some(text) = said(literal) {
                        self.text(&text, literal.span().start().line);
                    }
                    at + 1
                }
                TokenTree::Ident(ident) => self.name(tokens, at, ident),
            };
        }
    }

    /// An attribute, or a `#` that is none.
    fn attribute(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let bracket = at + 1 + usize::from(is_sign(tokens.get(at + 1), '!'));
        let Some(group) = group(tokens.get(bracket), Delimiter::Bracket) else {
            return at + 1;
        };
        let inside: Vec<TokenTree> = group.stream().into_iter().collect();
        let (wrong, texts) = judged(&inside);
        let line = group.span_open().start().line;
        self.found.extend(wrong.map(|what| WayOut { line, what }));
        let outer = std::mem::replace(&mut self.texts, texts);
        // Its own name is no path: `#[serde(…)]` is none of the crate's.
        self.tokens(inside.get(1..).unwrap_or_default());
        self.texts = outer;
        bracket + 1
    }

    /// A pointer, or what a macro is given in the place of a name.
    fn sign(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let next = word(tokens.get(at + 1));
        let next = next.as_deref();
        if is_sign(tokens.get(at), '*')
            && let Some(kind @ ("const" | "mut")) = next
        {
            self.add(tokens, at, format!("*{kind}"));
        }
        let raw = word(tokens.get(at + 2));
        if is_sign(tokens.get(at), '&')
            && next == Some("raw")
            && matches!(raw.as_deref(), Some("const" | "mut"))
        {
            self.add(tokens, at, "&raw".to_owned());
        }
        if !is_sign(tokens.get(at), '$') || next.is_none() {
            return at + 1;
        }
        if is_sign(tokens.get(at + 2), '!')
            && matches!(tokens.get(at + 3), Some(TokenTree::Group(_)))
        {
            self.add(tokens, at, "$!".to_owned());
        }
        if is_colons(tokens, at + 2) {
            return self.path(tokens, at);
        }
        at + 2
    }

    /// A word: a name that opens a way by itself, a macro, a path.
    fn name(&mut self, tokens: &[TokenTree], at: usize, ident: &Ident) -> usize {
        let name = ident.unraw().to_string();
        let next = tokens.get(at + 1);
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        match name.as_str() {
            "static" if word(next).as_deref() == Some("mut") => {
                self.add(tokens, at, "static mut".to_owned());
            }
            "fn" if group(next, Delimiter::Parenthesis).is_some() => {
                self.add(tokens, at, "fn pointer".to_owned());
            }
            _ => {}
        }
        let heads = is_colons(tokens, at + 1) && !KEYWORDS.contains(&name.as_str());
        if heads || self.allowed.is_root(&name) && !is_sign(before, '.') {
            return self.path(tokens, at);
        }
        self.by_itself(tokens, at, &name);
        if word(next).as_deref() == Some("as") && self.allowed.modules(&name).next().is_some() {
            self.add(tokens, at, format!("{name} as"));
        }
        let after = if word(tokens.get(at + 2)).is_some() {
            3
        } else {
            2
        };
        let called =
            is_sign(next, '!') && matches!(tokens.get(at + after), Some(TokenTree::Group(_)));
        if called && !BEFORE_NOT.contains(&name.as_str()) && !MACROS.contains(&name.as_str()) {
            self.add(tokens, at, format!("{name}!"));
        }
        at + 1
    }

    fn path(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let (paths, end) = paths(tokens, at);
        for path in paths {
            self.judge(&path);
        }
        end
    }

    /// A path from outside must be on the list, whole; so must what follows a module that may be imported, wherever it was.
    fn judge(&mut self, path: &Path) {
        let mut found = |what: String| {
            self.found.push(WayOut {
                line: path.line,
                what,
            });
        };
        let segments = &path.segments;
        for name in segments {
            if NAMES.contains(&name.as_str()) || name.starts_with("Atomic") {
                found(name.clone());
            }
        }
        if segments
            .first()
            .is_some_and(|root| self.allowed.is_root(root))
        {
            if !self.allowed.takes(segments, path.renamed) {
                found(segments.join("::"));
            }
            return;
        }
        for (at, name) in segments.iter().enumerate() {
            let after = &segments[at + 1..];
            let mut modules = self.allowed.modules(name).peekable();
            let taken = modules.peek().is_none()
                || modules.any(|module| {
                    self.allowed
                        .takes(&[module.as_slice(), after].concat(), path.renamed)
                });
            // What one file of ours took from outside another must not take from it whole.
            let handed_on = at > 0 && self.allowed.is_root(name);
            if !taken || handed_on {
                found(segments[at..].join("::"));
            }
        }
    }

    fn by_itself(&mut self, tokens: &[TokenTree], at: usize, name: &str) {
        if NAMES.contains(&name) || name.starts_with("Atomic") {
            self.add(tokens, at, name.to_owned());
        }
    }

    /// A text: as a format, and where it is code.
    fn text(&mut self, said: &str, line: usize) {
        if prints_an_address(said) {
            self.found.push(WayOut {
                line,
                what: "{:p}".to_owned(),
            });
        }
        if self.texts == Texts::Code
            && let Ok(inside) = tokens(said)
        {
            let from = self.found.len();
            self.tokens(&inside);
            for way in &mut self.found[from..] {
                way.line = line;
            }
        }
    }

    fn add(&mut self, tokens: &[TokenTree], at: usize, what: String) {
        let line = tokens.get(at).map_or(0, |token| token.span().start().line);
        self.found.push(WayOut { line, what });
    }
}
