//! `up --ask`: the question is asked once, as soon as the model serves.
use std::thread;

use crd::id::ObjectRef;

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
        let name = ready::model_to_ask(&self.declaration, self.args.model.as_deref()).ok()?;
        let mut models = self.declaration.models.iter();
        let model = models.find(|model| model.object.name == name)?;
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
        let serves = self
            .supervisor
            .report()
            .iter()
            .any(|worker| worker.address.as_deref() == Some(address) && worker.model == model);
        if !serves {
            return Ok(());
        }
        self.asked = Answer::Asked;
        let question = Question {
            text: text.clone(),
            max_tokens: self.args.max_tokens,
        };
        let (events, address) = (self.events.clone(), address.to_owned());
        let results = self.console.results();
        thread::spawn(move || {
            let answer = ask::ask(&address, &model, &question, |text| {
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
        if self
            .supervisor
            .report()
            .iter()
            .any(|worker| worker.model == model)
        {
            return None;
        }
        let why = first.plan.report.iter().find(|line| {
            line.object
                .as_ref()
                .is_some_and(|object| object.name == model)
        });
        let (why, hint) = why.or(first.plan.report.first()).map_or_else(
            || ("no worker of it is planned".to_owned(), String::new()),
            |line| (line.message.clone(), line.hint.clone()),
        );
        Some(Failure::said(
            Exit::Blocked,
            format!("{model} cannot be asked: {why}"),
            hint,
        ))
    }
}
