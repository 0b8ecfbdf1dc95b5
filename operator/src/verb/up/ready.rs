//! Small questions of `up`: which model is asked, and what a machine told of.
use crd::{
    declaration::{Declaration, Declared},
    id::ObjectRef,
    kind::ShardedModelSpec,
};
use machine::Happening;

use crate::{exit::Exit, failure::Failure};

/// The model that `--ask` asks: the one named, with its namespace where that is needed to tell it, or the only one declared.
pub(super) fn model_to_ask<'a>(
    declaration: &'a Declaration,
    named: Option<&str>,
) -> Result<&'a Declared<ShardedModelSpec>, Failure> {
    let models = &declaration.models;
    let means = |model: &&Declared<ShardedModelSpec>| {
        named.is_none_or(|named| named == model.object.name || named == full(&model.object))
    };
    let meant: Vec<_> = models.iter().filter(means).collect();
    let list = |models: &mut dyn Iterator<Item = &Declared<ShardedModelSpec>>| {
        let names: Vec<String> = models
            .map(|model| told(&model.object, declaration))
            .collect();
        names.join(", ")
    };
    if models.is_empty() {
        return Err(Failure::said(
            Exit::Input,
            "--ask needs a ShardedModel, and none is declared",
            "declare one in a file that -f names",
        ));
    }
    match meant.as_slice() {
        [only] => Ok(only),
        // Without a name, all of them are meant.
        [] => Err(Failure::said(
            Exit::Usage,
            format!("no ShardedModel {} is declared", named.unwrap_or_default()),
            format!("declared: {}", list(&mut models.iter())),
        )),
        several => Err(Failure::said(
            Exit::Usage,
            format!("{} models are declared", several.len()),
            format!(
                "say which with --model: {}",
                list(&mut several.iter().copied())
            ),
        )),
    }
}

/// `namespace/name`.
fn full(model: &ObjectRef) -> String {
    let namespace = model.namespace.as_deref().unwrap_or("default");
    format!("{namespace}/{}", model.name)
}

/// A model's name, with its namespace where another has the same.
fn told(model: &ObjectRef, declaration: &Declaration) -> String {
    let mut others = declaration.models.iter();
    let alike = |other: &Declared<ShardedModelSpec>| {
        other.object.name == model.name && other.object != *model
    };
    if others.any(alike) {
        full(model)
    } else {
        model.name.clone()
    }
}

/// What happened to a machine, in words.
pub(super) fn happening(what: &Happening) -> String {
    match what {
        Happening::Unplugged { path } => format!("the function at {path} left the bus"),
        Happening::Replugged { path } => format!("the function at {path} joined the bus"),
        Happening::Rebooted => "the machine booted".to_owned(),
        Happening::SocReset { path } => format!("the SoC at {path} was reset"),
        Happening::Kernel {
            action,
            device,
            more: 0,
            about: _,
            functions: _,
        } => format!("the kernel told of {device} ({action})"),
        Happening::Kernel {
            action,
            device,
            more,
            about: _,
            functions: _,
        } => format!("the kernel told of {device} ({action}), and {more} times more"),
    }
}

#[cfg(test)]
mod tests {
    use crd::load::{SourceText, load};

    use super::*;

    fn declared(names: &[&str]) -> Declaration {
        let one = |name: &&str| {
            let (namespace, name) = name.split_once('/').unwrap();
            format!(
                "---\napiVersion: shardplane.dev/v1alpha1\nkind: ShardedModel\n\
                 metadata: {{name: {name}, namespace: {namespace}}}\n\
                 spec: {{model: {{path: m}}, target: CPU, precision: F32, shards: 1, connectivity: ThroughHost, \
                 serving: {{contextLength: 64, slots: 1}}}}\n"
            )
        };
        let text: String = names.iter().map(one).collect();
        let loaded = load(&[SourceText::new("models.yaml", text)]);
        assert!(!loaded.has_errors());
        loaded.declaration
    }

    #[test]
    fn a_model_is_told_by_its_name_and_by_its_namespace_where_two_share_one() {
        let both = declared(&["default/m", "b/m", "b/other"]);
        let asked = |named| {
            model_to_ask(&both, named)
                .map(|model| full(&model.object))
                .map_err(|failure| failure.hint())
        };
        assert_eq!(asked(Some("other")), Ok("b/other".into()));
        assert_eq!(asked(Some("b/m")), Ok("b/m".into()));
        assert_eq!(asked(Some("default/m")), Ok("default/m".into()));
        let which = |list| Err(format!("say which with --model: {list}"));
        assert_eq!(asked(Some("m")), which("b/m, default/m"));
        assert_eq!(asked(None), which("b/m, other, default/m"));
        let none = "declared: b/m, other, default/m".to_owned();
        assert_eq!(asked(Some("c/m")), Err(none));
    }

    #[test]
    fn that_no_model_is_declared_is_said_whether_or_not_one_is_named() {
        let nothing = Declaration::default();
        for named in [None, Some("q")] {
            let Err(failure) = model_to_ask(&nothing, named) else {
                unreachable!()
            };
            let words = "--ask needs a ShardedModel, and none is declared";
            assert_eq!(
                (failure.exit(), failure.chain().as_str()),
                (Exit::Input, words)
            );
            assert_eq!(failure.hint(), "declare one in a file that -f names");
        }
    }
}
