//! The asking end of the control socket: one request, its answer line by line, and taking it back.
use std::{
    io::{self, BufRead, BufReader, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use super::control::{Reply, Request, short};

/// What came within the time given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A line of the answer.
    Reply(Reply),
    /// Nothing yet.
    Nothing,
    /// The answer is over.
    End,
}

/// A request that somebody has taken.
#[derive(Debug)]
pub struct Talk {
    reader: BufReader<UnixStream>,
    /// What came of the next line so far.
    line: Vec<u8>,
}

impl Talk {
    /// Asks whoever listens in the state directory; `None` where nobody does.
    pub fn open(folder: &Path, request: &Request) -> io::Result<Option<Self>> {
        let Ok((short, _open)) = short(folder) else {
            return Ok(None);
        };
        let mut stream = match UnixStream::connect(short) {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        stream.write_all(line.as_bytes())?;
        Ok(Some(Self {
            reader: BufReader::new(stream),
            line: Vec::new(),
        }))
    }

    /// Waits for the next line of the answer, for ever where no patience is given.
    pub fn hear(&mut self, patience: Option<Duration>) -> io::Result<Heard> {
        self.reader.get_ref().set_read_timeout(patience)?;
        match self.reader.read_until(b'\n', &mut self.line) {
            Ok(0) => Ok(Heard::End),
            Ok(_) => {
                let reply = serde_json::from_slice(&self.line)?;
                self.line.clear();
                Ok(Heard::Reply(reply))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Ok(Heard::Nothing)
            }
            // Whoever should have answered died with the request unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Heard::End),
            Err(error) => Err(error),
        }
    }

    /// Takes the request back: what was not begun before this is not begun any more.
    pub fn withdraw(&self) -> io::Result<()> {
        self.reader.get_ref().shutdown(Shutdown::Write)
    }
}
