//! How a replica is started, and whether a running one is still that.
use crd::{
    id::{Digest, NodeName},
    kind::Serving,
    program::ProgramRequest,
    snapshot::PresentWorker,
    step::WorkerRequest,
};
use serde::Serialize;

use crate::{
    digest::canonical,
    placement::{Placed, surplus_id},
};

/// How a placed replica is started.
pub(super) fn worker_request(placed: &Placed<'_>, program: ProgramRequest) -> WorkerRequest {
    let serving = &placed.model.spec.serving;
    // The surplus one takes any: the next number may be another model's, or a sibling's from before an edit.
    let declared = serving
        .port
        .filter(|_| placed.id != surplus_id(&placed.model.object));
    let port = declared.and_then(|port| port.checked_add(u16::try_from(placed.replica).ok()?));
    let mut request = WorkerRequest {
        id: placed.id.clone(),
        model: placed.model.object.clone(),
        program,
        group: placed.group.clone(),
        socs: placed.socs.clone(),
        context_length: serving.context_length,
        slots: serving.slots,
        queue: serving.queue.unwrap_or(serving.slots.saturating_mul(4)),
        request_seconds: serving.request_seconds,
        port,
        options: Digest(String::new()),
    };
    request.options = options(&request);
    request
}

/// The fingerprint of everything that a worker is started with but its model's bytes: those are compared by key, which
/// may not be known yet. No path enters it: moving a folder replaces nothing. Nor does the name of what builds the program,
/// nor whether a default is written out; nor the node's name, which is the same for all that is compared: a recording that
/// gives the node a pseudonym plans alike.
fn options(request: &WorkerRequest) -> Digest {
    #[derive(Serialize)]
    struct Options<'a> {
        program: ProgramRequest,
        request: &'a WorkerRequest,
    }
    let mut bare = request.clone();
    bare.program.object = bare.model.clone();
    bare.request_seconds.get_or_insert(Serving::REQUEST_SECONDS);
    bare.program.declared_in.clear();
    bare.program.source = crd::kind::ModelSource::default();
    bare.program.model = None;
    bare.program.key = None;
    if let Some(group) = &mut bare.group {
        group.node = NodeName(String::new());
    }
    canonical(&Options {
        program: bare.program.clone(),
        request: &bare,
    })
}

/// Whether a running worker is the one that is asked for.
pub(super) fn same(worker: &PresentWorker, request: &WorkerRequest) -> bool {
    let program = match (&worker.program, &request.program.key) {
        (Some(running), Some(wanted)) => running == wanted,
        (None, _) | (_, None) => true,
    };
    program && worker.options == request.options
}
