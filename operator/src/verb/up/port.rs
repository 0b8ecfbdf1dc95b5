//! A port that a worker cannot have: said of the line that declares it. A worker that serves is not stopped for one.
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener},
};

use crd::{
    declaration::{Declaration, Declared, Span},
    id::{ObjectRef, WorkerId},
    kind::ShardedModelSpec,
    step::WorkerRequest,
};

use super::Up;

/// Where a model declares its port.
const POINTER: &str = "/spec/serving/port";

impl Up<'_> {
    /// A worker cannot listen: whoever declared the port is told, not whoever would type the worker's options.
    pub(super) fn cannot_listen(&mut self, id: &WorkerId, generation: u64, why: &str) {
        let Some(request) = self.supervisor.request(id, generation) else {
            return;
        };
        // With no port declared any free one is taken, and what is wrong then is nobody's choice of a number.
        if let Some(port) = request.port {
            let said = said(&self.declaration, &request.model, port, why);
            self.supervisor.ends_for(id, said);
        }
    }

    /// Of workers that are to be replaced, those whose new port somebody else has: stopped, they could not come back. Each
    /// with what is said of it; whoever is to leave its own port in the same turn is in nobody's way.
    pub(super) fn cannot_return(&self, replaced: &[&WorkerRequest]) -> BTreeMap<WorkerId, String> {
        let mut stay = BTreeMap::new();
        loop {
            let leaves = |id: &WorkerId| {
                let goes = replaced.iter().any(|request| request.id == *id);
                goes && !stay.contains_key(id)
            };
            let found = replaced.iter().find_map(|request| {
                let port = request.port?;
                let known = stay.contains_key(&request.id);
                let why = (!known).then(|| self.taken(port, leaves)).flatten()?;
                Some((*request, port, why))
            });
            let Some((request, port, why)) = found else {
                return stay;
            };
            let said = said(&self.declaration, &request.model, port, &why);
            stay.insert(request.id.clone(), said);
        }
    }

    /// Why nobody could listen on a port once those that leave are gone.
    fn taken(&self, port: u16, leaves: impl Fn(&WorkerId) -> bool) -> Option<String> {
        match self.supervisor.listener(port) {
            Some(own) if leaves(own) => None,
            Some(own) => Some(format!("worker {own} has it, and goes on there")),
            None => {
                let tried = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
                tried.err().map(|error| error.to_string())
            }
        }
    }
}

fn said(declaration: &Declaration, model: &ObjectRef, port: u16, why: &str) -> String {
    let declared = (declaration.models.iter()).find(|declared| declared.object == *model);
    let place = declared
        .and_then(|declared| declared.span(POINTER))
        .map_or_else(String::new, place);
    let first = declared.and_then(|declared| declared.spec.serving.port);
    let counted = match first {
        Some(first) if first != port => format!(" (replicas count up from {first})"),
        Some(_) | None => String::new(),
    };
    let mut others = declaration.models.iter();
    let other = others.find(|other| other.object != *model && has(other, port));
    let cure = other.map_or_else(
        || "stop whoever uses it, or declare another port".to_owned(),
        |other| {
            let at = other.span(POINTER).map_or_else(String::new, self::place);
            format!(
                "{}{at} counts up to that port too: declare ports that are further apart",
                other.object
            )
        },
    );
    format!(
        "spec.serving.port of {model}{place} asks for port {port}{counted}, where nothing can listen: {why}; \
         {cure}; without one any free port is taken"
    )
}

/// Whether a replica of a model is to listen on a port.
fn has(model: &Declared<ShardedModelSpec>, port: u16) -> bool {
    let first = model.spec.serving.port.map(u32::from);
    first.is_some_and(|first| (first..first + model.spec.replicas).contains(&u32::from(port)))
}

fn place(span: &Span) -> String {
    let Span {
        file, line, column, ..
    } = span;
    format!(" ({file}:{line}:{column})")
}
