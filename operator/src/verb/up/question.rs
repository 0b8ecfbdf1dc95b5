//! `up --ask`: the question is asked once, as soon as the model serves.
use std::thread;

use crd::{
    declaration::Declared,
    id::ObjectRef,
    kind::ShardedModelSpec,
    plan::{ReportKind, ReportLine},
};
use reconcile::placement::is_of;

use super::{Answer, Up, ready};
use crate::{
    engine::Settled,
    exit::Exit,
    failure::Failure,
    plain::spoken,
    supervise::{
        Event,
        ask::{self, Question},
    },
};

impl Up<'_> {
    /// The program without which there is nobody to ask, where there is a question.
    pub(super) fn awaited_program(&self) -> Option<ObjectRef> {
        self.args.ask.as_ref()?;
        let model = ready::model_to_ask(&self.declaration, self.args.model.as_deref()).ok()?;
        let Some(build) = &model.spec.build_ref else {
            return Some(model.object.clone());
        };
        let mut builds = self.declaration.builds.iter();
        let found = builds.find(|other| {
            other.object.namespace == model.object.namespace && other.object.name == *build
        });
        found.map(|found| found.object.clone())
    }

    /// Asks the question, once, where there is one and this is the model to ask.
    pub(super) fn ask(&mut self, address: &str) -> Result<(), Failure> {
        let (Some(text), Answer::Waiting) = (&self.args.ask, &self.asked) else {
            return Ok(());
        };
        let model = ready::model_to_ask(&self.declaration, self.args.model.as_deref())?;
        let workers = self.supervisor.report();
        let mut its = workers
            .iter()
            .filter(|worker| is_of(&worker.id, &model.object));
        if !its.any(|worker| worker.address.as_deref() == Some(address)) {
            return Ok(());
        }
        self.asked = Answer::Asked;
        let question = Question {
            text: text.clone(),
            max_tokens: self.args.max_tokens,
            context: declared_at(model, "/spec/serving/contextLength"),
        };
        let (name, address) = (model.object.name.clone(), address.to_owned());
        let events = self.events.clone();
        let results = self.console.results();
        thread::spawn(move || {
            let answer = ask::ask(&address, &name, &question, |text| {
                results.put(&spoken(text));
            });
            let _ = events.send(Event::Answered(answer));
        });
        Ok(())
    }

    /// Why `--ask` can never be answered, where that is so.
    pub(super) fn nothing_to_ask(&self, first: &Settled) -> Option<Failure> {
        self.args.ask.as_ref()?;
        let model = ready::model_to_ask(&self.declaration, self.args.model.as_deref()).ok()?;
        let workers = self.supervisor.report();
        if workers
            .iter()
            .any(|worker| is_of(&worker.id, &model.object))
        {
            return None;
        }
        let why = why_not(model, &first.plan.report);
        let (why, hint) =
            why.unwrap_or_else(|| ("no worker of it is planned".into(), String::new()));
        Some(Failure::said(
            Exit::Blocked,
            format!("{} cannot be asked: {why}", model.object.name),
            hint,
        ))
    }
}

/// A field of a model by its name, with its place where that is known.
fn declared_at(model: &Declared<ShardedModelSpec>, pointer: &str) -> String {
    let name = pointer.trim_start_matches('/').replace('/', ".");
    let at = model.span(pointer).map_or_else(String::new, |at| {
        format!(" ({}:{}:{})", at.file, at.line, at.column)
    });
    format!("`{name}`{at}")
}

/// Why no worker of a model is planned, and what to do: its own number, what is said of it, or what stands in the way at all.
fn why_not(model: &Declared<ShardedModelSpec>, report: &[ReportLine]) -> Option<(String, String)> {
    if model.spec.replicas == 0 {
        let at = model.span("/spec/replicas");
        let at = at.map_or_else(String::new, |at| {
            format!(" ({}:{}:{})", at.file, at.line, at.column)
        });
        let hint = "declare one replica or more".into();
        return Some((format!("it declares `replicas: 0`{at}"), hint));
    }
    let of = |line: &&ReportLine| line.object.as_ref() == Some(&model.object);
    let stands = |line: &&ReportLine| matches!(line.kind, ReportKind::Blocked | ReportKind::Error);
    let line = (report.iter().filter(stands).find(of))
        .or_else(|| report.iter().find(of))
        .or_else(|| report.iter().find(stands))?;
    Some((line.message.clone(), line.hint.clone()))
}
