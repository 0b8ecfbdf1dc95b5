//! A tree as text: two spaces a level, lists indented, at most one empty line between entries.
use super::tree::{Block, Comment, Entry, Node, Tree};

/// The text of a document.
pub(super) fn document(tree: &Tree) -> String {
    let mut out = String::new();
    comments(&tree.before, Apart::Dropped, 0, &mut out);
    if tree.begun {
        out.push_str("---");
        if let Some(beside) = &tree.beside {
            out.push(' ');
            out.push_str(beside);
        }
        out.push('\n');
    }
    comments(&tree.top, Apart::Dropped, 0, &mut out);
    if tree.apart {
        out.push('\n');
    }
    block(&tree.root, 0, &mut out);
    if tree.ended {
        out.push_str("...\n");
    }
    out
}

/// Entries of a block, each on a line of its own.
fn block(block: &Block, indent: usize, out: &mut String) {
    for (index, entry) in block.entries.iter().enumerate() {
        above(entry, index, indent, out);
        spaces(indent, out);
        self::entry(entry, indent, out);
    }
    comments(&block.tail, Apart::Kept, indent, out);
}

/// Whether the first of some lines keeps the empty line before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Apart {
    Kept,
    Dropped,
}

fn above(entry: &Entry, index: usize, indent: usize, out: &mut String) {
    let apart = if index == 0 {
        Apart::Dropped
    } else {
        Apart::Kept
    };
    comments(&entry.above, apart, indent, out);
    if entry.apart && (index > 0 || !entry.above.is_empty()) {
        out.push('\n');
    }
}

fn comments(comments: &[Comment], first: Apart, indent: usize, out: &mut String) {
    for (index, comment) in comments.iter().enumerate() {
        if comment.apart && (index > 0 || first == Apart::Kept) {
            out.push('\n');
        }
        spaces(indent, out);
        out.push_str(&comment.text);
        out.push('\n');
    }
}

/// One entry, from where its line already stands.
fn entry(entry: &Entry, indent: usize, out: &mut String) {
    match &entry.key {
        Some(key) => {
            out.push_str(key);
            out.push(':');
        }
        None => out.push('-'),
    }
    match &entry.node {
        Node::Empty => right(entry, out),
        Node::Lines {
            lines,
            indent: further,
        } => {
            let mut lines = lines.iter();
            if let Some(first) = lines.next() {
                out.push(' ');
                out.push_str(first);
            }
            let mut rest = String::new();
            for line in lines {
                rest.push('\n');
                if !line.trim().is_empty() {
                    spaces(indent + further, &mut rest);
                    rest.push_str(line);
                }
            }
            out.push_str(&rest);
            right(entry, out);
        }
        Node::Map(inner) | Node::List(inner)
            if entry.key.is_some() || opens_with_comment(inner) || entry.right.is_some() =>
        {
            right(entry, out);
            block(inner, indent + 2, out);
        }
        Node::Map(inner) | Node::List(inner) => {
            // A list entry begins on the line of its `- `.
            out.push(' ');
            for (index, item) in inner.entries.iter().enumerate() {
                if index > 0 {
                    above(item, index, indent + 2, out);
                    spaces(indent + 2, out);
                }
                self::entry(item, indent + 2, out);
            }
            comments(&inner.tail, Apart::Kept, indent + 2, out);
        }
    }
}

fn opens_with_comment(block: &Block) -> bool {
    block
        .entries
        .first()
        .is_none_or(|entry| !entry.above.is_empty())
}

/// Ends the line, with its comment if it has one.
fn right(entry: &Entry, out: &mut String) {
    if let Some(right) = &entry.right {
        out.push_str("  ");
        out.push_str(right);
    }
    out.push('\n');
}

fn spaces(count: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', count));
}
