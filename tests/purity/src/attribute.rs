//! Attributes: which there may be, and what they may say.
use proc_macro2::TokenTree;

use crate::text::{is_sign, word};

/// Attributes of a pure crate. None of them brings in a file, names a section or asks what is built.
const ATTRIBUTES: [&str; 13] = [
    "cfg", "default", "derive", "doc", "error", "expect", "from", "kube", "must_use", "schemars",
    "serde", "source", "test",
];
/// Lints that may be silenced. None of them guards against a way out.
const SILENCED: [&str; 4] = [
    "clippy",
    "duplicated_attributes",
    "large_enum_variant",
    "trivially_copy_pass_by_ref",
];
/// Lints that are made stricter, by the crates themselves.
const DENIED: [&str; 2] = ["fn_to_numeric_cast_any", "iter_over_hash_type"];

/// What is read in an attribute beside its paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    /// Words for people.
    Prose,
    /// Code in quotes, as serde has it.
    Code,
}

/// What is wrong with an attribute by itself, and what its texts are.
pub(crate) fn judged(inside: &[TokenTree]) -> (Option<String>, Texts) {
    // Whoever calls the macro would write it, and there it is no attribute yet.
    if is_sign(inside.first(), '$') {
        return (Some("#[$]".to_owned()), Texts::Code);
    }
    let name = word(inside.first()).unwrap_or_default();
    let rest: Vec<TokenTree> = match inside.get(1) {
        Some(TokenTree::Group(group)) => group.stream().into_iter().collect(),
        _ => Vec::new(),
    };
    let words = || rest.iter().filter_map(|token| word(Some(token)));
    let texts = match name.as_str() {
        "doc" | "error" | "expect" | "must_use" => Texts::Prose,
        _ => Texts::Code,
    };
    let wrong = match name.as_str() {
        "cfg" if words().eq(["test".to_owned()]) && rest.len() == 1 => None,
        "cfg" => Some("cfg".to_owned()),
        "expect" => words()
            .take_while(|word| word != "reason")
            .find(|lint| !SILENCED.contains(&lint.as_str())),
        "deny" => words().find(|word| {
            let word = word.as_str();
            word != "clippy" && !DENIED.contains(&word)
        }),
        known if ATTRIBUTES.contains(&known) => None,
        other => Some(format!("#[{other}]")),
    };
    (wrong, texts)
}
