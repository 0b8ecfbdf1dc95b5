//! Documents against each other: names, references, and what models ask of groups and builds.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Loaded, SourceText, chunk::chunks, document::Document, envelope::closest};
use crate::{
    declaration::Span,
    diagnostic::{Diagnostic, catalog},
    id::ObjectRef,
    kind::Kind,
};

/// What is known of a document, valid or not: a reference to a broken object is no second problem.
#[derive(Debug)]
pub(super) struct Known {
    kind: Kind,
    object: ObjectRef,
    spec: Value,
    spans: BTreeMap<String, Span>,
}

/// Pointers that problems between documents point at.
const SPOTS: [&str; 13] = [
    "/metadata/name",
    "/spec/groupRef",
    "/spec/buildRef",
    "/spec/shards",
    "/spec/connectivity",
    "/spec/size",
    "/spec/topology/shards",
    "/spec/topology/connectivity",
    "/spec/serving/contextLength",
    "/spec/serving/slots",
    "/spec/shapes/contextLength",
    "/spec/shapes/batch",
    "",
];

impl Known {
    /// Remembers a document.
    pub(super) fn new(kind: Kind, object: ObjectRef, document: &Document<'_>) -> Self {
        let mut spans: BTreeMap<_, _> = SPOTS
            .iter()
            .map(|spot| ((*spot).to_owned(), document.span(spot)))
            .collect();
        for pointer in document.places.by_pointer.keys() {
            if pointer.starts_with("/spec/members/") {
                spans.insert(pointer.clone(), document.span(pointer));
            }
        }
        Self {
            kind,
            object,
            spec: document.value.get("spec").cloned().unwrap_or_default(),
            spans,
        }
    }

    fn span(&self, pointer: &str) -> Span {
        // Every spot was recorded when the document was.
        self.spans
            .get(pointer)
            .or_else(|| self.spans.get(""))
            .cloned()
            .unwrap_or(Span {
                file: String::new(),
                line: 1,
                column: 1,
                byte: 0,
                length: 0,
            })
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.spec.pointer(pointer)?.as_str()
    }

    fn number(&self, pointer: &str) -> Option<u64> {
        let number = self.spec.pointer(pointer)?.as_number()?;
        let whole = || u64::try_from(super::pruned::whole(number)?).ok();
        number.as_u64().or_else(whole)
    }
}

/// Problems of a document of which nobody can say what it declares: it may be the one that another refers to.
const UNPLACED: [&catalog::Explanation; 9] = [
    &catalog::MALFORMED,
    &catalog::TOO_LARGE,
    &catalog::KEY_NOT_TEXT,
    &catalog::UNREADABLE_VALUE,
    &catalog::NOT_AN_OBJECT,
    &catalog::NO_KIND,
    &catalog::UNKNOWN_KIND,
    &catalog::UNKNOWN_VERSION,
    &catalog::LIST_DOCUMENT,
];

/// The texts of such documents; `None` for one whose text is not at hand.
struct Unplaced<'a>(Vec<Option<&'a str>>);

impl<'a> Unplaced<'a> {
    fn of(problems: &[Diagnostic], sources: &'a [SourceText]) -> Self {
        let mut texts = Vec::new();
        for problem in problems {
            if !UNPLACED.contains(&problem.explanation) {
                continue;
            }
            let span = problem.span.as_ref();
            let place = span.and_then(|span| {
                let source = sources.iter().find(|source| source.label == span.file)?;
                Some((source, usize::try_from(span.byte).ok()?))
            });
            let Some((source, byte)) = place else {
                texts.push(None);
                continue;
            };
            // Where one document ends another begins: the problem may be of either.
            let mut around = chunks(&source.text);
            around.retain(|chunk| (chunk.start..=chunk.end).contains(&byte));
            texts.extend(around.into_iter().map(|chunk| source.text.get(chunk)));
        }
        Self(texts)
    }

    /// Whether what a model is said to miss may stand in one of them: then it is told once that one is mended. A name
    /// stands there letter by letter, unless escapes spell it.
    fn may_answer(&self, model: &Known, problem: &Diagnostic) -> bool {
        let field = match problem.id() {
            id if id == catalog::NO_SUCH_GROUP.id => "/groupRef",
            id if id == catalog::NO_SUCH_BUILD.id => "/buildRef",
            _ => return false,
        };
        let Some(name) = model.text(field) else {
            return false;
        };
        let holds = |text: &str| text.contains(name) || text.contains('\\');
        self.0.iter().any(|text| text.is_none_or(holds))
    }
}

