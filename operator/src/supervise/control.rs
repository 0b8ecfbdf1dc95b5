//! The control socket: how `down` and `status` reach the `up` that holds the state directory.
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    os::{
        fd::AsRawFd,
        unix::{
            fs::OpenOptionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use crd::id::{NodeName, ProgramKey};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::socket::{MsgFlags, recv},
};
use serde::{Deserialize, Serialize};

use super::answers::Answers;
pub use super::talk::{Heard, Talk};
use super::{Event, Trouble, WorkerReport};

/// The socket's name in the state directory.
const NAME: &str = "control.sock";
/// Who connects says at once what it wants.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// Who asked reads the answer; one that does not is not waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "verb",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Request {
    /// What runs.
    Status {},
    /// Say when the machine is as declared.
    AsDeclared {},
    /// Remove those of these programs that no worker of yours serves.
    Prune {
        /// The programs.
        programs: Vec<ProgramKey>,
    },
    /// Stop the workers, put the machine back, and end.
    Down {
        /// Go ahead without asking.
        yes: bool,
        /// Digests approved.
        approve_digest: Vec<String>,
        /// What is meant, as its title says: a rack by its name, or this machine.
        room: String,
        /// The servers of it that are meant.
        nodes: Vec<NodeName>,
    },
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "reply",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Reply {
    /// What is being done.
    Note {
        /// One line.
        text: String,
    },
    /// What was asked for is begun, and can be withdrawn no more.
    Begun {},
    /// What runs.
    Status {
        /// The workers.
        workers: Vec<WorkerReport>,
        /// What came to nothing, and is tried again or waits for somebody.
        #[serde(default)]
        troubles: Vec<Trouble>,
    },
    /// It is over.
    Ended {
        /// The exit code.
        code: u8,
        /// Why, in one sentence; empty when all is well.
        why: String,
        /// What to do about it; empty when there is nothing.
        hint: String,
    },
}

/// A request, and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// What is wanted.
    pub request: Request,
    /// Where the answer goes; dropping it ends the answer.
    pub reply: SyncSender<Reply>,
    /// Whoever asks.
    pub asker: Asker,
}

/// Whoever asks, as long as they want an answer.
#[derive(Debug)]
pub struct Asker(UnixStream);

impl Asker {
    /// Whether they are still there and have not withdrawn what they asked for.
    pub fn is_there(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        match recv(self.0.as_raw_fd(), &mut [0], flags) {
            Ok(bytes) => bytes > 0,
            Err(error) => error == Errno::EAGAIN,
        }
    }
}

/// The socket. Dropped, it is removed, and answers that were begun are written to their end: a process that ended before
/// would take them with it. Whoever answers must have dropped what it was asked by then.
#[derive(Debug)]
pub struct ControlSocket {
    path: Option<PathBuf>,
    answers: Arc<Answers>,
}

impl ControlSocket {
    /// Nobody finds it any more. Said before the engine's lock is free: after that, who is found there is somebody else.
    pub fn close(&mut self) {
        if let Some(path) = self.path.take() {
            // Left behind, it refuses connections, and the next holder of the lock replaces it.
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.close();
        self.answers.wait();
    }
}

/// Listens in the state directory. Only the holder of the engine's lock may call it.
pub fn listen(folder: &Path, events: SyncSender<Event>) -> io::Result<ControlSocket> {
    let path = folder.join(NAME);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let (short, _open) = short(folder)?;
    let listener = UnixListener::bind(short)?;
    let answers = Arc::new(Answers::default());
    let counted = Arc::clone(&answers);
    thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (events, counted) = (events.clone(), Arc::clone(&counted));
                thread::spawn(move || {
                    // Whoever went away wants no answer.
                    let _ = serve(stream, &events, &counted);
                });
            }
        })?;
    Ok(ControlSocket {
        path: Some(path),
        answers,
    })
}

