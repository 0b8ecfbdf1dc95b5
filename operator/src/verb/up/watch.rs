//! What machines tell of, passed on to the loop.
use std::{sync::mpsc::SyncSender, thread, time::Duration};

use machine::Clock;

use crate::{
    cli::{Environment, UpArgs},
    console::Console,
    engine::interrupt,
    exit::Exit,
    failure::Failure,
    room::Opening,
    supervise::Event,
    verb::setting,
};

/// Passes on SIGHUP, by which a service manager, or whoever runs `up` without a terminal, asks for what is declared to be read again.
pub(super) fn hangups(events: &SyncSender<Event>) -> Result<(), Failure> {
    let events = events.clone();
    interrupt::hangups(move || events.send(Event::Reload).is_ok()).map_err(|error| {
        Failure::said(
            Exit::Unavailable,
            format!("listening for signals: {error}"),
            "",
        )
    })
}

/// Passes on what machines tell of, one thread a node, each with a view of its own.
pub(super) fn machines(
    args: &UpArgs,
    environment: &Environment,
    console: &Console,
    events: &SyncSender<Event>,
) -> Result<(), Failure> {
    let room = setting::open_room(
        &args.place,
        environment,
        console,
        Opening::Work(Clock::Wall),
    )?;
    for node in room.nodes {
        let events = events.clone();
        thread::spawn(move || {
            let mut cursor = node.machine.cursor();
            loop {
                let until = node.machine.now().plus(Duration::from_secs(1));
                for event in node.machine.events(&mut cursor, until) {
                    if events
                        .send(Event::Machine {
                            node: node.name.clone(),
                            event,
                            heard: node.machine.now(),
                        })
                        .is_err()
                    {
                        return;
                    }
                }
            }
        });
    }
    Ok(())
}