/// Checks all documents against each other; removes from the declaration what cannot be used.
pub(super) fn check(known: &[Known], sources: &[SourceText], loaded: &mut Loaded) {
    let mut first: BTreeMap<(Kind, &ObjectRef), &Known> = BTreeMap::new();
    for object in known {
        match first.get(&(object.kind, &object.object)) {
            Some(other) => loaded.diagnostics.push(duplicate(other, object)),
            None => {
                first.insert((object.kind, &object.object), object);
            }
        }
    }
    let unplaced = Unplaced::of(&loaded.diagnostics, sources);
    let mut broken: BTreeSet<&ObjectRef> = BTreeSet::new();
    for model in known
        .iter()
        .filter(|object| object.kind == Kind::ShardedModel)
    {
        let before = loaded.diagnostics.len();
        against_group(model, known, &mut loaded.diagnostics);
        against_build(model, known, &mut loaded.diagnostics);
        let found = loaded.diagnostics.split_off(before);
        if !found.is_empty() {
            broken.insert(&model.object);
        }
        let told = found
            .into_iter()
            .filter(|problem| !unplaced.may_answer(model, problem));
        loaded.diagnostics.extend(told);
    }
    loaded
        .declaration
        .models
        .retain(|model| !broken.contains(&model.object));
    shared_members(known, &mut loaded.diagnostics);
}

fn duplicate(first: &Known, second: &Known) -> Diagnostic {
    let object = &second.object;
    let place = match &object.namespace {
        Some(namespace) => format!(" in namespace `{namespace}`"),
        None => String::new(),
    };
    Diagnostic::error(
        &catalog::DUPLICATE_OBJECT,
        format!("{} `{}` is declared twice{place}", object.kind, object.name),
    )
    .at(second.span("/metadata/name"))
    .related(first.span("/metadata/name"), "first declared here")
    .help("rename one of them, or remove it")
}

fn named<'a>(known: &'a [Known], kind: Kind, namespace: Option<&str>) -> Vec<&'a Known> {
    known
        .iter()
        .filter(|object| object.kind == kind && object.object.namespace.as_deref() == namespace)
        .collect()
}

fn not_declared(
    explanation: &'static crate::diagnostic::Explanation,
    kind: Kind,
    name: &str,
    others: &[&Known],
) -> Diagnostic {
    let mut names: Vec<_> = others
        .iter()
        .map(|other| other.object.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let help = match (closest(name, &names), names.as_slice()) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, []) => format!("declare a {kind} named `{name}`"),
        (None, names) => format!("declared are {}", names.join(", ")),
    };
    Diagnostic::error(explanation, format!("no {kind} `{name}` is declared")).help(help)
}

fn against_group(model: &Known, known: &[Known], diagnostics: &mut Vec<Diagnostic>) {
    let Some(name) = model.text("/groupRef") else {
        return;
    };
    let groups = named(known, Kind::P2PGroup, None);
    let Some(group) = groups.iter().find(|group| group.object.name == name) else {
        diagnostics.push(
            not_declared(&catalog::NO_SUCH_GROUP, Kind::P2PGroup, name, &groups)
                .at(model.span("/spec/groupRef")),
        );
        return;
    };
    if let (Some(shards), Some(size)) = (model.number("/shards"), group.number("/size"))
        && shards > size
    {
        diagnostics.push(
            Diagnostic::error(
                &catalog::MORE_SHARDS_THAN_GROUP,
                format!("{shards} shards do not fit on group `{name}`, which has {size} SoCs"),
            )
            .at(model.span("/spec/shards"))
            .related(group.span("/spec/size"), "the group's size")
            .help(format!("use at most {size} shards, or a larger group")),
        );
    }
}

