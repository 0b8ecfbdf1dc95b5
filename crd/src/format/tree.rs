//! A document as a tree of entries, each with its comments and its scalars as they were written.

/// One document.
#[derive(Debug)]
pub(super) struct Tree {
    /// Comments before `---`.
    pub(super) before: Vec<Comment>,
    /// Whether `---` begins it.
    pub(super) begun: bool,
    /// Comment on the line of `---`.
    pub(super) beside: Option<String>,
    /// Comments above the first key, which stay on top whichever key comes first.
    pub(super) top: Vec<Comment>,
    /// Whether an empty line stands between them and the first key.
    pub(super) apart: bool,
    /// The mapping.
    pub(super) root: Block,
    /// Whether a line `...` ends it.
    pub(super) ended: bool,
}

/// A mapping or list, one entry a line.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) entries: Vec<Entry>,
    /// Comments after the last entry.
    pub(super) tail: Vec<Comment>,
}

/// A comment on a line of its own.
#[derive(Debug)]
pub(super) struct Comment {
    /// With its `#`.
    pub(super) text: String,
    /// Whether an empty line stands before it.
    pub(super) apart: bool,
    /// How far right it stands.
    pub(super) column: usize,
}

/// One entry of a mapping or list.
#[derive(Debug)]
pub(super) struct Entry {
    /// Comments above it.
    pub(super) above: Vec<Comment>,
    /// Whether an empty line stands before it.
    pub(super) apart: bool,
    /// Its key as written; `None` in a list.
    pub(super) key: Option<String>,
    /// Its key as read.
    pub(super) name: String,
    /// Comment on its line.
    pub(super) right: Option<String>,
    /// Its value.
    pub(super) node: Node,
}

/// A value.
#[derive(Debug)]
pub(super) enum Node {
    /// Nothing is written.
    Empty,
    /// Text as it was written, and how far further lines are indented beyond the entry.
    Lines { lines: Vec<String>, indent: usize },
    /// A mapping.
    Map(Block),
    /// A list.
    List(Block),
}
