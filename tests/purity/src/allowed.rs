//! The list of what may be named from outside, written as imports.
use std::collections::BTreeSet;

use crate::{
    path::paths,
    text::{tokens, word},
};

/// A text that is not made of Rust's tokens.
#[derive(Debug, thiserror::Error)]
#[error("splitting a source into the tokens of Rust: it fails in line {line}; compile it first")]
pub struct Unread {
    line: usize,
}

impl From<proc_macro2::LexError> for Unread {
    fn from(error: proc_macro2::LexError) -> Self {
        Self {
            line: error.span().start().line,
        }
    }
}

/// What may be named from outside.
#[derive(Debug)]
pub struct Allowed {
    items: BTreeSet<Vec<String>>,
    modules: BTreeSet<Vec<String>>,
    /// The standard library's crates and every dependency.
    roots: BTreeSet<String>,
}

impl Allowed {
    /// Reads the list; `dependencies` are roots beside those of the standard library, on the list or not.
    ///
    /// # Errors
    /// Where it is not made of Rust's tokens.
    pub fn new(list: &str, dependencies: &[String]) -> Result<Self, Unread> {
        let tokens = tokens(list)?;
        let (mut items, mut modules) = (BTreeSet::new(), BTreeSet::new());
        for at in 0..tokens.len() {
            if word(tokens.get(at)).as_deref() == Some("use") {
                let (found, _) = paths(&tokens, at + 1);
                for path in found {
                    if path.is_module {
                        modules.insert(path.segments);
                    } else {
                        items.insert(path.segments);
                    }
                }
            }
        }
        let standard = ["std", "core", "alloc", "proc_macro"].map(str::to_owned);
        let roots = standard
            .into_iter()
            .chain(dependencies.iter().cloned())
            .collect();
        Ok(Self {
            items,
            modules,
            roots,
        })
    }

    /// Whether a name is that of a crate from outside.
    pub(crate) fn is_root(&self, name: &str) -> bool {
        self.roots.contains(name)
    }

    /// Whether a whole path may be named: an item of the list, what belongs to one, or a module under its own name.
    pub(crate) fn takes(&self, path: &[String], renamed: bool) -> bool {
        let path = standard(path);
        let item = (1..=path.len()).any(|length| self.items.contains(&path[..length]));
        item || (!renamed && self.modules.contains(&path))
    }

    /// Modules of this name that may be imported.
    pub(crate) fn modules<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Vec<String>> {
        self.modules
            .iter()
            .filter(move |module| module.last().is_some_and(|last| last == name))
    }
}

/// `core` and `alloc` are parts of `std` under the same names.
fn standard(path: &[String]) -> Vec<String> {
    let mut path = path.to_vec();
    if let Some(root) = path.first_mut()
        && matches!(root.as_str(), "core" | "alloc")
    {
        "std".clone_into(root);
    }
    path
}