fn against_build(model: &Known, known: &[Known], diagnostics: &mut Vec<Diagnostic>) {
    let Some(name) = model.text("/buildRef") else {
        return;
    };
    let namespace = model.object.namespace.as_deref();
    let builds = named(known, Kind::ModelBuild, namespace);
    let Some(build) = builds.iter().find(|build| build.object.name == name) else {
        let mut missing = not_declared(&catalog::NO_SUCH_BUILD, Kind::ModelBuild, name, &builds);
        let elsewhere = known
            .iter()
            .find(|other| other.kind == Kind::ModelBuild && other.object.name == name);
        if let (Some(elsewhere), Some(namespace)) = (elsewhere, namespace) {
            missing = missing
                .related(
                    elsewhere.span("/metadata/name"),
                    "declared in another namespace",
                )
                .help(format!(
                    "give the ModelBuild `namespace: {namespace}`, or move the model to it"
                ));
        }
        diagnostics.push(missing.at(model.span("/spec/buildRef")));
        return;
    };
    if let (Some(shards), Some(made)) = (model.number("/shards"), build.number("/topology/shards"))
        && shards != made
    {
        diagnostics.push(
            Diagnostic::error(
                &catalog::BUILD_DIFFERS,
                format!("the model wants {shards} shards, and build `{name}` makes {made}"),
            )
            .at(model.span("/spec/shards"))
            .related(build.span("/spec/topology/shards"), "the build's shards")
            .help("write the same number in both"),
        );
    }
    let pair = (
        model.text("/connectivity"),
        build.text("/topology/connectivity"),
    );
    if let (Some(wanted), Some(made)) = pair
        && wanted != made
    {
        diagnostics.push(
            Diagnostic::error(
                &catalog::BUILD_DIFFERS,
                format!("the model wants connectivity {wanted}, and build `{name}` is compiled for {made}"),
            )
            .at(model.span("/spec/connectivity"))
            .related(build.span("/spec/topology/connectivity"), "the build's connectivity")
            .help("write the same connectivity in both"),
        );
    }
    for (what, wanted_at, made_at) in [
        ("tokens", "/serving/contextLength", "/shapes/contextLength"),
        ("slots", "/serving/slots", "/shapes/batch"),
    ] {
        if let (Some(wanted), Some(made)) = (model.number(wanted_at), build.number(made_at))
            && wanted > made
        {
            diagnostics.push(
                Diagnostic::error(
                    &catalog::BUILD_DIFFERS,
                    format!("the model wants {wanted} {what}, and build `{name}` holds {made}"),
                )
                .at(model.span(&format!("/spec{wanted_at}")))
                .related(
                    build.span(&format!("/spec{made_at}")),
                    "what the build holds",
                )
                .help(format!(
                    "serve at most {made} {what}, or have the build hold {wanted}"
                )),
            );
        }
    }
}

/// Two groups that name one SoC on nodes that both may select.
fn shared_members(known: &[Known], diagnostics: &mut Vec<Diagnostic>) {
    let mut taken: BTreeMap<(&str, &str), Vec<(&Known, String)>> = BTreeMap::new();
    for group in known.iter().filter(|object| object.kind == Kind::P2PGroup) {
        let members = group.spec.get("members").and_then(Value::as_array);
        for (index, member) in members.into_iter().flatten().enumerate() {
            for (field, value) in member.as_object().into_iter().flatten() {
                let Some(value) = value.as_str() else {
                    continue;
                };
                let others = taken.entry((field, value)).or_default();
                let at = format!("/spec/members/{index}/{field}");
                let other = others
                    .iter()
                    .find(|(other, _)| other.object != group.object && meet(other, group));
                if let Some((other, first)) = other {
                    diagnostics.push(
                        Diagnostic::warning(
                            &catalog::MEMBER_IN_TWO_GROUPS,
                            format!("SoC {value} is a member of group `{}` too", other.object.name),
                        )
                        .at(group.span(&at))
                        .related(other.span(first), "named here first")
                        .help("a SoC serves one group of a node: leave it out of one, or select different nodes"),
                    );
                }
                others.push((group, at));
            }
        }
    }
}

/// Whether one node can match both selectors: no label is wanted with two values.
fn meet(a: &Known, b: &Known) -> bool {
    let labels = |group: &Known| {
        let labels = group.spec.pointer("/nodeSelector/matchLabels");
        labels
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let (a, b) = (labels(a), labels(b));
    a.iter()
        .all(|(key, value)| b.get(key).is_none_or(|other| other == value))
}