fn serve(
    mut stream: UnixStream,
    events: &SyncSender<Event>,
    answers: &Arc<Answers>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    let mut line = String::new();
    BufReader::new(stream.try_clone()?).read_line(&mut line)?;
    let request: Request = serde_json::from_str(&line)?;
    let (reply, replies): (SyncSender<Reply>, Receiver<Reply>) = sync_channel(64);
    let asker = Asker(stream.try_clone()?);
    let asked = Asked {
        request,
        reply,
        asker,
    };
    let _open = answers.open();
    if events.send(Event::Control(asked)).is_err() {
        return Ok(());
    }
    for reply in replies {
        let mut line = serde_json::to_string(&reply)?;
        line.push('\n');
        stream.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Asks whoever listens in the state directory; each line of the answer is passed to `heard`. `Ok(false)`: nobody does.
pub fn ask(
    folder: &Path,
    request: &Request,
    patience: Option<Duration>,
    mut heard: impl FnMut(Reply),
) -> io::Result<bool> {
    let Some(mut talk) = Talk::open(folder, request)? else {
        return Ok(false);
    };
    loop {
        match talk.hear(patience)? {
            Heard::Reply(reply) => heard(reply),
            Heard::Nothing => return Err(io::ErrorKind::TimedOut.into()),
            Heard::End => return Ok(true),
        }
    }
}

/// A path to the socket that fits the 108 bytes of a socket's address, however deep the folder lies: through the
/// descriptor of the folder, which must stay open while the path is used.
pub(super) fn short(folder: &Path) -> io::Result<(PathBuf, File)> {
    // What is there may be no folder, and is not waited for then.
    let open = File::options()
        .read(true)
        .custom_flags(OFlag::O_DIRECTORY.bits())
        .open(folder)?;
    Ok((
        PathBuf::from(format!("/proc/self/fd/{}/{NAME}", open.as_raw_fd())),
        open,
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_request_can_be_withdrawn_until_it_is_begun() {
        let folder = tempfile::tempdir().unwrap();
        let (events, asked) = sync_channel(4);
        let _socket = listen(folder.path(), events).unwrap();
        let request = Request::Down {
            yes: true,
            approve_digest: Vec::new(),
            room: String::new(),
            nodes: Vec::new(),
        };
        let mut talk = Talk::open(folder.path(), &request).unwrap().unwrap();
        let Ok(Event::Control(asked)) = asked.recv() else {
            unreachable!()
        };
        assert!(asked.asker.is_there());
        let heard = talk.hear(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(heard, Heard::Nothing);
        talk.withdraw().unwrap();
        assert!(!asked.asker.is_there());
        asked.reply.send(Reply::Begun {}).unwrap();
        drop(asked);
        let patience = Some(Duration::from_secs(10));
        assert_eq!(talk.hear(patience).unwrap(), Heard::Reply(Reply::Begun {}));
        assert_eq!(talk.hear(patience).unwrap(), Heard::End);
    }

    #[test]
    fn an_answer_is_written_to_its_end_before_the_socket_is_gone() {
        const LINES: usize = 32;
        let folder = tempfile::tempdir().unwrap();
        let (events, asked) = sync_channel(4);
        let socket = listen(folder.path(), events).unwrap();
        let mut talk = Talk::open(folder.path(), &Request::Status {})
            .unwrap()
            .unwrap();
        let Ok(Event::Control(asked)) = asked.recv() else {
            unreachable!()
        };
        let read = Arc::new(AtomicUsize::new(0));
        let reading = thread::spawn({
            let read = Arc::clone(&read);
            move || {
                while let Heard::Reply(_) = talk.hear(Some(Duration::from_secs(10))).unwrap() {
                    read.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        // Ten times what the kernel keeps for a reader: the last line is written when most of them were read.
        for _ in 0..LINES {
            let text = "x".repeat(1 << 16);
            asked.reply.send(Reply::Note { text }).unwrap();
        }
        drop(asked);
        drop(socket);
        assert!(read.load(Ordering::SeqCst) > LINES / 2);
        reading.join().unwrap();
        assert_eq!(read.load(Ordering::SeqCst), LINES);
    }

    #[test]
    fn whoever_listens_answers_and_nobody_is_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let ask_status = || {
            let mut heard = Vec::new();
            let there = ask(
                &deep,
                &Request::Status {},
                Some(Duration::from_secs(10)),
                |reply| heard.push(reply),
            )
            .unwrap();
            (there, heard)
        };
        assert_eq!(ask_status(), (false, Vec::new()));
        let (events, asked) = sync_channel(4);
        let socket = listen(&deep, events).unwrap();
        let answering = thread::spawn(move || {
            let Event::Control(asked) = asked.recv().unwrap() else {
                unreachable!()
            };
            assert_eq!(asked.request, Request::Status {});
            asked
                .reply
                .send(Reply::Ended {
                    code: 0,
                    why: String::new(),
                    hint: String::new(),
                })
                .unwrap();
        });
        assert_eq!(
            ask_status(),
            (
                true,
                vec![Reply::Ended {
                    code: 0,
                    why: String::new(),
                    hint: String::new(),
                }]
            )
        );
        answering.join().unwrap();
        drop(socket);
        assert!(!deep.join(NAME).exists());
    }
}
