//! From a document's text to its tree.
use std::ops::Range;

use granit_parser::{Event, ScalarStyle, StructureStyle};

use super::tree::{Block, Comment, Entry, Node, Tree};
use crate::load::is_marker;

/// The tree of a document; `None` for one whose layout is best left alone (anchors, tags, JSON).
pub(super) fn tree(text: &str) -> Option<Tree> {
    let mut builder = Builder::new(text)?;
    let mut before = Vec::new();
    let mut begun = false;
    let mut beside = None;
    let (top, apart, root) = loop {
        let (event, range) = builder.take()?;
        match event {
            Event::StreamStart | Event::DocumentStart(false, None) => {}
            Event::Comment(..) => {
                builder.comment(&range)?;
                // Before the first key only `---` has a line to stand on.
                beside = beside.or(builder.right.take());
            }
            Event::DocumentStart(true, None) => {
                let line = text.lines().find(|line| line.starts_with("---"))?;
                let rest = line[3..].trim();
                if !(rest.is_empty() || rest.starts_with('#')) {
                    return None;
                }
                before = std::mem::take(&mut builder.pending);
                begun = true;
            }
            Event::MappingStart(StructureStyle::Block, 0, None) => {
                let top = std::mem::take(&mut builder.pending);
                let apart = !top.is_empty() && builder.apart(range.start);
                break (top, apart, builder.map(&range)?);
            }
            _ => return None,
        }
    };
    let mut tree = Tree {
        before,
        begun,
        beside,
        top,
        apart,
        root,
        ended: (text.lines().next_back()).is_some_and(|line| is_marker(line, "...")),
    };
    while let Some((event, range)) = builder.take() {
        if let Event::Comment(..) = event {
            builder.comment(&range)?;
        }
    }
    tree.root.tail.append(&mut builder.pending);
    builder.right.is_none().then_some(tree)
}

