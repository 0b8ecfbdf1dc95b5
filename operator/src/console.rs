//! The one printer: results to standard output, everything else to standard error, colour only where it is wanted.
use std::{
    fmt,
    io::{self, BufRead, IsTerminal, Write},
    os::fd::AsFd,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{
    engine::interrupt::{Stop, StopFlag},
    failure::Failure,
    notify::Notify,
    plain::plain,
};

/// Milliseconds after which whoever waits for an answer looks whether somebody asked for a stop.
const ASKED_AGAIN_MS: u8 = 100;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR or TERM=dumb says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// With ANSI escapes.
    Colored,
    /// Without.
    Plain,
}

/// What a piece of text is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Comes to be.
    Create,
    /// Changes.
    Update,
    /// Goes, or went wrong.
    Delete,
    /// A device is reset; a warning.
    Reset,
    /// Is looked at.
    Read,
    /// Less important than the rest.
    Dim,
    /// More important.
    Strong,
}

impl Paint {
    /// `text` in the colour of `tone`.
    pub fn tone(self, tone: Tone, text: impl fmt::Display) -> String {
        let style = match tone {
            Tone::Create => AnsiColor::Green.on_default(),
            Tone::Update => AnsiColor::Yellow.on_default(),
            Tone::Delete => AnsiColor::Red.on_default(),
            Tone::Reset => AnsiColor::Magenta.on_default().bold(),
            Tone::Read => AnsiColor::Cyan.on_default(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Strong => Style::new().bold(),
        };
        match self {
            Self::Plain => text.to_string(),
            Self::Colored => format!("{style}{text}{style:#}"),
        }
    }
}

/// Where words go.
#[derive(Debug)]
pub struct Console {
    results: Results,
    out: Paint,
    err: Paint,
    out_is_terminal: bool,
    can_ask: bool,
    progress: bool,
    notify: Notify,
}

impl Console {
    /// A console for this process. `no_color` and `dumb` come from the environment.
    pub fn new(choice: ColorChoice, no_color: bool, dumb: bool) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let paint = |terminal: bool| match choice {
            ColorChoice::Always => Paint::Colored,
            ColorChoice::Auto if terminal && !no_color && !dumb => Paint::Colored,
            ColorChoice::Auto | ColorChoice::Never => Paint::Plain,
        };
        Self {
            results: Results::default(),
            out: paint(out),
            err: paint(err),
            out_is_terminal: out,
            can_ask: io::stdin().is_terminal() && err,
            progress: err && !dumb,
            notify: Notify::default(),
        }
    }

    /// The same console, which tells a service manager too.
    #[must_use]
    pub fn with_notify(self, notify: Notify) -> Self {
        Self { notify, ..self }
    }

    /// The service manager that is told, where there is one.
    pub fn notify(&self) -> &Notify {
        &self.notify
    }

    /// How standard output is coloured.
    pub fn out_paint(&self) -> Paint {
        self.out
    }

    /// How standard error is coloured.
    pub fn err_paint(&self) -> Paint {
        self.err
    }

    /// Whether standard output is a terminal.
    pub fn out_is_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// Whether somebody is there to answer a question.
    pub fn can_ask(&self) -> bool {
        self.can_ask
    }

    /// Prints a result for people: whatever others wrote in it commands no terminal.
    pub fn result(&self, text: &str) {
        self.results.put(&plain(text, self.out));
    }

    /// Prints a document, every byte as it is: whoever writes one writes nothing that commands a terminal.
    pub fn document(&self, text: &str) {
        self.results.put(text);
    }

    /// Where results go, for a thread that has no console.
    pub fn results(&self) -> Results {
        self.results.clone()
    }

    /// Whether every result so far was printed; the first that was not says why.
    pub fn delivered(&self) -> Result<(), Failure> {
        match self.results.lost.get() {
            None => Ok(()),
            Some(error) => Err(Failure::Write {
                path: "the result to standard output".to_owned(),
                source: error
                    .raw_os_error()
                    .map_or_else(|| error.kind().into(), io::Error::from_raw_os_error),
            }),
        }
    }

    /// Prints a line beside the result.
    pub fn note(&self, text: &str) {
        let mut err = io::stderr().lock();
        let _ = writeln!(err, "{}", plain(text, self.err));
    }

    /// Starts showing a piece of work that takes no longer than `limit`: a line that moves on a terminal, a plain line
    /// elsewhere.
    pub fn work(&self, what: &str, limit: Duration) -> Work<'_> {
        let what = &*plain(what, Paint::Plain);
        self.notify.at_work(what, limit);
        if !self.progress {
            self.note(what);
            return Work {
                bar: None,
                what: String::new(),
                notify: &self.notify,
            };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Work {
            bar: Some(bar),
            what: what.to_owned(),
            notify: &self.notify,
        }
    }

    /// Asks a question that only a whole `yes` answers. Somebody who asks for a stop meanwhile answers nothing.
    pub fn ask(&self, question: &str, stop: &StopFlag) -> Result<bool, Stop> {
        {
            let mut err = io::stderr().lock();
            let _ = write!(err, "{} ", plain(question, self.err)).and_then(|()| err.flush());
        }
        let stdin = io::stdin();
        // A terminal has something to read when a line is whole.
        loop {
            if let Some(stop) = stop.asked() {
                return Err(stop);
            }
            let mut waits = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
            match poll(&mut waits, PollTimeout::from(ASKED_AGAIN_MS)) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) | Err(_) => break,
            }
        }
        let mut answer = String::new();
        Ok(stdin.lock().read_line(&mut answer).is_ok() && answer.trim() == "yes")
    }
}

/// Standard output, and what went wrong there first.
#[derive(Clone, Debug, Default)]
pub struct Results {
    lost: Arc<OnceLock<io::Error>>,
}

impl Results {
    /// Prints a result. A reader that went away (`shardplane plan | head`) has what it wanted: the command goes on and
    /// ends as it would have. Anything else is kept for [`Console::delivered`].
    pub fn put(&self, text: &str) {
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            // Only the first matters: what follows it has the same cause.
            let _ = self.lost.set(error);
        }
    }
}

/// Long work being shown; dropped, it leaves the terminal clean.
#[derive(Debug)]
pub struct Work<'a> {
    bar: Option<ProgressBar>,
    what: String,
    notify: &'a Notify,
}

impl Work<'_> {
    /// Says what is done now.
    pub fn now(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(plain(what, Paint::Plain).into_owned());
        }
    }

    /// The work is done: its line stays, as it does where nothing moves.
    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.suspend(|| {
                let mut err = io::stderr().lock();
                let _ = writeln!(err, "{}", self.what);
            });
        }
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.notify.done();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
