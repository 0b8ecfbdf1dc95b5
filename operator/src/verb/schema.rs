//! `schema`: the kinds as custom resource definitions or JSON Schemas.
use std::{fs, path::Path};

use crd::schema::{self, Schema};

use crate::{
    cli::{SchemaArgs, SchemaForm},
    console::Console,
    exit::Exit,
    failure::Failure,
    state::durable,
};

/// `schema`
pub fn run(args: &SchemaArgs, console: &Console) -> Result<Exit, Failure> {
    let files = match &args.kind {
        Some(name) => vec![of_one(name, args.form)?],
        None => match args.form {
            Some(SchemaForm::Crd) | None => schema::crds(),
            Some(SchemaForm::JsonSchema) => schema::json_schemas(),
        },
    };
    match &args.out {
        None => {
            let several = files.len() > 1;
            for (name, text) in &files {
                let is_yaml = !is_json(name);
                if several && is_yaml && !text.starts_with("---") {
                    console.document("---\n");
                }
                console.document(text);
            }
        }
        Some(folder) => {
            for (name, text) in &files {
                let path = folder.join(name);
                let write = |source| Failure::Write {
                    path: path.display().to_string(),
                    source,
                };
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent).map_err(write)?;
                }
                durable::replace(&path, text.as_bytes()).map_err(write)?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn is_json(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|ending| ending == "json")
}

/// The file of one kind: in the form that was asked for, else the definition, which file kinds have none of.
fn of_one(name: &str, form: Option<SchemaForm>) -> Result<(String, String), Failure> {
    let Some(found) = schema::named(name) else {
        let known: Vec<String> = schema::all()
            .into_iter()
            .map(|schema| schema.name)
            .collect();
        return Err(Failure::said(
            Exit::Usage,
            format!("no schema is called `{name}`"),
            format!("there are {}", known.join(", ")),
        ));
    };
    let Schema {
        name,
        also: _,
        crd,
        json,
    } = found;
    match (form, crd) {
        (None | Some(SchemaForm::Crd), Some(crd)) => Ok(crd),
        (None | Some(SchemaForm::JsonSchema), _) => Ok(json),
        (Some(SchemaForm::Crd), None) => Err(Failure::said(
            Exit::Usage,
            format!("{name} is written in files alone, so it has no CustomResourceDefinition"),
            "leave `--as crd` out for its JSON Schema",
        )),
    }
}