struct Builder<'a> {
    text: &'a str,
    events: std::vec::IntoIter<(Event<'a>, Range<usize>)>,
    /// Comments on lines of their own that no entry has yet.
    pending: Vec<Comment>,
    /// A comment on the line of the entry that is being built.
    right: Option<String>,
    /// Where the last event ended.
    last: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str) -> Option<Self> {
        let events: Result<Vec<_>, _> = super::events(text)
            .map(|event| event.map(|(event, span)| (event, span.byte_range().unwrap_or_default())))
            .collect();
        let events = events.ok()?.into_iter();
        Some(Self {
            text,
            events,
            pending: Vec::new(),
            right: None,
            last: 0,
        })
    }

    fn take(&mut self) -> Option<(Event<'a>, Range<usize>)> {
        self.events.next()
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    fn column(&self, at: usize) -> usize {
        at - self.line_start(at)
    }

    /// Whether an empty line stands above the line of `at`.
    fn apart(&self, at: usize) -> bool {
        let above = &self.text[..self.line_start(at)];
        above
            .lines()
            .next_back()
            .is_some_and(|line| line.trim().is_empty())
    }

    /// Keeps a comment: on the line of an entry, or for the next entry. `None` where it has no place of its own.
    fn comment(&mut self, range: &Range<usize>) -> Option<()> {
        let text = self.text[range.clone()].trim_end().to_owned();
        let before = &self.text[self.line_start(range.start)..range.start];
        if before.trim().is_empty() {
            let apart = self.apart(range.start);
            self.pending.push(Comment {
                text,
                apart,
                column: before.len(),
            });
            return Some(());
        }
        self.right.replace(text).is_none().then_some(())
    }

    /// The comments above that stand at least as far right as the block that ends here.
    fn tail(&mut self, column: usize) -> Vec<Comment> {
        let count = self
            .pending
            .iter()
            .take_while(|comment| comment.column >= column)
            .count();
        self.pending.drain(..count).collect()
    }

    fn map(&mut self, start: &Range<usize>) -> Option<Block> {
        let column = self.column(start.start);
        let mut block = Block::default();
        loop {
            let (event, range) = self.take()?;
            match event {
                Event::MappingEnd => {
                    settle(&mut block, self.right.take())?;
                    block.tail = self.tail(column);
                    return Some(block);
                }
                Event::Comment(..) => {
                    self.comment(&range)?;
                    settle(&mut block, self.right.take())?;
                }
                Event::Scalar(name, style, 0, None) if !is_block(style) => {
                    let key = self.text[range.clone()].to_owned();
                    if key.contains('\n') || key.is_empty() {
                        return None;
                    }
                    let mut entry = self.entry(range.start);
                    entry.key = Some(key);
                    entry.name = name.into_owned();
                    self.last = range.end;
                    self.value(&mut entry, column)?;
                    block.entries.push(entry);
                }
                _ => return None,
            }
        }
    }

    fn list(&mut self, start: &Range<usize>, parent: usize) -> Option<Block> {
        let column = self.column(start.start);
        let mut block = Block::default();
        self.last = start.start;
        loop {
            let (event, range) = self.events.as_slice().first().cloned()?;
            match event {
                Event::SequenceEnd => {
                    self.take()?;
                    settle(&mut block, self.right.take())?;
                    block.tail = self.tail(column.max(parent + 1));
                    return Some(block);
                }
                Event::Comment(..) => {
                    self.take()?;
                    self.comment(&range)?;
                    if block.entries.is_empty() && self.right.is_some() {
                        return None;
                    }
                    settle(&mut block, self.right.take())?;
                }
                _ => {
                    let mut entry = self.entry(range.start);
                    self.value(&mut entry, column)?;
                    block.entries.push(entry);
                }
            }
        }
    }

    fn entry(&mut self, at: usize) -> Entry {
        Entry {
            apart: self.apart(at),
            above: std::mem::take(&mut self.pending),
            key: None,
            name: String::new(),
            right: None,
            node: Node::Empty,
        }
    }

    /// Reads the value of an entry whose block stands at `column`.
    fn value(&mut self, entry: &mut Entry, column: usize) -> Option<()> {
        loop {
            let (event, range) = self.take()?;
            match event {
                Event::Comment(..) => {
                    self.comment(&range)?;
                    if let Some(right) = self.right.take()
                        && entry.right.replace(right).is_some()
                    {
                        return None;
                    }
                    continue;
                }
                Event::Scalar(_, style, 0, None) => {
                    entry.node = if is_block(style) {
                        self.block_scalar(&range)?
                    } else {
                        self.scalar(&range)
                    };
                    self.last = range.end;
                }
                Event::MappingStart(StructureStyle::Block, 0, None) => {
                    entry.node = Node::Map(self.map(&range)?);
                }
                Event::SequenceStart(StructureStyle::Block, 0, None) => {
                    entry.node = Node::List(self.list(&range, column)?);
                }
                Event::MappingStart(StructureStyle::Flow, 0, None)
                | Event::SequenceStart(StructureStyle::Flow, 0, None) => {
                    entry.node = self.flow(range.start, column)?;
                }
                _ => return None,
            }
            return Some(());
        }
    }

    fn scalar(&self, range: &Range<usize>) -> Node {
        let written = &self.text[range.clone()];
        if written.is_empty() {
            return Node::Empty;
        }
        let lines = written.split('\n').enumerate();
        let lines = lines.map(|(index, line)| {
            if index == 0 {
                line.to_owned()
            } else {
                line.trim_start().to_owned()
            }
        });
        Node::Lines {
            lines: lines.collect(),
            indent: 2,
        }
    }

    /// `|` or `>` with its lines, without their indentation.
    fn block_scalar(&self, range: &Range<usize>) -> Option<Node> {
        let before = self.text.get(self.last..range.start)?;
        let mark = self.last + before.find(['|', '>'])?;
        let header = self.text[mark..].lines().next()?.trim_end();
        if !matches!(header, "|" | ">" | "|-" | ">-") {
            return None;
        }
        let body = mark + self.text[mark..].find('\n')? + 1;
        let body = self.text.get(body..range.end.max(body))?;
        let lines: Vec<_> = body.trim_end().split('\n').collect();
        let filled = lines.iter().filter(|line| !line.trim().is_empty());
        let indent = filled
            .map(|line| line.len() - line.trim_start_matches(' ').len())
            .min()?;
        let lines = lines
            .iter()
            .map(|line| line.get(indent..).unwrap_or_default().to_owned());
        Some(Node::Lines {
            lines: std::iter::once(header.to_owned()).chain(lines).collect(),
            indent: 2,
        })
    }

    /// A list or mapping in brackets, as it was written.
    fn flow(&mut self, start: usize, column: usize) -> Option<Node> {
        let mut depth = 1;
        let end = loop {
            let (event, range) = self.take()?;
            match event {
                Event::MappingStart(_, 0, None) | Event::SequenceStart(_, 0, None) => depth += 1,
                Event::MappingEnd | Event::SequenceEnd => {
                    depth -= 1;
                    if depth == 0 {
                        break range.end;
                    }
                }
                Event::Scalar(_, _, 0, None) | Event::Comment(..) => {}
                _ => return None,
            }
        };
        self.last = end;
        let shift = |line: &str| {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            line[spaces.min(column)..].trim_end().to_owned()
        };
        let lines = self.text[start..end].split('\n').enumerate();
        let lines = lines.map(|(index, line)| {
            if index == 0 {
                line.trim_end().to_owned()
            } else {
                shift(line)
            }
        });
        Some(Node::Lines {
            lines: lines.collect(),
            indent: 0,
        })
    }
}

/// Gives a comment at the end of a line to the entry whose line that is.
fn settle(block: &mut Block, right: Option<String>) -> Option<()> {
    let Some(right) = right else {
        return Some(());
    };
    let entry = block.entries.last_mut()?;
    match &mut entry.node {
        Node::Map(inner) | Node::List(inner) => settle(inner, Some(right)),
        Node::Empty | Node::Lines { .. } => entry.right.replace(right).is_none().then_some(()),
    }
}

fn is_block(style: ScalarStyle) -> bool {
    matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
}
