//! Tokens, and the texts among them.
use proc_macro2::{Delimiter, Group, Literal, TokenStream, TokenTree};
use syn::ext::IdentExt;

use crate::Unread;

/// The tokens of a source.
pub(crate) fn tokens(source: &str) -> Result<Vec<TokenTree>, Unread> {
    let stream: TokenStream = source.parse()?;
    Ok(stream.into_iter().collect())
}

/// The word that a token is; `r#thread` is `thread`.
pub(crate) fn word(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.unraw().to_string()),
        Some(TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_)) | None => None,
    }
}

/// Whether a token is this sign.
pub(crate) fn is_sign(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

/// Whether two colons stand here.
pub(crate) fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    is_sign(tokens.get(at), ':') && is_sign(tokens.get(at + 1), ':')
}

/// What stands between these brackets, where a token is such a group.
pub(crate) fn group(token: Option<&TokenTree>, brackets: Delimiter) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == brackets => Some(group),
        _ => None,
    }
}

/// What a text literal says, its escapes read; `None` for a number, a letter or bytes.
pub(crate) fn said(literal: &Literal) -> Option<String> {
    match syn::Lit::new(literal.clone()) {
        syn::Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}

/// Whether a text would print an address where it is a format: a `p` closes one of its places.
pub(crate) fn prints_an_address(text: &str) -> bool {
    text.split('{').skip(1).any(|place| {
        let place = place.split('}').next().unwrap_or_default();
        place
            .split_once(':')
            .is_some_and(|(_, form)| form.trim_end().ends_with('p'))
    })
}
