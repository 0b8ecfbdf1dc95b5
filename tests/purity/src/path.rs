//! Paths, and the trees of paths that imports are.
use proc_macro2::{Delimiter, TokenTree};

use crate::text::{group, is_colons, is_sign, word};

/// One path as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// Its names; `*` for all of a module, `$` for what a macro is given.
    pub(crate) segments: Vec<String>,
    /// Whether it ends in `self`: the module itself is meant.
    pub(crate) is_module: bool,
    /// Whether it gets another name.
    pub(crate) renamed: bool,
    /// The line of its last name, counted from one.
    pub(crate) line: usize,
}

/// The paths that begin at a token, and where what follows them begins. `::` may lead.
pub(crate) fn paths(tokens: &[TokenTree], at: usize) -> (Vec<Path>, usize) {
    let mut found = Vec::new();
    let end = branch(tokens, at, &[], &mut found);
    (found, end)
}

fn branch(tokens: &[TokenTree], at: usize, before: &[String], found: &mut Vec<Path>) -> usize {
    let mut segments = before.to_vec();
    let mut at = if is_colons(tokens, at) { at + 2 } else { at };
    let mut line = 0;
    loop {
        if let Some(group) = group(tokens.get(at), Delimiter::Brace) {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let mut inside = 0;
            while inside < inner.len() {
                inside = branch(&inner, inside, &segments, found);
                // To the next branch.
                while inside < inner.len() && !is_sign(inner.get(inside), ',') {
                    inside += 1;
                }
                inside += 1;
            }
            return at + 1;
        }
        let Some(token) = tokens.get(at) else { break };
        match word(Some(token)) {
            Some(name) => segments.push(name),
            None if is_sign(Some(token), '*') => segments.push("*".to_owned()),
            None if is_sign(Some(token), '$') => {
                let name = word(tokens.get(at + 1));
                at += usize::from(name.is_some());
                // What a macro calls its own crate is ours.
                let own = name.as_deref() == Some("crate");
                segments.push(if own { "crate" } else { "$" }.to_owned());
            }
            // Generic arguments end it: what follows them is a name of the type before them.
            None => break,
        }
        line = token.span().start().line;
        at += 1;
        if !is_colons(tokens, at) {
            break;
        }
        at += 2;
    }
    let is_module = segments.len() > 1 && segments.last().is_some_and(|last| last == "self");
    if is_module {
        segments.pop();
    }
    let renamed = word(tokens.get(at)).as_deref() == Some("as");
    found.push(Path {
        segments,
        is_module,
        renamed,
        line,
    });
    at
}
